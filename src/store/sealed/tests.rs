use std::time::SystemTime;

use super::*;
use crate::{
    provider::{Profile, SessionId},
    store::{Intent, MemoryStore, StoreFailure},
    token::Secret,
};

fn key_of(vendor: &'static str) -> SessionKey {
    SessionKey::of(&SessionId::new(Profile::new(vendor).parts))
}

fn keys(id: &str, byte: u8) -> SealKeys {
    SealKeys::new(SealKey::new(id, [byte; 32]).unwrap())
}

async fn put(store: &impl TokenStore, key: &SessionKey, record: &Record) {
    let before = store.read(key, SystemTime::UNIX_EPOCH).await;
    let version = before.unwrap().record.map(|it| it.version());
    let written = store.write(key, &Expected::version(version), record).await;
    assert_eq!(written.unwrap(), Written::Done);
}

async fn get(store: &impl TokenStore, key: &SessionKey) -> Result<Option<Record>, StoreError> {
    Ok(store.read(key, SystemTime::UNIX_EPOCH).await?.record)
}

async fn failure(store: &impl TokenStore, key: &SessionKey) -> StoreFailure {
    get(store, key).await.unwrap_err().failure()
}

#[tokio::test]
async fn seal_the_store_below_sees_no_token() {
    let below = MemoryStore::new();
    let store = Sealed::new(below.clone(), keys("one", 1));
    let (key, record) = (key_of("a"), Record::sample().sample_intended());
    put(&store, &key, &record).await;
    assert_eq!(get(&store, &key).await.unwrap(), Some(record.clone()));
    let outside = get(&below, &key).await.unwrap().unwrap();
    assert!(outside.is_sealed() && outside.token.is_none());
    assert_eq!(
        (outside.version(), outside.intent(), outside.not_before),
        (record.version(), record.intent(), record.not_before)
    );
    let json = outside.to_json().unwrap();
    let token = record.token.unwrap();
    for secret in [token.access.unwrap(), token.refresh.unwrap()] {
        assert!(!json.expose().contains(secret.expose()));
    }
    assert_eq!(Record::from_json(json.expose()).unwrap(), outside);
}

#[tokio::test]
async fn seal_no_two_writes_look_alike() {
    let (key, record) = (key_of("a"), Record::sample());
    let keys = keys("one", 1);
    let seals: std::collections::BTreeSet<String> = (0..100)
        .map(|_| seal::seal(&record, &key, &keys).unwrap().sealed.unwrap())
        .map(|text| text.expose()[..60].to_owned())
        .collect();
    assert_eq!(seals.len(), 100, "a nonce was used twice");
}

#[tokio::test]
async fn seal_keys_are_rotated_and_one_that_is_missing_is_said() {
    let below = MemoryStore::new();
    let key = key_of("a");
    let old = Sealed::new(below.clone(), keys("old", 1));
    put(&old, &key, &Record::sample()).await;
    let open_old = || SealKey::new("old", [1; 32]).unwrap();
    let new = Sealed::new(below.clone(), keys("new", 2).also_opening(open_old()));
    let record = get(&new, &key).await.unwrap().unwrap();
    assert_eq!(
        failure(&Sealed::new(below.clone(), keys("new", 2)), &key).await,
        StoreFailure::UnknownKey
    );
    put(&new, &key, &record).await;
    assert_eq!(failure(&old, &key).await, StoreFailure::UnknownKey);
    let only_new = Sealed::new(below, keys("new", 2));
    assert_eq!(get(&only_new, &key).await.unwrap(), Some(record));
}

#[tokio::test]
async fn seal_a_wrong_key_is_told_from_a_broken_seal() {
    let below = MemoryStore::new();
    let key = key_of("a");
    put(
        &Sealed::new(below.clone(), keys("one", 1)),
        &key,
        &Record::sample(),
    )
    .await;
    let wrong = Sealed::new(below, keys("one", 2));
    assert_eq!(failure(&wrong, &key).await, StoreFailure::WrongKey);
}

