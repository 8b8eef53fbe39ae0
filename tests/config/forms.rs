//! What a configuration may hold, and what is refused.

use std::{fs, path::Path, time::Duration};

use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, Error, Token,
    config::{AuthConfig, ProviderConfig, TokenClientConfig},
    layer::AuthLayerBuilder,
    oauth2::OAuth2,
    test_util::ManualClock,
    token_client::{Body, HttpTokenClient},
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

use crate::{
    assert_refused, both, configs,
    support::{Api, get, settle},
};

/// For each vendor what it needs.
const VENDORS: [(&str, &str); 5] = [
    (
        "immersve",
        "client_application_id = 'id'\norigin = 'https://app.example'\n",
    ),
    (
        "dressipi",
        "base_url = 'https://d.example'\nclient_id = 'id'\n",
    ),
    ("marketiger3d", ""),
    (
        "vmware-csp",
        "api_token = { value = 't' }\norigins = ['https://x.example']\n",
    ),
    (
        "oauth2",
        "grant = 'client-credentials'\ntoken_endpoint = 'https://id.example/token'\nclient_id = 'id'\n\
         client_secret = { value = 's' }\norigins = ['https://x.example']\n",
    ),
];

fn own(vendor: &str, toml: &str, expected: &str) {
    match vendor {
        "immersve" => assert_refused::<ProviderConfig<Immersve>>(toml, expected),
        "dressipi" => assert_refused::<ProviderConfig<Dressipi>>(toml, expected),
        "marketiger3d" => assert_refused::<ProviderConfig<Marketiger3D>>(toml, expected),
        "vmware-csp" => assert_refused::<ProviderConfig<VmwareCsp>>(toml, expected),
        _ => assert_refused::<ProviderConfig<OAuth2>>(toml, expected),
    }
}

#[test]
fn a_typo_is_refused_by_its_name_for_each_vendor() {
    for (vendor, needed) in VENDORS {
        for typo in [
            "orgins = []",
            "base_ulr = 'c4n4ry'",
            "api_key_ = { value = 'c4n4ry' }",
        ] {
            let name = typo.split(' ').next().unwrap();
            let expected = format!("`{name}` is no field here; there are `");
            let toml = format!("{needed}{typo}\n");
            own(vendor, &toml, &expected);
            assert_refused::<ProviderConfig>(&format!("vendor = '{vendor}'\n{toml}"), &expected);
            assert_refused::<AuthConfig>(&format!("vendor = '{vendor}'\n{toml}"), &expected);
        }
        for table in ["initial", "layer", "token_client"] {
            let toml = format!("vendor = '{vendor}'\n{needed}\n[{table}]\nwiat = 'c4n4ry'");
            assert_refused::<AuthConfig>(&toml, &format!("`{table}.wiat` is no field here"));
            assert_refused::<ProviderConfig>(&toml, &format!("`{table}` is no field here"));
        }
    }
}

#[test]
fn a_typo_in_a_needed_field_is_reported_as_a_typo() {
    assert_refused::<ProviderConfig<Dressipi>>(
        "base_url = 'https://d.example'\nclientid = 'x'",
        "`clientid` is no field here",
    );
}

