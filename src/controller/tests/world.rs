//! What the loop makes of time, of a full disk, and of a plan that must not be.

use super::rig::{Plan, at, count};
use crate::policy::Mode;
use crate::reconcile::{DockerState, Quiesced, RunResult, SourceKey};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_is_noticed_within_a_minute() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.idle(Duration::from_secs(10)).await;
    rig.clock.jump(SignedDuration::from_hours(2));
    let job = tokio::time::timeout(Duration::from_mins(1), rig.jobs.recv()).await.expect("noticed").unwrap();
    assert!(job.control.started > at(7_000));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_makes_no_second_run() {
    let mut rig = Plan::of(&["p"]).start();
    rig.job().await.end(RunResult::Success, at(0));
    rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
    rig.clock.jump(SignedDuration::from_hours(-1));
    rig.idle(Duration::from_mins(30)).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_is_shown_and_written_later() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    *rig.record.full.lock().unwrap() = true;
    job.end(RunResult::Success, at(0));
    let status = rig.until("shown", |s| s.state_error.is_some()).await;
    assert_eq!(status.state_error.as_deref(), Some("no room"));
    assert_eq!(count(&status, "p", RunResult::Success), 1, "the loop goes on");
    assert_eq!(rig.record.runs(), []);
    *rig.record.full.lock().unwrap() = false;
    rig.until("written", |s| s.state_error.is_none()).await;
    assert_eq!(rig.record.runs().len(), 1, "once, and not lost");
    assert!(rig.record.written.lock().unwrap().iter().any(|entry| !entry.audit.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_breaks_the_law_is_refused_loudly() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.until("a first pass", |s| s.reconciles > 0).await;
    // No edge says such a thing: an engine that was never seen, and is up. The decision falls for it, the lint does not.
    rig.docker.send_replace(Arc::new(DockerState { up: true, ..DockerState::default() }));
    rig.clock.jump(SignedDuration::from_hours(2));
    rig.idle(Duration::from_mins(5)).await;
    let written = rig.record.written.lock().unwrap().clone();
    let refused = written.iter().flat_map(|entry| &entry.events).find(|event| event.reason == "PlanRefused");
    assert!(refused.expect("refused").message.contains("does not exist"), "{refused:?}");
    assert_eq!(rig.record.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_listed_again_is_believed() {
    let mut rig = Plan { fresh: true, ..Plan::of(&["p"]) }.start();
    rig.until("fresh", |s| s.policies.get("p").is_some_and(|p| p.sources[0].last_success.is_some())).await;
    rig.repositories.send_modify(|all| {
        let repository = Arc::make_mut(all).get_mut("default").unwrap();
        repository.own.clear();
        repository.listed_at = Some(at(1));
    });
    let job = rig.job().await;
    assert_eq!(job.policy(), "p", "what was removed behind its back is made anew");
}

#[tokio::test(start_paused = true)]
async fn what_stands_still_is_shown_at_once_and_how_long_it_took_is_remembered() {
    let mut rig = Plan::of(&["p"]).start();
    let job = rig.job().await;
    let still = Quiesced {
        source: SourceKey { policy: "p".into(), source: "p".into() },
        run: job.control.run.clone(),
        container: "app".into(),
        mode: Mode::Stop,
        since: at(0),
        deadline: at(700),
    };
    rig.quiesced.send_replace(Arc::new(vec![still]));
    let status = rig.until("shown", |s| s.quiesced.len() == 1).await;
    assert_eq!(status.stuck().count(), 0, "its run looks after it");
    job.end_after_window(RunResult::Success, at(5), 2.5);
    let status = rig.until("counted", |s| count(s, "p", RunResult::Success) == 1).await;
    assert_eq!(status.stuck().count(), 1, "nobody does any more");
    rig.quiesced.send_replace(Arc::default());
    rig.until("back", |s| s.quiesced.is_empty()).await;
    let written = rig.record.written.lock().unwrap().clone();
    let facts = written.iter().rev().find_map(|entry| entry.facts.clone()).unwrap();
    let windows: Vec<_> = facts.windows.values().map(|window| (window.ended, window.seconds)).collect();
    assert_eq!(windows, [(at(5), 2.5)]);
}
