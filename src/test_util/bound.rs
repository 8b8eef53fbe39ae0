//! The simulator of OAuth 2.0 where tokens are bound to keys (RFC 9449).

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::json;

use super::{
    answers::{challenge, error, invalid_request},
    builder::SimBuilder,
    dpop::{End, NoProof, ProofChecker, ProofNonces},
    oauth::{OauthOptions, SimOauth},
    sessions::Sessions,
    vendor::{Denial, Reception, Request},
    wire::{self, Form},
};

// === impl SimOauth ===

impl SimOauth {
    /// Wants other nonces in proofs from now on.
    pub fn change_nonces(&self) {
        if let Some(proofs) = &self.proofs {
            proofs.change_nonces();
        }
    }

    /// How many requests were challenged for their nonce only.
    #[must_use]
    pub fn nonce_challenges(&self) -> u64 {
        self.proofs.as_ref().map_or(0, |it| it.challenges())
    }

    /// What was wrong with the proofs that were refused for anything but their nonce.
    #[must_use]
    pub fn bad_proofs(&self) -> Vec<&'static str> {
        let proofs = self.proofs.as_ref();
        proofs.map(|it| it.complaints()).unwrap_or_default()
    }

    /// How many keys its sessions are bound to.
    #[must_use]
    pub fn bound_keys(&self) -> usize {
        self.proofs.as_ref().map_or(0, |it| it.keys())
    }
}

// === impl SimBuilder ===

impl SimBuilder<OauthOptions> {
    /// Binds tokens to keys, and wants these nonces in the proofs: at the token endpoint, and at the
    /// API.
    pub fn dpop(mut self, tokens: ProofNonces, api: ProofNonces) -> Self {
        self.vendor.proofs = Some(Arc::new(ProofChecker::new([tokens, api])));
        self
    }
}

// === impl OauthOptions ===

impl OauthOptions {
    /// Grants a request, to who proves to have the key with this thumbprint where tokens are bound.
    pub(super) fn grant(
        &self,
        request: &Request,
        sessions: &Sessions,
        jkt: Option<&str>,
    ) -> Result<Response<Bytes>, Denial> {
        let form = self.authenticated_form(request)?;
        let scope = self.granted_scope(&form)?;
        let (access, refresh) = match form.require("grant_type").map_err(invalid_request)? {
            "client_credentials" => (sessions.access_only(), None),
            "refresh_token" if !binds(self.proofs.as_deref(), &form, sessions, jkt) => {
                return Err(Denial::refused(error("invalid_grant")));
            }
            "refresh_token" => self.refresh(&form, sessions)?,
            _ => return Err(Denial::refused(error("unsupported_grant_type"))),
        };
        if let (Some(proofs), Some(jkt)) = (&self.proofs, jkt) {
            proofs.binds(sessions.session_of(&access), jkt);
        }
        Ok(self.granted(access, refresh, scope, sessions.access_lifetime()))
    }
}

/// The token endpoint: `grant` is for a request that proves to have the key with this thumbprint.
pub(super) fn exchange(
    proofs: &ProofChecker,
    request: &Request,
    sessions: &Sessions,
    grant: impl FnOnce(&str) -> Result<Response<Bytes>, Denial>,
) -> Result<Response<Bytes>, Denial> {
    let now = sessions.clock().now().unix();
    let checked = proofs.check(End::Tokens, &request.parts, None, now);
    let is_challenge = matches!(checked, Err(NoProof::Nonce));
    let mut outcome = match checked {
        Ok(jkt) => grant(&jkt),
        Err(NoProof::Nonce) => Err(Denial::refused(error("use_dpop_nonce"))),
        Err(NoProof::Invalid) => Err(Denial::refused(error("invalid_dpop_proof"))),
    };
    let reply = match &mut outcome {
        Ok(reply) => reply,
        Err(denial) => &mut *denial.reply,
    };
    proofs.mark(End::Tokens, is_challenge, reply);
    outcome
}

/// Whether the refresh token of `form` is bound to this key, or to none yet, and is from now on.
pub(super) fn binds(
    proofs: Option<&ProofChecker>,
    form: &Form,
    sessions: &Sessions,
    jkt: Option<&str>,
) -> bool {
    let (Some(proofs), Some(jkt)) = (proofs, jkt) else {
        return true;
    };
    let refresh = form.get("refresh_token");
    proofs.binds(refresh.and_then(|it| sessions.session_of(it)), jkt)
}

/// The API, where tokens are bound to keys. Its challenges are for both kinds of tokens (RFC 9449,
/// section 7.2).
pub(super) fn api(
    proofs: &ProofChecker,
    request: &Parts,
    sessions: &Sessions,
    refuse: bool,
) -> Reception {
    let token = wire::token_of("dpop", &request.headers);
    let checked = proofs.check(End::Api, request, token, sessions.clock().now().unix());
    let is_challenge = matches!(checked, Err(NoProof::Nonce));
    let is_good = |jkt: &str, token: &str| {
        let session = sessions.session_of(token);
        let is_bound = session.is_some_and(|session| proofs.is_bound(session, jkt));
        !refuse && is_bound && sessions.check_access(token).is_ok()
    };
    let mut reply = match (checked, token) {
        (Err(NoProof::Nonce), _) => challenge(StatusCode::UNAUTHORIZED, USE_NONCE),
        (Err(NoProof::Invalid), _) => challenge(StatusCode::UNAUTHORIZED, INVALID_PROOF),
        (Ok(jkt), Some(token)) if is_good(&jkt, token) => {
            wire::json(StatusCode::OK, &json!({ "path": request.uri.path() }))
        }
        (Ok(_), _) => challenge(StatusCode::UNAUTHORIZED, INVALID_BOUND_TOKEN),
    };
    proofs.mark(End::Api, is_challenge, &mut reply);
    match reply.status().is_success() {
        true => Reception::Answered(reply),
        false => Reception::Refused(reply),
    }
}

const USE_NONCE: &str = "Bearer realm=\"simulator\", DPoP error=\"use_dpop_nonce\", algs=\"ES256\"";
const INVALID_PROOF: &str =
    "Bearer realm=\"simulator\", DPoP error=\"invalid_dpop_proof\", algs=\"ES256\"";
const INVALID_BOUND_TOKEN: &str =
    "Bearer realm=\"simulator\", DPoP algs=\"ES256\", error=\"invalid_token\"";
