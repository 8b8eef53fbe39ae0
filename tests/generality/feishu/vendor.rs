//! Feishu, simulated: a token of two hours, and the same one again until half an hour is left.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use crate::stage::{Book, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(7_200);

pub(crate) async fn start(book: &Arc<Book>) -> Server {
    let book = Arc::clone(book);
    let current = Mutex::new(String::new());
    Server::start(move |asked| {
        if asked.path != "/open-apis/auth/v3/tenant_access_token/internal" {
            return match book.takes(asked.bearer()) {
                true => (200, json!({"code": 0, "msg": "ok", "path": asked.path})),
                false => (
                    400,
                    json!({"code": 99991663, "msg": "Invalid access token for authorization"}),
                ),
            };
        }
        let body = asked.json();
        let number = book.number();
        if body["app_id"] != "cli_1"
            || body["app_secret"] != "canary"
            || *book.ended.lock().unwrap()
        {
            return (200, json!({"code": 10014, "msg": "app secret invalid"}));
        }
        let mut current = current.lock().unwrap();
        if book.left(&current).is_none_or(|left| left < 1_800) {
            *current = format!("t-{number}");
            book.issue(&**current, LIFETIME);
        }
        let left = book.left(&current);
        (
            200,
            json!({"code": 0, "msg": "ok", "tenant_access_token": *current, "expire": left}),
        )
    })
    .await
}
