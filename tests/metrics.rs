//! The series: there from the start, saying the worst until the better is proven, gone with their policy.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]
#![allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "whole numbers, which are exact")]

#[path = "support/values.rs"]
mod values;

use rustix::time::{ClockId, clock_gettime};
use seawall::metrics::names::{self, Metric};
use seawall::metrics::{encode, project};
use seawall::policy::Mode;
use seawall::reconcile::observed::Running;
use seawall::reconcile::plan::{Decision, Held, Plan, Verdict};
use seawall::reconcile::watch::Kind;
use seawall::reconcile::{Operation, Quiesced, RunId, RunResult, SourceKey, Window};
use seawall::status::model::{QuiesceStatus, RunCount, RunningStatus, StatusSnapshot};
use seawall::status::verification::{CheckStatus, DrillStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use values::{at, policy, policy_of, source, status, unchecked, undrilled};

/// Samples as `name{value,value}`.
fn samples(status: &StatusSnapshot) -> BTreeMap<String, f64> {
    let all = project::project(status);
    let count = all.len();
    let map: BTreeMap<_, _> = all
        .into_iter()
        .map(|sample| (format!("{}{{{}}}", &sample.metric.name[8..], sample.labels.join(",")), sample.value))
        .collect();
    assert_eq!(map.len(), count, "a series is there twice");
    map
}

/// A policy that was just loaded and whose volume was just seen.
fn fresh() -> StatusSnapshot {
    let mut unseen = source("v");
    unseen.last_success = None;
    unseen.last_run = None;
    unseen.last_run_successful = None;
    unseen.repositories.clear();
    unseen.retention.clear();
    unseen.quiesce = Some(Box::new(QuiesceStatus { mode: Mode::Stop, max_duration_seconds: 600.0, last: None }));
    unseen.drill = Some(Box::new(undrilled()));
    let outside = values::unseen(Kind::Database, "supabase", "db");
    let bucket = values::unseen(Kind::Bucket, "cloudflareR2", "files");
    let mut status = status(vec![policy("new", vec![unseen]), outside, bucket]);
    status.docker.up = false;
    status.reconciled_at = None;
    status.config.last_reload_successful = false;
    status.config.last_reload_success = None;
    let repository = status.repositories.get_mut("default").unwrap();
    repository.health = None;
    repository.key_export_pending = true;
    repository.check = Some(unchecked());
    status
}

#[test]
fn every_series_of_a_new_policy_is_there_and_says_the_worst() {
    let seen = samples(&fresh());
    for (series, worst) in [
        ("backup_last_success_timestamp_seconds{new,v}", 0.0),
        ("backup_last_run_successful{new,v}", 0.0),
        ("backup_last_run_timestamp_seconds{new,v}", 0.0),
        ("snapshots{new,v,default}", 0.0),
        ("snapshot_bytes{new,v,default}", 0.0),
        ("retention_held{new,v,default}", 0.0),
        ("missed_slots_total{new}", 0.0),
        ("quiesce_duration_seconds{new,v}", 0.0),
        ("quiesced_containers{}", 0.0),
        ("quiesce_deadline_timestamp_seconds{}", 0.0),
        ("provider_backup_newest_timestamp_seconds{db,supabase,db}", 0.0),
        ("provider_backup_deadline_timestamp_seconds{db,supabase,db}", 0.0),
        ("provider_backup_successful{db,supabase,db}", 0.0),
        ("provider_check_successful{db,supabase,db}", 0.0),
        ("provider_check_last_success_timestamp_seconds{db,supabase,db}", 0.0),
        ("bucket_protected{files,files}", 0.0),
        ("bucket_check_successful{files,files}", 0.0),
        ("bucket_check_last_success_timestamp_seconds{files,files}", 0.0),
        ("objective_rpo_seconds{db}", 86_400.0),
        ("drill_last_success_timestamp_seconds{new,v}", 0.0),
        ("drill_last_run_successful{new,v}", 0.0),
        ("restore_drill_duration_seconds{new,v}", 0.0),
        ("repository_check_last_success_timestamp_seconds{default}", 0.0),
        ("repository_healthy{default}", 0.0),
        ("repository_key_exported{default}", 0.0),
        ("docker_up{}", 0.0),
        ("config_last_reload_successful{}", 0.0),
        ("reconcile_last_success_timestamp_seconds{}", 0.0),
        ("policy_info{new,volume,high,abc123}", 1.0),
    ] {
        assert_eq!(seen.get(series), Some(&worst), "{series}");
    }
    for operation in ["backup", "forget", "drill"] {
        for result in RunResult::ALL {
            assert_eq!(seen.get(&format!("runs_total{{new,{operation},{}}}", result.as_str())), Some(&0.0));
        }
    }
    assert_eq!(seen.get("runs_total{@default,prune,failure}"), Some(&0.0));
    assert_eq!(seen.get("runs_total{@default,check,failure}"), Some(&0.0));
    // Everything but what is promised to be absent in this state.
    let mut suspended = fresh();
    policy_of(&mut suspended, "new").suspended = true;
    let both: BTreeSet<_> = seen.into_keys().chain(samples(&suspended).into_keys()).collect();
    for metric in names::ALL {
        assert!(both.iter().any(|series| series.starts_with(&format!("{}{{", &metric.name[8..]))), "{}", metric.name);
    }
}

#[test]
fn what_is_true_is_said() {
    let mut status = status(vec![policy("p", vec![source("v")])]);
    status.runs = vec![
        RunCount { policy: "p".into(), operation: Operation::Backup, result: RunResult::Partial, count: 4 },
        RunCount { policy: "@default".into(), operation: Operation::Prune, result: RunResult::Failure, count: 2 },
    ];
    let running = |operation, source: Option<&str>, started| RunningStatus {
        running: Running {
            run: RunId("1".into()),
            operation,
            source: source.map(|name| SourceKey { policy: "p".into(), source: name.into() }),
            repositories: vec!["default".into()],
            started,
            alone: false,
        },
        bytes_done: 0,
        files_done: 0,
    };
    status.running = vec![
        running(Operation::Backup, Some("v"), at(30)),
        running(Operation::Backup, Some("w"), at(20)),
        running(Operation::Prune, None, at(40)),
    ];
    status.config.files[0].valid = false;
    let source = &mut policy_of(&mut status, "p").sources[0];
    let window = Window { run: RunId("1".into()), ended: at(20), seconds: 2.5 };
    source.quiesce =
        Some(Box::new(QuiesceStatus { mode: Mode::Hooks, max_duration_seconds: 600.0, last: Some(window) }));
    source.retention[0].held = Some(Held { reason: "ShrinkGuard".into(), message: "too many".into() });
    let still = |container: &str, deadline| Quiesced {
        source: SourceKey { policy: "p".into(), source: "v".into() },
        run: RunId("1".into()),
        container: container.into(),
        mode: Mode::Hooks,
        since: at(40),
        deadline: at(deadline),
    };
    // The application is told by two commands.
    status.quiesced = Arc::new(vec![still("app", 700), still("app", 800), still("worker", 750)]);
    let seen = samples(&status);
    let seconds = |n: i64| at(n).as_second() as f64;
    for (series, value) in [
        ("backup_last_success_timestamp_seconds{p,v}", seconds(10)),
        ("backup_deadline_timestamp_seconds{p,v}", seconds(90_000)),
        ("backup_last_run_successful{p,v}", 1.0),
        ("backup_last_run_timestamp_seconds{p,v}", seconds(20)),
        ("runs_total{p,backup,partial}", 4.0),
        ("runs_total{p,backup,success}", 0.0),
        ("runs_total{@default,prune,failure}", 2.0),
        ("run_in_progress{p,backup}", 2.0),
        ("run_start_timestamp_seconds{p,backup}", seconds(20)),
        ("run_in_progress{p,forget}", 0.0),
        ("run_start_timestamp_seconds{p,forget}", 0.0),
        ("run_in_progress{@default,prune}", 1.0),
        ("run_timeout_seconds{p}", 21_600.0),
        ("quiesce_duration_seconds{p,v}", 2.5),
        ("quiesced_containers{}", 2.0),
        ("quiesce_deadline_timestamp_seconds{}", seconds(700)),
        ("snapshots{p,v,default}", 3.0),
        ("retention_held{p,v,default}", 1.0),
        ("policy_file_valid{p.yaml}", 0.0),
        ("volume_coverage{protected}", 1.0),
        ("volume_coverage{exempt}", 0.0),
        ("volume_coverage{unprotected}", 1.0),
        ("selector_unmatched{p}", 0.0),
    ] {
        assert_eq!(seen.get(series), Some(&value), "{series}");
    }
}

#[test]
fn series_go_with_their_policy_and_an_exemption_has_no_backup_to_speak_of() {
    let mut status = status(vec![policy("gone", vec![source("v")]), policy("exempt", vec![source("w")])]);
    let (operation, result) = (Operation::Backup, RunResult::Success);
    status.runs = vec![RunCount { policy: "gone".into(), operation, result, count: 9 }];
    status.policies.remove("gone");
    status.config.files.retain(|file| !file.file.to_string_lossy().contains("gone"));
    let exempt = policy_of(&mut status, "exempt");
    exempt.exempt = Some("a cache".into());
    let seen = samples(&status);
    assert!(!seen.keys().any(|series| series.contains("gone")), "{seen:?}");
    let of_exempt: Vec<_> = seen.keys().filter(|series| series.contains("{exempt")).collect();
    assert_eq!(
        of_exempt,
        [
            "policy_file_valid{exempt.yaml}",
            "policy_info{exempt,volume,high,abc123}",
            "policy_suspended{exempt}",
            "selector_unmatched{exempt}",
            "volume_coverage{exempt}"
        ]
    );
}

#[test]
fn a_suspended_policy_has_no_deadline_and_says_since_when() {
    let mut status = status(vec![policy("p", vec![source("v")])]);
    let suspended = policy_of(&mut status, "p");
    suspended.suspended = true;
    suspended.suspended_since = Some(at(5));
    let seen = samples(&status);
    assert!(!seen.contains_key("backup_deadline_timestamp_seconds{p,v}"));
    assert_eq!(seen["policy_suspended_since_timestamp_seconds{p}"], at(5).as_second() as f64);
    assert_eq!(seen["backup_last_run_successful{p,v}"], 1.0);
}

#[test]
fn a_policy_that_matches_nothing_says_so() {
    let mut status = status(vec![policy("p", vec![])]);
    let decision = Decision {
        policy: "p".into(),
        source: None,
        verdict: Verdict::NoMatch,
        why: "no volume".into(),
        next_run: None,
        deadline: None,
        last_success: None,
        retention: vec![],
        drill: None,
    };
    status.plan = Arc::new(Plan { decisions: vec![decision], ..Plan::default() });
    assert_eq!(samples(&status)["selector_unmatched{p}"], 1.0);
}

#[test]
fn names_keep_the_rules() {
    let names: BTreeSet<_> = names::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), names::ALL.len());
    for (nth, Metric { name, kind, labels, help, place }) in names::ALL.iter().enumerate() {
        assert_eq!(*place, nth, "{name}");
        assert!(name.starts_with("seawall_") && help.ends_with('.'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == names::Kind::Counter, "{name}");
        assert!(!labels.iter().any(|label| ["job", "instance", "namespace"].contains(label)), "{name}");
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    let mut hostile = policy("p", vec![source("a \"quoted\\ name\nwith a break")]);
    hostile.suspended = true;
    let status = status(vec![hostile, policy("q", vec![source("v")])]);
    let text = encode::text(&status).unwrap();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b""[..]), "{output:?}\n{text}");
    assert!(text.contains(r#"source="a \"quoted\\ name\nwith a break""#), "{text}");
}

/// The series of many policies, one after the other.
fn many(count: usize) -> StatusSnapshot {
    status((0..count).map(|n| policy(&format!("policy-{n:05}"), vec![source(&format!("volume_{n}"))])).collect())
}

#[test]
fn what_is_kept_from_scrape_to_scrape_never_shows() {
    let exposition = encode::Exposition::default();
    let mut now = many(300);
    let check = |now: &StatusSnapshot, what: &str| {
        let series = exposition.of(&Arc::new(now.clone())).unwrap();
        let kept = String::from_utf8(series.unpacked().collect::<Vec<_>>().concat()).unwrap();
        assert_eq!(kept, encode::text(now).unwrap(), "{what}");
        assert_eq!(kept.len() as u64, series.length(), "{what}");
        kept
    };
    let first = check(&now, "at first");
    policy_of(&mut now, "policy-00150").missed_slots = 7;
    let changed = check(&now, "a value");
    assert_ne!(first, changed);
    policy_of(&mut now, "policy-00151").sources[0].source = "volume_15".into();
    check(&now, "a label");
    now.policies.remove("policy-00000");
    now.policies.insert("zoo".into(), Arc::new(policy("zoo", vec![source("z")])));
    check(&now, "one less, one more");
    for policy in now.policies.values_mut() {
        Arc::make_mut(policy).observed_revision = Some("def456".into());
    }
    check(&now, "a label of all");
    now.policies.clear();
    now.config.files.clear();
    let none = check(&now, "none");
    assert!(!none.contains("policy=\"policy-"), "{none}");
    check(&many(300), "all again");
}

#[test]
fn a_scrape_writes_anew_what_changed_and_little_else() {
    let exposition = encode::Exposition::default();
    let scrape = |now: &StatusSnapshot| {
        let series = exposition.of(&Arc::new(now.clone())).unwrap();
        (series.fresh, usize::try_from(series.length()).unwrap())
    };
    let mut now = many(2_000);
    let (fresh, all) = scrape(&now);
    assert!(fresh * 10 > all * 9, "{fresh} of {all} bytes: everything, at first");
    policy_of(&mut now, "policy-01000").missed_slots = 7;
    now.policies.remove("policy-00500");
    now.reconciles += 1;
    let (fresh, all) = scrape(&now);
    // Of some thirty pieces of each metric, that of the policy which is gone, and one of another.
    assert!((1..all / 8).contains(&fresh), "{fresh} of {all} bytes: two policies");
    now.reconciles += 1;
    let (fresh, _) = scrape(&now);
    assert!((1..200).contains(&fresh), "{fresh} bytes: one number");
}

/// Not a test: prints how long a scrape of 2,000 policies takes. Only a release build says anything.
#[test]
#[ignore = "prints a time; run with --release --no-capture"]
fn scrape_of_2000_policies() {
    let many = (0..2_000).map(|n| policy(&format!("policy-{n}"), vec![source(&format!("volume_{n}"))])).collect();
    let status = status(many);
    // The processor's time, since others may be at work on the machine.
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    for _ in 0..5 {
        let begun = cpu();
        let series = project::project(&status).len();
        let projected = cpu().saturating_sub(begun);
        let begun = cpu();
        let bytes = encode::text(&status).unwrap().len();
        println!(
            "{series} series: {projected:?} to project, {:?} for all of {bytes} bytes",
            cpu().saturating_sub(begun)
        );
    }
}

#[test]
fn a_drill_and_a_check_are_told_as_they_were() {
    let mut drilled = source("v");
    let run = values::attempt(RunResult::Success);
    drilled.drill = Some(Box::new(DrillStatus {
        last_success: Some(at(20)),
        last_run: Some(run.clone()),
        seconds: Some(42.5),
        ..undrilled()
    }));
    let mut failed = source("w");
    let last_run = Some(values::attempt(RunResult::Failure));
    failed.drill =
        Some(Box::new(DrillStatus { last_success: Some(at(5)), last_run, seconds: Some(7.0), ..undrilled() }));
    let mut status = status(vec![policy("p", vec![drilled, failed, source("x")])]);
    let checked = CheckStatus { last_success: Some(at(20)), last_run: Some(run), ..unchecked() };
    status.repositories.get_mut("default").unwrap().check = Some(checked);
    let seen = samples(&status);
    let seconds = |n: i64| at(n).as_second() as f64;
    for (series, value) in [
        ("drill_last_success_timestamp_seconds{p,v}", seconds(20)),
        ("drill_last_run_successful{p,v}", 1.0),
        ("drill_deadline_timestamp_seconds{p,v}", seconds(90_000)),
        ("restore_drill_duration_seconds{p,v}", 42.5),
        ("drill_last_success_timestamp_seconds{p,w}", seconds(5)),
        ("drill_last_run_successful{p,w}", 0.0),
        ("drill_last_run_timestamp_seconds{p,w}", seconds(20)),
        ("restore_drill_duration_seconds{p,w}", 7.0),
        ("repository_check_last_success_timestamp_seconds{default}", seconds(20)),
        ("repository_check_deadline_timestamp_seconds{default}", seconds(90_000)),
    ] {
        assert_eq!(seen.get(series), Some(&value), "{series}");
    }
    assert!(!seen.keys().any(|series| series.contains("drill") && series.ends_with("{p,x}")), "none is scheduled");
    policy_of(&mut status, "p").suspended = true;
    assert!(!samples(&status).contains_key("drill_deadline_timestamp_seconds{p,v}"));
}
