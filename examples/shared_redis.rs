//! Three replicas share a session through Redis: `cargo run --example shared_redis`.
//!
//! They are processes of this program. A simulated vendor gives access tokens that live for two
//! seconds and refresh tokens that are good for one exchange, and counts.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::process::{Child, Command, Stdio};
use std::{collections::BTreeSet, env, io, sync::mpsc, thread, time::Duration};

use tower_reauth::oauth2::{ClientAuth, OAuth2};
use tower_reauth::{AuthLayer, BoxError, Token, store::RedisStore, test_util::SimOauth};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().collect();
    if let [_, redis, token_url, login] = arguments.as_slice() {
        return replica(redis, token_url, login).await;
    }
    let mut server = run("redis-server", ["--port", "6390", "--save", ""]).map_err(
        |_| "there is no redis-server: `apt-get install redis-server` or `brew install redis`",
    )?;
    thread::sleep(Duration::from_secs(1));
    let vendor = SimOauth::builder()
        .client("app", "secret")
        .opaque_access_tokens();
    let vendor = vendor
        .access_lifetime(Duration::from_secs(2))
        .start()
        .await?;
    let (login, (says, heard)) = (vendor.seed().refresh_token, mpsc::channel());
    for number in 1..=3 {
        let program = env::current_exe()?;
        let command = ["redis://127.0.0.1:6390", &vendor.token_url(), &login];
        let output = run(program, command)?.stdout.ok_or("no output")?;
        let (says, lines) = (says.clone(), io::BufRead::lines(io::BufReader::new(output)));
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
    let mut last = None;
    for _ in 0..100 {
        let token = auth.handle().token().await?.access_token().cloned();
        if token != last {
            println!("{}", token.as_ref().map_or("", |it| &it.expose()[..12]));
            last = token;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn run<const N: usize>(program: impl AsRef<std::ffi::OsStr>, with: [&str; N]) -> io::Result<Child> {
    Command::new(program)
        .args(with)
        .stdout(Stdio::piped())
        .spawn()
}
