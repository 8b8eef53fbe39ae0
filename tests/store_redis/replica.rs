//! One process that keeps its session in Redis, and what it noticed of the store's losses.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    oauth2::{ClientAuth, OAuth2},
    provider::{Exchange, LostReply, Profile, ProviderError, Rotation},
    store::{Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Version, Written},
    test_util::SimOauth,
};

pub async fn vendor() -> SimOauth {
    SimOauth::builder()
        .client("app", "secret")
        .opaque_access_tokens()
        .start()
        .await
        .unwrap()
}

pub fn provider(token_url: &str) -> impl Provider + use<> {
    OAuth2::refresh_token(token_url, "app")
        .client_auth(ClientAuth::Basic("secret".into()))
        .origins(["https://api.example.com"])
        .rotation(Rotation::Must)
        .lost_reply(LostReply::LastResort)
}

pub struct Replica<P> {
    pub layer: AuthLayer<P>,
    pub noticed: Arc<Noticed>,
}

/// A replica whose vendor is asked through `between`.
pub fn replica(
    vendor: &SimOauth,
    store: impl TokenStore,
    seed: Option<&str>,
) -> Replica<Hooked<impl Provider>> {
    let noticed = Arc::new(Noticed::default());
    let provider = Hooked {
        inner: provider(&vendor.token_url()),
        after: Arc::clone(&noticed),
    };
    let mut builder = AuthLayer::builder(provider).store(Watched {
        inner: store,
        noticed: Arc::clone(&noticed),
    });
    if let Some(seed) = seed {
        builder = builder.initial(Token::from_refresh_token(seed));
    }
    Replica {
        layer: builder.build().unwrap(),
        noticed,
    }
}

impl<P: Provider> Replica<P> {
    pub async fn token(&self) -> Result<String, Error> {
        self.layer
            .handle()
            .token()
            .await
            .map(|token| access(&token))
    }

    pub async fn refresh(&self) -> Result<String, Error> {
        self.layer
            .handle()
            .refresh()
            .await
            .map(|token| access(&token))
    }

    /// Asks until there is a token.
    pub async fn refresh_in_the_end(&self) -> String {
        self.refresh_unless_careful().await.unwrap()
    }

    /// Asks until there is a newer token, or until it is told that nobody knows whether the refresh token
    /// was spent: it is not tried again then while the access token is good.
    pub async fn refresh_unless_careful(&self) -> Result<String, Error> {
        let mut last = None;
        for _ in 0..200 {
            match self.refresh().await {
                Ok(token) => return Ok(token),
                Err(error)
                    if error
                        .to_string()
                        .contains("tried again when the access token is dead") =>
                {
                    return Err(error);
                }
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no token: {last:?}");
    }
}

fn access(token: &Token) -> String {
    token.access_token().unwrap().expose().to_owned()
}

/// What one process saw of the store.
#[derive(Default)]
pub struct Noticed {
    newest: Mutex<Option<Version>>,
    /// How often the store came to hold less than what this process had seen before.
    pub lost: AtomicU64,
    /// It does, and that was counted.
    lacking: AtomicBool,
    /// Writes of what the store had lost, or of what came after it.
    pub healed: AtomicU64,
    /// Calls that failed.
    pub failed: AtomicU64,
    after_answer: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Noticed {
    pub fn after_the_next_answer(&self, work: impl FnOnce() + Send + 'static) {
        *self.after_answer.lock().unwrap() = Some(Box::new(work));
    }

    pub fn counts(&self) -> (u64, u64) {
        let count = |it: &AtomicU64| it.load(Ordering::SeqCst);
        (count(&self.lost), count(&self.healed))
    }

    fn sees(&self, version: Option<Version>) {
        let mut newest = self.newest.lock().unwrap();
        *newest = (*newest).max(version);
    }
}

/// A provider that tells when its vendor has answered.
pub struct Hooked<P> {
    inner: P,
    after: Arc<Noticed>,
}

impl<P: Provider> Provider for Hooked<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let result = self.inner.obtain(exchange).await;
        let work = self.after.after_answer.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
        result
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

struct Watched<S> {
    inner: S,
    noticed: Arc<Noticed>,
}

impl<S: TokenStore> Watched<S> {
    async fn counted<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let result = call.await;
        if result.is_err() {
            self.noticed.failed.fetch_add(1, Ordering::SeqCst);
        }
        result
    }
}

impl<S: TokenStore> TokenStore for Watched<S> {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let seen = self.counted(self.inner.read(key, now)).await?;
        let version = seen.record.as_ref().map(Record::version);
        let lacking = version < *self.noticed.newest.lock().unwrap();
        if lacking && !self.noticed.lacking.swap(true, Ordering::SeqCst) {
            self.noticed.lost.fetch_add(1, Ordering::SeqCst);
        }
        self.noticed.sees(version);
        Ok(seen)
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let version = Some(record.version());
        let newest = *self.noticed.newest.lock().unwrap();
        let written = self
            .counted(self.inner.write(key, expected, record))
            .await?;
        if written == Written::Done {
            // Over a record that is older than one that was seen.
            if expected.version < newest {
                self.noticed.healed.fetch_add(1, Ordering::SeqCst);
                self.noticed.lacking.store(false, Ordering::SeqCst);
            }
            self.noticed.sees(version);
        }
        Ok(written)
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.counted(self.inner.take_lease(key, lease, now)).await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.counted(self.inner.release_lease(key, lease)).await
    }
}
