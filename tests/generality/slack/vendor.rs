//! Slack, simulated: 12 hours, single-use refresh tokens.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::stage::{Asked, Book, Reply, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(43_200);
const LONG: Duration = Duration::from_secs(90 * 86_400);

pub(crate) async fn start(book: &Arc<Book>) -> Server {
    book.issue("xoxe-1-canary-0", LONG);
    let book = Arc::clone(book);
    Server::start(move |asked| match asked.path.as_str() {
        "/api/oauth.v2.access" => token(&book, asked),
        _ if book.takes(asked.bearer()) => (200, json!({"ok": true, "path": asked.path})),
        _ => (200, json!({"ok": false, "error": "token_expired"})),
    })
    .await
}

fn token(book: &Book, asked: &Asked) -> Reply {
    assert_eq!(
        (asked.form("grant_type").as_str(), asked.method.as_str()),
        ("refresh_token", "POST")
    );
    if (
        asked.form("client_id").as_str(),
        asked.form("client_secret").as_str(),
    ) != ("id", "s3cr3t&")
    {
        return (200, json!({"ok": false, "error": "bad_client_secret"}));
    }
    let number = book.number();
    if !book.spend(&asked.form("refresh_token")) {
        return (200, json!({"ok": false, "error": "invalid_refresh_token"}));
    }
    let (access, refresh) = (
        format!("xoxe.xoxb-{number}"),
        format!("xoxe-1-canary-{number}"),
    );
    book.issue(&*access, LIFETIME);
    book.issue(&*refresh, LONG);
    (
        200,
        json!({"ok": true, "access_token": access, "token_type": "bot", "refresh_token": refresh, "expires_in": 43_200}),
    )
}
