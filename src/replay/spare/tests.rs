use http_body_util::BodyExt;

use super::*;

fn found<B: 'static>(body: B) -> Result<Spare<B>, Replay> {
    let mut body = body;
    bodies().spare(&mut body)
}

/// Up to eight bytes.
fn bodies() -> Bodies {
    let mut bodies = Bodies::default();
    bodies.set_cap(8);
    bodies
}

fn is_copied<B: 'static>(body: B) -> bool {
    matches!(found(body), Ok(Spare::Copy(_)))
}

fn is_teed<B: 'static>(body: B) -> bool {
    matches!(found(body), Ok(Spare::Teed(_)))
}

fn why_not<B: 'static>(body: B) -> Option<Replay> {
    found(body).err()
}

#[test]
fn bodies_that_are_empty_or_shared_are_copied_whatever_the_cap() {
    assert!(is_copied(Empty::<Bytes>::new()));
    assert!(is_copied(Full::new(Bytes::from_static(
        b"longer than the cap"
    ))));
    assert!(is_copied(Bytes::from_static(b"longer than the cap")));
    let empty = || Empty::<Bytes>::new();
    assert!(is_copied(empty().boxed()));
    assert!(is_copied(empty().map_err(BoxError::from).boxed()));
    assert!(is_copied(empty().map_err(io::Error::other).boxed_unsync()));
}

#[test]
fn text_is_copied_up_to_the_cap() {
    assert!(is_copied(String::new()));
    assert!(matches!(found(String::from("12345678")), Ok(Spare::Copy(text)) if text == "12345678"));
    assert_eq!(why_not(String::from("123456789")), Some(Replay::OverCap));
}

#[test]
fn boxed_bodies_are_teed_whatever_their_error() {
    let full = || Full::new(Bytes::from_static(b"12345678"));
    assert!(is_teed(full().boxed()));
    assert!(is_teed(full().boxed_unsync()));
    assert!(is_teed(full().map_err(BoxError::from).boxed()));
    assert!(is_teed(full().map_err(BoxError::from).boxed_unsync()));
    assert!(is_teed(full().map_err(io::Error::other).boxed()));
    assert!(is_teed(full().map_err(io::Error::other).boxed_unsync()));
}

#[cfg(feature = "https")]
#[test]
fn so_are_those_whose_error_is_hypers() {
    let full = || Full::new(Bytes::from_static(b"x"));
    let boxed: BoxBody<Bytes, hyper::Error> = full().map_err(|never| match never {}).boxed();
    assert!(is_teed(boxed));
    let boxed: UnsyncBoxBody<Bytes, hyper::Error> =
        full().map_err(|never| match never {}).boxed_unsync();
    assert!(is_teed(boxed));
}

#[test]
fn a_boxed_body_that_says_that_it_is_over_the_cap_is_not_followed() {
    let boxed = Full::new(Bytes::from_static(b"123456789")).boxed();
    assert_eq!(why_not(boxed), Some(Replay::OverCap));
}

#[test]
fn a_body_of_an_unknown_type_has_no_spare() {
    assert_eq!(why_not(()), Some(Replay::NotReplayable));
    assert_eq!(why_not(7_u8), Some(Replay::NotReplayable));
    let full: Full<&'static [u8]> = Full::default();
    assert_eq!(why_not(full), Some(Replay::NotReplayable));
}

#[test]
fn a_registered_type_has_the_spare_that_its_function_returns() {
    let mut bodies = bodies();
    bodies.register(|body: &u8| (*body != 7).then_some(*body));
    assert!(matches!(bodies.spare(&mut 8_u8), Ok(Spare::Copy(8))));
    assert_eq!(bodies.spare(&mut 7_u8).err(), Some(Replay::NotReplayable));
    assert_eq!(bodies.spare(&mut 7_i8).err(), Some(Replay::NotReplayable));
    bodies.register(|body: &u8| Some(*body));
    assert!(bodies.spare(&mut 7_u8).is_ok(), "the later one counts");
    bodies.register(|_: &String| None);
    assert!(
        bodies.spare(&mut String::new()).is_err(),
        "and goes before the layer's own"
    );
}

#[test]
fn without_a_setting_the_cap_is_64_kib() {
    let bodies = Bodies::default();
    assert!(bodies.spare(&mut "x".repeat(64 * 1024)).is_ok());
    assert!(bodies.spare(&mut "x".repeat(64 * 1024 + 1)).is_err());
}
