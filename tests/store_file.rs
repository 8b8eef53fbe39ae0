//! A store in a file: who may read it, what a crash or somebody else's hand leaves in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/replicas.rs"]
mod replicas;
mod support;

use std::{
    error::Error as _,
    fs::{self, File},
    path::Path,
    time::SystemTime,
};

use folder::Folder;
use replicas::{LIFETIME, Vendor, access, refresh};
use support::{parts, secs};
use tower_reauth::{
    AuthLayer, Error, Token,
    provider::{LostReply, ProviderError, SessionId},
    store::{Expected, FileStore, Record, SessionKey, StoreError, StoreFailure, TokenStore},
    test_util::ManualClock,
};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// A process that keeps the session of `vendor` in the file at `path`.
fn process(
    vendor: &Vendor,
    path: &Path,
    clock: &ManualClock,
    seed: Option<Token>,
) -> AuthLayer<Vendor> {
    process_with(vendor, FileStore::new(path), clock, seed)
}

fn process_with(
    vendor: &Vendor,
    store: FileStore,
    clock: &ManualClock,
    seed: Option<Token>,
) -> AuthLayer<Vendor> {
    let builder = AuthLayer::builder(vendor.clone())
        .clock(clock.clone())
        .store(store);
    match seed {
        Some(seed) => builder.initial(seed),
        None => builder,
    }
    .build()
    .unwrap()
}

async fn token(layer: &AuthLayer<Vendor>) -> Result<String, Error> {
    let token = layer.handle().token().await?;
    Ok(token.access_token().unwrap().expose().to_owned())
}

/// Why the store could not be used, behind the error of a call.
fn cause(error: &Error) -> StoreError {
    let cause: &ProviderError = error.provider_error().unwrap();
    cause
        .source()
        .unwrap()
        .downcast_ref::<StoreError>()
        .unwrap()
        .clone()
}

fn key() -> SessionKey {
    SessionKey::of(&SessionId::new(parts("of a file")))
}

fn stage(rule: LostReply) -> (ManualClock, Vendor, Folder, Token) {
    let clock = ManualClock::new();
    let vendor = Vendor::rotating(&clock, rule);
    let seed = vendor.log_in();
    (clock, vendor, Folder::new(), seed)
}

#[tokio::test]
async fn store_a_file_outlives_its_process() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    for life in 1..=3 {
        let layer = process(&vendor, &path, &clock, Some(seed.clone()));
        assert_eq!(token(&layer).await.unwrap(), access(1, life));
        layer.handle().shutdown().await;
        clock.advance(LIFETIME);
    }
    assert_eq!(
        vendor.arrived(),
        [refresh(1, 0), refresh(1, 1), refresh(1, 2)]
    );
}

