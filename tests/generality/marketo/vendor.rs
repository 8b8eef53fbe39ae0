//! Marketo, simulated: one token for an hour, whoever asks and how often.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use crate::stage::{Book, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);

/// Where it `persists`, it goes on handing out a token that its API does not take any more.
pub(crate) async fn start(book: &Arc<Book>, persists: bool) -> Server {
    let book = Arc::clone(book);
    let current = Mutex::new((String::new(), 0));
    Server::start(move |asked| {
        if asked.path != "/identity/oauth/token" {
            return match book.takes(asked.bearer()) {
                true => (200, json!({"success": true, "result": [], "path": asked.path})),
                false => (200, json!({"requestId": "a#b", "success": false, "errors": [{"code": "602", "message": "Access token expired"}]})),
            };
        }
        assert_eq!((asked.method.as_str(), asked.body.as_str()), ("GET", ""));
        let number = book.number();
        let known = asked.query("client_id") == "id" && asked.query("client_secret") == "canary&=";
        if !known || *book.ended.lock().unwrap() {
            return (401, json!({"error": "unauthorized", "error_description": "No client with requested id: id"}));
        }
        let mut current = current.lock().unwrap();
        let (token, expires) = &mut *current;
        let gone = *expires <= book.now() || (!persists && book.left(token).is_none());
        if gone {
            (*token, *expires) = (format!("{number}:int"), book.now() + LIFETIME.as_secs());
            book.issue(&**token, LIFETIME);
        }
        let left = *expires - book.now();
        (200, json!({"access_token": token, "token_type": "bearer", "expires_in": left, "scope": "a@b.example"}))
    })
    .await
}
