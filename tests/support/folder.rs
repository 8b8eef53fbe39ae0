//! A folder of a test's own, which goes with it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process,
};

pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!("tower-reauth-{}-{:016x}", process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
