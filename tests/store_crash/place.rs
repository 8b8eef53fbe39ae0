//! Where the session is kept.

use std::time::Duration;

use crate::{folder::Folder, server::Server};

pub enum Place {
    File(Folder),
    Redis(Server),
}

// === impl Place ===

impl Place {
    pub fn file() -> Self {
        Self::File(Folder::new())
    }

    /// None where there is no Redis on this machine.
    pub fn redis() -> Option<Self> {
        Server::start().map(Self::Redis)
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Redis(_) => "Redis",
        }
    }

    /// What a process is told of it.
    pub fn address(&self) -> String {
        match self {
            Self::File(folder) => folder.path("session.json").to_str().unwrap().to_owned(),
            Self::Redis(server) => server.url(),
        }
    }

    /// This much time goes by. A file has no clock of its own.
    pub fn pass(&self, by: Duration) {
        match self {
            Self::File(_) => {}
            Self::Redis(server) => server.age(by),
        }
    }
}
