//! A process, as the test sees it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use crate::child::PREFIX;

/// What a process says, step by step.
pub struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
    orders: ChildStdin,
    pub said: Vec<String>,
}

// === impl Process ===

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()),
            orders: child.stdin.take().unwrap(),
            child,
            said: Vec::new(),
        }
    }

    pub fn last(&self) -> &str {
        self.said.last().map_or("", String::as_str)
    }

    /// What it says next; none once it has ended.
    pub fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some((_, step)) = line.trim_end().split_once(PREFIX) {
                self.said.push(step.to_owned());
                return self.said.last().cloned();
            }
            line.clear();
        }
        None
    }

    /// A process that is gone does not hear it.
    pub fn go_on(&mut self) {
        self.orders.write_all(b"\n").ok();
    }

    /// Lets it go on until it says this. False where it ended before.
    pub fn goes_to(&mut self, step: &str) -> bool {
        while let Some(said) = self.next() {
            if said == step {
                return true;
            }
            self.go_on();
        }
        false
    }

    /// Lets it go on to its end. Gives the last that it said.
    pub fn runs_out(&mut self) -> String {
        self.go_on();
        while self.next().is_some() {
            self.go_on();
        }
        self.child.wait().unwrap();
        self.last().to_owned()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end, and says whether it was killed.
    pub fn was_killed(&mut self) -> bool {
        !self.child.wait().unwrap().success()
    }

    /// Stops it, until it [resumes](Self::resume).
    pub fn stop(&self) {
        self.signal("STOP");
        let state = format!("/proc/{}/stat", self.child.id());
        // Where the system tells.
        while let Ok(stat) = fs::read_to_string(&state) {
            let state = stat.rsplit(") ").next().unwrap_or_default();
            if state.starts_with(['T', 'Z']) {
                break;
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args([&format!("-{name}"), &id]);
        assert!(sent.status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
