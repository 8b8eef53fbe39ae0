//! The device authorization grant (RFC 8628).

use std::{fmt, time::Duration};

use super::{
    OAuth2,
    form::Form,
    grant::Asked,
    wire::{self, Endpoint, Json},
};
use crate::{
    clock::Moment,
    provider::{FailureKind, ProviderError, TokenClient, TokenReply},
    token::{Secret, Token},
};

/// What a person has to be told: where to go on another device, and what to enter there. `Debug`
/// does not show the code.
#[derive(Clone)]
#[non_exhaustive]
pub struct DevicePrompt {
    /// What to enter.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same address with the code in it, for a QR code; the code should be shown beside it.
    pub verification_uri_complete: Option<String>,
    /// How long the code is good for.
    pub expires_in: Duration,
}

/// A login that is under way on another device.
struct Pending {
    code: Secret,
    interval: Duration,
    until: Moment,
}

/// What one look has found.
enum Found {
    Token(Box<Token>),
    NotYet,
    TooFast,
    /// Nothing that is known about the login: try later, and more slowly.
    Nothing(Option<Duration>),
}

impl OAuth2 {
    /// Where logins on another device begin (RFC 8628, section 3.1), where that is not in the
    /// server's metadata.
    #[must_use]
    pub fn device_authorization_endpoint(mut self, url: impl AsRef<str>) -> Self {
        self.device = Some(Endpoint::device(url.as_ref()));
        self
    }

    /// Has somebody log in on another device, and waits until that is done: the token is the
    /// [`initial`](crate::layer::AuthLayerBuilder::initial) one of a session, or what
    /// [`replace`](crate::handle::AuthHandle::replace) takes.
    ///
    /// `show` is called once, when the code is there. The server is then asked as often as it allows:
    /// every five seconds unless it says something else, five seconds slower each time that it says
    /// `slow_down`, and twice as slowly after each time that it was not reached (section 3.5).
    ///
    /// ```no_run
    /// use tower_reauth::{BoxError, oauth2::{OAuth2, Server}, token_client::HttpTokenClient};
    ///
    /// # async fn example() -> Result<(), BoxError> {
    /// let provider = OAuth2::refresh_token(Server::discover("https://id.example.com"), "tv")
    ///     .scope(["offline_access"]);
    /// let client = HttpTokenClient::default().handle();
    /// let token = provider
    ///     .device_login(&client, |prompt| {
    ///         println!("enter {} at {}", prompt.user_code, prompt.verification_uri);
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// *Refused* where the person has said no, or not done it in time: begin anew. *Misconfigured*
    /// where the server does not take the request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the login up; its code expires by itself.
    pub async fn device_login(
        &self,
        client: &TokenClient,
        show: impl FnOnce(DevicePrompt),
    ) -> Result<Token, ProviderError> {
        let (prompt, mut pending) = self.begin_device_login(client).await?;
        show(prompt);
        loop {
            if pending.until.reached(client.now().after(pending.interval)) {
                return Err(expired());
            }
            client.sleep(pending.interval).await;
            match self.look(client, &pending).await? {
                Found::Token(token) => return Ok(*token),
                Found::NotYet => {}
                Found::TooFast => pending.interval += SLOWER,
                Found::Nothing(delay) => {
                    let slower = pending.interval.saturating_mul(2).min(SLOWEST);
                    pending.interval = slower.max(delay.unwrap_or_default().min(SLOWEST));
                }
            }
        }
    }

    async fn begin_device_login(
        &self,
        client: &TokenClient,
    ) -> Result<(DevicePrompt, Pending), ProviderError> {
        let mtls = self.client_auth.is_mtls();
        let endpoints = self.server.endpoints(client, mtls).await?;
        let endpoint = self.device.as_ref().or(endpoints.device.as_ref());
        let endpoint = endpoint.ok_or_else(|| {
            ProviderError::misconfigured(
                "no device authorization endpoint is known: \
                 name it with `.device_authorization_endpoint(..)`",
            )
        })?;
        let mut form = Form::default();
        if !self.scope.is_empty() {
            form.push("scope", &self.scope);
        }
        self.add_resources(&mut form)?;
        let request = self.post(client, endpoint, form, &endpoints)?;
        let reply = client.send(request).await?;
        if !reply.status().is_success() {
            return Err(wire::oauth_failure(&reply, wire::Grant::Login));
        }
        begun(&reply)
    }

