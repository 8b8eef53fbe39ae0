//! Logins of a person, whom the server takes for Alice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{
    Request,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use serde_json::json;
use tower::Layer;
use tower_reauth::{
    AuthLayer, BoxError, Token,
    clock::{Clock, Moment, Sleep, SystemClock},
    oauth2::{OAuth2, Server},
    provider::FailureKind,
    token_client::HttpTokenClient,
};

use crate::{oidc::Oidc, sessions::call};

const CALLBACK: &str = "http://127.0.0.1:9/callback";

fn provider(oidc: &Oidc) -> OAuth2 {
    OAuth2::refresh_token(Server::discover(oidc.url()), "public")
        .scope(["openid", "offline_access", "read"])
        .origins([oidc.url()])
}

/// Goes where the server sends it, until that is the application. Gives that address.
async fn browse(oidc: &Oidc, url: &str) -> String {
    let mut cookies = BTreeMap::new();
    let mut url = url.to_owned();
    for _ in 0..10 {
        let jar: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = Request::get(&url).header(COOKIE, jar.join("; "));
        let answer = oidc.send(request, "").await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers.get(LOCATION).map(|it| it.to_str().unwrap());
        url = match location.unwrap_or_else(|| panic!("{answer:?}")) {
            path if path.starts_with('/') => oidc.url() + path,
            away => away.to_owned(),
        };
        if url.starts_with(CALLBACK) {
            return url;
        }
    }
    panic!("the server sends the browser around");
}

/// A call with a session that begins with this token, and one more after a rotation.
async fn use_token(oidc: &Oidc, token: Token) -> Result<(), BoxError> {
    let layer = AuthLayer::builder(provider(oidc))
        .initial(token)
        .memory_only()
        .build()?;
    let api = format!("{}/api/x", oidc.url());
    for _ in 0..2 {
        let (status, says) = call(layer.layer(oidc.http().clone()), &api).await?;
        assert_eq!((status, &says["sub"]), (200, &json!("alice")));
        layer.handle().refresh().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_code_with_pkce_of_the_oidc_server_begins_a_session() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let client = HttpTokenClient::default().handle();
    let login = provider(&oidc)
        .authorization(CALLBACK)
        .begin(&client)
        .await?;
    let other = provider(&oidc)
        .authorization(CALLBACK)
        .begin(&client)
        .await?;
    let callback = browse(&oidc, login.url()).await;
    assert!(
        callback.contains("&iss="),
        "the server says who it is: {callback}"
    );

    let stranger = other.redeem(&client, &callback).await.unwrap_err();
    assert_eq!(stranger.kind(), FailureKind::Refused);
    let moved = callback.replace("&iss=http", "&iss=https");
    let mixed_up = login.redeem(&client, &moved).await.unwrap_err();
    assert_eq!(mixed_up.kind(), FailureKind::Refused);
    assert_eq!(
        oidc.state("").await["token_requests"],
        0,
        "no code was shown to anybody"
    );

    let token = login.redeem(&client, &callback).await?;
    use_token(&oidc, token).await?;
    // A code is good for once.
    let again = login.redeem(&client, &callback).await.unwrap_err();
    assert_eq!(again.kind(), FailureKind::Refused);
    Ok(())
}

/// Five seconds of the server are as many milliseconds here.
#[derive(Clone, Copy, Debug)]
struct Fast;

impl Clock for Fast {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration / 100)
    }
}

#[tokio::test]
async fn a_login_on_another_device_at_the_oidc_server_begins_a_session() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let oidc = Arc::new(oidc);
    let client = HttpTokenClient::default().handle_on(Fast);
    for (decision, expected) in [("approve", Ok(())), ("deny", Err(FailureKind::Refused))] {
        let shown = Arc::new(AtomicBool::new(false));
        let (server, seen) = (Arc::clone(&oidc), Arc::clone(&shown));
        let before = oidc.state("").await["token_requests"].as_u64();
        let login = provider(&oidc);
        let login = login.device_login(&client, move |prompt| {
            seen.store(true, Ordering::SeqCst);
            assert!(prompt.verification_uri.starts_with(&server.url()));
            tokio::spawn(async move {
                // Not before the device has asked in vain.
                while server.state("").await["token_requests"].as_u64() < before.map(|it| it + 2) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                server
                    .admin(decision, json!({ "user_code": prompt.user_code }))
                    .await;
            });
        });
        let result = login.await;
        assert!(shown.load(Ordering::SeqCst));
        assert_eq!(
            result.as_ref().map(|_| ()).map_err(|error| error.kind()),
            expected
        );
        if let Ok(token) = result {
            use_token(&oidc, token).await?;
        }
    }
    Ok(())
}
