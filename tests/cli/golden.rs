//! What people read, under snapshot test.

use super::fixture::{EVENTS, RUNS, SNAPSHOTS, STATUS, parse};
use insta::assert_snapshot;
use jiff::Timestamp;
use seawall::app::Look;
use seawall::cli::describe;
use seawall::cli::style::Style;
use seawall::cli::{backup, plan, tables};
use seawall::controller::ports::CountedEvent;
use seawall::reconcile::{Outcome, RunResult};
use seawall::status::model::{StatusSnapshot, StoredSnapshot};
use std::path::Path;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn status() -> StatusSnapshot {
    parse(STATUS)
}

#[test]
fn lists() {
    let status = status();
    assert_snapshot!("policies", tables::policies(&status, Style::PLAIN, now()));
    assert_snapshot!("volumes", tables::volumes(&status, Style::PLAIN));
    let repositories: Vec<_> = status.repositories.values().collect();
    assert_snapshot!("repositories", tables::repositories(&repositories, Style::PLAIN, now()));
    let running: Vec<_> = status.running.iter().collect();
    let ended: Vec<Outcome> = parse(RUNS);
    assert_snapshot!("runs", tables::runs(&running, &ended.iter().collect::<Vec<_>>(), Style::PLAIN, now()));
    let events: Vec<CountedEvent> = parse(EVENTS);
    assert_snapshot!("events", tables::events(&events.iter().collect::<Vec<_>>(), Style::PLAIN, now()));
    assert_snapshot!("snapshots", tables::snapshots(&parse::<Vec<StoredSnapshot>>(SNAPSHOTS), Style::PLAIN, now()));
}

#[test]
fn nothing_at_all_is_said_and_not_left_blank() {
    let mut status = StatusSnapshot::default();
    status.config.problem = Some("it does not exist; 0 policies in force".to_owned());
    status.docker.message = "no such socket".to_owned();
    status.state_error = Some("disk full\nerror: forged line".to_owned());
    let mut text = tables::policies(&status, Style::PLAIN, now()) + &tables::volumes(&status, Style::PLAIN);
    text += &tables::warnings(&status).join("\n");
    assert_snapshot!("nothing", text);
}

#[test]
fn colour_is_all_that_a_terminal_adds() {
    let status = status();
    let coloured = tables::policies(&status, Style(true), now());
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain += before;
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, tables::policies(&status, Style::PLAIN, now()));
}

#[test]
fn a_whole_plan_and_the_part_of_one_policy() {
    let status = status();
    assert_snapshot!("plan", plan::text(&status, &status.plan, true, Style::PLAIN, now()));
    let part = plan::narrow(&status.plan, Some("n8n-data"));
    assert_snapshot!("plan_of_one", plan::text(&status, &part, false, Style::PLAIN, now()));
    let none = plan::narrow(&status.plan, Some("redis"));
    assert_eq!(plan::verdict(false, &status.plan).code(), 2);
    assert_eq!(plan::verdict(false, &none).code(), 0);
    assert_eq!(plan::verdict(true, &none).code(), 1, "an invalid file is never `nothing to do`");
    assert_eq!(plan::verdict(true, &status.plan).code(), 1);
    assert_snapshot!("plan_of_exempt", plan::text(&status, &none, false, Style::PLAIN, now()));
}

fn described(name: &str) -> String {
    described_in(status(), name)
}

fn described_in(status: StatusSnapshot, name: &str) -> String {
    let mut runs: Vec<Outcome> = parse(RUNS);
    runs.retain(|run| run.source.as_ref().is_some_and(|key| key.policy == name));
    let look = Look { status, runs, events: parse(EVENTS), snapshots: Vec::new() };
    let read = |path: &Path| {
        path.ends_with("mistakes/new.yaml")
            .then(|| "kind: BackupPolicy\nmetadata:\n  name: Postgres_Data\n\nspec: {}".to_owned())
    };
    let described = describe::gather(name, &look, read).unwrap();
    describe::text(name, &described, &look.status, Style::PLAIN, now(), read)
}

#[test]
fn descriptions() {
    assert_snapshot!("describe_healthy", described("n8n-data"));
    assert_snapshot!("describe_partial_with_invalid_file", described("whatsapp-auth"));
    assert_snapshot!("describe_exempt", described("redis"));
    assert_snapshot!("describe_known_from_an_invalid_file_only", described("Postgres_Data"));
}

#[test]
fn what_stands_still_and_should_not_is_said() {
    let mut status = status();
    let text = r#"[{"source": {"policy": "n8n-data", "source": "prosaasil_n8n_data"}, "run": "20261123T113000Z-000000",
        "container": "n8n", "mode": "stop", "since": "2026-11-23T11:30:00Z", "deadline": "2026-11-23T11:42:30Z"}]"#;
    status.quiesced = std::sync::Arc::new(parse(text));
    let described = described_in(status.clone(), "n8n-data");
    let line = described.lines().find(|line| line.contains("Stands still")).unwrap().trim();
    assert_snapshot!("stands_still", format!("{line}\n{}", tables::warnings(&status).join("\n")));
}

#[test]
fn what_a_backup_says_and_ends_with() {
    let mut runs = parse::<Vec<Outcome>>(RUNS);
    let text: String = runs.iter().map(|run| backup::outcome_text(run, Style::PLAIN)).collect();
    assert_snapshot!("backup", text);
    let code = |runs: &[Outcome]| backup::verdict(runs).code();
    assert_eq!(code(&runs), 3);
    assert_eq!(code(&runs[1..]), 0);
    runs[0].result = RunResult::Empty;
    assert_eq!(code(&runs), 4, "one source without a snapshot outweighs another's success");
    assert_eq!(code(&[]), 4, "a backup of nothing is no success");
}
