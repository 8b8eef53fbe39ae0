//! Where secrets are, and that nothing shows them.

use std::fs;

use serde::Deserialize;
use tower_reauth::{
    config::{AuthConfig, SecretSource},
    token::Secret,
    vendor::VmwareCsp,
};

use crate::{CANARY, assert_refused, both, configs, folder::Folder};

/// A configuration of somebody else, with a secret in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Theirs {
    password: SecretSource,
}

fn csp(api_token: &str) -> String {
    format!("vendor = 'vmware-csp'\norigins = ['https://x.example']\napi_token = {api_token}")
}

#[test]
fn a_bare_secret_is_refused_and_the_error_names_the_three_forms() {
    for form in ["{ file = ", "{ env = ", "{ value = "] {
        assert_refused::<AuthConfig>(&csp("'c4n4ry'"), form);
        assert_refused::<Theirs>("password = 'c4n4ry'", form);
    }
    assert_refused::<AuthConfig>(&csp("'c4n4ry'"), "`api_token`");
}

#[test]
fn a_secret_in_any_other_form_is_refused_and_not_shown() {
    for form in [
        "4711",
        "-4711",
        "47.11",
        "true",
        "[]",
        "['c4n4ry']",
        "{}",
        "{ valeu = 'c4n4ry' }",
        "{ value = 4711 }",
        "{ value = ['c4n4ry'] }",
        "{ value = '' }",
        "{ env = '' }",
        "{ env = 'a=b' }",
        "{ file = '' }",
        "{ value = 'c4n4ry', env = 'c4n4ry' }",
        "{ value = 'c4n4ry', valeu = 'c4n4ry' }",
        "{ file = { value = 'c4n4ry' } }",
    ] {
        assert_refused::<AuthConfig>(&csp(form), "`api_token` ");
        assert_refused::<Theirs>(&format!("password = {form}"), "the configuration ");
        for result in both::<AuthConfig>(&csp(form)) {
            let error = result.unwrap_err();
            assert!(!error.contains("47"), "{error}");
        }
    }
}

#[test]
fn no_debug_shows_a_value() {
    for theirs in both::<Theirs>("password = { value = 'c4n4ry' }") {
        let theirs = theirs.unwrap();
        assert_eq!(theirs.password.read().unwrap(), Secret::from(CANARY));
        assert!(!format!("{theirs:?}{theirs:#?}").contains(CANARY));
    }
    for config in configs(&format!(
        "{}\n[initial]\nrefresh_token.value = 'c4n4ry'",
        csp("{ value = 'c4n4ry' }")
    )) {
        let builder = config.builder().unwrap();
        let shown = format!(
            "{config:?}{config:#?}{builder:?}{:?}",
            config.provider().provider()
        );
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn a_secret_is_read_out_of_the_environment() {
    // Cargo and nextest set it for every test.
    for theirs in both::<Theirs>("password = { env = 'CARGO_PKG_NAME' }") {
        let secret = theirs.unwrap().password.read().unwrap();
        assert_eq!(secret, Secret::from("tower-reauth"));
    }
    for config in configs(&csp("{ env = 'TOWER_REAUTH_NOBODY_SETS_THIS' }")) {
        let error = config.builder().unwrap_err();
        assert!(error.is_misconfigured());
        assert_eq!(
            error.to_string(),
            "the authentication layer is misconfigured: there is no secret for `api_token`: \
             the environment variable \"TOWER_REAUTH_NOBODY_SETS_THIS\" is not set: set it, or name another"
        );
    }
}

#[test]
fn a_file_is_read_anew_each_time_and_its_last_line_end_is_no_part_of_it() {
    let folder = Folder::new();
    let path = folder.path("secret");
    let [theirs, _] = both::<Theirs>(&format!("password = {{ file = {path:?} }}"));
    let source = theirs.unwrap().password;
    for (text, expected) in [
        ("one", "one"),
        ("two\n", "two"),
        ("three\r\n", "three"),
        (" with spaces \n", " with spaces "),
        ("two\nlines\n", "two\nlines"),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(source.read().unwrap().expose(), expected);
    }
    let longest = "x".repeat(64 * 1024);
    fs::write(&path, &longest).unwrap();
    assert_eq!(source.read().unwrap().expose(), longest);
}

#[test]
fn a_file_that_holds_no_secret_is_an_error_that_names_it_and_nothing_in_it() {
    let folder = Folder::new();
    let path = folder.path("secret");
    let toml = csp(&format!("{{ file = {path:?} }}"));
    let [config, _] = configs(&toml);
    let fails = |what: &str| {
        let error = config.builder().unwrap_err();
        assert!(error.is_misconfigured());
        let shown = format!("{error} {error:?} {error:#?}");
        let named = shown.contains("`api_token`") && shown.contains(path.to_str().unwrap());
        assert!(named && shown.contains(what), "{what}: {shown}");
        assert!(!shown.contains(CANARY), "{shown}");
    };
    fails("cannot be read (entity not found)");
    for (content, what) in [
        (Vec::new(), "is empty"),
        (b"\r\n\n".to_vec(), "is empty"),
        (CANARY.repeat(64 * 1024).into(), "longer than 64 KiB"),
        ([CANARY.as_bytes(), b"\xff"].concat(), "is not UTF-8"),
    ] {
        fs::write(&path, content).unwrap();
        fails(what);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fails("is a folder");
}

#[test]
fn a_seed_that_is_missing_is_named_by_its_path() {
    let toml = "vendor = 'marketiger3d'\ninitial.refresh_token.file = 'no/such/file'";
    for config in configs(toml) {
        let error = config.builder().unwrap_err().to_string();
        assert!(
            error.contains("no secret for `initial.refresh_token`: the file \"no/such/file\""),
            "{error}"
        );
    }
}

#[test]
fn a_secret_may_be_in_a_table_of_somebody_else() {
    #[derive(Debug, Deserialize)]
    struct Service {
        csp: AuthConfig<VmwareCsp>,
        redis: Theirs,
    }
    let toml = "[csp]\napi_token.value = 'c4n4ry'\norigins = ['https://x.example']\n[redis]\npassword.value = 'c4n4ry'";
    for service in both::<Service>(toml) {
        let service = service.unwrap();
        assert!(service.csp.builder().unwrap().build().is_ok());
        assert_eq!(service.redis.password.read().unwrap().expose(), CANARY);
        assert!(!format!("{service:?}").contains(CANARY));
    }
    let bare = toml.replace("password.value", "password");
    assert_refused::<Service>(&bare, "is a secret, and no bare text");
}
