//! A personal data server, simulated: access for two hours, sessions for two months, both in JWTs.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::json;

use crate::stage::{Asked, Book, Reply, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(7_200);
const SESSION: Duration = Duration::from_secs(60 * 86_400);

pub(crate) async fn start(book: &Arc<Book>) -> Server {
    let book = Arc::clone(book);
    Server::start(move |asked| match asked.path.as_str() {
        "/xrpc/com.atproto.server.refreshSession" => refresh(&book, asked),
        "/api/wrong" => (
            400,
            json!({"error": "InvalidRequest", "message": "no such collection"}),
        ),
        _ if book.takes(asked.bearer()) => (200, json!({"path": asked.path})),
        _ => (
            400,
            json!({"error": "ExpiredToken", "message": "Token has expired"}),
        ),
    })
    .await
}

/// The refresh token of a login just made.
pub(crate) fn log_in(book: &Book) -> String {
    jwt(book, "canary-refresh", 0, SESSION)
}

fn refresh(book: &Book, asked: &Asked) -> Reply {
    assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", ""));
    assert_eq!(asked.header("content-type"), "");
    let number = book.number();
    if !book.spend(asked.bearer()) {
        return (
            400,
            json!({"error": "ExpiredToken", "message": "Token has been revoked"}),
        );
    }
    let access = jwt(book, "access", number, LIFETIME);
    let refresh = jwt(book, "canary-refresh", number, SESSION);
    (
        200,
        json!({"accessJwt": access, "refreshJwt": refresh, "did": "did:plc:x", "handle": "x.example"}),
    )
}

fn jwt(book: &Book, scope: &str, number: usize, lifetime: Duration) -> String {
    let iat = book.now();
    let claims =
        json!({"scope": scope, "jti": number, "iat": iat, "exp": iat + lifetime.as_secs()});
    let token = format!("{scope}.{}.c2ln", BASE64.encode(claims.to_string()));
    book.issue(&*token, lifetime);
    token
}
