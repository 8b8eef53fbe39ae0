//! The dashboard in `examples/` asks for metrics that exist, and for all of them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::names::{everything, scraped};

#[tokio::test]
async fn the_dashboard_asks_for_every_metric_and_for_nothing_else() {
    let told = everything().await;
    let queries = queries();
    let words = |text: &String| -> Vec<String> {
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let words = text.split(|it| !is_name(it));
        let ours = words.filter(|word| word.starts_with("tower_reauth_"));
        ours.map(str::to_owned).collect()
    };
    let asked: BTreeSet<_> = queries.iter().flat_map(words).collect();
    let asked = asked.into_iter().collect::<Vec<_>>().join("{} 1\n");
    assert_eq!(scraped(&asked), scraped(&told.metrics));
}

#[tokio::test]
async fn the_dashboard_groups_by_labels_that_the_metric_has() {
    let told = everything().await;
    for query in queries() {
        let Some((_, by)) = query.split_once("sum by (") else {
            continue;
        };
        let (labels, rest) = by.split_once(')').unwrap();
        let start = rest.find("tower_reauth_").unwrap();
        let name = &rest[start..];
        let name = &name[..name.find(['{', '[', ')', ' ']).unwrap_or(name.len())];
        let sample = told.metrics.lines().find(|line| line.starts_with(name));
        let sample = sample.unwrap_or_else(|| panic!("{name}"));
        for label in labels.split(',').map(str::trim) {
            assert!(sample.contains(&format!("{label}=\"")), "{query}: {sample}");
        }
    }
}

fn queries() -> Vec<String> {
    let dashboard = include_str!("../../examples/grafana_dashboard.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(!queries.is_empty());
    queries
}
