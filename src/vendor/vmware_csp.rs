//! VMware Cloud Services (CSP), and its Tanzu twin.
//!
//! Source: the vendor's public API documentation, and public clients of it where that is silent
//! (the form of a refusal is only to be seen there).

mod details;
mod refusals;
mod requests;

use std::{future::Future, time::Duration};

use http::HeaderName;

use self::details::Details;
use super::{fingerprint, hook::Hook};
use crate::{
    oauth2::wire::Endpoint,
    provider::{
        Credential, Exchange, Login, Origins, Placement, Profile, Provider, ProviderError,
        Rotation, SessionParts,
    },
    token::{Secret, Token},
};

/// Access tokens of VMware Cloud Services, got with an API token or by a service account.
///
/// An API token is made by a person in the console, lives for months and stays the same, so a
/// session needs nothing to start from, and asking twice does no harm. Replies hold it again as
/// their `refresh_token`; whatever is there is ignored, since an API token is replaced by the
/// person who made it and by nobody else.
///
/// ```
/// use tower_reauth::vendor::VmwareCsp;
///
/// let provider = VmwareCsp::api_token("s3cr3t", ["https://vmc.vmware.com"]);
/// // The Tanzu twin:
/// let provider = provider.base_url("https://console.tanzu.broadcom.com");
/// ```
#[derive(Clone, Debug)]
pub struct VmwareCsp {
    proof: Proof,
    base: Endpoint,
    origins: Origins,
    placement: Placement,
    account: Option<Secret>,
}

/// What an access token is given for.
#[derive(Clone, Debug)]
enum Proof {
    ApiToken {
        api_token: Credential,
        parameter: &'static str,
        /// Where its user has a second factor.
        passcode: Option<Hook>,
        details: Option<Details>,
    },
    ServiceAccount {
        client_id: String,
        client_secret: Credential,
        org_id: Option<String>,
    },
}

// === impl VmwareCsp ===

impl VmwareCsp {
    /// The services at `origins`, with an API token.
    #[must_use]
    pub fn api_token(api_token: impl Into<Credential>, origins: impl Into<Origins>) -> Self {
        let proof = Proof::ApiToken {
            api_token: api_token.into(),
            parameter: "api_token",
            passcode: None,
            details: None,
        };
        Self::new(proof, origins.into())
    }

    /// The services at `origins`, as a service account: an OAuth app of the organization, with an id
    /// and a secret (RFC 6749, section 4.4).
    ///
    /// ```
    /// use tower_reauth::vendor::VmwareCsp;
    ///
    /// let provider = VmwareCsp::service_account("app-id", "s3cr3t", ["https://vmc.vmware.com"])
    ///     .org_id("organization-id");
    /// ```
    #[must_use]
    pub fn service_account(
        client_id: impl Into<String>,
        client_secret: impl Into<Credential>,
        origins: impl Into<Origins>,
    ) -> Self {
        let proof = Proof::ServiceAccount {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            org_id: None,
        };
        Self::new(proof, origins.into())
    }

    fn new(proof: Proof, origins: Origins) -> Self {
        Self {
            proof,
            base: Endpoint::base(BASE),
            origins,
            placement: Placement::bearer(),
            account: None,
        }
    }

    /// Another console than `https://console.cloud.vmware.com`: staging, or the Tanzu twin.
    #[must_use]
    pub fn base_url(mut self, base_url: impl AsRef<str>) -> Self {
        self.base = Endpoint::base(base_url.as_ref());
        self
    }

    /// The organization that a service account asks for a token of, where it is not its own. An API
    /// token belongs to one, and takes no notice.
    #[must_use]
    pub fn org_id(mut self, id: impl Into<String>) -> Self {
        if let Proof::ServiceAccount { org_id, .. } = &mut self.proof {
            *org_id = Some(id.into());
        }
        self
    }

    /// Asks for a passcode with each exchange of the API token, where its user has a second factor:
    /// `ask` is handed a line to show, and has five minutes. A passcode is sent once and never again;
    /// one that is refused, or whose fate is not known, is the last until the process begins anew.
    /// Access tokens live for half an hour, and as long as nobody asks for one, nobody is asked.
    ///
    /// ```
    /// use tower_reauth::vendor::VmwareCsp;
    ///
    /// # async fn prompt(line: &str) -> String { String::new() }
    /// let provider = VmwareCsp::api_token("s3cr3t", ["https://vmc.vmware.com"])
    ///     .passcode(|line| async move { Ok(prompt(&line).await.into()) });
    /// ```
    #[must_use]
    pub fn passcode<F, Fut>(mut self, ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        if let Proof::ApiToken { passcode, .. } = &mut self.proof {
            *passcode = Some(Hook::new(ask));
        }
        self
    }

