//! What answers the requests of a simulator, whichever vendor it stands for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::DATE};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::task::AbortHandle;

use super::{
    body::SimBody,
    counters::Tally,
    fault::{Fault, Faults},
    policy::Policy,
    server::{Abrupt, Answer},
    sessions::Sessions,
    spoiling::whole,
    vendor::{self, Denial, Reception, Vendor},
    wire,
};

/// Answers the requests of one simulator.
pub(super) struct Core {
    vendor: Arc<dyn Vendor>,
    sessions: Sessions,
    faults: Faults,
    tally: Arc<Tally>,
    refusals_left: AtomicU64,
    /// Token requests outlive their connections, but not the simulator.
    processing: Mutex<Vec<AbortHandle>>,
}

// === impl Core ===

impl Answer for Core {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<SimBody>, Abrupt> {
        let path = request.uri().path();
        if path != self.vendor.token_path() && !self.is_revocation(path) && !self.is_login(path) {
            return Ok(self.api(request).await);
        }
        // A vendor that has a request finishes it, even when the client has hung up; hyper would
        // drop this future instead.
        let task = tokio::spawn(self.clone().token(request));
        self.remember(task.abort_handle());
        task.await.unwrap_or(Err(Abrupt::Cut))
    }
}

impl Core {
    pub(super) fn new(vendor: Arc<dyn Vendor>, policy: Policy) -> Self {
        let tally = Arc::new(Tally::default());
        Self {
            vendor,
            sessions: Sessions::new(policy, tally.clone()),
            faults: Faults::default(),
            tally,
            refusals_left: AtomicU64::new(0),
            processing: Mutex::default(),
        }
    }

    pub(super) fn vendor(&self) -> &dyn Vendor {
        &*self.vendor
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn refuse_next(&self, n: u64) {
        self.refusals_left.store(n, Ordering::Relaxed);
    }

    /// Drops the requests under way, and whatever they hold.
    pub(super) fn abort(&self) {
        self.processing().drain(..).for_each(|task| task.abort());
    }

    async fn token(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<SimBody>, Abrupt> {
        let _in_flight = self.tally.token_request();
        let fault = self.faults.take();
        if matches!(fault, Some(Fault::CutBefore)) {
            return Err(Abrupt::Cut);
        }
        let request = read(request).await?;
        let fault = self.wait_out(fault).await;
        if let Some(instead) = self.instead(fault.as_ref()) {
            return instead.map(|reply| self.dated(reply));
        }
        let reply = self.process(&request);
        self.spoil(reply, fault).map(|reply| self.dated(reply))
    }

    fn process(&self, request: &vendor::Request) -> Response<Bytes> {
        let outcome = match self.complaint(request) {
            Some(it) => Err(Denial::malformed(it, self.vendor.complain(it))),
            None if self.is_revocation(request.parts.uri.path()) => self.revoke(request),
            None if self.is_login(request.parts.uri.path()) => self.log_in(request),
            None => self.exchange(request),
        };
        match outcome {
            Ok(reply) => reply,
            Err(denial) => {
                if let Some(complaint) = denial.complaint {
                    self.tally.malformed(complaint);
                }
                *denial.reply
            }
        }
    }

    fn exchange(&self, request: &vendor::Request) -> Result<Response<Bytes>, Denial> {
        let reply = self.vendor.exchange(request, &self.sessions)?;
        self.tally.count(|it| it.exchanges += 1);
        Ok(reply)
    }

    fn revoke(&self, request: &vendor::Request) -> Result<Response<Bytes>, Denial> {
        let (session, reply) = self.vendor.revoke(request, &self.sessions)?;
        if let Some(session) = session {
            self.sessions.revoke(session);
            self.tally.count(|it| it.revocations += 1);
        }
        Ok(reply)
    }

    fn is_revocation(&self, path: &str) -> bool {
        self.vendor.revocation_path() == Some(path)
    }

    fn log_in(&self, request: &vendor::Request) -> Result<Response<Bytes>, Denial> {
        self.vendor.log_in(request, &self.sessions)
    }

    fn is_login(&self, path: &str) -> bool {
        self.vendor.login_paths().contains(&path)
    }

    /// What is wrong with a token request for any vendor.
    fn complaint(&self, request: &vendor::Request) -> Option<&'static str> {
        let got = self.vendor.get_path() == Some(request.parts.uri.path());
        if request.parts.method != Method::POST && !got {
            return Some("a token request is a POST");
        }
        let query = request.parts.uri.query().unwrap_or_default();
        wire::names_a_secret(query).then_some("a secret is in the query string")
    }

    async fn api(&self, request: Request<Incoming>) -> Response<SimBody> {
        let (parts, mut body) = request.into_parts();
        // To its end, so that the connection is clean afterwards; what is in it does not matter.
        while let Some(Ok(_frame)) = body.frame().await {}
        let reception = self.vendor.api(&parts, &self.sessions, self.take_refusal());
        self.tally.count(|it| {
            it.api_requests += 1;
            match &reception {
                Reception::Answered(_) => it.api_answered += 1,
                Reception::Refused(_) => it.api_refused += 1,
                Reception::Anonymous(_) => it.api_anonymous += 1,
                Reception::Forbidden(_) => {}
            }
        });
        self.dated(whole(reception.into_reply()))
    }

    fn take_refusal(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.refusals_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    /// Dates a reply by the simulator's clock; hyper would read the system's.
    fn dated(&self, mut reply: Response<SimBody>) -> Response<SimBody> {
        let now = self.sessions.clock().now().wall();
        if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
            reply.headers_mut().entry(DATE).or_insert(date);
        }
        reply
    }

    fn remember(&self, task: AbortHandle) {
        let mut processing = self.processing();
        processing.retain(|it| !it.is_finished());
        processing.push(task);
    }

    fn processing(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.processing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(request: Request<Incoming>) -> Result<vendor::Request, Abrupt> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_REQUEST).collect().await;
    let body = body.map_err(|_| Abrupt::Cut)?.to_bytes();
    Ok(vendor::Request { parts, body })
}

const MAX_REQUEST: usize = 1024 * 1024;
