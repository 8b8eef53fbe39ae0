//! Writes that have to land, now or later.

use super::{desk::Desk, seat::Seat};
use crate::{
    provider::Profile,
    store::{Expected, Record, StoreError, Written, held::HeldToken},
    token::Token,
};

/// How saving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Save {
    Landed,
    /// The store holds a newer record, from another login or another exchange.
    Superseded,
}

/// Saves the newest record, if the store lacks it. Nothing but a newer record stops it: not that
/// the lease is over, not that somebody else has an intent.
pub(super) async fn save(desk: &Desk, seat: &Seat) -> Result<Save, StoreError> {
    for _ in 0..ROUNDS {
        let Some((record, stored)) = seat.known().unsaved() else {
            return Ok(Save::Landed);
        };
        let expected = Expected::version(stored);
        let written = desk.write(&seat.key, &expected, &record).await;
        if written.as_ref().is_err_and(StoreError::may_have_written) {
            seat.known().doubt();
        }
        if written? == Written::Done {
            seat.known().wrote(&record);
            return Ok(Save::Landed);
        }
        let seen = desk.read(&seat.key).await?.record;
        let version = seen.as_ref().map(Record::version);
        if version < Some(record.version()) {
            seat.known().expect(version);
            continue;
        }
        // It had landed, although nobody said so; or the session went on elsewhere.
        let same = seen.as_ref().is_some_and(|seen| seen.token == record.token);
        seat.known().meet(seen, desk.now());
        return Ok(match same {
            true => Save::Landed,
            false => Save::Superseded,
        });
    }
    Err(changing())
}

/// Pays what exchanges left owing.
pub(super) async fn pay(desk: &Desk, seat: &Seat) -> Result<(), StoreError> {
    take_back(desk, seat).await?;
    save(desk, seat).await.map(drop)
}

/// Takes an intent back that spent nothing, where one stands in the store.
async fn take_back(desk: &Desk, seat: &Seat) -> Result<(), StoreError> {
    let voids = seat.known().voids();
    if voids.is_empty() {
        return Ok(());
    }
    let seen = desk.read(&seat.key).await?.record;
    let standing = seen.as_ref().and_then(Record::intent);
    let standing = standing.and_then(|open| voids.iter().find(|void| void.id == *open.id()));
    if let (Some(seen), Some(void)) = (&seen, standing) {
        let mut released = seen.clone();
        released.intent.clone_from(&void.before);
        let expected = Expected::as_seen(seen);
        if desk.write(&seat.key, &expected, &released).await? == Written::Done {
            seat.known().wrote(&released);
        }
    }
    seat.known().taken_back(&voids);
    Ok(())
}

/// Writes a new login.
pub(super) async fn begin_lineage(
    desk: &Desk,
    seat: &Seat,
    token: &Token,
    profile: &Profile,
) -> Result<(), StoreError> {
    for _ in 0..ROUNDS {
        let mut sight = desk.read(&seat.key).await?;
        let ahead = sight.ahead();
        let seen = sight.record.take();
        let now = desk.now();
        let version = seen.as_ref().map(Record::version);
        let newest = seat.known().newest().cloned();
        let after = match newest {
            Some(newest) if Some(newest.version()) > version => Some(newest),
            _ => seen,
        };
        let held = HeldToken::seed(token, now, profile).by_clock(ahead);
        let begun = Record::begin(held, after.as_ref(), now);
        let expected = Expected::version(version);
        if desk.write(&seat.key, &expected, &begun).await? == Written::Done {
            seat.known().replaced(begun);
            return Ok(());
        }
    }
    Err(changing())
}

fn changing() -> StoreError {
    StoreError::unavailable("the record changes faster than it can be written")
}

const ROUNDS: usize = 8;
