//! Asking the token endpoint, and asking again where nothing was spent.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};

use super::{
    OAuth2,
    bound::Key,
    client_auth::Occasion,
    form::Form,
    grant::Asked,
    server::Endpoints,
    wire::{self, Endpoint},
};
use crate::{
    provider::{Exchange, ProviderError, Reason, TokenClient, TokenReply},
    token::Token,
};

// === impl OAuth2 ===

impl OAuth2 {
    /// The token for the provider's own grant. Where the server has said that it did nothing, and
    /// somebody waits, it is asked again a little later.
    pub(super) async fn exchange(&self, exchange: &Exchange) -> Result<Token, ProviderError> {
        wire::check_placement(&self.profile.placement)?;
        let client = exchange.client();
        let asked = Asked::Own(&self.grant, exchange);
        let key = self.key_of(exchange.last())?;
        let mut tries = 0;
        loop {
            let reply = self.ask(client, &asked, &key).await?;
            let pause = pause_before_another(tries);
            if !self.is_undone(&reply) || !may_ask_again(exchange, &reply, tries, pause) {
                return self.read(&reply, &asked, &key);
            }
            tries += 1;
            client.sleep(pause).await;
        }
    }

    /// Asks the token endpoint. Where its address, or what it knows of the client, may be out of date,
    /// the metadata is read again, and what has changed is tried: nothing was spent on a 4xx.
    pub(super) async fn ask(
        &self,
        client: &TokenClient,
        asked: &Asked<'_>,
        key: &Key,
    ) -> Result<TokenReply, ProviderError> {
        let mtls = self.client_auth.is_mtls();
        let endpoints = self.server.endpoints(client, mtls).await?;
        let make = || self.token_request(client, asked, &endpoints);
        let reply = self.send(client, key, make).await?;
        if !is_out_of_date(&reply) {
            return Ok(reply);
        }
        let Some(changed) = self.server.changed(client, mtls, &endpoints).await else {
            return Ok(reply);
        };
        let make = || self.token_request(client, asked, &changed);
        self.send(client, key, make).await
    }

    fn token_request(
        &self,
        client: &TokenClient,
        asked: &Asked<'_>,
        endpoints: &Endpoints,
    ) -> Result<Request<Bytes>, ProviderError> {
        let mut form = asked.form(client.now())?;
        match asked.scope(&self.scope) {
            Cow::Borrowed("") => {}
            Cow::Borrowed(scope) => form.push("scope", scope),
            Cow::Owned(scope) => form.push_secret("scope", scope.into()),
        }
        self.add_resources(&mut form)?;
        self.add_extra(&mut form)?;
        self.post(client, &endpoints.token, form, endpoints)
    }

    /// A request of this client: what it asks for, and the proof of who it is.
    pub(super) fn post<'a>(
        &'a self,
        client: &TokenClient,
        to: &Endpoint,
        mut form: Form<'a>,
        endpoints: &'a Endpoints,
    ) -> Result<Request<Bytes>, ProviderError> {
        let occasion = Occasion {
            client_id: &self.client_id,
            token_endpoint: endpoints.token.url(),
            issuer: endpoints.issuer.as_deref(),
            now: client.now(),
        };
        let header = self.client_auth.add_to(&mut form, &occasion)?;
        let mut request = wire::post_form(to.uri("")?, &form.pairs())?;
        if let Some(header) = header {
            request
                .headers_mut()
                .insert(http::header::AUTHORIZATION, header);
        }
        Ok(request)
    }

    /// The resources that the token is for (RFC 8707, section 2).
    pub(super) fn add_resources<'a>(&'a self, form: &mut Form<'a>) -> Result<(), ProviderError> {
        for resource in &self.resources {
            if !is_resource(resource) {
                return Err(ProviderError::misconfigured(
                    "a resource is not an absolute URI without a fragment, \
                     such as \"https://api.example.com\": check `.resource(..)`",
                ));
            }
            form.push("resource", resource);
        }
        Ok(())
    }

    pub(super) fn add_extra<'a>(&'a self, form: &mut Form<'a>) -> Result<(), ProviderError> {
        for (name, value) in &self.extra {
            if self.client_auth.excludes(name) {
                return Err(ProviderError::misconfigured(
                    "the client would authenticate in two ways at once: \
                     name one with `.client_auth(..)`, and none with `.extra(..)`",
                ));
            }
            form.push(name, value.expose());
        }
        Ok(())
    }

    /// Whether the server has promised to have done nothing.
    fn is_undone(&self, reply: &TokenReply) -> bool {
        self.server_errors_are_transient && reply.is_complete() && reply.status().is_server_error()
    }

    pub(super) fn read(
        &self,
        reply: &TokenReply,
        asked: &Asked<'_>,
        key: &Key,
    ) -> Result<Token, ProviderError> {
        if self.is_undone(reply) {
            return Err(
                ProviderError::transient("the server failed before it did anything")
                    .retry_after(reply.retry_after())
                    .status(reply.status())
                    .vendor_text(reply.body()),
            );
        }
        let (token_type, names) = (self.token_type(), asked.names());
        let token = wire::oauth_token_of(token_type, reply, &names, asked.kind());
        self.bound_to(key, token)
    }
}

/// Only for those who wait: while the token is good, the cell asks again in its own time. Not where
/// the server names a time of its own, and not beyond the exchange's.
fn may_ask_again(exchange: &Exchange, reply: &TokenReply, tries: u32, pause: Duration) -> bool {
    let is_awaited = !matches!(exchange.reason(), Reason::Due | Reason::KeepAlive);
    let then = exchange.client().now().after(pause);
    is_awaited
        && tries < TRIES_MORE
        && reply.retry_after().is_none()
        && !exchange.deadline().reached(then)
}

/// 100, 200, 400 and 800 ms, a fifth more or less.
fn pause_before_another(tries: u32) -> Duration {
    let pause = FIRST_PAUSE * 2_u32.saturating_pow(tries.min(TRIES_MORE));
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// Whether the reply may come from an address that was given up, or be about a client that another
/// one knows.
fn is_out_of_date(reply: &TokenReply) -> bool {
    if reply.status() == StatusCode::NOT_FOUND {
        return true;
    }
    let decision = wire::decision(reply, &["error"]);
    decision.is_some_and(|json| json.text("error") == Some("invalid_client"))
}

const TRIES_MORE: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Whether this is an absolute URI without a fragment.
pub(crate) fn is_resource(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_absolute = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(letters)
            && !rest.is_empty()
    });
    is_absolute && !text.contains(['#', ' '])
}
