//! A store in one file.

mod disk;
mod folio;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use tokio::{runtime::Handle, task::spawn_blocking};

use self::disk::Disk;
#[cfg(test)]
pub(super) use self::folio::Folio;
use super::{Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written};

/// Keeps sessions in a file, for the processes of one machine.
///
/// One file holds the sessions of any number of layers, each under its [`SessionKey`]; it is
/// written whole, so give hundreds of sessions a database instead.
///
/// Beside `session.json` it makes `session.json.lock`, which the operating system's lock is on,
/// `session.json.lease`, `session.json.bak` and, for moments, `session.json.new`. The folder has to
/// be there. Do not remove the lock file while a process is running.
///
/// ```no_run
/// use tower_reauth::{AuthLayer, store::FileStore, vendor::Immersve};
///
/// # fn main() -> Result<(), tower_reauth::Error> {
/// let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
///     .store(FileStore::new("/var/lib/app/session.json"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # What a crash leaves
///
/// A write goes to a new file, which is brought to the disk and then takes the place of the old
/// one; then the folder is brought to the disk. So whatever happens, the file holds the old records
/// or the new ones. If it holds neither, because somebody else wrote to it or the disk is failing,
/// every read is an error of [`StoreFailure::Torn`](super::StoreFailure::Torn): it is not taken for
/// an empty store, in which sessions would begin from their seeds. Then see
/// [`restore_backup`](Self::restore_backup).
///
/// # Who may read it
///
/// The file is made readable and writable by its owner only. One that group or others can read is
/// refused: whoever put it there may have read the tokens. On systems other than Unix, guard the
/// folder.
///
/// # Network file systems
///
/// Keep it off them. Locks of NFS and SMB are advisory between hosts at best, and are lost with
/// the connection; two hosts may then write at once. Processes on several machines need a store that
/// is made for it.
#[derive(Clone, Debug)]
pub struct FileStore {
    disk: Arc<Disk>,
}

// === impl FileStore ===

impl FileStore {
    /// Sessions in the file at `path`, which need not be there yet. Touches nothing.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            disk: Arc::new(Disk::new(path.into())),
        }
    }

    /// Reads the file also where group or others can read it, as some orchestrators mount secrets.
    /// It holds tokens in clear.
    ///
    /// ```no_run
    /// use tower_reauth::store::FileStore;
    ///
    /// let store = FileStore::new("/run/secrets/session.json").danger_allow_others_to_read();
    /// ```
    #[must_use]
    pub fn danger_allow_others_to_read(self) -> Self {
        Self {
            disk: Arc::new(self.disk.allowing_others_to_read()),
        }
    }

    /// Puts the backup into the place of a file that cannot be read, for a person or a script that
    /// has looked at why.
    ///
    /// The backup is a copy of what was saved last, and may be one exchange behind: its refresh
    /// tokens may have been spent. So each session comes back marked as one whose last reply was
    /// lost. Its access token is used while it is good; then the vendor's
    /// [rule](crate::provider::LostReply) decides whether the refresh token may be tried.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), tower_reauth::store::StoreError> {
    /// use tower_reauth::store::FileStore;
    ///
    /// FileStore::new("/var/lib/app/session.json").restore_backup().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// *Unavailable* where there is no backup, or where the file can be read after all; *torn* where
    /// the backup cannot be read either.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the backup was restored or was not.
    pub async fn restore_backup(&self) -> Result<(), StoreError> {
        self.blocking(Disk::restore_backup).await
    }

    /// Does file work off the runtime's threads, where there is a runtime.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let disk = Arc::clone(&self.disk);
        if Handle::try_current().is_err() {
            return work(&disk);
        }
        spawn_blocking(move || work(&disk))
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("the runtime is shutting down")))
    }
}

impl TokenStore for FileStore {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let key = key.clone();
        let record = self.blocking(move |disk| disk.read(&key)).await?;
        Ok(Seen { record, now })
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let (key, expected, record) = (key.clone(), expected.clone(), record.clone());
        self.blocking(move |disk| disk.write(&key, &expected, &record))
            .await
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let (key, lease) = (key.clone(), lease.clone());
        self.blocking(move |disk| disk.change_leases(|leases| leases.take(&key, &lease, now)))
            .await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        let (key, lease) = (key.clone(), lease.clone());
        self.blocking(move |disk| disk.change_leases(|leases| leases.release(&key, &lease)))
            .await
            .map(drop)
    }
}
