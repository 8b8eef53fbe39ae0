use std::time::Duration;

use super::*;
use crate::{
    clock::Moment,
    provider::Profile,
    store::{Intent, StoreFailure, held::HeldToken, unix::UnixMillis},
    token::Token,
};

const NOW: Moment = Moment::new(Duration::from_secs(50), Duration::from_secs(1_800_000_000));

fn full() -> Record {
    let token = Token::from_pair("access-3f9a0b7c5d1e2f8a", "refresh-3f9a0b7c5d1e2f8a")
        .with_token_type("Bearer")
        .with_lifetime(Duration::from_secs(3600))
        .with_refresh_lifetime(Duration::from_secs(86_400))
        .with_refresh_hint(Duration::from_secs(1800))
        .with_scope("read write")
        .with_extra("id_token", "one \"quoted\" \u{1f511}");
    let profile = Profile::new("acme");
    let seed = Record::begin(HeldToken::seed(&token, NOW, &profile), None, NOW);
    let next = token.with_refresh_token("another-3f9a0b7c5d1e2f8a");
    let mut record = seed.exchanged(HeldToken::fresh(&next, NOW, NOW, &profile));
    let now = UnixMillis::of(NOW);
    record.intent = Some(Intent::new(now, Duration::from_secs(10), None));
    record.not_before = Some(now.after(Duration::from_secs(5)));
    record.refuse(Some(now));
    record
}

#[test]
fn a_record_comes_back_whole() {
    let record = full();
    let json = record.to_json().unwrap();
    assert_eq!(Record::from_json(json.expose()).unwrap(), record);
    assert_eq!(record.seeds.len() + record.rotated.len(), 2);
}

#[test]
fn the_end_of_a_session_comes_back_with_no_token_and_its_fingerprint() {
    let ended = full().ended();
    let json = ended.to_json().unwrap();
    assert!(
        !json.expose().contains("3f9a0b7c5d1e2f8a"),
        "{}",
        json.expose()
    );
    let read = Record::from_json(json.expose()).unwrap();
    assert_eq!(read, ended);
    assert!(read.has_ended() && !full().has_ended());
    let much_later = Version {
        revision: u64::MAX,
        ..full().version()
    };
    assert!(read.version() > much_later);
    assert!(read.has_seen(full().token.as_ref().unwrap()));
    let token = HeldToken::seed(&Token::new("a"), NOW, &Profile::new("acme"));
    let next = read.exchanged(token);
    assert!(!next.has_ended() && next.version() > read.version());
}

/// What the first release writes. If a change breaks this test, it breaks the sessions of those
/// who update.
#[test]
fn a_record_of_the_first_release_is_read_in_every_later_one() {
    let json = r#"{"format":1,"lineage":1800000000000,"revision":7,
        "token":{"access":"a","token_type":"Bearer","asked_at":1800000000000,"expires_at":1800003600000,
                 "refresh_in":1800000,"refresh":"r","refresh_asked_at":1799999999000,
                 "refresh_expires_at":1800086400000,"scope":"read","extra":{"id_token":"i"}},
        "intent":{"id":"0123","began_at":1800000000000,"deadline":1800000010000},
        "refused":{"token":"4567","probe_at":null},"not_before":1800000005000,
        "seeds":["89ab"],"rotated":["cdef"]}"#;
    let record = Record::from_json(json).unwrap();
    assert_eq!(
        (record.version().lineage, record.version().revision),
        (1_800_000_000_000, 7)
    );
    let token = record.token.as_ref().unwrap().to_token(NOW);
    assert_eq!(token.access_token().unwrap().expose(), "a");
    assert_eq!(token.refresh_token().unwrap().expose(), "r");
    assert_eq!(token.extra("id_token").unwrap().expose(), "i");
    assert_eq!(record.intent().unwrap().id().as_str(), "0123");
    assert_eq!(record.not_before, Some(UnixMillis::new(1_800_000_005_000)));
    let bare = Record::from_json(r#"{"format":1,"lineage":1,"revision":0}"#).unwrap();
    assert!(bare.token.is_none() && bare.intent().is_none());
}

#[test]
fn fields_of_a_later_release_are_kept_and_written_back() {
    let json = r#"{"format":1,"lineage":1,"revision":0,"later":{"deep":[1,"two",null]}}"#;
    let record = Record::from_json(json).unwrap();
    let next = record.exchanged(HeldToken::default());
    let written = next.to_json().unwrap();
    assert!(
        written
            .expose()
            .contains(r#""later":{"deep":[1,"two",null]}"#)
    );
    assert!(!format!("{record:?}").contains("two"));
}

#[test]
fn a_record_that_this_release_must_not_touch_says_so() {
    let error = Record::from_json(r#"{"format":2,"lineage":{},"more":1}"#).unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Newer);
}

#[test]
fn every_cut_of_a_record_is_torn_and_shows_nothing() {
    let json = full().to_json().unwrap();
    for end in 0..json.expose().len() {
        let Some(cut) = json.expose().get(..end) else {
            continue;
        };
        let error = Record::from_json(cut).unwrap_err();
        assert_eq!(error.failure(), StoreFailure::Torn, "at {end}");
        assert!(!format!("{error} {error:?}").contains("3f9a"), "at {end}");
    }
    let zeros = "\0".repeat(json.expose().len());
    assert_eq!(
        Record::from_json(&zeros).unwrap_err().failure(),
        StoreFailure::Torn
    );
}

#[test]
fn no_format_of_a_record_shows_a_token() {
    let record = full();
    for shown in [format!("{record:?}"), format!("{record:#?}")] {
        for secret in ["access-3f", "refresh-3f", "another-3f", "quoted"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_kept_token_has_the_deadlines_that_it_had_when_it_was_new() {
    let record = full();
    let held = record.token.as_ref().unwrap();
    let later = NOW.after(Duration::from_secs(1000));
    let token = held.to_token(later);
    assert!(token.is_kept());
    let age = crate::token::expiry::Age::Fresh {
        asked_at: token.asked_at().unwrap(),
        now: later,
    };
    let access = crate::token::expiry::access(&token, age, None).unwrap();
    assert_eq!(access.at, NOW.after(Duration::from_secs(3600)));
    assert_eq!(access.lifetime, Duration::from_secs(3600));
    let refresh = crate::token::expiry::refresh(&token, age, None).unwrap();
    assert_eq!(refresh.at, NOW.after(Duration::from_secs(86_400)));
    assert_eq!(
        held.plan(later).due,
        NOW.after(Duration::from_secs(1800)),
        "the hint"
    );
}

#[test]
fn a_record_whose_numbers_are_at_their_end_is_worked_with_all_the_same() {
    let mut last = Record::sample();
    last.version.lineage = u64::MAX;
    last.version.revision = u64::MAX;
    let last = Record::from_json(last.to_json().unwrap().expose()).unwrap();
    assert_eq!(last.sample_exchanged().version(), last.version());
    assert_eq!(last.sample_begun().version().lineage, u64::MAX);
}