    /// Asks once a day when the API token itself expires, which a person made and has to replace:
    /// shown as [`Status::credential_expires_at`](crate::handle::Status::credential_expires_at), with
    /// [`credential_expires_within`](crate::handle::Status::credential_expires_within) beside it to
    /// warn by. An answer that does not come is no failure.
    ///
    /// ```
    /// use tower_reauth::vendor::VmwareCsp;
    ///
    /// let provider = VmwareCsp::api_token("s3cr3t", ["https://vmc.vmware.com"]).watch_api_token();
    /// ```
    #[must_use]
    pub fn watch_api_token(mut self) -> Self {
        if let Proof::ApiToken { details, .. } = &mut self.proof {
            *details = Some(Details::default());
        }
        self
    }

    /// Sends the API token as `refresh_token`, the parameter's deprecated name, for servers that
    /// know no other. Always in the body: never in the URL, where logs would keep it.
    #[must_use]
    pub fn deprecated_refresh_token_parameter(mut self) -> Self {
        if let Proof::ApiToken { parameter, .. } = &mut self.proof {
            *parameter = "refresh_token";
        }
        self
    }

    /// Sends access tokens to the services as `csp-auth-token`, the older header, instead of
    /// `Authorization`.
    #[must_use]
    pub fn only_csp_auth_token(mut self) -> Self {
        self.placement = Placement::header(CSP_AUTH_TOKEN);
        self
    }

    /// Sends access tokens to the services in both headers, as some of them want it.
    #[must_use]
    pub fn also_csp_auth_token(mut self) -> Self {
        self.placement = Placement::bearer().and_header(CSP_AUTH_TOKEN);
        self
    }

    /// Whose API token it is. Without it a fingerprint of the API token, as it is when the layer is
    /// built, keeps the sessions of several ones apart. It is another one for a new API token, and
    /// may be after an update of Rust: either costs one exchange. An API token that is
    /// [looked up](Credential::looked_up) has to be of the same account for as long as the layer
    /// lives. A service account is known by its id.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(Secret::from(account.into()));
        self
    }

    /// The client id, and whose session it is.
    fn identity(&self) -> (String, String) {
        let named = self.account.as_ref().map(|name| name.expose().to_owned());
        match &self.proof {
            Proof::ApiToken { api_token, .. } => {
                let account = named.unwrap_or_else(|| fingerprint::of(&api_token.look_up()));
                (String::new(), account)
            }
            Proof::ServiceAccount {
                client_id, org_id, ..
            } => {
                let org = org_id.clone().unwrap_or_default();
                (client_id.clone(), named.unwrap_or(org))
            }
        }
    }
}

impl Provider for VmwareCsp {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        match &self.proof {
            Proof::ApiToken { passcode: None, .. } => {
                self.exchange_api_token(&exchange, None).await
            }
            Proof::ApiToken { .. } => Err(ProviderError::refused(
                "the API token's user has to give a passcode",
            )),
            Proof::ServiceAccount {
                client_id,
                client_secret,
                org_id,
            } => {
                let org_id = org_id.as_deref();
                let request = self.service_request(client_id, client_secret, org_id)?;
                requests::serve(&exchange, request).await
            }
        }
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let Proof::ApiToken {
            passcode: Some(hook),
            ..
        } = &self.proof
        else {
            return Err(ProviderError::refused("nobody gives a passcode"));
        };
        let passcode = hook.ask(&exchange, PROMPT.to_owned()).await?;
        self.exchange_api_token(&exchange, Some(passcode)).await
    }

    fn profile(&self) -> Profile {
        let (client, account) = self.identity();
        let login = match &self.proof {
            Proof::ApiToken {
                passcode: Some(_), ..
            } => Login::First,
            _ => Login::None,
        };
        Profile::new(VENDOR)
            .identity(SessionParts {
                namespace: String::new(),
                vendor: VENDOR.to_owned(),
                base_url: self.base.url().to_owned(),
                client,
                account,
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .placement(self.placement.clone())
            .origins(self.origins.clone())
            .rotation(Rotation::Never)
            .default_lifetime(LIFETIME)
            .login(login)
    }
}

const PROMPT: &str = "Passcode for VMware Cloud Services";
const VENDOR: &str = "vmware-csp";
const BASE: &str = "https://console.cloud.vmware.com";
const CSP_AUTH_TOKEN: HeaderName = HeaderName::from_static("csp-auth-token");
/// What replies say: half an hour, less a second.
const LIFETIME: Duration = Duration::from_secs(1799);