#[tokio::test]
async fn seal_every_change_from_outside_is_noticed() {
    let below = MemoryStore::new();
    let store = Sealed::new(below.clone(), keys("one", 1));
    let key = key_of("a");
    put(&store, &key, &Record::sample().sample_intended()).await;
    let sealed = get(&below, &key).await.unwrap().unwrap();
    let text = sealed.sealed.clone().unwrap();
    let other = Record::sample().sample_intended();
    let bend = |change: &dyn Fn(&mut Record)| {
        let mut bent = sealed.clone();
        change(&mut bent);
        bent
    };
    let flipped = |at: usize| {
        let mut bytes = text.expose().as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        Secret::from(String::from_utf8(bytes).unwrap())
    };
    let mut bent = vec![
        bend(&|it| it.version.revision += 1),
        bend(&|it| it.version.lineage += 1),
        bend(&|it| it.intent = None),
        bend(&|it| it.intent.clone_from(&other.intent)),
        bend(&|it| it.not_before = None),
        bend(&|it| it.sealed = None),
        bend(&|it| it.sealed = Some(Secret::from(""))),
        bend(&|it| it.sealed = Some(Secret::from("1.one"))),
        bend(&|it| it.sealed = Some(Secret::from(&text.expose()[..40]))),
        bend(&|it| it.sealed = Some(Secret::from(&text.expose()[..text.expose().len() - 4]))),
    ];
    let head = text.expose().rfind('.').unwrap() + 1;
    for at in (head..text.expose().len() - 1).step_by(7) {
        bent.push(bend(&|it| it.sealed = Some(flipped(at))));
    }
    for record in bent {
        put_below(&below, &key, &record).await;
        assert_eq!(
            failure(&store, &key).await,
            StoreFailure::Tampered,
            "{record:?}"
        );
    }
    let newer = bend(&|it| it.sealed = Some(Secret::from("2.something")));
    put_below(&below, &key, &newer).await;
    assert_eq!(failure(&store, &key).await, StoreFailure::Newer);
    put_below(&below, &key, &sealed).await;
    assert!(get(&store, &key).await.unwrap().is_some());
}

async fn put_below(below: &MemoryStore, key: &SessionKey, record: &Record) {
    put(below, key, record).await;
}

#[tokio::test]
async fn seal_a_record_opens_for_its_own_session_only() {
    let below = MemoryStore::new();
    let store = Sealed::new(below.clone(), keys("one", 1));
    put(&store, &key_of("a"), &Record::sample()).await;
    let stolen = get(&below, &key_of("a")).await.unwrap().unwrap();
    put(&below, &key_of("b"), &stolen).await;
    assert_eq!(failure(&store, &key_of("b")).await, StoreFailure::Tampered);
}

#[tokio::test]
async fn seal_records_from_before_are_opened_only_where_that_was_said() {
    let below = MemoryStore::new();
    let (key, record) = (key_of("a"), Record::sample());
    put(&below, &key, &record).await;
    let store = Sealed::new(below.clone(), keys("one", 1));
    assert_eq!(failure(&store, &key).await, StoreFailure::Tampered);
    let lenient = store.clone().danger_open_unsealed();
    assert_eq!(get(&lenient, &key).await.unwrap(), Some(record.clone()));
    put(&lenient, &key, &record).await;
    assert_eq!(get(&store, &key).await.unwrap(), Some(record));
}

#[tokio::test]
async fn seal_what_was_restored_without_the_key_opens_and_is_distrusted() {
    let below = MemoryStore::new();
    let store = Sealed::new(below.clone(), keys("one", 1));
    let key = key_of("a");
    put(&store, &key, &Record::sample()).await;
    let mut sealed = get(&below, &key).await.unwrap().unwrap();
    sealed.intent = Some(Intent::distrust(None));
    put(&below, &key, &sealed).await;
    let opened = get(&store, &key).await.unwrap().unwrap();
    assert!(opened.token.is_some() && opened.intent().is_some_and(Intent::is_distrust));
}

#[test]
fn seal_keys_are_shown_by_name_only() {
    let text = "pV0nqFTGZKrcYJGkVe0C0i9Y8k2o3yXoY0mXyXb8u1c=";
    let key = SealKey::from_base64("2026-11", text).unwrap();
    let keys = SealKeys::new(key).also_opening(SealKey::new("old", [171; 32]).unwrap());
    let shown = format!("{:?}", Sealed::new(MemoryStore::new(), keys));
    assert!(shown.contains("2026-11") && shown.contains("old"));
    for part in ["pV0n", "171", "a5, 5d", "165, 93"] {
        assert!(!shown.contains(part), "{shown}");
    }
    for (id, text) in [
        ("a.b", text),
        ("", text),
        ("a", "pV0nqFTGZKrc"),
        ("a", "no base 64!"),
    ] {
        let error = SealKey::from_base64(id, text).unwrap_err();
        assert_eq!(error.failure(), StoreFailure::Misconfigured);
        assert!(!format!("{error:?} {error}").contains("pV0n"));
    }
}
