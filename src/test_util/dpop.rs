//! A strict judge of proofs of possession.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::HOST, request::Parts};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::wire;

/// Which nonces a simulator wants in proofs of possession (RFC 9449, sections 8 and 9).
///
/// The token endpoint and the API have nonces of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofNonces {
    /// None.
    None,
    /// The one that it gave last. It stays until [`SimOauth::change_nonces`](super::SimOauth::change_nonces),
    /// and is said with a challenge.
    Kept,
    /// One that it gave, for one request. Each response gives another.
    OneUse,
    /// One that it will give with the next response: none is ever good.
    Next,
}

/// What checks the proofs of possession that a simulator gets.
pub(super) struct ProofChecker {
    /// For the token endpoint, and for the API.
    nonces: [ProofNonces; 2],
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// Proofs that were seen: none is good twice, not even for one that was refused.
    seen: HashSet<String>,
    /// The thumbprints that sessions are bound to.
    bound: HashMap<u64, String>,
    /// As above.
    given: [HashSet<String>; 2],
    latest: [String; 2],
    challenges: u64,
    complaints: Vec<&'static str>,
}

/// Which of the two ends a request came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Tokens,
    Api,
}

/// What is wrong with a proof.
pub(super) enum NoProof {
    Nonce,
    Invalid,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
    nonce: Option<String>,
}

// === impl ProofChecker ===

impl ProofChecker {
    pub(super) fn new(nonces: [ProofNonces; 2]) -> Self {
        let checker = Self {
            nonces,
            book: Mutex::default(),
        };
        checker.change_nonces();
        checker
    }

    /// The thumbprint of the key that a request proves to have, which was sent with this access token
    /// or none. `now` is the time since 1970.
    pub(super) fn check(
        &self,
        end: End,
        request: &Parts,
        access: Option<&str>,
        now: Duration,
    ) -> Result<String, NoProof> {
        let checked = verified(&request.headers).and_then(|(jwk, claims)| {
            self.check_claims(&claims, request, access, now)?;
            Ok((thumbprint(&jwk)?, claims.nonce))
        });
        match checked {
            Ok((jkt, nonce)) if self.takes(end, nonce.as_deref()) => Ok(jkt),
            Ok(_) => {
                self.lock().challenges += 1;
                Err(NoProof::Nonce)
            }
            Err(complaint) => {
                self.lock().complaints.push(complaint);
                Err(NoProof::Invalid)
            }
        }
    }

    fn check_claims(
        &self,
        claims: &Claims,
        request: &Parts,
        access: Option<&str>,
        now: Duration,
    ) -> Result<(), &'static str> {
        let host = wire::single(&request.headers, HOST).ok_or("there is no host")?;
        let address = format!("http://{host}{}", request.uri.path());
        let ath = access.map(|access| URL_SAFE_NO_PAD.encode(Sha256::digest(access)));
        let random = URL_SAFE_NO_PAD.decode(&claims.jti).unwrap_or_default();
        match () {
            () if random.len() < 12 => Err("jti has less than 96 bits"),
            () if claims.htm != request.method.as_str() => Err("htm is not the method"),
            () if claims.htu != address => Err("htu is not the address"),
            () if claims.iat.abs_diff(now.as_secs()) > ACCEPTED => Err("iat is not about now"),
            () if claims.ath != ath => Err("ath is not the hash of the access token"),
            () if !self.lock().seen.insert(claims.jti.clone()) => Err("jti was seen before"),
            () => Ok(()),
        }
    }

    fn takes(&self, end: End, nonce: Option<&str>) -> bool {
        let mut book = self.lock();
        match (self.nonces[end as usize], nonce) {
            (ProofNonces::None, _) => true,
            (ProofNonces::Kept, Some(nonce)) => book.latest[end as usize] == nonce,
            (ProofNonces::OneUse, Some(nonce)) => book.given[end as usize].remove(nonce),
            (ProofNonces::Kept | ProofNonces::OneUse | ProofNonces::Next, _) => false,
        }
    }

    /// Binds a session that is bound to no key yet. False where it is bound to another one.
    pub(super) fn binds(&self, session: Option<u64>, jkt: &str) -> bool {
        let Some(session) = session else {
            return true;
        };
        let mut book = self.lock();
        book.bound.entry(session).or_insert_with(|| jkt.to_owned()) == jkt
    }

    /// Whether a session is bound to this key.
    pub(super) fn is_bound(&self, session: u64, jkt: &str) -> bool {
        self.lock().bound.get(&session).is_some_and(|it| it == jkt)
    }

    /// Adds the nonce for the next request, where this response has to say it.
    pub(super) fn mark(&self, end: End, is_challenge: bool, response: &mut Response<Bytes>) {
        let mut book = self.lock();
        let nonce = match self.nonces[end as usize] {
            ProofNonces::None => return,
            ProofNonces::Kept if !is_challenge => return,
            ProofNonces::Kept => book.latest[end as usize].clone(),
            ProofNonces::OneUse | ProofNonces::Next => {
                let nonce = new_nonce(end);
                book.given[end as usize].insert(nonce.clone());
                nonce
            }
        };
        if let Ok(nonce) = HeaderValue::try_from(nonce) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
    }

    pub(super) fn change_nonces(&self) {
        let mut book = self.lock();
        book.latest = [End::Tokens, End::Api].map(new_nonce);
        book.given = Default::default();
    }

    pub(super) fn challenges(&self) -> u64 {
        self.lock().challenges
    }

    pub(super) fn complaints(&self) -> Vec<&'static str> {
        self.lock().complaints.clone()
    }

    pub(super) fn keys(&self) -> usize {
        self.lock().bound.values().collect::<HashSet<_>>().len()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ProofChecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofChecker")
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}

/// The key and the claims of the one proof in `headers`, whose signature is good (section 4.3).
fn verified(headers: &HeaderMap) -> Result<(Jwk, Claims), &'static str> {
    let proof = wire::single(headers, "dpop").ok_or("there is not one proof")?;
    let header = decode_header(proof).map_err(|_| "the proof is no JWT")?;
    if header.typ.as_deref() != Some("dpop+jwt") || header.alg != Algorithm::ES256 {
        return Err("typ or alg of the proof is wrong");
    }
    let jwk = header.jwk.ok_or("the proof has no key")?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| "the proof's key is none")?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let data = decode(proof, &key, &validation);
    let data = data.map_err(|_| "the proof is not signed by its key, or lacks a claim")?;
    Ok((jwk, data.claims))
}

/// RFC 7638, section 3.
fn thumbprint(jwk: &Jwk) -> Result<String, &'static str> {
    let AlgorithmParameters::EllipticCurve(point) = &jwk.algorithm else {
        return Err("the proof's key is of another kind");
    };
    let members = format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
        point.x, point.y
    );
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
}

fn new_nonce(end: End) -> String {
    format!("{end:?}-{:032x}", fastrand::u128(..))
}

/// For so many seconds a proof is taken, before and after it was made.
const ACCEPTED: u64 = 60;
