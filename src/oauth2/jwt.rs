//! JWTs that are signed here (RFC 7523).

use std::{collections::BTreeMap, fmt, time::Duration};

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use super::{client_auth::Occasion, random};
use crate::{
    clock::Moment,
    provider::{Credential, ProviderError},
    token::Secret,
};

/// A private key, and how it signs. It is parsed for each signature, so one that comes from a
/// [looked-up](Credential::looked_up) credential may be changed while the process runs.
///
/// The key's text is overwritten when it is dropped; what the signing library makes of it is not.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    pem: Credential,
    key_id: Option<String>,
}

/// A signature algorithm (RFC 7518, section 3.1, and RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA with P-256. The key is PKCS #8.
    Es256,
    /// ECDSA with P-384. The key is PKCS #8.
    Es384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519. The key is PKCS #8.
    EdDsa,
}

/// A client that signs a JWT for each token request: `private_key_jwt`.
///
/// ```
/// use tower_reauth::oauth2::{Algorithm, Audience, OAuth2, PrivateKeyJwt, SigningKey};
/// # let pem = "";
///
/// let key = SigningKey::pem(Algorithm::Es256, pem).key_id("2026-11");
/// let auth = PrivateKeyJwt::new(key).audience(Audience::TokenEndpoint);
/// let provider = OAuth2::client_credentials("https://id.example.com/token", "orders", auth)
///     .origins(["https://api.example.com"]);
/// ```
#[derive(Clone, Debug)]
pub struct PrivateKeyJwt {
    key: SigningKey,
    audience: Audience,
    lifetime: Duration,
}

/// Whom a client's JWT is meant for. Always one text, never a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// The issuer where it is known from the server's metadata, else the token endpoint.
    Auto,
    /// The token endpoint, as older servers want it.
    TokenEndpoint,
    /// This, whatever the addresses are.
    Fixed(String),
}

/// What a JWT for the JWT bearer grant says.
///
/// ```
/// use tower_reauth::oauth2::{Algorithm, OAuth2, SigningKey, Statement};
/// # let pem = "";
///
/// let key = SigningKey::pem(Algorithm::Rs256, pem);
/// let statement = Statement::new(key, "robot@example.com", "https://id.example.com/token")
///     .claim("scope", "read");
/// let provider = OAuth2::jwt_bearer("https://id.example.com/token", statement)
///     .origins(["https://api.example.com"]);
/// ```
#[derive(Clone, Debug)]
pub struct Statement {
    key: SigningKey,
    issuer: String,
    subject: String,
    audience: String,
    lifetime: Duration,
    claims: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
    #[serde(flatten)]
    more: &'a BTreeMap<String, String>,
}

// === impl SigningKey ===

impl SigningKey {
    /// A private key in PEM. One that is none is a *misconfigured* error of each exchange.
    #[must_use]
    pub fn pem(algorithm: Algorithm, pem: impl Into<Credential>) -> Self {
        Self {
            algorithm,
            pem: pem.into(),
            key_id: None,
        }
    }

    /// The `kid` by which the server finds the public key.
    #[must_use]
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    fn sign(&self, claims: &Claims<'_>) -> Result<Secret, ProviderError> {
        let pem = self.pem.look_up()?;
        let pem = pem.expose().as_bytes();
        let key = match self.algorithm {
            Algorithm::Es256 | Algorithm::Es384 => EncodingKey::from_ec_pem(pem),
            Algorithm::Ps256 | Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        };
        // Not the library's error beside it: nobody has promised that it never quotes the key.
        let unusable = |_| {
            ProviderError::misconfigured(
                "the private key that signs for the client is not PEM (PKCS #8), \
                 or does not suit the algorithm",
            )
        };
        let mut header = Header::new(self.algorithm.name());
        header.kid.clone_from(&self.key_id);
        let key = key.map_err(unusable)?;
        jsonwebtoken::encode(&header, claims, &key)
            .map(Secret::from)
            .map_err(unusable)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

// === impl Algorithm ===

impl Algorithm {
    fn name(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

// === impl PrivateKeyJwt ===

impl PrivateKeyJwt {
    /// One that is signed with this key, for [`Audience::Auto`], and good for a minute.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self {
            key,
            audience: Audience::Auto,
            lifetime: LIFETIME,
        }
    }

    /// Whom the JWT is meant for.
    #[must_use]
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audience = audience;
        self
    }

    /// How long the JWT is good for, in whole seconds. It is used at once and once; more than the
    /// clocks of both sides may differ by helps nobody.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    pub(super) fn sign(&self, occasion: &Occasion<'_>) -> Result<Secret, ProviderError> {
        let id = occasion.client_id;
        let audience = match &self.audience {
            Audience::Auto => occasion.issuer.unwrap_or(occasion.token_endpoint),
            Audience::TokenEndpoint => occasion.token_endpoint,
            Audience::Fixed(audience) => audience,
        };
        let none = BTreeMap::new();
        let of_whom = (id, id, audience);
        sign(&self.key, of_whom, occasion.now, self.lifetime, &none)
    }
}

// === impl Statement ===

impl Statement {
    /// That `issuer` asks `audience` for a token for itself.
    #[must_use]
    pub fn new(key: SigningKey, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self {
            key,
            subject: issuer.clone(),
            issuer,
            audience: audience.into(),
            lifetime: LIFETIME,
            claims: BTreeMap::new(),
        }
    }

    /// For whom the token is, if not for the issuer itself.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// How long the JWT is good for, in whole seconds.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// One more claim, a text. Those of section 3, which are set anyway, cannot be set here.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if !RESERVED.contains(&&*name) {
            self.claims.insert(name, value.into());
        }
        self
    }

    pub(super) fn sign(&self, now: Moment) -> Result<Secret, ProviderError> {
        let of_whom = (&*self.issuer, &*self.subject, &*self.audience);
        sign(&self.key, of_whom, now, self.lifetime, &self.claims)
    }
}

fn sign(
    key: &SigningKey,
    (iss, sub, aud): (&str, &str, &str),
    now: Moment,
    lifetime: Duration,
    more: &BTreeMap<String, String>,
) -> Result<Secret, ProviderError> {
    let iat = now.unix().as_secs();
    key.sign(&Claims {
        iss,
        sub,
        aud,
        jti: random::text::<16>()?.expose(),
        iat,
        exp: iat.saturating_add(lifetime.as_secs().max(1)),
        more,
    })
}

const LIFETIME: Duration = Duration::from_secs(60);
const RESERVED: [&str; 6] = ["iss", "sub", "aud", "jti", "iat", "exp"];
