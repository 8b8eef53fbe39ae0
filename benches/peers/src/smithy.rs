//! The lazy identity cache of aws-smithy-runtime, which the AWS SDKs keep tokens and credentials in.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use aws_smithy_async::{
    rt::sleep::TokioSleep,
    time::{SystemTimeSource, TimeSource},
};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::{
    identity::{ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver, http::Token},
    runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
};
use aws_smithy_types::config_bag::ConfigBag;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use tokio::runtime::Builder;
use tower::{BoxError, Service};

use crate::call::{
    clients::{Answer, Bare, Body, TOKEN},
    contenders::repeat,
    cost::Contender,
};

pub const PEER: Contender = Contender {
    key: "smithy",
    name: "aws-smithy-runtime, `IdentityCache::lazy`",
    run,
};

fn run(calls: usize) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    // The cache makes a timer for each call.
    let _entered = runtime.enter();
    let in_an_hour = SystemTimeSource::new().now() + Duration::from_secs(3_600);
    let components = RuntimeComponentsBuilder::for_tests()
        .with_time_source(Some(SystemTimeSource::new()))
        .with_sleep_impl(Some(TokioSleep::new()))
        .build()
        .unwrap();
    let cached = Cached(Arc::new(Parts {
        cache: IdentityCache::lazy().build(),
        resolver: SharedIdentityResolver::new(Token::new(TOKEN, Some(in_an_hour))),
        components,
        config: ConfigBag::base(),
    }));
    repeat(cached, calls);
}

struct Parts {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    config: ConfigBag,
}

/// Resolves the identity as the SDKs' orchestrator does before each attempt, and makes the header as
/// their signer for bearer tokens does. The rest of an orchestrator, and its own type of request, are
/// left out.
struct Cached(Arc<Parts>);

impl Service<Request<Body>> for Cached {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            let Parts {
                cache,
                resolver,
                components,
                config,
            } = &*parts;
            let resolver = resolver.clone();
            let identity = cache
                .resolve_cached_identity(resolver, components, config)
                .await?;
            let token = identity.data::<Token>().ok_or("it is not a token")?;
            let header = HeaderValue::from_str(&format!("Bearer {}", token.token()))?;
            request.headers_mut().insert(AUTHORIZATION, header);
            Ok(Bare.call(request).await?)
        })
    }
}
