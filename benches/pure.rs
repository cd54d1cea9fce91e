//! What one pass of the loop spends in pure code, per policy. `cargo bench --bench pure`

#![expect(clippy::expect_used, reason = "what is measured here is made of constants")]

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use seawall::policy::schedule::{Rule, Schedule};
use std::hint::black_box;
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

criterion_group!(benches, due);
criterion_main!(benches);
