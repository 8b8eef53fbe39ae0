//! Salesforce, simulated: a login server, and instances that take the tokens which were given for them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use crate::stage::{Asked, Book, Reply, Server};

const LONG: Duration = Duration::from_secs(365 * 86_400);

/// Where the organisation is now.
pub(crate) type Home = Arc<Mutex<String>>;

pub(crate) async fn login(book: &Arc<Book>, home: &Home) -> Server {
    let (book, home) = (Arc::clone(book), Arc::clone(home));
    Server::start(move |asked| {
        assert_eq!(asked.form("grant_type"), "refresh_token");
        let number = book.number();
        let known = asked.form("refresh_token") == "5Aep-canary" && asked.form("client_id") == "3MVG9";
        if !known || *book.ended.lock().unwrap() {
            return (400, json!({"error": "invalid_grant", "error_description": "expired access/refresh token"}));
        }
        let (home, token) = (home.lock().unwrap(), format!("00D!canary.{number}"));
        book.issue(&*token, LONG);
        let id = "https://login.salesforce.example/id/00D/005";
        (200, json!({"access_token": token, "instance_url": *home, "id": id, "token_type": "Bearer", "issued_at": "1278448101416"}))
    })
    .await
}

/// An instance, and the tokens that it has seen.
pub(crate) async fn instance(book: &Arc<Book>) -> (Server, Arc<Mutex<Vec<String>>>) {
    let (book, seen) = (Arc::clone(book), Arc::<Mutex<Vec<String>>>::default());
    let noted = Arc::clone(&seen);
    let server = Server::start(move |asked| answer(&book, &noted, asked)).await;
    (server, seen)
}

fn answer(book: &Book, seen: &Mutex<Vec<String>>, asked: &Asked) -> Reply {
    seen.lock().unwrap().push(asked.bearer().to_owned());
    match book.takes(asked.bearer()) {
        true => (200, json!({"path": asked.path})),
        false => (
            401,
            json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]),
        ),
    }
}
