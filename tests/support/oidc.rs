//! An authorization server that nobody here wrote: npm's `oidc-provider`, one for each test.
//!
//! What it serves, which clients it has and what can go wrong is told in `tests/oidc/server/`, at the
//! head of each file. `tests/run` installs it below `target/`; without it, or without node, tests say
//! SKIPPED, and fail under `CI=true`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tower_reauth::Token;

pub struct Oidc {
    port: u16,
    tls_port: Option<u16>,
    process: Child,
    http: HttpClient,
}

pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A session as a login would have begun it.
#[derive(Clone, Debug)]
pub struct Minted {
    pub refresh_token: String,
    pub grant_id: String,
}

/// What came back, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

/// The secret of those clients that have one. It is another text when it is form-encoded.
pub const SECRET: &str = "s3cret %+&:/?=~ of a client";
/// Tokens for this resource are JWTs, all others are opaque.
pub const JWT_RESOURCE: &str = "https://jwt.api.example";
pub const OPAQUE_RESOURCE: &str = "https://opaque.api.example/v1";

// === impl Oidc ===

impl Oidc {
    /// None where it is not installed.
    pub fn start() -> Option<Self> {
        Self::with(None)
    }

    /// One that listens for TLS as well. `folder` holds `server.pem`, `server.key` and, for the
    /// certificates of clients, `ca.pem`.
    pub fn start_with_tls(folder: &Path) -> Option<Self> {
        Self::with(Some(folder))
    }

    fn with(tls: Option<&Path>) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = here.join("target/oidc");
        let Some(node) = node().filter(|_| is_installed(here, &installed)) else {
            let missing = "node, or oidc-provider below target/, is missing: \
                           install node 20 or later, and run tests/run";
            assert!(env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("SKIPPED, NOTHING WAS TESTED: {missing}");
            return None;
        };
        let mut process = Command::new(node)
            .arg(here.join("tests/oidc/server/server.mjs"))
            .arg(installed)
            .args(tls)
            // Its end tells the server to end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the server does not start; it says why above"));
        let port = |name: &str| ports[name].as_u64().map(|port| port.try_into().unwrap());
        Some(Self {
            port: port("port").unwrap(),
            tls_port: port("tls_port"),
            process,
            http: Client::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// The issuer, and the origin of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls_port.unwrap())
    }

    pub fn token_url(&self) -> String {
        self.url() + "/token"
    }

    pub fn revocation_url(&self) -> String {
        self.url() + "/token/revocation"
    }

    /// A client without a layer.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Begins a session of a client; `more` may name `scope`, `resource` and `jkt`.
    pub async fn mint(&self, client_id: &str, more: Value) -> Minted {
        let mut asked = json!({ "client_id": client_id });
        let more = more.as_object().cloned().unwrap_or_default();
        asked.as_object_mut().unwrap().extend(more);
        let minted = self.admin("mint", asked).await;
        let text = |name: &str| minted[name].as_str().unwrap().to_owned();
        Minted {
            refresh_token: text("refresh_token"),
            grant_id: text("grant_id"),
        }
    }

    /// Sets what goes wrong from now on.
    pub async fn faults(&self, rates: Value) {
        self.admin("faults", rates).await;
    }

    /// What was counted, and how the session of a grant is.
    pub async fn state(&self, grant_id: &str) -> Value {
        let uri = format!("{}/admin/state?grant_id={grant_id}", self.url());
        let answer = self.send(Request::get(uri), "").await;
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The private key of a client that signs, in PEM.
    pub async fn private_key(&self, client_id: &str) -> String {
        let uri = format!("{}/admin/keys", self.url());
        let answer = self.send(Request::get(uri), "").await;
        let keys: Value = serde_json::from_str(&answer.body).unwrap();
        keys[client_id].as_str().unwrap().to_owned()
    }

    pub async fn admin(&self, action: &str, asked: Value) -> Value {
        let uri = format!("{}/admin/{action}", self.url());
        let answer = self.send(Request::post(uri), asked.to_string()).await;
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Sends a request without a layer.
    pub async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }
}

impl Drop for Oidc {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

// === impl Minted ===

impl Minted {
    /// What a session starts from.
    pub fn seed(&self) -> Token {
        Token::from_refresh_token(self.refresh_token.as_str())
    }
}

// === impl Answer ===

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn node() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|folder| folder.join("node"));
    places.find(|place| place.is_file())
}

/// Whether what is installed is what this version of the tests asks for.
fn is_installed(here: &Path, installed: &Path) -> bool {
    let wanted = fs::read(here.join("tests/oidc/server/package-lock.json")).unwrap();
    let lock = fs::read(installed.join("package-lock.json"));
    lock.is_ok_and(|lock| lock == wanted) && installed.join("node_modules/oidc-provider").is_dir()
}
