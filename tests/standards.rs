//! The table of `docs::standards` names tests: each of them is there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Source files without their ending, and what is in them.
fn files() -> Vec<(Vec<String>, String)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![here.join("src"), here.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let place = path.strip_prefix(here).unwrap().with_extension("");
                let names = place.iter().map(|name| name.to_string_lossy().into_owned());
                files.push((names.collect(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// What stands between backticks and looks like the path of a test.
fn named(table: &str) -> Vec<Vec<&str>> {
    let spans = table.split('`').skip(1).step_by(2);
    let paths = spans.map(|span| span.split("::").collect::<Vec<_>>());
    let is_test = |name: &str| name.matches('_').count() >= 3;
    paths
        .filter(|path| path.len() > 1 && is_test(path.last().unwrap()))
        .collect()
}

#[test]
fn each_test_that_the_table_of_standards_names_exists() {
    let files = files();
    let (_, table) = files
        .iter()
        .find(|(place, _)| place.ends_with(&words("src docs standards")))
        .unwrap();
    let named = named(table);
    assert!(named.len() > 60, "the table is somewhere else");
    let missing: Vec<_> = named
        .iter()
        .filter(|path| {
            let (name, place) = path.split_last().unwrap();
            // A module of tests inside of a file is no file.
            let place: Vec<_> = place
                .iter()
                .filter(|it| **it != "signed")
                .map(|it| (*it).to_owned())
                .collect();
            let declared = format!("fn {name}(");
            !files
                .iter()
                .any(|(file, text)| file.ends_with(&place) && text.contains(&declared))
        })
        .map(|path| path.join("::"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A row without a test has a reason.
#[test]
fn no_row_of_the_table_of_standards_is_empty() {
    let (_, table) = files()
        .into_iter()
        .find(|(place, _)| place.ends_with(&words("src docs standards")))
        .unwrap();
    let rows = table.lines().filter(|line| line.starts_with("//! | "));
    let empty: Vec<_> = rows
        .filter(|row| {
            row.split('|')
                .map(str::trim)
                .skip(1)
                .take(3)
                .any(str::is_empty)
        })
        .collect();
    assert!(empty.is_empty(), "{empty:#?}");
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
