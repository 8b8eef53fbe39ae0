//! A vendor that takes the access token as the proof of who has a session revoked.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "this is a part of tests"
)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;
use tower_reauth::{
    Provider, Token,
    provider::{Exchange, Profile, ProviderError},
};

use crate::support::{ORIGIN, secs};

/// Exchanges wait for [`open`](Self::open); all access tokens prove something but those that it was
/// told not to take.
#[derive(Clone)]
pub struct Proof(Arc<Desk>);

struct Desk {
    refused: Vec<&'static str>,
    gate: Semaphore,
    number: AtomicUsize,
    log: Mutex<Vec<String>>,
}

impl Proof {
    pub fn refusing(refused: &[&'static str]) -> Self {
        Self(Arc::new(Desk {
            refused: refused.to_vec(),
            gate: Semaphore::new(0),
            number: AtomicUsize::new(0),
            log: Mutex::default(),
        }))
    }

    /// Lets `n` exchanges go.
    pub fn open(&self, n: usize) {
        self.0.gate.add_permits(n);
    }

    /// What it was asked, in order.
    pub fn log(&self) -> Vec<String> {
        self.0.log.lock().unwrap().clone()
    }

    fn note(&self, line: String) {
        self.0.log.lock().unwrap().push(line);
    }
}

impl Provider for Proof {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let spent = exchange.refresh_token()?.expose().to_owned();
        self.note(format!("spend {spent}"));
        self.0.gate.acquire().await.unwrap().forget();
        let number = self.0.number.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Token::new(format!("access-{number}"))
            .with_refresh_token(format!("refresh-{number}"))
            .with_lifetime(secs(1800)))
    }

    fn profile(&self) -> Profile {
        Profile::new("proof").origins([ORIGIN])
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let access = exchange.last().and_then(Token::access_token).unwrap();
        self.note(format!("revoke {}", access.expose()));
        match self.0.refused.contains(&access.expose()) {
            true => Err(ProviderError::refused("a logout needs a good access token")),
            false => Ok(()),
        }
    }
}
