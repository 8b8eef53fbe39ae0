//! Clients and subjects that are proved by a signed statement.

use std::{fs, path::PathBuf, process};

use super::{
    super::harness::{Canned, exchange},
    ENDPOINT, SUCCESS,
};
use crate::{
    Provider,
    oauth2::{Assertion, ClientAuth, OAuth2},
    provider::FailureKind,
};

fn form_of(provider: &OAuth2) -> String {
    let request = exchange(provider, None, &Canned::new(200, SUCCESS)).request();
    assert!(!request.headers().contains_key("authorization"));
    String::from_utf8(request.body().to_vec()).expect("a form")
}

/// The values of a parameter.
fn value(form: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tower-reauth-{}-{name}", process::id()))
}

#[test]
fn an_assertion_is_read_from_its_file_for_each_request() {
    let path = file("assertion");
    fs::write(&path, "canary.1\n").expect("a file");
    let auth = ClientAuth::Assertion(Assertion::file(&path));
    let client = OAuth2::client_credentials(ENDPOINT, "id", auth);
    let bearer = OAuth2::jwt_bearer(ENDPOINT, Assertion::file(&path));
    for content in ["canary.1", "canary.2"] {
        fs::write(&path, format!("{content}\n")).expect("a file");
        let form = form_of(&client);
        assert_eq!(value(&form, "client_assertion").as_deref(), Some(content));
        assert_eq!(value(&form, "client_id").as_deref(), Some("id"));
        assert_eq!(
            value(&form, "client_assertion_type").as_deref(),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        let form = form_of(&bearer);
        assert_eq!(value(&form, "assertion").as_deref(), Some(content));
        assert_eq!(
            value(&form, "grant_type").as_deref(),
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer")
        );
        assert_eq!(value(&form, "client_id"), None);
    }
    fs::write(&path, " \n").expect("a file");
    for gone in [false, true] {
        if gone {
            fs::remove_file(&path).expect("a file");
        }
        let outcome = exchange(&client, None, &Canned::new(200, SUCCESS));
        assert!(outcome.request.is_none());
        assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    }
}

#[test]
fn a_client_with_a_certificate_names_itself_and_its_certificate_is_in_the_identity() {
    let thumbprint = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";
    let mtls = |id: &str, thumbprint: &str| {
        OAuth2::client_credentials(ENDPOINT, id, ClientAuth::Mtls(thumbprint.to_owned()))
    };
    let provider = mtls("id", thumbprint);
    assert_eq!(
        form_of(&provider),
        "grant_type=client_credentials&client_id=id"
    );
    let session = Provider::profile(&provider).session();
    assert_eq!(session.parts().binding, thumbprint);
    for wrong in [
        mtls("", thumbprint),
        mtls("id", "AB:CD"),
        mtls("id", &"+".repeat(43)),
    ] {
        let outcome = exchange(&wrong, None, &Canned::new(200, SUCCESS));
        assert!(outcome.request.is_none());
        assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    }
}

/// An assertion says by itself who it is about (RFC 7521, section 4.2), and a public client shows what it
/// trades.
#[test]
fn a_client_that_proves_itself_says_who_it_is() {
    let trade = |auth: ClientAuth| OAuth2::jwt_bearer(ENDPOINT, "a.b.c").client_auth(auth);
    for nameless in [
        ClientAuth::Basic("secret".into()),
        ClientAuth::Post("secret".into()),
        #[cfg(feature = "jwt")]
        signed::client(),
    ] {
        let outcome = exchange(&trade(nameless), None, &Canned::new(200, SUCCESS));
        assert!(outcome.request.is_none());
        let error = outcome.error();
        assert_eq!(error.kind(), FailureKind::Misconfigured);
        assert!(error.to_string().contains("`.client_id(..)`"), "{error}");
    }
    for named in [
        ClientAuth::None,
        ClientAuth::Assertion(Assertion::from("d.e.f")),
    ] {
        assert!(form_of(&trade(named)).contains("assertion=a.b.c"));
    }
}

#[cfg(feature = "jwt")]
mod signed {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::Value;

    use super::{super::super::harness::SENT_AT, *};
    use crate::oauth2::{Algorithm, Audience, PrivateKeyJwt, SigningKey, Statement};

    fn key() -> SigningKey {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        SigningKey::pem(Algorithm::Es256, pem).key_id("kid 1")
    }

    pub(super) fn client() -> ClientAuth {
        PrivateKeyJwt::new(key()).into()
    }

    /// Header and claims.
    fn parts(jwt: &str) -> [Value; 2] {
        let mut parts = jwt.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
            serde_json::from_slice(&bytes).unwrap_or(Value::Null)
        });
        [(); 2].map(|()| parts.next().expect("a part"))
    }

    fn assertion(provider: &OAuth2) -> [Value; 2] {
        parts(&value(&form_of(provider), "client_assertion").expect("an assertion"))
    }

    #[test]
    fn each_request_has_an_assertion_of_its_own() {
        let auth = PrivateKeyJwt::new(key());
        let provider = OAuth2::client_credentials(ENDPOINT, "id", auth);
        let [header, claims] = assertion(&provider);
        assert_eq!(
            (&header["alg"], &header["kid"]),
            (&"ES256".into(), &"kid 1".into())
        );
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"id".into(), &"id".into())
        );
        assert_eq!(claims["aud"], ENDPOINT);
        let now = SENT_AT.unix().as_secs();
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&now.into(), &(now + 60).into())
        );
        let [_, again] = assertion(&provider);
        assert_ne!(claims["jti"], again["jti"]);
        assert_eq!(claims["jti"].as_str().map(str::len), Some(22), "128 bits");
    }

    #[test]
    fn the_audience_of_an_assertion_is_a_setting() {
        let fixed = Audience::Fixed("https://id.example".into());
        for (audience, expected) in [
            (Audience::TokenEndpoint, ENDPOINT),
            (fixed, "https://id.example"),
        ] {
            let auth = PrivateKeyJwt::new(key()).audience(audience);
            let [_, claims] = assertion(&OAuth2::client_credentials(ENDPOINT, "id", auth));
            assert_eq!(claims["aud"], expected);
        }
    }

    #[test]
    fn a_statement_says_who_asks_for_whom() {
        let statement = Statement::new(key(), "me", "them")
            .subject("her")
            .claim("scope", "a b")
            .claim("iss", "canary");
        let form = form_of(&OAuth2::jwt_bearer(ENDPOINT, statement));
        let [_, claims] = parts(&value(&form, "assertion").expect("an assertion"));
        for (name, expected) in [
            ("iss", "me"),
            ("sub", "her"),
            ("aud", "them"),
            ("scope", "a b"),
        ] {
            assert_eq!(claims[name], expected);
        }
    }

    #[test]
    fn a_key_that_cannot_sign_is_a_setting_and_shows_nothing() {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        for key in [
            SigningKey::pem(Algorithm::Es256, "canary"),
            SigningKey::pem(Algorithm::Rs256, pem.as_str()),
            SigningKey::pem(Algorithm::EdDsa, pem.as_str()),
        ] {
            assert!(!format!("{key:?}").contains("PRIVATE"));
            let auth = PrivateKeyJwt::new(key);
            let provider = OAuth2::client_credentials(ENDPOINT, "id", auth);
            let outcome = exchange(&provider, None, &Canned::new(200, SUCCESS));
            assert!(outcome.request.is_none());
            assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
        }
    }
}
