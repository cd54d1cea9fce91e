//! The same snapshots and the same rules, decided by `restic forget` and by us.
//!
//! Where we differ, and mean to:
//! - restic takes a partial snapshot for any other; we count complete ones only, and keep what is in the future.
//! - An hour that the clock shows twice is one hour to restic and two to us, so that no real hour loses its snapshot.
//! - `30d` of `keepWithin` are 30 times 24 hours to us, and 30 dates to restic.
//! - Newer versions of restic also keep the oldest snapshot as long as a rule has counts left.
//! - restic keeps everything when no rule is given; with us the newest complete one always stays, and `keepLast` is 1 or more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use seawall::policy::retention::{Candidate, Guard, Retention, evaluate};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        std::fs::write(repository.0.path().join("file"), "content").unwrap();
        repository.restic("UTC", &["init".to_owned()]);
        repository
    }

    fn restic(&self, zone: &str, args: &[String]) -> serde_json::Value {
        // Without its table restic would silently take every zone for UTC.
        assert!(Path::new("/usr/share/zoneinfo").join(zone).exists(), "this test needs the package tzdata");
        let output = Command::new("restic")
            .args(["--no-cache", "--json", "--repo"])
            .arg(self.0.path().join("repository"))
            .args(args)
            .current_dir(self.0.path())
            .env("RESTIC_PASSWORD", "password")
            .env("TZ", zone)
            .output()
            .unwrap();
        assert!(output.status.success(), "restic {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let last = output.stdout.trim_ascii().rsplit(|b| *b == b'\n').next().unwrap_or_default();
        serde_json::from_slice(last).unwrap_or_default()
    }

    fn backup(&self, zone: &str, time: Timestamp, tag: &str) -> String {
        let shown = time.to_zoned(TimeZone::get(zone).unwrap()).strftime("%F %T").to_string();
        let args = ["backup", "--time", &shown, "--tag", tag, "file"];
        let summary = self.restic(zone, &args.map(str::to_owned));
        summary["snapshot_id"].as_str().unwrap().to_owned()
    }

    /// The short ids of what `restic forget` would keep of the snapshots with this tag.
    fn kept(&self, zone: &str, tag: &str, rule: &Retention) -> BTreeSet<String> {
        let mut args: Vec<String> =
            ["forget", "--dry-run", "--no-lock", "--group-by", "", "--tag", tag].map(str::to_owned).into();
        for (name, count) in [
            ("last", rule.last),
            ("hourly", rule.hourly),
            ("daily", rule.daily),
            ("weekly", rule.weekly),
            ("monthly", rule.monthly),
            ("yearly", rule.yearly),
        ] {
            if count > 0 {
                args.push(format!("--keep-{name}={count}"));
            }
        }
        args.extend(rule.within.map(|within| format!("--keep-within={}h", within.as_secs() / 3600)));
        let said = self.restic(zone, &args);
        let kept = said[0]["keep"].as_array().unwrap_or_else(|| panic!("{said}"));
        kept.iter().map(|s| s["short_id"].as_str().unwrap().to_owned()).collect()
    }
}

fn ours(zone: &str, snapshots: &[Candidate], rule: &Retention) -> BTreeSet<String> {
    let decided = evaluate(Some(rule), snapshots.to_vec(), zone, Timestamp::MAX).snapshots;
    decided.into_iter().filter(|s| s.keep).map(|s| s.id.to_string()).collect()
}

/// From several a day to one in months, over three years; a seed makes them the same in every run.
fn times(random: &mut fastrand::Rng, count: usize) -> Vec<Timestamp> {
    let mut second = 1_790_000_000;
    let step = |_| {
        let longest = [7_000, 50_000, 400_000, 3_000_000, 20_000_000][random.usize(..5)];
        second -= random.i64(60..longest);
        Timestamp::from_second(second).unwrap()
    };
    (0..count).map(step).collect()
}

fn rule(random: &mut fastrand::Rng) -> Retention {
    let mut count = |most| if random.bool() { random.u32(1..=most) } else { 0 };
    Retention {
        last: count(4).max(1),
        hourly: count(6),
        daily: count(6),
        weekly: count(6),
        monthly: count(8),
        yearly: count(4),
        within: random.bool().then(|| Duration::from_hours(random.u64(1..20_000))),
        guard: Guard { max_delete_percent: 50, acknowledge: None },
    }
}

#[test]
fn restic_keeps_the_same() {
    let zone = "Asia/Jerusalem";
    let random = &mut fastrand::Rng::with_seed(20_261_123);
    let repository = Repository::new();
    let tags = ["one", "two", "three"];
    let jobs: Vec<_> = times(random, 30).into_iter().map(|time| (time, tags[random.usize(..tags.len())])).collect();
    let run = |(time, tag): &(Timestamp, &'static str)| {
        let id = repository.backup(zone, *time, tag)[..8].into();
        (Candidate { id, time: *time, complete: true }, *tag)
    };
    // restic waits more than it works.
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            jobs.chunks(8).map(|jobs| scope.spawn(|| jobs.iter().map(run).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut removed = 0;
    for round in 0..18 {
        let tag = tags[round % tags.len()];
        let snapshots: Vec<_> =
            made.iter().filter(|(_, t)| *t == tag).map(|(candidate, _)| candidate.clone()).collect();
        let rule = rule(random);
        let kept = ours(zone, &snapshots, &rule);
        removed += snapshots.len() - kept.len();
        assert_eq!(kept, repository.kept(zone, tag, &rule), "{rule:?} of {snapshots:#?}");
    }
    assert!(removed > 18, "rules that keep everything compare nothing");
}

#[test]
fn an_hour_that_is_shown_twice_is_one_hour_to_restic_and_two_to_us() {
    let repository = Repository::new();
    let snapshot = |zone: &str, time: &str| {
        let time = time.parse().unwrap();
        Candidate { id: repository.backup(zone, time, "t")[..8].into(), time, complete: true }
    };
    // Half past one in New York, before and after the clock was set back.
    let snapshots = [snapshot("Etc/GMT+4", "2026-11-01T05:30:00Z"), snapshot("Etc/GMT+5", "2026-11-01T06:30:00Z")];
    let rule = Retention { last: 1, hourly: 2, ..keep_nothing() };
    assert_eq!(repository.kept("America/New_York", "t", &rule), BTreeSet::from([snapshots[1].id.to_string()]));
    assert_eq!(ours("America/New_York", &snapshots, &rule).len(), 2);
}

fn keep_nothing() -> Retention {
    Retention {
        within: None,
        last: 0,
        hourly: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
        guard: Guard { max_delete_percent: 50, acknowledge: None },
    }
}
