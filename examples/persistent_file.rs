//! A command-line program whose session survives `kill -9`: `cargo run --example persistent_file`.
//!
//! It starts a simulated vendor with refresh tokens for one use, and runs itself as the program,
//! five times. Each run goes on from the file that the last one left, and is killed.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use tower_reauth::{
    AuthLayer, BoxError, Token,
    oauth2::{ClientAuth, OAuth2},
    provider::Rotation,
    store::FileStore,
    test_util::SimOauth,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [vendor, login, file] => program(vendor, login, file).await,
        _ => show().await,
    }
}

/// The program: what you would write.
async fn program(vendor: &str, login: &str, file: &str) -> Result<(), BoxError> {
    let provider = OAuth2::refresh_token(format!("{vendor}/token"), "cli")
        .client_auth(ClientAuth::Basic("secret".into()))
        .origins([vendor])
        .rotation(Rotation::Must);
    let auth = AuthLayer::builder(provider)
        // Counts only if the file has never seen it; from then on the file is right.
        .initial(Token::from_refresh_token(login))
        .store(FileStore::new(file))
        .build()?;
    auth.handle().token().await?;
    println!("has a token");
    auth.handle().refresh().await?;
    println!("has spent its refresh token, and saved the next one");
    std::future::pending().await
}

async fn show() -> Result<(), BoxError> {
    let vendor = SimOauth::builder().client("cli", "secret").start().await?;
    let login = vendor.seed().refresh_token;
    let folder = env::temp_dir().join(format!("persistent-file-{}", std::process::id()));
    fs::create_dir(&folder)?;
    for run in 1..=5 {
        let mut program = Command::new(env::current_exe()?)
            .args([&vendor.base_url(), &login])
            .arg(folder.join("session.json"))
            .stdout(Stdio::piped())
            .spawn()?;
        let said = program.stdout.take().ok_or("its output is piped")?;
        for line in BufReader::new(said).lines().take(2) {
            println!("run {run}: {}", line?);
        }
        program.kill()?;
        println!("run {run}: killed; {}", program.wait()?);
    }
    fs::remove_dir_all(&folder)?;
    let seen = vendor.counters();
    println!(
        "{} exchanges, {} refresh tokens spent twice",
        seen.exchanges, seen.spent_twice
    );
    match (seen.exchanges, seen.spent_twice) {
        (6, 0) => Ok(()), // one for the first token, and one for each run
        _ => Err("a promise was broken".into()),
    }
}
