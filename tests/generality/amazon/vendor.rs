//! Login with Amazon and the Selling Partner API, simulated: an hour each, and a 403 for a token that is
//! not good.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::stage::{Book, Server};

pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);

/// `usual` has the usual tokens, and `restricted` the others.
pub(crate) async fn start(usual: &Arc<Book>, restricted: &Arc<Book>) -> Server {
    let (usual, restricted) = (Arc::clone(usual), Arc::clone(restricted));
    let unauthorized = || {
        (
            403,
            json!({"errors": [{"code": "Unauthorized", "message": "denied"}]}),
        )
    };
    Server::start(move |asked| {
        let token = asked.header("x-amz-access-token");
        match asked.path.as_str() {
            "/auth/o2/token" => {
                let number = usual.number();
                let known = asked.form("refresh_token") == "Atzr|canary";
                if !known || *usual.ended.lock().unwrap() {
                    return (400, json!({"error": "invalid_grant", "error_description": "canary"}));
                }
                let token = format!("Atza|{number}");
                usual.issue(&*token, LIFETIME);
                (200, json!({"access_token": token, "token_type": "bearer", "expires_in": 3_600, "refresh_token": "Atzr|canary"}))
            }
            "/tokens/2021-03-01/restrictedDataToken" => {
                assert_eq!(asked.json()["restrictedResources"][0]["path"], "/api/things");
                if !usual.takes(token) {
                    return unauthorized();
                }
                let token = format!("Atz.sprdt|{}", restricted.number());
                restricted.issue(&*token, LIFETIME);
                (200, json!({"restrictedDataToken": token, "expiresIn": 3_600}))
            }
            _ if restricted.takes(token) => (200, json!({"path": asked.path})),
            _ => unauthorized(),
        }
    })
    .await
}
