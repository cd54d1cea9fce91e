//! How runs begin and end.

use super::rig::{Plan, Rig, at, count, desired, snapshot};
use crate::clock::Clock;
use crate::controller::ports::{Begun, Loaded};
use crate::reconcile::plan::Verdict;
use crate::reconcile::{Action, BackupAction, Cause, RunId, RunResult, SnapshotRecord, SourceKey};
use crate::status::model::StatusSnapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// When a source's failed run is tried again, in seconds after the beginning.
fn retry_at(status: &StatusSnapshot, policy: &str) -> Option<i64> {
    status.policies[policy].sources[0].retry_at.map(|at| at.as_second() - super::rig::at(0).as_second())
}

#[tokio::test(start_paused = true)]
async fn a_success_is_folded_recorded_and_settles_its_slot() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    assert_eq!(rig.record.begun(), 1, "on record before it begins");
    let started = job.control.started;
    tokio::time::sleep(Duration::from_secs(5)).await;
    job.end(RunResult::Success, at(5));
    let status = rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
    let source = &status.policies["p"].sources[0];
    assert_eq!((source.last_success, source.last_run_successful), (Some(started), Some(true)));
    assert_eq!(rig.record.runs()[0].result, RunResult::Success);
    rig.idle(Duration::from_mins(30)).await;
    let next = rig.job().await;
    assert!(next.control.started > started, "the next slot comes");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_success_is_tried_again_later_and_later() {
    for result in [RunResult::Failure, RunResult::Interrupted, RunResult::Empty] {
        let mut rig = Plan::of(&["p"]).start();
        let mut at_most = 30;
        for attempt in 1..=4 {
            let job = rig.job().await;
            let wanted = if attempt == 1 { Cause::Initial } else { Cause::Retry };
            assert!(matches!(&job.work.action, Action::Backup(b) if b.cause == wanted), "{:?}", job.work.action);
            let ended = job.control.started;
            job.end(result, ended);
            let status = rig.until("counted", |s| count(s, "p", result) == attempt).await;
            let delay = retry_at(&status, "p").expect("shown") - (ended.as_second() - at(0).as_second());
            assert!((0..=at_most + 1).contains(&delay), "{result:?}: attempt {attempt} waits {delay} s");
            assert_eq!(status.policies["p"].sources[0].last_run_successful, Some(false));
            assert_eq!(status.policies["p"].sources[0].last_success, None);
            at_most *= 2;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_run_settles_its_slot_and_is_no_success() {
    let mut rig = Plan::of(&["p"]).start();
    rig.job().await.end(RunResult::Partial, at(0));
    let status = rig.until("counted", |s| count(s, "p", RunResult::Partial) == 1).await;
    let source = &status.policies["p"].sources[0];
    assert_eq!((source.last_success, source.last_run_successful, source.retry_at), (None, Some(false), None));
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_than_allowed_and_each_policy_gets_its_turn() {
    let mut rig = Plan::of(&["a", "b", "c"]).start();
    let (first, second) = (rig.job().await, rig.job().await);
    rig.idle(Duration::from_mins(10)).await;
    assert_eq!(rig.status.borrow().running.len(), 2);
    let mut seen = vec![first.policy(), second.policy()];
    first.end(RunResult::Success, at(600));
    let third = rig.job().await;
    seen.push(third.policy());
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
}

/// How often each of four hourly policies had its turn, of thirty runs that take forty minutes each.
async fn turns(max_runs: usize, result: impl Fn(&str) -> RunResult) -> BTreeMap<String, usize> {
    let mut rig = Plan { max_runs, ..Plan::of(&["a", "b", "c", "d"]) }.start();
    let mut turns = BTreeMap::new();
    let mut under_way = Vec::new();
    for _ in 0..30 {
        while under_way.len() < max_runs {
            under_way.push(rig.job().await);
        }
        tokio::time::sleep(Duration::from_mins(40)).await;
        for job in under_way.drain(..) {
            *turns.entry(job.policy()).or_default() += 1;
            let result = result(&job.policy());
            job.end(result, rig.clock.now());
        }
    }
    turns
}

/// Two hours and forty minutes of work an hour.
#[tokio::test(start_paused = true)]
async fn nobody_starves_where_there_is_more_to_do_than_time() {
    for max_runs in [1, 2] {
        let turns = turns(max_runs, |_| RunResult::Success).await;
        assert!(turns.len() == 4 && turns.values().all(|&had| had >= 30 * max_runs / 4 - 1), "{max_runs}: {turns:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_and_again_keeps_nobody_from_their_turn() {
    let fails = |policy: &str| if policy < "c" { RunResult::Failure } else { RunResult::Success };
    let turns = turns(1, fails).await;
    assert!(["c", "d"].iter().all(|policy| turns[*policy] >= 7), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn progress_is_shown_without_a_pass() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    let before = rig.until("under way", |s| s.running.len() == 1).await.reconciles;
    job.control.progress.add_bytes(7);
    let status = rig.until("shown", |s| s.running.iter().any(|run| run.bytes_done == 7)).await;
    assert_eq!(status.reconciles, before, "no pass for a number");
    job.end(RunResult::Success, at(5));
    rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_policy_that_is_as_it_was_is_the_same_value() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["a", "b"]) }.start();
    let before =
        rig.until("fresh", |s| s.policies.len() == 2 && s.policies["b"].sources[0].last_success.is_some()).await;
    rig.repositories.send_modify(|all| {
        let own = &mut Arc::make_mut(all).get_mut("default").unwrap().own;
        own.retain(|source, _| source.policy == "a");
    });
    let now = rig.until("another pass", |s| s.reconciles > before.reconciles).await;
    assert!(Arc::ptr_eq(&before.policies["a"], &now.policies["a"]));
    assert_ne!(before.policies["b"], now.policies["b"]);
}

#[tokio::test(start_paused = true)]
async fn asked_twice_is_done_once() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.until("a first pass", |s| s.reconciles > 0).await;
    let (first, second) = tokio::join!(rig.ask("p"), rig.ask("p"));
    assert_eq!(first, second);
    assert_eq!(first.unwrap()[0].object(), "policy/p/p");
    let job = rig.job().await;
    assert!(matches!(&job.work.action, Action::Backup(b) if b.cause == Cause::Manual));
    job.end(RunResult::Success, at(1));
    rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
    rig.idle(Duration::from_mins(10)).await;
}

#[tokio::test(start_paused = true)]
async fn asked_during_a_run_is_done_after_it() {
    let mut rig = Plan::of(&["p"]).start();
    let running = rig.job().await;
    rig.ask("p").await.unwrap();
    rig.idle(Duration::from_mins(1)).await;
    running.end(RunResult::Success, at(60));
    assert!(matches!(&rig.job().await.work.action, Action::Backup(b) if b.cause == Cause::Manual));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_ends_with_its_policy() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.until("a first pass", |s| s.reconciles > 0).await;
    rig.docker.send_modify(|docker| Arc::make_mut(docker).up = false);
    rig.ask("p").await.unwrap();
    rig.until("it waits", |s| s.policies["p"].sources[0].verdict == Verdict::Waiting).await;
    for policies in [&[][..], &["p"]] {
        let desired = Arc::new(desired(policies));
        rig.loaded.send_replace(Arc::new(Loaded { desired, ..Loaded::default() }));
        rig.until("in force", |s| s.policies.len() == policies.len()).await;
    }
    rig.docker.send_modify(|docker| Arc::make_mut(docker).up = true);
    rig.idle(Duration::from_mins(30)).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_says_why() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.until("a first pass", |s| s.reconciles > 0).await;
    assert!(rig.ask("q").await.unwrap_err().contains("no policy q"));
}

async fn ends_as_a_failure(mut rig: Rig) {
    let status = rig.until("counted", |s| count(s, "p", RunResult::Failure) == 1).await;
    assert!(status.running.is_empty(), "it holds no place");
    assert!(retry_at(&status, "p").is_some());
    let run = rig.record.runs()[0].clone();
    assert!(run.message.contains("programming error"), "{}", run.message);
    assert_eq!(run.finished, status.policies["p"].sources[0].last_run.clone().unwrap().finished);
    assert!(!rig.task.is_finished(), "the loop goes on");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_a_failure() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    drop(job);
    let status = rig.until("counted", |s| count(s, "p", RunResult::Failure) == 1).await;
    let run = status.policies["p"].sources[0].last_run.clone().unwrap();
    assert!(run.finished.duration_since(run.started).as_secs() >= 100, "it ended when it ended: {run:?}");
    ends_as_a_failure(rig).await;
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_panics_at_once_is_a_failure() {
    ends_as_a_failure(Plan { broken: true, ..Plan::of(&["p"]) }.start()).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_kill_cut_off_is_counted_at_the_start_and_tried_again() {
    let source = SourceKey { policy: "p".into(), source: "p".into() };
    let action = BackupAction { source, repositories: vec!["default".into()], slot: at(-9), cause: Cause::Scheduled };
    let begun = Begun { run: RunId("cut".into()), started: at(-9), action: Action::Backup(action) };
    let mut rig = Plan { interrupted: vec![begun], ..Plan::of(&["p"]) }.start();
    let status = rig.until("a first pass", |s| s.reconciles > 0).await;
    assert_eq!(count(&status, "p", RunResult::Interrupted), 1);
    assert_eq!(rig.record.runs()[0].run, RunId("cut".into()), "which closes it in the state directory");
    rig.job().await.end(RunResult::Success, at(0));
    rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
    assert_eq!(rig.count("p", RunResult::Interrupted), 1, "once");
}

#[tokio::test(start_paused = true)]
async fn the_end_cancels_what_runs_and_waits_until_it_is_on_record() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    rig.cancel.cancel();
    job.control.cancel.cancelled().await;
    job.end(RunResult::Interrupted, at(1));
    rig.task.await.unwrap();
    assert_eq!(rig.record.runs()[0].result, RunResult::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_ever() {
    let mut rig = Plan::of(&["p"]).start();
    let _deaf = rig.job().await;
    rig.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(6), rig.task).await.expect("it ends in time").unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_whose_snapshot_is_there_has_done_its_work() {
    for complete in [true, false] {
        let source = SourceKey { policy: "p".into(), source: "p".into() };
        let action = BackupAction {
            source: source.clone(),
            repositories: vec!["default".into()],
            slot: at(0),
            cause: Cause::Scheduled,
        };
        let run = RunId("1".into());
        let begun = Begun { run: run.clone(), started: at(0), action: Action::Backup(action) };
        let mut rig = Plan { interrupted: vec![begun], fresh: true, ..Plan::of(&["p"]) }.start();
        let status = rig.until("counted", |s| count(s, "p", RunResult::Interrupted) == 1).await;
        assert!(retry_at(&status, "p").is_some());
        rig.repositories.send_modify(|all| {
            let repository = Arc::make_mut(all).get_mut("default").unwrap();
            let made = SnapshotRecord { run: Some(run.clone()), complete, ..(*snapshot(&source, at(0))).clone() };
            repository.own.insert(source.clone(), Arc::new(vec![Arc::new(made)]));
            repository.listed_at = Some(at(1));
        });
        let wanted = if complete { RunResult::Success } else { RunResult::Partial };
        let last = |s: &StatusSnapshot| s.policies["p"].sources[0].last_run.clone().unwrap();
        let status = rig.until("found", |s| last(s).result == wanted).await;
        let source = &status.policies["p"].sources[0];
        assert_eq!((source.last_run_successful, source.retry_at), (Some(complete), None));
        assert_eq!(count(&status, "p", RunResult::Interrupted), 1, "it was interrupted all the same");
        rig.idle(Duration::from_mins(30)).await;
    }
}
