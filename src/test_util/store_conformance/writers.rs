//! Many writers at once, none of whose writes is lost.

use std::sync::Arc;

use super::{Nonconformity, Suite, new_key, now, rule::Rule};
use crate::store::{Expected, Record, SessionKey, StoreError, TokenStore, Written};

/// Each writer goes on from what it reads, until it has written so often. If a write is lost, or
/// two land on one version, the count is not right.
pub(super) async fn of_many_writers_none_loses_a_write<S: TokenStore>(
    suite: &Suite<S>,
    writers: Vec<S>,
) -> Result<(), Nonconformity> {
    let rule = Rule("of writers that expect the same version, one lands");
    let key = new_key();
    let first = Record::sample();
    suite
        .write(&rule, &key, Expected::version(None), &first, Written::Done)
        .await?;
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|writer| tokio::spawn(writes_often(Arc::new(writer), key.clone())))
        .collect();
    for task in tasks {
        let ended = task
            .await
            .map_err(|_| rule.broken("a writer panicked".to_owned()))?;
        rule.answered(ended)?;
    }
    let revision = suite
        .read(&rule, &key)
        .await?
        .map(|it| it.version().revision);
    rule.holds(revision == Some(WRITERS * WRITES), || {
        format!("revision {revision:?} after {} writes", WRITERS * WRITES)
    })
}

async fn writes_often<S: TokenStore>(store: Arc<S>, key: SessionKey) -> Result<(), StoreError> {
    let mut written = 0;
    while written < WRITES {
        let Some(record) = store.read(&key, now()).await?.record else {
            return Err(StoreError::torn("the record was gone while others wrote"));
        };
        let expected = Expected::as_seen(&record);
        let next = record.sample_exchanged();
        if store.write(&key, &expected, &next).await? == Written::Done {
            written += 1;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(super) const WRITERS: u64 = 8;
const WRITES: u64 = 10;
