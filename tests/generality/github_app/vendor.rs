//! GitHub, simulated: it checks the app's signature and times, and gives tokens of an hour, some of
//! them very long.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::json;
use tower_reauth::clock::Clock;

use crate::stage::{Asked, Book, Reply, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: u64,
    exp: u64,
}

pub(crate) async fn start(book: &Arc<Book>) -> Server {
    let book = Arc::clone(book);
    Server::start(move |asked| match asked.path.as_str() {
        "/app/installations/7/access_tokens" => token(&book, asked),
        _ if book.takes(asked.bearer()) => (200, json!({"path": asked.path})),
        _ => (401, json!({"message": "Bad credentials", "status": "401"})),
    })
    .await
}

fn token(book: &Book, asked: &Asked) -> Reply {
    assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", ""));
    let number = book.number();
    if *book.ended.lock().unwrap() {
        return (404, json!({"message": "Not Found"}));
    }
    let key = DecodingKey::from_rsa_der(include_bytes!("public.der"));
    let mut rules = Validation::new(Algorithm::RS256);
    // By the vendor's clock, below.
    rules.validate_exp = false;
    let Ok(jwt) = decode::<Claims>(asked.bearer(), &key, &rules) else {
        return (
            401,
            json!({"message": "A JSON web token could not be decoded"}),
        );
    };
    let (claims, now) = (jwt.claims, book.now());
    assert_eq!(claims.iat, now - 60, "signed for another exchange");
    let timely = claims.iat <= now && now < claims.exp && claims.exp - claims.iat <= 600;
    if claims.iss != "app-1" || !timely {
        return (
            401,
            json!({"message": "'Expiration time' claim ('exp') is too far in the future"}),
        );
    }
    let token = format!("ghs_{number}_{}", "a".repeat(4_000));
    book.issue(&*token, LIFETIME);
    let expires = humantime::format_rfc3339_seconds(book.clock.now().wall() + LIFETIME);
    let expires = expires.to_string();
    (
        201,
        json!({"token": token, "expires_at": expires, "permissions": {"issues": "write"}}),
    )
}
