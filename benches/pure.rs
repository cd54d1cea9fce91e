//! What one pass of the loop spends in pure code, per policy. `cargo bench --bench pure`

#![expect(clippy::expect_used, reason = "what is measured here is made of constants")]

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use seawall::policy::parse;
use seawall::policy::retention::{Candidate, Guard, Retention, evaluate};
use seawall::policy::schedule::{Rule, Schedule};
use std::hint::black_box;
use std::path::Path;
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
            id: format!("{n:064x}"),
            time: now - Duration::from_hours(24 * u64::from(n)),
            complete: n % 9 != 1,
        };
        let snapshots: Vec<_> = (1..=count).map(snapshot).collect();
        group.bench_function(format!("{count} snapshots"), |b| {
            b.iter(|| evaluate(Some(black_box(&rule)), black_box(&snapshots), black_box("Asia/Jerusalem"), now));
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let text = include_bytes!("../policies/n8n-data.yaml");
    c.bench_function("parse a policy", |b| b.iter(|| parse(black_box(Path::new("n8n-data.yaml")), black_box(text))));
}

criterion_group!(benches, due, retention, read);
criterion_main!(benches);
