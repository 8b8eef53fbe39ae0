//! Many processes share one session: as many exchanges as rotations.
//!
//! Each process is this test binary, executed anew. `TOWER_REAUTH_LONG=1` makes it 64 processes and
//! 100 rotations.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tower_reauth::{AuthLayer, Token, store::RedisStore, test_util::SimOauth};

use crate::{
    replica::{provider, vendor},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn redis_processes_make_one_exchange_for_each_rotation() {
    let Some(server) = Server::start() else {
        return;
    };
    let (processes, rotations) = match env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => (64, 100),
        None => (8, 12),
    };
    let vendor = vendor().await;
    let login = vendor.seed().refresh_token;
    let mut fleet: Vec<_> = (0..processes)
        .map(|_| Process::start(&server, &vendor, &login))
        .collect();
    let mut tokens = BTreeSet::new();
    for rotation in 1..=rotations {
        for process in &mut fleet {
            process.go();
        }
        let round: BTreeSet<_> = fleet.iter_mut().map(Process::token).collect();
        assert_eq!(round.len(), 1, "rotation {rotation} gave {round:?}");
        tokens.extend(round);
        assert_eq!(vendor.counters().rotations, rotation, "exchanges");
    }
    let counters = vendor.counters();
    println!(
        "{processes} processes, {rotations} rotations: {} exchanges at the vendor, {} spent twice, \
         {} at most at once, {} commands at Redis",
        counters.exchanges,
        counters.spent_twice,
        counters.in_flight_max,
        server.info("total_commands_processed")
    );
    assert_eq!(tokens.len() as u64, rotations, "a token came twice");
    assert_eq!(
        (counters.exchanges, counters.rotations, counters.spent_twice),
        (rotations, rotations, 0)
    );
    assert_eq!(counters.in_flight_max, 1);
}

struct Process {
    child: Child,
    orders: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(server: &Server, vendor: &SimOauth, login: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "fleet::redis_fleet_child", "--nocapture"])
            .env("TOWER_REAUTH_CHILD", server.url())
            .env("TOWER_REAUTH_TOKEN_URL", vendor.token_url())
            .env("TOWER_REAUTH_LOGIN", login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn go(&mut self) {
        self.orders.write_all(b"go\n").unwrap();
    }

    fn token(&mut self) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some((_, token)) = line.trim_end().split_once(PREFIX) {
                return token.to_owned();
            }
            line.clear();
        }
        panic!("a process ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const PREFIX: &str = "token: ";

/// The process, when this binary is executed for it: a rotation at each word.
#[test]
fn redis_fleet_child() {
    let Ok(url) = env::var("TOWER_REAUTH_CHILD") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let layer = AuthLayer::builder(provider(&env::var("TOWER_REAUTH_TOKEN_URL").unwrap()))
        .initial(Token::from_refresh_token(
            env::var("TOWER_REAUTH_LOGIN").unwrap(),
        ))
        .store(RedisStore::new(url).unwrap())
        .build()
        .unwrap();
    let handle = layer.handle();
    for line in std::io::stdin().lines() {
        assert_eq!(line.unwrap(), "go");
        // The first time there is no token yet, and an exchange or an adoption comes of it as well.
        let token = runtime.block_on(handle.refresh());
        let token = token.map(|token| token.access_token().unwrap().expose().to_owned());
        println!(
            "{PREFIX}{}",
            token.unwrap_or_else(|error| format!("{error:?}"))
        );
    }
}
