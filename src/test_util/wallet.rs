//! The simulator of Immersve: wallets that sign a message.

use std::fmt::Write;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    immersve::ImmersveOptions,
    immersve_replies::{malformed, refused},
    once::Unusable,
    sessions::Sessions,
    vendor::{Denial, Request},
    wire,
};

/// A message that waits for its signature.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    message: String,
}

/// What the simulated wallet makes of a message.
pub(super) fn sign(message: &str) -> String {
    let digest = Sha256::digest(format!("simulated wallet\0{message}"));
    let mut text = String::from("0x");
    for byte in digest {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

// === impl ImmersveOptions: logins ===

impl ImmersveOptions {
    pub(super) fn log_in_at(
        &self,
        path: &str,
        request: &Request,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let body = wire::json_object(request.headers(), &request.body)
            .map_err(|complaint| malformed("", complaint))?;
        match path {
            "/auth/login-init" => self.init(&body, sessions),
            "/auth/login-complete" => self.complete(&body, sessions),
            "/siwe/generate-challenge" => self.generate_challenge(&body, sessions),
            _ => self.siwe_login(&body, sessions),
        }
    }

    fn init(&self, body: &Object, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let method = text(body, "loginMethod")?;
        let network = text(body, "network")?;
        let (wallet, networks): (&str, &[&str]) = match method {
            "siwe" => (
                "address",
                &["polygon-mainnet", "polygon-amoy", "base-mainnet"],
            ),
            "algorand" => ("address", &["algorand-mainnet", "algorand-testnet"]),
            "xrpl" => ("publicKey", &["xahau-mainnet", "xahau-testnet"]),
            _ => return Err(malformed("loginMethod", "no such login method".into())),
        };
        if !networks.contains(&network) {
            return Err(malformed("network", "not a network of this method".into()));
        }
        self.check_client(body)?;
        let wallet = text(body, wallet)?;
        if method == "siwe" {
            self.check_url(text(body, "url")?)?;
        }
        if self.has_no_account(wallet, body.get("autoSignup")) {
            let reason = "Unable to log in. Account does not exist.";
            return Err(refused("ACCOUNT_DOES_NOT_EXIST", reason));
        }
        let id = format!("{:016x}", fastrand::u64(..));
        let message = match method {
            "siwe" => self.siwe_message(wallet),
            "algorand" => format!("Login with your Algorand address {wallet}\n\nId: {id}"),
            _ => format!("7321{:032X}", fastrand::u128(..)),
        };
        let until = sessions.clock().now().unix() + self.challenge_lifetime;
        let challenge = Challenge {
            message: message.clone(),
        };
        self.challenges.open(id.clone(), challenge, until);
        let challenge = json!({ "message": message, "expiresAt": "2026-11-27T08:20:00Z" });
        let reply = json!({ "id": id, "loginMethod": method, "signingChallenge": challenge });
        Ok(wire::json(StatusCode::OK, &reply))
    }

    fn complete(&self, body: &Object, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let (id, signature) = (text(body, "loginRequestId")?, text(body, "signature")?);
        let seed = self.granted(id, signature, sessions)?;
        let reply = json!({
            "accessToken": seed.access_token,
            "refreshToken": seed.refresh_token,
            "cardholderAccountId": "29097f50d221858223a17633e36716f9",
        });
        Ok(wire::json(StatusCode::OK, &reply))
    }

    fn generate_challenge(
        &self,
        body: &Object,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let wallet = text(body, "walletAddress")?;
        if body.get("chainId").and_then(Value::as_u64).is_none() {
            return Err(malformed("chainId", "chainId is not a number".into()));
        }
        self.check_client(body)?;
        self.check_url(text(body, "url")?)?;
        let message = self.siwe_message(wallet);
        let until = sessions.clock().now().unix() + self.challenge_lifetime;
        let challenge = Challenge {
            message: message.clone(),
        };
        self.challenges.open(message.clone(), challenge, until);
        Ok(wire::reply(StatusCode::OK, "text/plain", message))
    }

    fn siwe_login(&self, body: &Object, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let (message, signature) = (text(body, "message")?, text(body, "signature")?);
        let wallet = message.lines().nth(1).unwrap_or_default();
        if self.has_no_account(wallet, body.get("createCardholderAccount")) {
            return Err(refused("ACCOUNT_DOES_NOT_EXIST", "No account"));
        }
        let seed = self.granted(message, signature, sessions)?;
        let reply = json!({ "token": seed.access_token, "refreshToken": seed.refresh_token });
        Ok(wire::json(StatusCode::OK, &reply))
    }

    fn granted(
        &self,
        name: &str,
        signature: &str,
        sessions: &Sessions,
    ) -> Result<super::Seed, Denial> {
        let now = sessions.clock().now().unix();
        let challenge = self.challenges.redeem(name, now).map_err(|why| match why {
            Unusable::Expired => refused("CHALLENGE_EXPIRED", "Challenge expired."),
            Unusable::Used => {
                sessions.spent_twice();
                refused("CHALLENGE_EXPIRED", "Challenge expired.")
            }
            Unusable::Unknown => malformed("loginRequestId", "no such login request".into()),
        })?;
        if signature != sign(&challenge.message) {
            return Err(refused("INVALID_SIGNATURE", "Invalid signature."));
        }
        Ok(sessions.begin())
    }

    fn check_client(&self, body: &Object) -> Result<(), Denial> {
        let id = text(body, "clientApplicationId")?;
        let scopes = body.get("scopes").and_then(Value::as_array);
        if scopes.is_none_or(|scopes| *scopes != ["cardholder-partner"]) {
            return Err(malformed(
                "scopes",
                "scopes is not [cardholder-partner]".into(),
            ));
        }
        match id == self.client_application_id {
            true => Ok(()),
            false => Err(malformed(
                "clientApplicationId",
                "no such application".into(),
            )),
        }
    }

    fn check_url(&self, url: &str) -> Result<(), Denial> {
        match url == self.origin {
            true => Ok(()),
            false => Err(refused(
                "CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED",
                "Client application domain not allowed.",
            )),
        }
    }

    fn has_no_account(&self, wallet: &str, signs_up: Option<&Value>) -> bool {
        signs_up != Some(&Value::Bool(true)) && self.strangers.iter().any(|it| it == wallet)
    }

    fn siwe_message(&self, wallet: &str) -> String {
        let domain = self.origin.trim_start_matches("https://");
        let nonce = fastrand::u64(..);
        format!(
            "{domain} wants you to sign in with your Ethereum account:\n{wallet}\n\nSign in.\n\n\
             URI: {}\nVersion: 1\nChain ID: 1\nNonce: {nonce:016x}\nIssued At: 2026-11-27T08:00:00Z",
            self.origin
        )
    }
}

type Object = Map<String, Value>;

fn text<'a>(body: &'a Object, name: &str) -> Result<&'a str, Denial> {
    wire::text(body, name).map_err(|complaint| malformed(name, complaint))
}
