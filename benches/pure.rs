//! What one pass of the loop spends in pure code, per policy. `cargo bench --bench pure`

#![expect(clippy::expect_used, reason = "what is measured here is made of constants")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use seawall::policy::retention::{Candidate, Guard, Retention, evaluate};
use seawall::policy::schedule::{Rule, Schedule};
use seawall::policy::{Desired, link, parse};
use seawall::reconcile::{
    DockerState, Facts, Observed, Readable, RepositoryHealth, RepositoryState, SnapshotRecord, SourceKey, Volume,
    decide,
};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn due(c: &mut Criterion) {
    let mut group = c.benchmark_group("due");
    let cron = |text: &str| Rule::Cron(text.to_owned());
    let now = at("2026-11-23T14:00:00Z");
    let cases = [
        ("nothing, weekly", cron("0 2 * * 0"), "2026-11-22T00:00:00Z"),
        ("nothing, leap day", cron("0 2 29 2 *"), "2026-11-22T00:00:00Z"),
        ("nothing, quarter of an hour", cron("*/15 * * * *"), "2026-11-23T14:00:00Z"),
        ("nothing, every 15m", Rule::Every(Duration::from_mins(15)), "2026-11-23T14:00:00Z"),
        ("one slot, daily", cron("0 2 * * *"), "2026-11-22T00:00:00Z"),
        ("a month missed, quarter of an hour", cron("*/15 * * * *"), "2026-10-23T14:00:00Z"),
        ("a year missed, every minute", cron("* * * * *"), "2025-11-23T14:00:00Z"),
    ];
    for (name, rule, accounted) in cases {
        let schedule = Schedule::new(rule, "Asia/Jerusalem", Duration::from_mins(5), None).expect("a schedule");
        let accounted = at(accounted);
        group.bench_function(name, |b| {
            b.iter(|| schedule.due(black_box(accounted), black_box(now), black_box("n8n-data/prosaasil_n8n_data")));
        });
    }
    group.finish();
}

fn retention(c: &mut Criterion) {
    let mut group = c.benchmark_group("evaluate");
    let rule = Retention {
        within: Some(Duration::from_hours(24 * 7)),
        last: 4,
        hourly: 0,
        daily: 7,
        weekly: 4,
        monthly: 12,
        yearly: 0,
        guard: Guard { max_delete_percent: 50, acknowledge: None },
    };
    let now = at("2026-11-23T14:00:00Z");
    for count in [30u32, 1000] {
        let snapshot = |n: u32| Candidate {
            id: format!("{n:064x}").into(),
            time: now - Duration::from_hours(24 * u64::from(n)),
            complete: n % 9 != 1,
        };
        let snapshots: Vec<_> = (1..=count).map(snapshot).collect();
        group.bench_function(format!("{count} snapshots"), |b| {
            let snapshots = || black_box(&snapshots).clone();
            b.iter(|| evaluate(Some(black_box(&rule)), snapshots(), black_box("Asia/Jerusalem"), now));
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let text = include_bytes!("../policies/n8n-data.yaml");
    c.bench_function("parse a policy", |b| b.iter(|| parse(black_box(Path::new("n8n-data.yaml")), black_box(text))));
}

/// A whole pass of deciding, with nothing due, over as many policies as there may be.
fn decide_all(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let now = at("2026-11-23T14:00:00Z");
    for count in [200usize, 2000] {
        let (desired, observed) = world(count, now);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} policies"), |b| {
            b.iter(|| decide(black_box(&desired), black_box(&observed), now));
        });
    }
    group.finish();
}

/// Policies of one volume each, with a month of daily snapshots.
fn world(count: usize, now: Timestamp) -> (Desired, Observed) {
    let mut documents = Vec::new();
    let (mut docker, mut facts, mut own) = (DockerState::default(), Facts::default(), BTreeMap::new());
    (docker.up, docker.seen_at) = (true, Some(now));
    for nth in 0..count {
        let (policy, source) = (format!("policy-{nth:05}"), format!("data-{nth:05}"));
        let text = format!(
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {policy}}}\nspec:\n  source: {{volume: \
             {{name: {source}}}}}\n  schedule: {{cron: \"0 2 * * *\"}}\n  retention: {{keepDaily: 30}}\n"
        );
        let file = PathBuf::from(format!("{nth}.yaml"));
        documents.extend(parse(&file, text.as_bytes()).documents.into_iter().map(|one| (file.clone(), one)));
        let volume = Volume {
            name: source.clone(),
            driver: "local".into(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            anonymous: false,
            readable: Readable::At(PathBuf::from("/volumes").join(&source)),
            used_by: vec![],
        };
        docker.volumes.insert(source.clone(), volume);
        let key = SourceKey { policy, source };
        let slots: Vec<Timestamp> =
            (0..30).rev().map(|day| at("2026-11-23T02:00:00Z") - Duration::from_hours(24 * day)).collect();
        let list = slots.iter().map(|slot| {
            Arc::new(SnapshotRecord {
                id: format!("{nth:032x}{:032x}", slot.as_second()).into(),
                time: *slot,
                host: "host".into(),
                source: Some(key.clone()),
                slot: Some(*slot),
                run: None,
                complete: true,
                files: 1,
                bytes: 1,
                added_bytes: 1,
                imported: None,
            })
        });
        own.insert(key.clone(), Arc::new(list.collect::<Vec<_>>()));
        facts.first_seen.insert(key.clone(), slots[0]);
        let newest = slots.last().copied();
        let target = facts.targets.entry(key.target("default")).or_default();
        (target.accounted, target.last_success, target.last_success_slot) = (newest, newest, newest);
    }
    let (desired, _) = link(documents);
    let state = RepositoryState {
        health: RepositoryHealth::Healthy,
        listed_at: Some(now),
        own,
        foreign: 0,
        generated_key: true,
        location: "/repository".into(),
    };
    let observed = Observed {
        host: "host".into(),
        docker: Arc::new(docker),
        repositories: Arc::new(BTreeMap::from([("default".to_owned(), state)])),
        facts: Arc::new(facts),
        ..Observed::default()
    };
    (desired, observed)
}

criterion_group!(benches, due, retention, read, decide_all);
criterion_main!(benches);
