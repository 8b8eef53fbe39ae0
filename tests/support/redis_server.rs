//! A `redis-server` of a test's own.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::folder::Folder;

pub struct Server {
    port: u16,
    options: Vec<String>,
    folder: Folder,
    process: Child,
}

impl Server {
    /// One that keeps nothing on disk. None where there is no Redis on this machine.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    pub fn with(options: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            let missing = "redis-server is not installed: `apt-get install redis-server`";
            assert!(env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("SKIPPED, NOTHING WAS TESTED: {missing}");
            return None;
        };
        let options: Vec<_> = options.iter().map(|it| (*it).to_owned()).collect();
        // Whoever is given the port between here and there makes Redis end at once.
        for _ in 0..20 {
            let port = free_port();
            let folder = Folder::new();
            let mut process = launch(&program, port, &folder, &options);
            if is_up(port, &mut process) {
                return Some(Self {
                    port,
                    options,
                    folder,
                    process,
                });
            }
            process.kill().ok();
            process.wait().ok();
        }
        panic!("redis-server does not start");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Kills it, and starts it with what it has on its disk: nothing, unless it was told to.
    pub fn restart(&mut self) {
        self.kill();
        for _ in 0..50 {
            let program = program().unwrap();
            self.process = launch(&program, self.port, &self.folder, &self.options);
            if is_up(self.port, &mut self.process) {
                return;
            }
            self.kill();
            thread::sleep(Duration::from_millis(100));
        }
        panic!("redis-server does not start again");
    }

    pub fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Sends a command, and gives the answer's text.
    pub fn command(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap_or_else(|| panic!("no answer to {words:?}"))
    }

    /// This much time goes by for what ends by itself.
    pub fn age(&self, by: Duration) {
        let done = self.command(&["EVAL", AGE, "0", &by.as_millis().to_string()]);
        assert_eq!(done, "1");
    }

    /// The number that `INFO` gives by this name.
    pub fn info(&self, name: &str) -> String {
        let info = self.command(&["INFO", "all"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Makes it follow `primary`, and waits until it has all of it.
    pub fn follow(&self, primary: &Server) {
        self.command(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
        for _ in 0..200 {
            let there = primary.info("slave0").contains("state=online");
            if there && self.info("master_link_status") == "up" {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the replica does not come up");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|folder| folder.join("redis-server"));
    places.find(|place| place.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn launch(program: &PathBuf, port: u16, folder: &Folder, options: &[String]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args([
            "--repl-diskless-sync-delay",
            "0",
            "--enable-debug-command",
            "yes",
        ])
        .arg("--dir")
        .arg(folder.path(""))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_up(port: u16, process: &mut Child) -> bool {
    for _ in 0..200 {
        if let Ok(Some(_)) = process.try_wait() {
            return false;
        }
        // Another test's may have the port.
        let own = format!("process_id:{}\r", process.id());
        let is_own = ask(port, &["INFO", "server"]).is_some_and(|info| info.contains(&own));
        if is_own && ask(port, &["PING"]).is_some_and(|answer| answer == "PONG") {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

fn ask(port: u16, words: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    reply(&mut reader)
}

fn reply(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let line = line.trim_end();
    match (line.get(..1)?, &line[1..]) {
        ("$", "-1") => Some(String::new()),
        ("$", length) => {
            let mut text = vec![0; length.parse::<usize>().ok()? + 2];
            reader.read_exact(&mut text).ok()?;
            text.truncate(text.len() - 2);
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        ("*", count) => {
            let lines: Option<Vec<_>> = (0..count.parse().ok()?).map(|_| reply(reader)).collect();
            Some(lines?.join("\n"))
        }
        (_, rest) => Some(rest.to_owned()),
    }
}

const AGE: &str = "\
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= tonumber(ARGV[1]) then redis.call('DEL', key)
  elseif left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
return 1";
