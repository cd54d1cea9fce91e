//! The shipped alerts: they fire when they should and not otherwise, speak of series that exist, and say what to do.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]

use seawall::metrics::names;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Cases {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    promql_expr_test: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    expr: String,
    exp_samples: Vec<ExpectedSample>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only counted; promtool compares them")]
struct ExpectedSample {
    labels: String,
    value: f64,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

fn text() -> String {
    std::fs::read_to_string(directory().join("alerts.yml")).unwrap()
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_yaml::from_str(&text()).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn promtool(arguments: &[&str], file: &Path) -> Output {
    Command::new("promtool").args(arguments).arg(file).output().unwrap()
}

#[test]
fn they_fire_when_they_should_and_not_otherwise() {
    for (arguments, file) in [
        (&["check", "rules"][..], "alerts.yml"),
        (&["check", "config"][..], "prometheus.yml"),
        (&["test", "rules"][..], "alerts_test.yml"),
    ] {
        let output = promtool(arguments, &directory().join(file));
        assert!(output.status.success(), "{output:?}");
    }
}

/// promtool compares what fires with what is listed, so a listed alert that does not fire is an error, and so is the
/// opposite.
#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let text = std::fs::read_to_string(directory().join("alerts_test.yml")).unwrap();
    let cases: Cases = serde_yaml::from_str(&text).unwrap();
    let checks: Vec<_> = cases.tests.into_iter().flat_map(|case| case.promql_expr_test).collect();
    for rule in rules() {
        let expr = format!(r#"ALERTS{{alertname="{}",alertstate="firing"}}"#, rule.alert);
        for fires in [true, false] {
            let shown = checks.iter().any(|check| check.expr == expr && check.exp_samples.is_empty() != fires);
            assert!(shown, "{} {fires}", rule.alert);
        }
    }
}

#[test]
fn they_speak_of_series_that_exist() {
    let known: BTreeSet<_> = names::ALL.iter().map(|metric| metric.name).collect();
    for rule in rules() {
        let words = rule.expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut used = words.filter(|word| word.starts_with("seawall_")).peekable();
        assert!(used.peek().is_some() || rule.alert == "SeawallDown", "{}", rule.alert);
        for name in used {
            assert!(known.contains(name), "{}: {name}", rule.alert);
        }
    }
}

#[test]
fn they_say_how_bad_it_is_and_what_to_do() {
    let mut seen = BTreeSet::new();
    for rule in rules() {
        let name = &rule.alert;
        assert!(name.starts_with("Seawall") && seen.insert(name.clone()), "{name}");
        match rule.labels.get("severity") {
            Some(severity) => assert!(["critical", "high", "medium", "low"].contains(&severity.as_str()), "{name}"),
            None => assert!(rule.expr.contains(r#""severity", "$1", "criticality""#), "{name}"),
        }
        assert!(rule.annotations["summary"].ends_with('.') && !rule.annotations["summary"].contains("{{"), "{name}");
        assert!(rule.annotations["description"].contains("$labels."), "{name}");
        assert_eq!(rule.annotations["runbook_url"], format!("README.md#alert-{name}"));
    }
    assert!(seen.len() >= 18);
}
