use super::*;
use crate::clock::Moment;

type Predicate = fn(&Error) -> bool;

/// The predicates that hold of `error`, by name.
fn holding(error: &Error) -> Vec<&'static str> {
    let predicates: [(&str, Predicate); 9] = [
        ("login required", Error::is_login_required),
        ("transient", Error::is_transient),
        ("throttled", Error::is_throttled),
        ("unknown outcome", Error::is_unknown_outcome),
        ("misconfigured", Error::is_misconfigured),
        ("origin", Error::is_origin),
        ("in progress", Error::is_in_progress),
        ("login in progress", Error::is_login_in_progress),
        ("shut down", Error::is_shut_down),
    ];
    let held = predicates.into_iter().filter(|(_, holds)| holds(error));
    held.map(|(name, _)| name).collect()
}

#[test]
fn each_error_is_what_its_predicates_say_and_nothing_else() {
    let lost = || ProviderError::unknown_outcome("");
    let table: [(Error, &[&str]); 16] = [
        (
            Error::exchange(ProviderError::transient("")),
            &["transient"],
        ),
        (
            Error::exchange(ProviderError::throttled(None)),
            &["transient", "throttled"],
        ),
        (Error::exchange(lost()), &["transient", "unknown outcome"]),
        (
            Error::exchange(ProviderError::misconfigured("")),
            &["misconfigured"],
        ),
        (
            Error::exchange(ProviderError::refused("")),
            &["login required"],
        ),
        (
            Error::login_required(lost()),
            &["login required", "unknown outcome"],
        ),
        (
            Error::misconfigured(ProviderError::misconfigured("")),
            &["misconfigured"],
        ),
        (Error::token_request_in_layer(), &["misconfigured"]),
        (Error::died(false), &["transient", "unknown outcome"]),
        (Error::died(true), &["transient", "unknown outcome"]),
        (Error::in_progress(), &["transient", "in progress"]),
        (
            Error::login_in_progress(),
            &["transient", "in progress", "login in progress"],
        ),
        (Error::out_of_time(), &["transient", "in progress"]),
        (
            Error::origin(Some("https"), "elsewhere.example"),
            &["origin"],
        ),
        (Error::no_runtime(), &["misconfigured"]),
        (Error::shut_down(), &["shut down"]),
    ];
    for (error, expected) in table {
        assert_eq!(holding(&error), expected, "{error:?}");
        let now = Moment::PAST;
        let later = error.retry_at(now.after(Duration::from_secs(1)), now);
        assert_eq!(holding(&later), expected, "with a delay: {error:?}");
        assert_eq!(later.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(later.to_string(), error.to_string());
    }
    assert!(holding(&Error::finished()).is_empty());
}

#[test]
fn a_printed_chain_says_everything_once() {
    let cause = io::Error::other("no route");
    let error = Error::exchange(ProviderError::transient("down").because(cause));
    assert_eq!(error.to_string(), "no token could be obtained: down");
    let source = error.source().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("no route"));
    assert!(Error::origin(None, "").source().is_none());
}

#[test]
fn the_origin_is_named_and_nothing_else_of_the_address() {
    let table = [
        (
            Some("https"),
            "user:s3cr3t@api.example:8443",
            "https://api.example:8443 is",
        ),
        (Some("http"), "api.example", "http://api.example is"),
        (None, "api.example:443", "since api.example:443 is"),
    ];
    for (scheme, authority, named) in table {
        let text = Error::origin(scheme, authority).to_string();
        assert!(text.contains(named), "{text}");
        assert!(!text.contains("s3cr3t") && !text.contains('@'), "{text}");
    }
}
