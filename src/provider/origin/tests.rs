use super::*;

fn finds(declared: &str, uri: &str) -> bool {
    let origins = Origins::from([declared]);
    origins.check().expect("a good origin");
    origins.find(&uri.parse().expect("a good URI")).is_some()
}

#[test]
fn what_is_found_by_its_bytes_is_found_by_its_parts_at_the_same_origin() {
    let declared = [
        "https://api.example.com",
        "https://API.example.com:443",
        "https://[::1]:8443",
    ];
    let origins = Origins::from(declared);
    for (uri, spelled) in [
        ("https://api.example.com/v1?q", true),
        ("https://[::1]:8443/", true),
        ("https://API.example.com/", false),
        ("https://api.example.com:443/", false),
        ("https://user@api.example.com/", false),
    ] {
        let uri = uri.parse().expect("a good URI");
        let by_bytes = origins.find_spelled(&uri);
        assert_eq!(by_bytes.is_some(), spelled, "{uri}");
        assert!(
            by_bytes.is_none() || by_bytes == origins.find(&uri),
            "{uri}"
        );
        assert!(origins.find(&uri).is_some(), "{uri}");
    }
    for stranger in [
        "http://api.example.com/",
        "https://api.example.com.evil/",
        "/path",
    ] {
        let uri = stranger.parse().expect("a good URI");
        assert_eq!(origins.find_spelled(&uri), None, "{stranger}");
    }
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    assert!(finds(
        "https://api.example.com",
        "https://API.example.com:443/v1?q#f"
    ));
    assert!(finds(
        "https://api.example.com/ignored",
        "https://user@api.example.com/"
    ));
    assert!(finds(
        "https://[2001:db8::1]:8443",
        "https://[2001:DB8::1]:8443/"
    ));
    for other in [
        "http://api.example.com/",
        "https://api.example.com:444/",
        "https://api.example.com./",
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://evil.example/https://api.example.com",
        "ftp://api.example.com/",
    ] {
        assert!(!finds("https://api.example.com", other), "{other}");
    }
}

#[test]
fn what_comes_with_a_token_is_numbered_behind_what_is_declared() {
    let origins = Origins::from(["https://login.example.com", "https://b.example.com"]);
    let texts = ["https://one.example.com/path", "https://two.example.com"];
    let unasked = origins
        .brought(texts.into_iter())
        .expect("they do not count");
    assert!(
        unasked
            .find(&Uri::from_static("https://one.example.com/"))
            .is_none()
    );
    let origins = origins.and_those_of_tokens();
    let brought = origins.brought(texts.into_iter()).expect("good origins");
    let two = brought.find(&Uri::from_static("https://two.example.com/x"));
    let two = origins.behind(two.expect("it was brought"));
    assert_eq!(two.number(), 3);
    assert!(!origins.is_declared(two));
    for index in [
        OriginIndex::of_number(0),
        OriginIndex::of_number(1),
        OriginIndex::PEER,
        OriginIndex::peer(9_999),
    ] {
        assert!(origins.is_declared(index), "{index:?}");
    }
    assert!(!origins.is_declared(origins.behind(OriginIndex::of_number(u16::MAX - 1))));
}

#[test]
fn what_comes_with_a_token_is_plain_http_only_where_that_is_declared_as_well() {
    let accepts = |origins: Origins, text| {
        let brought = origins.and_those_of_tokens().brought(std::iter::once(text));
        brought
            .map(|it| it.check().is_ok())
            .map_err(|error| error.to_string())
    };
    let loopback = || Origins::from(["http://127.0.0.1:1"]);
    let strict = || Origins::from(["https://login.example.com"]);
    assert_eq!(accepts(loopback(), "http://127.0.0.1:2"), Ok(true));
    assert_eq!(accepts(strict(), "https://na1.example.com"), Ok(true));
    for (origins, canary) in [
        (strict(), "http://127.0.0.1:2/canary"),
        (Origins::none(), "http://localhost/canary"),
        (loopback(), "http://canary.example.com"),
        (loopback(), "canary"),
        (strict(), "https://canary@example.com"),
    ] {
        let error = accepts(origins, canary).expect_err(canary);
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_request_without_an_authority_is_at_its_one_peer() {
    let origins = Origins::from(["https://api.example.com"]);
    assert_eq!(
        origins.find(&Uri::from_static("/path")),
        Some(OriginIndex::PEER)
    );
}

#[test]
fn plain_http_is_for_loopback_only() {
    for good in [
        "http://127.0.0.1:80",
        "http://127.1.2.3",
        "http://[::1]:3",
        "http://localhost",
    ] {
        assert!(Origins::from([good]).check().is_ok(), "{good}");
    }
    for bad in [
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "api.example.com",
        "https://",
        "https://*.example.com",
        "",
        "ws://x",
    ] {
        let error = Origins::from([bad]).check().expect_err(bad);
        assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
    }
    let meshed = Origins::danger_allowing_plain_http(["http://orders.mesh"]);
    assert!(
        meshed
            .find(&Uri::from_static("http://orders.mesh/1"))
            .is_some()
    );
}

#[test]
fn an_origin_with_a_password_in_it_is_refused_without_showing_it() {
    let error = Origins::from(["https://user:canary@api.example.com"])
        .check()
        .expect_err("userinfo");
    assert!(!error.to_string().contains("canary"), "{error}");
}
