//! Three replicas share a session through Redis: `cargo run --example shared_redis`.
//!
//! They are processes of this program. A simulated vendor gives access tokens that live for two
//! seconds and refresh tokens that are good for one exchange, and counts.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::{collections::BTreeSet, env, io, sync::mpsc, thread, time::Duration};

use tower_reauth::oauth2::{ClientAuth, OAuth2};
use tower_reauth::{AuthLayer, BoxError, Token, store::RedisStore, test_util::SimOauth};

const LIFETIME: Duration = Duration::from_secs(2);
const MISSING: &str = "there is no redis-server: `apt-get install redis-server`, or by `brew`";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().collect();
    if let [_, redis, token_url, login] = arguments.as_slice() {
        return replica(redis, token_url, login).await;
    }
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let port = free.port().to_string();
    let mut server = run("redis-server", ["--save", "", "--port", &port]).or(Err(MISSING))?;
    while TcpStream::connect(free).is_err() && server.try_wait()?.is_none() {}
    let vendor = SimOauth::builder().client("app", "secret");
    let vendor = vendor.opaque_access_tokens().access_lifetime(LIFETIME);
    let vendor = vendor.start().await?;
    let (login, (says, heard)) = (vendor.seed().refresh_token, mpsc::channel());
    for number in 1..=3 {
        let (redis, token_url) = (format!("redis://{free}"), vendor.token_url());
        let output = run(env::current_exe()?, [&redis, &token_url, &login])?.stdout;
        let lines = io::BufRead::lines(io::BufReader::new(output.ok_or("no output")?));
        let says = says.clone();
        thread::spawn(move || lines.for_each(|line| says.send((number, line)).unwrap_or(())));
    }
    drop(says);
    let mut tokens = BTreeSet::new();
    for (number, token) in heard {
        let (token, asked) = (token?, vendor.counters().exchanges);
        println!("replica {number} uses {token}; the vendor was asked {asked} times so far");
        tokens.insert(token);
    }
    server.kill()?;
    let (seen, rotations) = (vendor.counters(), tokens.len() as u64);
    let (asked, twice) = (seen.exchanges, seen.spent_twice);
    println!("{rotations} tokens, {asked} exchanges, {twice} refresh tokens spent twice");
    let kept = asked == rotations && twice == 0;
    kept.then_some(()).ok_or("a promise was broken".into())
}

/// A replica: a layer whose session lives in Redis, and a use of it every 100 ms.
async fn replica(redis: &str, token_url: &str, login: &str) -> Result<(), BoxError> {
    let secret = ClientAuth::Basic("secret".into());
    let provider = OAuth2::refresh_token(token_url, "app").client_auth(secret);
    let auth = AuthLayer::builder(provider.origins(["https://api.example"]))
        .initial(Token::from_refresh_token(login)) // the same for all three
        .store(RedisStore::new(redis)?)
        .build()?;
    let (handle, mut last) = (auth.handle(), None);
    for round in 0..=100 {
        if round == 100 {
            handle.shutdown().await; // what is under way is not lost, and shown below
        }
        let token = handle.token().await?.access_token().cloned();
        if token != last {
            println!("{}", token.as_ref().map_or("", |it| &it.expose()[..12]));
            last = token;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn run<const N: usize>(program: impl AsRef<std::ffi::OsStr>, with: [&str; N]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(with).stdout(Stdio::piped()).spawn()
}
