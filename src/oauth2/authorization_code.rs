//! The authorization code grant (RFC 6749, section 4.1), with PKCE (RFC 7636).

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

use form_urlencoded::Serializer;

use super::{
    OAuth2,
    callback::{Callback, Expected},
    form::Form,
    grant::Asked,
    pkce::Pkce,
    random,
    wire::Endpoint,
};
use crate::{
    provider::{ProviderError, TokenClient},
    token::{Secret, Token},
};

/// What a login asks for. Made by [`OAuth2::authorization`]. `Debug` shows the names of further
/// parameters only: what is in them may say who somebody is, as a login hint does.
#[derive(Clone)]
pub struct Authorization {
    provider: OAuth2,
    endpoint: Option<Endpoint>,
    issuer: Option<String>,
    redirect_uri: String,
    parameters: Vec<(String, String)>,
}

/// A login that waits for somebody to come back. Good for one; its secrets are in memory only, so
/// keep it with the browser's session, not beside it. `Debug` shows nothing.
pub struct PendingLogin {
    provider: OAuth2,
    url: String,
    state: Secret,
    pkce: Pkce,
    redirect_uri: String,
    issuer: Option<String>,
    names_issuer: bool,
    code: AtomicU8,
}

/// A code on its way: nobody else sends it until this is dropped, or ever if a token came of it.
struct OnItsWay<'a> {
    code: &'a AtomicU8,
    then: u8,
}

impl OAuth2 {
    /// Begins a login in a browser: the code that comes back is exchanged for the
    /// [`initial`](crate::layer::AuthLayerBuilder::initial) token of a session, or the token that
    /// [`replace`](crate::handle::AuthHandle::replace) takes.
    ///
    /// ```no_run
    /// use tower_reauth::{BoxError, oauth2::{OAuth2, Server}, token_client::HttpTokenClient};
    ///
    /// # async fn the_browser_comes_back() -> String { String::new() }
    /// # async fn example() -> Result<(), BoxError> {
    /// let provider = OAuth2::refresh_token(Server::discover("https://id.example.com"), "orders")
    ///     .scope(["openid", "offline_access"]);
    /// let client = HttpTokenClient::default().handle();
    ///
    /// let login = provider.authorization("http://127.0.0.1:8080/callback").begin(&client).await?;
    /// println!("open {}", login.url());
    /// let token = login.redeem(&client, &the_browser_comes_back().await).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A native app opens the person's own browser and listens on `127.0.0.1` or `[::1]`, on any port
    /// (RFC 8252, sections 6, 7.3 and 8.3).
    #[must_use]
    pub fn authorization(&self, redirect_uri: impl Into<String>) -> Authorization {
        Authorization {
            provider: self.clone(),
            endpoint: None,
            issuer: None,
            redirect_uri: redirect_uri.into(),
            parameters: Vec::new(),
        }
    }
}

// === impl Authorization ===

impl Authorization {
    /// The authorization endpoint, where that is not in the server's metadata.
    #[must_use]
    pub fn endpoint(mut self, url: impl AsRef<str>) -> Self {
        self.endpoint = Some(Endpoint::authorization(url.as_ref()));
        self
    }

