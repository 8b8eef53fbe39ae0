//! What is asked for, and when it is asked again.

use std::time::Duration;

use super::{
    super::harness::{CANARY, Canned, exchange, saved},
    ENDPOINT, SUCCESS,
    stage::Stage,
};
use crate::{
    Provider,
    oauth2::{ClientAuth, OAuth2, Subject},
    provider::{FailureKind, Reason},
};

fn session() -> OAuth2 {
    OAuth2::refresh_token(ENDPOINT, "id").server_errors_are_transient()
}

fn form_of(provider: &OAuth2) -> String {
    let request = exchange(provider, None, &Canned::new(200, SUCCESS)).request();
    String::from_utf8(request.body().to_vec()).expect("a form")
}

#[test]
fn a_server_that_did_nothing_is_asked_again_by_those_who_wait() {
    let down = || Canned::new(503, "canary");
    let stage = Stage::new([down(), down(), Canned::new(200, SUCCESS)]);
    assert!(stage.exchange(&session(), Reason::Expired).is_ok());
    assert_eq!(stage.asked().len(), 3);
    let [first, second] = stage.waited()[..] else {
        panic!("two pauses: {:?}", stage.waited());
    };
    let range =
        |millis: u64| Duration::from_millis(millis * 4 / 5)..=Duration::from_millis(millis * 6 / 5);
    assert!(range(100).contains(&first) && range(200).contains(&second));

    // But not for ever.
    let stage = Stage::new([(); 9].map(|()| down()));
    let error = stage
        .exchange(&session(), Reason::Refused)
        .expect_err("down");
    assert_eq!(error.kind(), FailureKind::Transient);
    assert_eq!(stage.asked().len(), 5);
}

#[test]
fn a_server_that_failed_is_asked_once_where_nobody_waits_or_nothing_was_promised() {
    let cases = [
        (session(), Reason::Due, Canned::new(503, "")),
        (session(), Reason::KeepAlive, Canned::new(500, "")),
        (
            session(),
            Reason::Expired,
            Canned::new(503, "").header("retry-after", "1"),
        ),
        (
            session(),
            Reason::Expired,
            Canned::new(503, "").broken_off(),
        ),
        (session(), Reason::Expired, Canned::new(429, "")),
        (
            OAuth2::refresh_token(ENDPOINT, "id"),
            Reason::Expired,
            Canned::new(503, ""),
        ),
    ];
    for (provider, reason, reply) in cases {
        let stage = Stage::new([reply.clone()]);
        assert!(stage.exchange(&provider, reason).is_err());
        assert!(stage.waited().is_empty(), "{reason:?} {reply:?}");
    }
}

#[test]
fn nothing_is_asked_again_after_the_time_of_the_exchange() {
    let stage = Stage::new([Canned::new(503, ""), Canned::new(503, "")]);
    let client = stage.client();
    let exchange = crate::provider::Exchange::new(crate::provider::ExchangeParts {
        wanted: None,
        last: Some(crate::Token::from_refresh_token("canary")),
        refused: None,
        reason: Reason::Expired,
        deadline: client.now().after(Duration::from_millis(150)),
        session: Provider::profile(&session()).session(),
        client,
    });
    let error = stage.run(session().obtain(exchange)).expect_err("too late");
    assert_eq!(error.kind(), FailureKind::Transient);
    assert_eq!(stage.asked().len(), 2);
}

#[test]
fn resources_are_named_as_often_as_there_are_some_also_at_a_refresh() {
    let resources = ["https://a.example/x?y", "urn:b"];
    let provider = session().resource(resources).extra("audience", "c");
    let stage = Stage::new([Canned::new(200, SUCCESS)]);
    assert!(stage.exchange(&provider, Reason::Due).is_ok());
    let form = &stage.forms()[0];
    assert!(
        form.contains("&resource=https%3A%2F%2Fa.example%2Fx%3Fy&resource=urn%3Ab&"),
        "{form}"
    );
    let session = Provider::profile(&provider).session();
    assert_eq!(session.parts().resource, resources);
}

#[test]
fn a_resource_that_is_no_absolute_uri_sends_nothing() {
    for wrong in [
        "",
        "api",
        "/api",
        "https:",
        "https://a.example/#x",
        ":x",
        "1a:b",
        "a b:c",
    ] {
        let outcome = exchange(
            &OAuth2::client_credentials(ENDPOINT, "id", "s").resource([wrong]),
            None,
            &Canned::new(200, SUCCESS),
        );
        assert!(outcome.request.is_none(), "{wrong}");
        assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    }
}

#[test]
fn a_token_exchange_names_the_subject_and_who_acts_for_it() {
    let subject = Subject::access_token("canary/1")
        .acting("canary/2", Subject::JWT)
        .requesting(Subject::ACCESS_TOKEN);
    let provider = OAuth2::token_exchange(ENDPOINT, subject)
        .client_id("id")
        .client_auth(ClientAuth::Post("s".into()))
        .extra("audience", "a")
        .extra("audience", "b");
    assert_eq!(
        form_of(&provider),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=canary%2F1\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &actor_token=canary%2F2\
         &actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &audience=a&audience=b&client_id=id&client_secret=s"
    );
    let alone = OAuth2::token_exchange(ENDPOINT, Subject::new("canary", Subject::ID_TOKEN));
    let form = form_of(&alone);
    assert!(
        !form.contains("actor_token") && !form.contains("client_id"),
        "{form}"
    );
}

#[test]
fn what_is_no_access_token_is_not_used_as_one() {
    let provider = OAuth2::token_exchange(ENDPOINT, Subject::access_token("canary"));
    let reply = r#"{"access_token":"canary","token_type":"N_A","refresh_token":"canary",
        "issued_token_type":"urn:ietf:params:oauth:token-type:jwt"}"#;
    let error = exchange(&provider, None, &Canned::new(200, reply)).error();
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert_eq!(
        saved(&error),
        (None, None),
        "neither as a token nor as a seed"
    );
    assert!(!error.to_string().contains(CANARY));
}

#[test]
fn an_assertion_that_is_refused_is_a_setting_and_its_refresh_token_is_ignored() {
    for provider in [
        OAuth2::jwt_bearer(ENDPOINT, "canary"),
        OAuth2::token_exchange(ENDPOINT, Subject::access_token("canary")),
    ] {
        let token = exchange(&provider, None, &Canned::new(200, SUCCESS)).token();
        assert_eq!(token.refresh_token(), None);
        let refused = Canned::new(400, r#"{"error":"invalid_grant"}"#);
        let error = exchange(&provider, None, &refused).error();
        assert_eq!(error.kind(), FailureKind::Misconfigured);
        assert!(error.to_string().contains("assertion"), "{error}");
    }
}
