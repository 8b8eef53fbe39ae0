//! The names that traces and metrics have are those of the documentation's table, all of them and no
//! others; and no event says a secret.

use std::collections::{BTreeMap, BTreeSet};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::Level;

use crate::{
    heard::Heard,
    logins, requests, sessions, stored,
    traced::{Trace, Traces},
};

/// A row of the table.
#[derive(Debug, Default)]
struct Row {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// What all scenarios together left behind.
pub(crate) struct Told {
    pub(crate) traces: Vec<Trace>,
    /// In Prometheus' text format.
    pub(crate) metrics: String,
}

/// Lets everything happen that there is an event for.
pub(crate) async fn everything() -> Told {
    let (traces, recorder) = (Traces::default(), recorder());
    let handle: PrometheusHandle = recorder.handle();
    {
        let _traced = tracing::subscriber::set_default(traces.clone());
        let _counted = metrics::set_default_local_recorder(&recorder);
        let heard = Heard::default();
        requests::replayed(&heard).await;
        requests::refused_whatever_is_sent(&heard).await;
        requests::unserved(&heard).await;
        sessions::login_and_end(&heard).await;
        logins::provider_logs_in(&heard).await;
        stored::lease_lost(&heard).await;
        stored::unsaved(&heard).await;
        stored::record_lost_and_reply_lost(&heard).await;
        stored::adopted(&heard).await;
    }
    Told {
        traces: traces.take(),
        metrics: handle.render(),
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// The rows of the documentation's table, by message, and the names of all metrics.
fn documented() -> (BTreeMap<String, Row>, BTreeSet<String>) {
    let source = include_str!("../../src/observe/mod.rs");
    let (mut rows, mut metrics) = (BTreeMap::new(), BTreeSet::new());
    for line in source.lines().filter(|line| line.starts_with("//! | `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, _event, traced, fields, counted, _] = cells[..] else {
            panic!("{line}");
        };
        let levels = ["DEBUG", "INFO", "WARN", "ERROR"];
        let row = Row {
            levels: levels
                .into_iter()
                .filter(|level| traced.contains(level))
                .map(str::to_owned)
                .collect(),
            fields: quoted(fields),
        };
        let message = quoted(traced).into_iter().next().unwrap();
        assert!(rows.insert(message, row).is_none(), "{line}");
        let names = quoted(counted).into_iter();
        metrics.extend(names.filter(|name| name.starts_with("tower_reauth_")));
    }
    (rows, metrics)
}

fn quoted(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// The names of the metrics in a scrape, as they were given to the recorder.
pub(crate) fn scraped(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.split(['{', ' ']).next());
    let names = names.map(|name| {
        let name = name.strip_suffix("_sum").unwrap_or(name);
        name.strip_suffix("_count").unwrap_or(name)
    });
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn traces_have_the_names_levels_and_fields_of_the_table() {
    let told = everything().await;
    let (table, _) = documented();
    let mut seen: BTreeMap<String, Row> = BTreeMap::new();
    for trace in &told.traces {
        let row = seen.entry(trace.message.clone()).or_default();
        row.levels.insert(trace.level.to_string());
        let fields = trace.fields.keys().filter(|name| *name != "vendor");
        row.fields.extend(fields.cloned());
        assert!(trace.fields.contains_key("vendor"), "{trace:?}");
    }
    let names = |rows: &BTreeMap<String, Row>| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&seen), names(&table));
    for (message, row) in &table {
        assert_eq!(seen[message].levels, row.levels, "{message}");
        assert_eq!(seen[message].fields, row.fields, "{message}");
    }
}

#[tokio::test]
async fn metrics_have_the_names_of_the_table() {
    let told = everything().await;
    assert_eq!(scraped(&told.metrics), documented().1);
}

#[tokio::test]
async fn labels_have_few_values_and_none_of_them_names_a_session() {
    let told = everything().await;
    let allowed = [
        "vendor", "reason", "outcome", "again", "kind", "healed", "own",
    ];
    let values = [
        "script",
        "strict",
        "first",
        "due",
        "expired",
        "refused",
        "asked",
        "issued",
        "adopted",
        "transient",
        "unknown_outcome",
        "true",
        "false",
        "replayed",
        "switched_off",
        "origin",
        "revoked",
        "login_required",
    ];
    for line in told.metrics.lines().filter(|line| line.contains('{')) {
        let labels = line.split_once('{').and_then(|it| it.1.split_once('}'));
        for label in labels.map_or("", |it| it.0).split(',') {
            let (name, value) = label.split_once('=').unwrap_or_default();
            let value = value.trim_matches('"');
            // The exporter's own: a histogram is a summary to it, unless it is told of buckets.
            if name == "quantile" {
                continue;
            }
            assert!(allowed.contains(&name), "{line}");
            assert!(values.contains(&value), "{line}");
        }
    }
}

#[tokio::test]
async fn no_event_says_a_token() {
    let told = everything().await;
    let all = format!("{:?}{}", told.traces, told.metrics);
    for secret in ["access-", "refresh-", "seed", "3f9a0b7c5d1e2f8a"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn levels_come_back_to_zero_when_nothing_is_left() {
    let told = everything().await;
    let gauges = [
        "tower_reauth_exchanges_in_flight",
        "tower_reauth_sessions_without_login",
        "tower_reauth_sessions_unsaved",
    ];
    for gauge in gauges {
        let samples = told.metrics.lines().filter(|line| line.starts_with(gauge));
        let samples: Vec<_> = samples.collect();
        assert!(!samples.is_empty(), "{gauge}");
        for sample in samples {
            assert!(sample.ends_with(" 0"), "{sample}");
        }
    }
}

#[tokio::test]
async fn only_what_somebody_has_to_see_is_above_debug() {
    let told = everything().await;
    let quiet = [
        "exchange started",
        "token refused",
        "request replayed",
        "request not sent",
    ];
    for trace in &told.traces {
        let is_quiet = quiet.contains(&trace.message.as_str());
        assert!(!is_quiet || trace.level == Level::DEBUG, "{trace:?}");
        let issued = trace
            .fields
            .get("outcome")
            .is_some_and(|it| it.contains("issued"));
        assert!(!issued || trace.level == Level::DEBUG, "{trace:?}");
    }
}
