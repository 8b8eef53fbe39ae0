//! The house has three rings, and dependencies point inwards only (see `docs::internals`).
//!
//! This test reads the sources and compares every mention of `crate::…` outside of comments and
//! tests with a table. A new edge is a decision: make it here, and say why in the commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module, and the modules that it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    // inside
    ("clock", &[]),
    ("lane", &[]),
    // `lane`: where the bytes of a header are counted.
    ("token", &["clock", "lane"]),
    ("provider", &["clock", "lane", "token"]),
    ("error", &["clock", "provider"]),
    ("observe", &["error", "provider"]),
    ("cell", &["clock", "error", "observe", "provider", "token"]),
    // middle
    // `challenge`, `clock`: for proofs, which are dated, and of which a response may speak.
    (
        "attach",
        &["challenge", "clock", "error", "lane", "provider"],
    ),
    ("challenge", &["grpc", "provider"]),
    // `cell`: for the clock that a deadline is kept by.
    ("grpc", &["cell", "clock", "error"]),
    ("peek", &["challenge"]),
    ("replay", &["error"]),
    ("handle", &["cell", "error", "provider", "token"]),
    (
        "future",
        &[
            "attach",
            "cell",
            "challenge",
            "clock",
            "error",
            "grpc",
            "lane",
            "layer",
            "observe",
            "provider",
            "replay",
        ],
    ),
    (
        "service",
        // `cell`: a token may say itself where it may go.
        &[
            "attach", "cell", "error", "future", "lane", "layer", "observe", "provider",
        ],
    ),
    (
        "layer",
        &[
            "attach",
            "cell",
            "clock",
            "error",
            "handle",
            "lane",
            "observe",
            "provider",
            // Which bodies can be sent twice is a setting.
            "replay",
            "service",
            // `layer/builder.rs` puts a store between the cell and the provider.
            "store",
            "token",
            // The one place in the middle that names an outside module: the built-in default.
            "token_client",
        ],
    ),
    // outside
    // `error`: to know what a layer says of a token request that was led through it.
    ("token_client", &["clock", "error", "provider"]),
    // The way of a request once more, for request types that `future` does not know: it names what
    // `service` and `future` name. Nothing names it.
    (
        "compat",
        &[
            "attach",
            "cell",
            "challenge",
            "clock",
            "error",
            // For what it says of time: a request of reqwest has a limit as well.
            "grpc",
            "layer",
            "observe",
            "peek",
            "provider",
            "replay",
            "service",
        ],
    ),
    // `clock`: how old metadata are, when an assertion or a proof is signed.
    ("oauth2", &["clock", "provider", "token"]),
    // `cell`: the one function that says when a lost refresh token may be sent again, the plan of a
    // token's life, and the trait by which seeds are handed over.
    ("store", &["cell", "clock", "observe", "provider", "token"]),
    // `clock`: when something was asked last.
    ("vendor", &["clock", "oauth2", "provider", "token"]),
    // `provider`, `store`: what a suite for stores hands to a store.
    ("test_util", &["clock", "provider", "store"]),
    // `oauth2`: beside the provider, the check of an address. `layer`: its builder, and its settings.
    (
        "config",
        &[
            "error",
            "layer",
            "oauth2",
            "provider",
            "token",
            "token_client",
            "vendor",
        ],
    ),
    ("docs", &[]),
];

#[test]
fn dependencies_point_inwards_only() {
    let mut wrong = BTreeSet::new();
    for (module, mentioned) in mentions() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            wrong.insert(format!("`{module}` has no place in the table"));
            continue;
        };
        for other in mentioned {
            if other != module && !allowed.contains(&other.as_str()) {
                wrong.insert(format!("`{module}` names `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_allows_no_edge_that_nobody_uses() {
    let mentions = mentions();
    let mut unused = Vec::new();
    for (module, allowed) in ALLOWED {
        let used = mentions.get(*module).cloned().unwrap_or_default();
        unused.extend(
            allowed
                .iter()
                .filter(|other| !used.contains(**other))
                .map(|other| format!("{module} -> {other}")),
        );
    }
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn only_few_files_look_into_a_secret() {
    let known = [
        // Reads names and addresses, which come as texts like secrets do.
        "src/config/",
        "src/oauth2/",
        "src/provider/placement.rs",
        // Writes records, and takes fingerprints.
        "src/store/",
        "src/token/expiry.rs",
        "src/token/secret.rs",
        "src/vendor/",
    ];
    let strangers: Vec<_> = production_files()
        .into_iter()
        .filter(|(path, code)| {
            let path = path.to_string_lossy().replace('\\', "/");
            code.contains(".expose()") && !known.iter().any(|known| path.contains(known))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
}

/// Top-level modules, and the top-level modules that each mentions.
fn mentions() -> BTreeMap<String, BTreeSet<String>> {
    let mut mentions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (path, code) in production_files() {
        let module = module_of(&path);
        if module != "lib" {
            mentions
                .entry(module)
                .or_default()
                .extend(mentioned_in(&code));
        }
    }
    mentions
}

/// The first path segment after each `crate::`, also inside of a group in braces.
fn mentioned_in(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.insert(first_segment(rest)),
            Some(group) => {
                found.extend(
                    group_members(group)
                        .iter()
                        .map(|member| first_segment(member)),
                );
                true
            }
        };
    }
    found
}

/// The members of a group whose opening brace was just read.
fn group_members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 1;
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (depth, character) {
            (0, _) => break,
            (1, ',') => members.push(String::new()),
            _ => members.last_mut().expect("never empty").push(character),
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

/// The segment, or the module that a re-export of the crate's root stands for.
fn first_segment(path: &str) -> String {
    let segment: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    match segment.as_str() {
        "Error" | "BoxError" => "error".to_owned(),
        "Token" => "token".to_owned(),
        "Provider" => "provider".to_owned(),
        "AuthLayer" => "layer".to_owned(),
        "Auth" => "service".to_owned(),
        _ => segment,
    }
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(source_root()).expect("below the root");
    let first = inside.components().next().expect("a file").as_os_str();
    Path::new(first)
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// Every source file with its comments and its tests cut away.
fn production_files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test(&path) {
                let code = fs::read_to_string(&path).expect("a readable file");
                files.push((path, production_code(&code)));
            }
        }
    }
    assert!(files.len() > 20, "the sources are somewhere else");
    files
}

fn is_test(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.contains("tests") || path.ends_with("harness.rs")
}

fn production_code(code: &str) -> String {
    let end = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