#[test]
fn a_missing_field_is_named_for_each_vendor() {
    for (vendor, needed) in VENDORS {
        for left_out in needed.lines() {
            let name = left_out.split(' ').next().unwrap();
            if (vendor, name) == ("oauth2", "origins") {
                continue; // The layer's builder asks for it, as it does in code.
            }
            let rest: String = needed
                .lines()
                .filter(|line| *line != left_out)
                .map(|line| format!("{line}\n"))
                .collect();
            own(vendor, &rest, &format!("`{name}` is missing"));
        }
    }
    assert_refused::<AuthConfig>("", "`vendor` is missing");
    assert_refused::<AuthConfig>(
        "vendor = 'c4n4ry'",
        "`vendor` must be one of \"immersve\", ",
    );
    let initial = "vendor = 'marketiger3d'\n[initial]";
    assert_refused::<AuthConfig>(initial, "`initial.refresh_token` is missing");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_by_its_path_and_not_shown() {
    for (field, what) in [
        ("base_url = 4711", "`base_url` must be a text"),
        ("base_url = ''", "`base_url` must not be empty"),
        (
            "base_url = 'c4n4ry'",
            "`base_url` cannot be used: the base URL is not a URL",
        ),
        (
            "base_url = 'https://c4n4ry:c4n4ry@x.example'",
            "`base_url` ",
        ),
        (
            "origins = 'https://x.example'",
            "`origins` must be a list of texts",
        ),
        ("origins = [4711]", "`origins` must be a list of texts"),
        (
            "origins = []",
            "`origins` cannot be used: no origins are declared",
        ),
        ("origins = ['http://x.example']", "`origins` "),
        ("initial = 'c4n4ry'", "`initial` must be a table"),
        (
            "layer.replay = 'c4n4ry'",
            "`layer.replay` must be true or false",
        ),
        (
            "layer.replay_cap = -1",
            "`layer.replay_cap` must be a whole number",
        ),
        (
            "layer.wait_at_most = 'c4n4ry'",
            "`layer.wait_at_most` must be a duration, such as \"30s\"",
        ),
        (
            "layer.wait_at_most = '30'",
            "`layer.wait_at_most` must be a duration",
        ),
        (
            "layer.wait_at_most = 1.5",
            "`layer.wait_at_most` must be a duration",
        ),
        (
            "layer.wait_at_most = -1",
            "`layer.wait_at_most` must be a duration",
        ),
        (
            "token_client.timeout = '0s'",
            "`token_client.timeout` must be longer",
        ),
        (
            "initial.refresh_token = 'c4n4ry'",
            "`initial.refresh_token` is a secret",
        ),
    ] {
        assert_refused::<AuthConfig>(&format!("vendor = 'marketiger3d'\n{field}"), what);
    }
    for result in [
        serde_json::from_str::<AuthConfig>("[]"),
        serde_json::from_str("\"c4n4ry\""),
        serde_json::from_str("4711"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with("the configuration must be a table"),
            "{error}"
        );
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let immersve = "client_application_id = 'id'\norigin = 'https://app.example'\nenvironment = 'test'\n\
        base_url = 'https://x.example'";
    assert_refused::<ProviderConfig<Immersve>>(immersve, "`base_url` and `environment`");
    let twice = r#"{"vendor": "marketiger3d", "vendor": "dressipi"}"#;
    let error = serde_json::from_str::<AuthConfig>(twice).unwrap_err();
    assert!(
        error.to_string().starts_with("`vendor` is there twice"),
        "{error}"
    );
}

#[test]
fn null_is_a_field_that_is_left_out() {
    let json = r#"{"vendor": "marketiger3d", "base_url": null, "initial": null}"#;
    assert!(serde_json::from_str::<AuthConfig>(json).is_ok());
}

/// Every block of TOML in a text of Markdown.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start_matches("//!").trim();
        match (&mut open, line) {
            (None, "```toml") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

/// A configuration for each block, and for each of its lines that are commented out one with it.
fn every_line_of(block: &str) -> Vec<String> {
    let optional = |line: &&str| line.starts_with("# ");
    let variants = block.lines().filter(optional).map(|line| {
        let line = line.trim_start_matches("# ");
        let name = line.split(' ').next().unwrap();
        // It takes the place of the same field, and stands before any table.
        let rest = block
            .lines()
            .filter(|other| !other.starts_with(&format!("{name} ")));
        format!("{line}\n{}", rest.collect::<Vec<_>>().join("\n"))
    });
    variants.chain([block.to_owned()]).collect()
}

#[test]
fn everything_that_the_documentation_shows_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shown = 0;
    for file in ["src/config/mod.rs", "README.md"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let blocks = blocks(&text);
        let vendors: Vec<_> = blocks
            .iter()
            .filter(|it| it.starts_with("vendor = "))
            .collect();
        for (vendor, _) in VENDORS {
            let first = format!("vendor = {vendor:?}");
            let own = vendors.iter().filter(|block| block.starts_with(&first));
            assert!(own.count() > 0, "{file} shows no {vendor}");
        }
        let settings = blocks.iter().find(|block| block.starts_with("[layer]"));
        for block in vendors {
            for text in every_line_of(block) {
                let text = format!("{text}\n{}", settings.map_or("", |it| it));
                for config in both::<AuthConfig>(&text) {
                    config.unwrap_or_else(|error| panic!("{error} in {text}"));
                    shown += 1;
                }
            }
        }
    }
    assert!(shown > 60, "{shown}");
}

#[test]
fn the_token_client_keeps_to_its_limits() {
    for config in both::<TokenClientConfig>("timeout = '1500ms'\nmax_reply_bytes = 4711") {
        let client = config.unwrap().limit(HttpTokenClient::default());
        let shown = format!("{client:?}");
        assert!(shown.contains("1.5s") && shown.contains("4711"), "{shown}");
    }
    let toml = "vendor = 'marketiger3d'\n[token_client]\nmax_reply_bytes = 4711";
    for config in configs(toml) {
        let client = config.token_client().limit(HttpTokenClient::default());
        let shown = format!("{client:?}");
        assert!(shown.contains("10s") && shown.contains("4711"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_as_long_as_the_configuration_says() {
    let toml = "vendor = 'vmware-csp'\napi_token = { value = 't' }\norigins = ['https://api.example.com']\n\
        [layer]\nwait_at_most = '2min 5s'";
    for config in configs(toml) {
        let clock = ManualClock::new();
        let silent = tower::service_fn(|_: http::Request<Body>| async {
            std::future::pending::<Result<http::Response<String>, std::io::Error>>().await
        });
        let client = HttpTokenClient::over(silent).timeout(Duration::from_secs(10_000));
        let builder = config.builder().unwrap().token_client(client);
        let auth = builder.clock(clock.clone()).build().unwrap();
        let caller = tokio::spawn(auth.layer(Api::accepting_all()).oneshot(get()));
        settle().await;
        clock.advance(Duration::from_secs(124));
        settle().await;
        assert!(!caller.is_finished());
        clock.advance(Duration::from_secs(1));
        let error = caller.await.unwrap().unwrap_err();
        assert!(
            Error::find(&*error).is_some_and(Error::is_in_progress),
            "{error}"
        );
    }
}

#[test]
fn settings_are_those_that_the_builder_s_methods_make() {
    type Builder = AuthLayerBuilder<Marketiger3D>;
    type Set = fn(Builder) -> Builder;
    let table: [(&str, Set); 10] = [
        ("", |it| it),
        ("layer.wait_at_most = '90s'", |it| {
            it.wait_at_most(Duration::from_secs(90))
        }),
        ("layer.keep_idle_sessions_alive = false", |it| {
            it.keep_idle_sessions_alive(false)
        }),
        ("layer.replay = false", |it| it.replay(false)),
        ("layer.replay_cap = 4711", |it| it.replay_cap(4711)),
        ("layer.send_bare_elsewhere = true", |it| {
            it.send_bare_elsewhere()
        }),
        ("layer.respect_existing = true", |it| it.respect_existing()),
        ("token_client.timeout = 3", |it| {
            it.token_client(HttpTokenClient::default().timeout(Duration::from_secs(3)))
        }),
        ("initial.access_token.value = 'a'", |it| {
            it.initial(Token::new("a"))
        }),
        (
            "layer = { replay = true, keep_idle_sessions_alive = true, send_bare_elsewhere = false, \
             respect_existing = false }",
            |it| it,
        ),
    ];
    for (toml, set) in table {
        let expected = set(AuthLayer::builder(Marketiger3D::new()));
        for config in both::<AuthConfig<Marketiger3D>>(toml) {
            let made = config.unwrap().builder().unwrap();
            assert_eq!(format!("{made:?}"), format!("{expected:?}"), "{toml}");
        }
    }
}