#[tokio::test]
async fn store_siblings_in_one_file_keep_apart() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("sessions.json");
    let layer = process(&vendor, &path, &clock, Some(seed));
    let theirs = layer.with_session("them", vendor.log_in()).unwrap();
    assert_eq!(token(&layer).await.unwrap(), access(1, 1));
    assert_eq!(token(&theirs).await.unwrap(), access(2, 2));
    let again = process(&vendor, &path, &clock, None);
    assert_eq!(token(&again).await.unwrap(), access(1, 1));
    assert_eq!(vendor.exchanges(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn store_all_files_are_for_their_owner_only_whatever_was_left_behind() {
    use std::os::unix::fs::PermissionsExt;
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    for left in ["session.json.new", "session.json.bak.new"] {
        fs::write(folder.path(left), "left by a crash").unwrap();
        fs::set_permissions(folder.path(left), fs::Permissions::from_mode(0o666)).unwrap();
    }
    let layer = process(&vendor, &path, &clock, Some(seed));
    token(&layer).await.unwrap();
    layer.handle().shutdown().await;
    let mut seen = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    let expected = [
        "session.json",
        "session.json.bak",
        "session.json.lease",
        "session.json.lock",
    ];
    assert_eq!(seen, expected);
}

#[cfg(unix)]
#[tokio::test]
async fn store_a_file_that_others_can_read_is_refused_unless_that_is_said_to_be_fine() {
    use std::os::unix::fs::PermissionsExt;
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    token(&process(&vendor, &path, &clock, Some(seed.clone())))
        .await
        .unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let layer = process(&vendor, &path, &clock, Some(seed.clone()));
        let error = token(&layer).await.unwrap_err();
        assert_eq!(cause(&error).failure(), StoreFailure::Exposed, "{mode:o}");
        assert!(cause(&error).to_string().contains("chmod 600"));
    }
    let store = FileStore::new(&path).danger_allow_others_to_read();
    let layer = process_with(&vendor, store, &clock, Some(seed));
    assert_eq!(token(&layer).await.unwrap(), access(1, 1));
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_torn_file_is_an_error_and_never_an_empty_store() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    token(&process(&vendor, &path, &clock, Some(seed.clone())))
        .await
        .unwrap();
    let whole = fs::read(&path).unwrap();
    let cuts = (0..whole.len()).step_by(7).map(|end| whole[..end].to_vec());
    let zeros = [vec![0; whole.len()], b"{}".to_vec(), b"null".to_vec()];
    for content in cuts.chain(zeros) {
        fs::write(&path, &content).unwrap();
        let error = FileStore::new(&path).read(&key(), NOW).await.unwrap_err();
        assert_eq!(
            error.failure(),
            StoreFailure::Torn,
            "{} bytes",
            content.len()
        );
        assert!(!format!("{error} {error:?}").contains("3f9a"));
    }
    let layer = process(&vendor, &path, &clock, Some(seed));
    for _ in 0..5 {
        let error = token(&layer).await.unwrap_err();
        assert_eq!(cause(&error).failure(), StoreFailure::Torn);
        assert!(cause(&error).to_string().contains("restore_backup"));
        clock.advance(secs(200));
    }
    assert_eq!(vendor.exchanges(), 1, "the seed was not spent");
    assert_eq!(
        fs::read(&path).unwrap(),
        b"null",
        "and nothing was written over it"
    );
}

#[tokio::test]
async fn store_a_backup_is_used_by_nobody_until_somebody_says_so() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    token(&process(&vendor, &path, &clock, Some(seed)))
        .await
        .unwrap();
    fs::write(&path, "").unwrap();
    clock.advance(LIFETIME);
    let layer = process(&vendor, &path, &clock, None);
    assert_eq!(
        cause(&token(&layer).await.unwrap_err()).failure(),
        StoreFailure::Torn
    );
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_restored_backup_spends_its_refresh_token_only_as_the_rule_has_it() {
    for (rule, spends) in [(LostReply::LastResort, true), (LostReply::Never, false)] {
        let (clock, vendor, folder, seed) = stage(rule);
        let path = folder.path("session.json");
        let layer = process(&vendor, &path, &clock, Some(seed));
        token(&layer).await.unwrap();
        layer.handle().shutdown().await;
        fs::write(&path, "{\"format\":1,").unwrap();
        FileStore::new(&path).restore_backup().await.unwrap();
        let restored = process(&vendor, &path, &clock, None);
        assert_eq!(
            token(&restored).await.unwrap(),
            access(1, 1),
            "its access token is good"
        );
        clock.advance(secs(3_400));
        token(&restored).await.unwrap();
        restored.handle().shutdown().await;
        assert_eq!(vendor.exchanges(), 1, "{rule:?}: it is due, and not spent");
        clock.advance(secs(300));
        let restarted = process(&vendor, &path, &clock, None);
        let result = token(&restarted).await;
        assert_eq!(result.is_ok(), spends, "{rule:?}: {result:?}");
        assert_eq!(vendor.exchanges(), 1 + usize::from(spends));
        assert!(spends || result.unwrap_err().is_login_required());
    }
}

#[tokio::test]
async fn store_a_backup_does_not_take_the_place_of_a_file_that_can_be_read() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let path = folder.path("session.json");
    let store = FileStore::new(&path);
    let error = store.restore_backup().await.unwrap_err();
    assert!(error.to_string().contains("no backup"), "{error}");
    token(&process(&vendor, &path, &clock, Some(seed)))
        .await
        .unwrap();
    let before = fs::read(&path).unwrap();
    store.restore_backup().await.unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();
    store.restore_backup().await.unwrap();
    let back = process(&vendor, &path, &clock, None);
    assert_eq!(token(&back).await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_what_a_later_release_wrote_is_kept_or_not_touched() {
    let folder = Folder::new();
    let path = folder.path("session.json");
    let store = FileStore::new(&path);
    private(
        &path,
        r#"{"format":1,"sessions":{"theirs":{"format":9,"new":[1,2]}},"later":{"x":null}}"#,
    );
    let record = Record::from_json(r#"{"format":1,"lineage":1,"revision":0}"#).unwrap();
    store
        .write(&key(), &Expected::version(None), &record)
        .await
        .unwrap();
    let json = fs::read_to_string(&path).unwrap();
    assert!(
        json.contains(r#""theirs":{"format":9,"new":[1,2]}"#),
        "{json}"
    );
    assert!(json.contains(r#""later":{"x":null}"#), "{json}");
    private(&path, r#"{"format":2,"sessions":[]}"#);
    let error = store
        .write(&key(), &Expected::version(None), &record)
        .await
        .unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Newer);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        r#"{"format":2,"sessions":[]}"#
    );
}

#[cfg(unix)]
#[tokio::test]
async fn store_a_link_to_the_file_stays_a_link() {
    let folder = Folder::new();
    let (link, file) = (folder.path("link.json"), folder.path("file.json"));
    private(&file, r#"{"format":1,"sessions":{}}"#);
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let record = Record::from_json(r#"{"format":1,"lineage":1,"revision":0}"#).unwrap();
    let store = FileStore::new(&link);
    store
        .write(&key(), &Expected::version(None), &record)
        .await
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let seen = FileStore::new(&file).read(&key(), NOW).await.unwrap();
    assert_eq!(seen.record, Some(record));
}

#[tokio::test]
async fn store_a_missing_folder_is_named_and_spends_nothing() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    let layer = process(
        &vendor,
        &folder.path("nowhere/session.json"),
        &clock,
        Some(seed),
    );
    let error = token(&layer).await.unwrap_err();
    assert!(
        cause(&error).to_string().contains("is its folder there"),
        "{:?}",
        cause(&error)
    );
    assert_eq!(vendor.exchanges(), 0);
}

#[tokio::test]
async fn store_a_lock_that_a_stopped_process_holds_is_an_error_after_a_while() {
    let folder = Folder::new();
    let path = folder.path("session.json");
    let stopped = File::create(folder.path("session.json.lock")).unwrap();
    stopped.lock().unwrap();
    let record = Record::from_json(r#"{"format":1,"lineage":1,"revision":0}"#).unwrap();
    let store = FileStore::new(&path);
    let error = store
        .write(&key(), &Expected::version(None), &record)
        .await
        .unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Unavailable);
    store
        .read(&key(), NOW)
        .await
        .expect("reading needs no lock");
    stopped.unlock().unwrap();
    store
        .write(&key(), &Expected::version(None), &record)
        .await
        .unwrap();
}

#[tokio::test]
async fn store_a_torn_lease_file_keeps_nobody_out() {
    let (clock, vendor, folder, seed) = stage(LostReply::LastResort);
    fs::write(folder.path("session.json.lease"), "{\"half\":").unwrap();
    let layer = process(&vendor, &folder.path("session.json"), &clock, Some(seed));
    assert_eq!(token(&layer).await.unwrap(), access(1, 1));
}

/// Writes a file that its owner alone can read.
fn private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