    /// Who has to have sent the person back, where the server says so (RFC 9207) and is not known by
    /// its metadata.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// One more parameter of the authorization request, such as `login_hint` or `prompt`. It is seen
    /// by everybody who sees the address.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Makes the address to send the person to, with a state and a verifier of its own.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where there is no authorization endpoint, or a parameter is named twice; the
    /// errors of reading the server's metadata.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn begin(&self, client: &TokenClient) -> Result<PendingLogin, ProviderError> {
        let provider = &self.provider;
        let endpoints = provider.server.endpoints(client, false).await?;
        let endpoint = self.endpoint.as_ref().or(endpoints.authorization.as_ref());
        let endpoint = endpoint.ok_or_else(|| {
            ProviderError::misconfigured(
                "no authorization endpoint is known: name it with `.endpoint(..)`",
            )
        })?;
        endpoint.uri("")?;
        let state = random::text::<16>()?;
        let pkce = Pkce::generate()?;
        let url = self.url(endpoint.url(), &state, &pkce)?;
        Ok(PendingLogin {
            provider: provider.clone(),
            url,
            state,
            pkce,
            redirect_uri: self.redirect_uri.clone(),
            issuer: self
                .issuer
                .clone()
                .or_else(|| endpoints.issuer.as_deref().map(Into::into)),
            names_issuer: endpoints.names_issuer,
            code: AtomicU8::new(UNUSED),
        })
    }

    fn url(&self, endpoint: &str, state: &Secret, pkce: &Pkce) -> Result<String, ProviderError> {
        let challenge = pkce.challenge();
        let mut form = Form::default()
            .with("response_type", "code")
            .with("client_id", &self.provider.client_id)
            .with("redirect_uri", &self.redirect_uri)
            .with("state", state.expose())
            .with("code_challenge", &challenge)
            .with("code_challenge_method", Pkce::METHOD);
        if !self.provider.scope.is_empty() {
            form.push("scope", &self.provider.scope);
        }
        for (name, value) in &self.parameters {
            if form.pairs().iter().any(|(known, _)| known == name) {
                return Err(ProviderError::misconfigured(format!(
                    "the authorization request would hold the parameter {name:?} twice: \
                     do not add what is sent anyway"
                )));
            }
            form.push(name, value);
        }
        self.provider.add_resources(&mut form)?;
        let query = Serializer::new(String::new())
            .extend_pairs(form.pairs())
            .finish();
        // What is in the endpoint's own query stays (RFC 6749, section 3.1).
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{query}"))
    }
}

// === impl PendingLogin ===

impl PendingLogin {
    /// Where to send the person.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Exchanges the code that came back for a token. `callback` is the address that the browser was
    /// sent to, or its query.
    ///
    /// # Errors
    ///
    /// *Refused* where the callback is not of this login (another state, another issuer), the person
    /// has said no, or the code is no longer good: begin another one. *Misconfigured* where the
    /// server complains about the request. After a *transient* error it may be called again; after an
    /// *unknown outcome* too, though the code may be used up. A code is sent by one call at a time (a
    /// *transient* error of any other), and never again once there is a token (*refused*): a server that
    /// sees a code twice takes back what it gave for it (RFC 6749, section 4.1.2).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the request; whether the code is used up is then unknown.
    pub async fn redeem(
        &self,
        client: &TokenClient,
        callback: &str,
    ) -> Result<Token, ProviderError> {
        let expected = Expected {
            state: &self.state,
            issuer: self.issuer.as_deref(),
            names_issuer: self.names_issuer,
        };
        let code = Callback::read(callback).code(&expected)?;
        let asked = Asked::Code {
            code: &code,
            pkce: &self.pkce,
            redirect_uri: &self.redirect_uri,
        };
        let key = self.provider.key_of(None)?;
        let mut sending = OnItsWay::begin(&self.code)?;
        let reply = self.provider.ask(client, &asked, &key).await?;
        if reply.status().is_success() {
            sending.then = USED;
        }
        self.provider.read(&reply, &asked, &key)
    }
}

// === impl OnItsWay ===

impl<'a> OnItsWay<'a> {
    fn begin(code: &'a AtomicU8) -> Result<Self, ProviderError> {
        let begun = code.compare_exchange(UNUSED, SENDING, Ordering::AcqRel, Ordering::Acquire);
        match begun {
            Ok(_) => Ok(Self { code, then: UNUSED }),
            Err(SENDING) => Err(ProviderError::transient(
                "the code of this login is being exchanged by another call: wait for that one",
            )),
            Err(_) => Err(ProviderError::refused(
                "the code of this login has been exchanged already: begin anew",
            )),
        }
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.code.store(self.then, Ordering::Release);
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<&str> = self.parameters.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Authorization")
            .field("provider", &self.provider)
            .field("endpoint", &self.endpoint)
            .field("issuer", &self.issuer)
            .field("redirect_uri", &self.redirect_uri)
            .field("parameters", &parameters)
            .finish()
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin").finish_non_exhaustive()
    }
}

/// The redirect URI again, identical (section 4.1.3); the client names itself as it always does.
pub(super) fn form<'a>(code: &'a Secret, pkce: &'a Pkce, redirect_uri: &'a str) -> Form<'a> {
    Form::of("authorization_code")
        .with("code", code.expose())
        .with("redirect_uri", redirect_uri)
        .with("code_verifier", pkce.verifier().expose())
}

const UNUSED: u8 = 0;
const SENDING: u8 = 1;
const USED: u8 = 2;