    /// Asks once whether the person is done.
    async fn look(&self, client: &TokenClient, pending: &Pending) -> Result<Found, ProviderError> {
        let asked = Asked::DeviceCode(&pending.code);
        let key = self.key_of(None)?;
        let reply = match self.ask(client, &asked, &key).await {
            Ok(reply) => reply,
            Err(error) => return not_reached(error),
        };
        let decision = wire::decision(&reply, &["error"]);
        match decision.as_ref().and_then(|json| json.text("error")) {
            Some("authorization_pending") => Ok(Found::NotYet),
            Some("slow_down") => Ok(Found::TooFast),
            Some("expired_token") => Err(expired()),
            Some("access_denied") => Err(ProviderError::refused(
                "the person, or the server, has refused the login",
            )
            .code("access_denied")),
            _ => self
                .read(&reply, &asked, &key)
                .map(|token| Found::Token(Box::new(token)))
                .or_else(not_reached),
        }
    }
}

impl fmt::Debug for DevicePrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevicePrompt")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

pub(super) fn form(code: &Secret) -> Form<'_> {
    Form::of(GRANT_TYPE).with("device_code", code.expose())
}

/// Section 3.2.
fn begun(reply: &TokenReply) -> Result<(DevicePrompt, Pending), ProviderError> {
    let json = Json::read(reply.body(), &NAMES);
    let text = |names: &[&str]| names.iter().find_map(|name| json.text(name));
    let (Some(user_code), Some(uri), Some(code), None, true) = (
        text(&["user_code"]),
        text(&["verification_uri", "verification_url"]),
        json.secret("device_code"),
        json.fault(),
        reply.is_complete(),
    ) else {
        return Err(ProviderError::transient(
            "the server's answer to the beginning of the login cannot be read",
        )
        .status(reply.status()));
    };
    let expires_in = json.lifetime("expires_in").unwrap_or(EXPIRES_IN);
    let interval = json.lifetime("interval").unwrap_or(INTERVAL);
    let prompt = DevicePrompt {
        user_code: user_code.to_owned(),
        verification_uri: uri.to_owned(),
        verification_uri_complete: text(&["verification_uri_complete"]).map(str::to_owned),
        expires_in,
    };
    let pending = Pending {
        code: code.clone(),
        interval: interval.min(SLOWEST),
        until: reply.sent_at().after(expires_in),
    };
    Ok((prompt, pending))
}

/// What failed on the way says nothing about the login.
fn not_reached(error: ProviderError) -> Result<Found, ProviderError> {
    match error.kind() {
        // A reply with a token in it that cannot be used: there will be no second one.
        FailureKind::UnknownOutcome if error.http_status().is_some_and(|it| it.is_success()) => {
            Err(error)
        }
        FailureKind::Transient | FailureKind::Throttled | FailureKind::UnknownOutcome => {
            Ok(Found::Nothing(error.delay()))
        }
        FailureKind::Refused | FailureKind::Misconfigured => Err(error),
    }
}

fn expired() -> ProviderError {
    ProviderError::refused("nobody has finished the login in time: begin anew")
        .code("expired_token")
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const INTERVAL: Duration = Duration::from_secs(5);
const SLOWER: Duration = Duration::from_secs(5);
const SLOWEST: Duration = Duration::from_secs(5 * 60);
/// Where the server does not say, which it must.
const EXPIRES_IN: Duration = Duration::from_secs(10 * 60);
const NAMES: [&str; 7] = [
    "device_code",
    "user_code",
    "verification_uri",
    "verification_url",
    "verification_uri_complete",
    "expires_in",
    "interval",
];
