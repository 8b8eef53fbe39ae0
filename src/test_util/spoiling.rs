//! What a fault does to a token request.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING},
};

use super::{
    body::SimBody,
    engine::Core,
    fault::{Fault, RetryAfter},
    server::Abrupt,
    wire,
};

// === impl Core ===

impl Core {
    /// Waits as long as the fault says, and gives what is to happen then.
    pub(super) async fn wait_out(&self, fault: Option<Fault>) -> Option<Fault> {
        let (delay, fault) = fault?.into_parts();
        if !delay.is_zero() {
            self.sessions().clock().sleep(delay).await;
        }
        fault
    }

    /// The answer of a fault that keeps the request from being processed.
    pub(super) fn instead(
        &self,
        fault: Option<&Fault>,
    ) -> Option<Result<Response<SimBody>, Abrupt>> {
        let reply = match fault? {
            Fault::CutBefore => return Some(Err(Abrupt::Cut)),
            Fault::Raw(bytes) => return Some(Err(Abrupt::Raw(bytes.clone()))),
            Fault::Throttle(retry_after) => whole(self.throttled(*retry_after)),
            Fault::Status(status, body, kind) => whole(status_reply(*status, body, kind)),
            Fault::Reply {
                status,
                headers,
                body,
            } => {
                let mut reply = Response::new(SimBody::Whole(body.clone()));
                *reply.status_mut() = status_code(*status);
                *reply.headers_mut() = headers.clone();
                // Hyper frames the body, and takes no second opinion on it.
                reply.headers_mut().remove(CONTENT_LENGTH);
                reply.headers_mut().remove(TRANSFER_ENCODING);
                reply
            }
            Fault::EndlessBody => json_reply(SimBody::Endless),
            Fault::OversizedBody(size) => {
                json_reply(SimBody::Whole(Bytes::from(vec![b' '; *size])))
            }
            _processed => return None,
        };
        Some(Ok(reply))
    }

    /// Does to a reply what a fault does after processing.
    pub(super) fn spoil(
        &self,
        reply: Response<Bytes>,
        fault: Option<Fault>,
    ) -> Result<Response<SimBody>, Abrupt> {
        Ok(match fault {
            Some(Fault::CutAfter) => return Err(Abrupt::Cut),
            Some(Fault::CutBody) => reply.map(|body| SimBody::cut(&body)),
            Some(Fault::StatusAfter(status, body, kind)) => {
                whole(status_reply(status, &body, kind))
            }
            Some(Fault::SlowBody(pause)) => {
                reply.map(|body| SimBody::slow(body, pause, self.sessions().clock().clone()))
            }
            _ => whole(reply),
        })
    }

    fn throttled(&self, retry_after: RetryAfter) -> Response<Bytes> {
        let mut reply = self.vendor().throttle();
        let value = retry_after.header().map(HeaderValue::try_from);
        if let Some(Ok(value)) = value {
            reply.headers_mut().insert(RETRY_AFTER, value);
        }
        reply
    }
}

pub(super) fn whole(reply: Response<Bytes>) -> Response<SimBody> {
    reply.map(SimBody::Whole)
}

fn json_reply(body: SimBody) -> Response<SimBody> {
    let mut reply = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}

fn status_reply(status: u16, body: &str, kind: &'static str) -> Response<Bytes> {
    wire::reply(status_code(status), kind, body.to_owned())
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
