//! Files, locks and the disk. All of it blocks.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use zeroize::Zeroizing;

use super::folio::Folio;
use crate::store::{
    Expected, Intent, Record, SessionKey, StoreError, StoreFailure, Written, leases::Leases,
};

/// The file and those beside it.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    others_may_read: bool,
}

/// The operating system's lock on the lock file, until this is dropped.
struct Locked(#[expect(dead_code, reason = "closing it is what unlocks")] File);

// === impl Disk ===

impl Disk {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            others_may_read: false,
        }
    }

    pub(super) fn allowing_others_to_read(&self) -> Self {
        Self {
            path: self.path.clone(),
            others_may_read: true,
        }
    }

    /// Reads without the lock: the file is only ever replaced whole.
    pub(super) fn read(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        self.folio(&self.target())?.record(key)
    }

    pub(super) fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let unwritten = StoreError::nothing_written;
        let _locked = self.lock().map_err(unwritten)?;
        let target = self.target();
        let mut folio = self.folio(&target).map_err(unwritten)?;
        let current = folio.record(key).map_err(unwritten)?;
        if !expected.is_met_by(current.as_ref()) {
            return Ok(Written::Conflict);
        }
        folio.set(key, record)?;
        let json = folio.to_json()?;
        replace(&target, json.expose().as_bytes())?;
        if current.map(|current| current.version()) != Some(record.version()) {
            // A copy of its own, since what harms the file may harm its blocks. It is behind if we
            // die here, and it is not what the write was asked for.
            replace(&beside(&target, "bak"), json.expose().as_bytes()).ok();
        }
        Ok(Written::Done)
    }

    /// Leases are not worth a disk's time: if they are lost, somebody waits less.
    pub(super) fn change_leases(
        &self,
        change: impl FnOnce(&mut Leases) -> bool,
    ) -> Result<bool, StoreError> {
        let _locked = self.lock()?;
        let path = beside(&self.target(), "lease");
        let known = fs::read(&path).ok();
        let known = known.and_then(|json| serde_json::from_slice(&json).ok());
        let mut leases: Leases = known.unwrap_or_default();
        let changed = change(&mut leases);
        if changed {
            let json =
                serde_json::to_vec(&leases).map_err(|_| failed("leases cannot be written"))?;
            private(OpenOptions::new().write(true).create(true).truncate(true))
                .open(&path)
                .and_then(|mut file| file.write_all(&json))
                .map_err(|error| failed("the lease file cannot be written").because(error))?;
        }
        Ok(changed)
    }

    pub(super) fn restore_backup(&self) -> Result<(), StoreError> {
        let _locked = self.lock()?;
        let target = self.target();
        let backup = beside(&target, "bak");
        match self.folio(&target) {
            Err(error) if error.failure() == StoreFailure::Torn => {}
            Err(error) => return Err(error),
            Ok(_) if target.exists() => {
                return Err(failed("the file can be read: its backup was not restored"));
            }
            Ok(_) => {}
        }
        if !backup.exists() {
            return Err(failed("there is no backup"));
        }
        let mut folio = self.folio(&backup)?;
        folio.change_all(Record::distrust)?;
        replace(&target, folio.to_json()?.expose().as_bytes())
    }

    fn folio(&self, path: &Path) -> Result<Folio, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Folio::default()),
            Err(error) => return Err(failed("the file cannot be opened").because(error)),
        };
        let unreadable = |error: io::Error| failed("the file cannot be read").because(error);
        let about = file.metadata().map_err(unreadable)?;
        if !self.others_may_read && others_can_read(&about) {
            return Err(StoreError::exposed(
                "group or others can read the file with the session's tokens: `chmod 600` it, and \
                 have the user log in again if somebody may have read them",
            ));
        }
        // As large as needed from the start: a buffer that grows leaves copies behind.
        let length = usize::try_from(about.len()).unwrap_or(0);
        let mut json = Zeroizing::new(Vec::with_capacity(length + 1));
        file.read_to_end(&mut json).map_err(unreadable)?;
        let torn = || {
            StoreError::torn(
                "the file holds no whole records: something else wrote to it, or the disk is \
                 failing; see `FileStore::restore_backup`",
            )
        };
        let json = str::from_utf8(&json).map_err(|_| torn())?;
        Folio::from_json(json).map_err(|error| match error.failure() {
            StoreFailure::Torn => torn(),
            _ => error,
        })
    }

    /// Takes the lock. A process that was stopped while it held it makes this an error, not a
    /// thread that waits for ever.
    fn lock(&self) -> Result<Locked, StoreError> {
        let unusable = |error: io::Error| {
            failed("the lock file cannot be used: is its folder there, and writable?")
                .because(error)
        };
        let file = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(beside(&self.target(), "lock"))
            .map_err(unusable)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Locked(file)),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
        Err(failed("another process holds the lock of the file"))
    }

    /// Where the file is, if a link points to it: it is not the link that is to be replaced.
    fn target(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

// === impl Record ===

impl Record {
    /// Marks the refresh token as one that may have been spent.
    fn distrust(&mut self) {
        self.intent = Some(Intent::distrust(self.intent.as_ref()));
    }
}

/// Puts `content` at `path`: there is always the old or the new, also after the power has failed.
fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let unwritten = |error: io::Error| failed("the file cannot be written").because(error);
    let new = beside(path, "new");
    // One that was left behind may be readable by others. Opening it would not change that.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritten(error)),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true))
        .open(&new)
        .map_err(unwritten)?;
    file.write_all(content).map_err(unwritten)?;
    file.sync_all().map_err(unwritten)?;
    fs::rename(&new, path).map_err(unwritten)?;
    sync_folder(path).map_err(unwritten)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn others_can_read(about: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn others_can_read(_about: &fs::Metadata) -> bool {
    false
}

/// A rename is in the folder, and reaches the disk with it.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(message: &'static str) -> StoreError {
    StoreError::unavailable(message)
}

/// Two seconds: a write takes a few milliseconds.
const LOCK_TRIES: u32 = 400;
const LOCK_PAUSE: Duration = Duration::from_millis(5);
