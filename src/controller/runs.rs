//! Runs under way: how they begin, how they are watched, what follows when they end.

use super::backoff;
use super::ports::{AuditEntry, Begun, Event, Execute, Progress, RunControl, Work};
use crate::clock::Clock;
use crate::policy::Desired;
use crate::reconcile::duties::AFTER_A_FINDING;
use crate::reconcile::observed::{DockerState, Running};
use crate::reconcile::plan::{Action, Plan};
use crate::reconcile::{Facts, Operation, Outcome, RunId, RunResult};
use crate::status::model::RunningStatus;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One run that is about to begin.
pub(super) struct Started {
    pub work: Work,
    pub control: RunControl,
}

/// The runs under way.
pub(super) struct Runs {
    execute: Arc<dyn Execute>,
    clock: Arc<dyn Clock>,
    active: BTreeMap<RunId, (Running, Arc<Progress>)>,
    cancel: CancellationToken,
    done: mpsc::UnboundedSender<(RunId, Vec<Outcome>)>,
    results: mpsc::UnboundedReceiver<(RunId, Vec<Outcome>)>,
}

impl Runs {
    pub fn new(execute: Arc<dyn Execute>, clock: Arc<dyn Clock>, cancel: CancellationToken) -> Self {
        let (done, results) = mpsc::unbounded_channel();
        Self { execute, clock, active: BTreeMap::new(), cancel, done, results }
    }

    /// Names the runs that may begin now, most urgent first, as far as there is room.
    pub fn begin(
        &mut self,
        plan: &Plan,
        desired: &Arc<Desired>,
        docker: &Arc<DockerState>,
        most: usize,
        now: Timestamp,
    ) -> Vec<Started> {
        let room = most.saturating_sub(self.active.len());
        let mut started = Vec::new();
        for action in plan.actions.iter().take(room) {
            let control = RunControl {
                run: name(now),
                started: now,
                cancel: self.cancel.child_token(),
                progress: Arc::default(),
            };
            self.active.insert(control.run.clone(), (running(action, &control.run, now), control.progress.clone()));
            let work = Work { action: action.clone(), desired: desired.clone(), docker: docker.clone() };
            started.push(Started { work, control });
        }
        started
    }

    /// Sets them going.
    pub fn launch(&self, started: Vec<Started>) {
        for Started { work, control } in started {
            let (done, execute, clock) = (self.done.clone(), self.execute.clone(), self.clock.clone());
            let run = control.run.clone();
            let begun = Begun { run: run.clone(), started: control.started, action: work.action.clone() };
            tokio::spawn(async move {
                let carried_out = AssertUnwindSafe(async { execute.execute(work, control).await }).catch_unwind();
                let outcomes = carried_out.await.unwrap_or_else(|_| {
                    let message = "the run ended in a programming error; the log of the process has it";
                    broken(&begun, RunResult::Failure, message, clock.now())
                });
                // The loop outlives every run, or the process ends.
                drop(done.send((run, outcomes)));
            });
        }
    }

    pub async fn ended(&mut self) -> Option<(RunId, Vec<Outcome>)> {
        self.results.recv().await
    }

    pub fn try_ended(&mut self) -> Option<(RunId, Vec<Outcome>)> {
        self.results.try_recv().ok()
    }

    pub fn forget(&mut self, run: &RunId) {
        self.active.remove(run);
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    pub fn running(&self) -> Vec<Running> {
        self.active.values().map(|(running, _)| running.clone()).collect()
    }

    pub fn status(&self) -> Vec<RunningStatus> {
        let one = |(running, progress): &(Running, Arc<Progress>)| {
            let (bytes_done, files_done) = progress.get();
            RunningStatus { running: running.clone(), bytes_done, files_done }
        };
        self.active.values().map(one).collect()
    }
}

fn name(now: Timestamp) -> RunId {
    RunId::new(now, fastrand::u32(..))
}

fn running(action: &Action, run: &RunId, started: Timestamp) -> Running {
    let alone = matches!(action, Action::Check(check) if check.repair.is_some());
    let (operation, source, repositories) = match action {
        Action::Backup(b) => (Operation::Backup, Some(b.source.clone()), b.repositories.clone()),
        Action::Forget(f) => (Operation::Forget, Some(f.target.source_key()), vec![f.target.repository.clone()]),
        Action::Prune(p) => (Operation::Prune, None, vec![p.repository.clone()]),
        Action::Drill(d) => (Operation::Drill, Some(d.source.clone()), vec![d.repository.clone()]),
        Action::Check(c) => (Operation::Check, None, vec![c.repository.clone()]),
        Action::Restore(r) => {
            (Operation::Restore, Some(r.source.clone()), vec![r.repository().unwrap_or_default().to_owned()])
        }
    };
    Running { run: run.clone(), operation, source, repositories, started, alone }
}

/// Outcomes of a run that could not tell its own end.
fn broken(begun: &Begun, result: RunResult, message: &str, finished: Timestamp) -> Vec<Outcome> {
    let run = running(&begun.action, &begun.run, begun.started);
    let (slot, cause) = match &begun.action {
        Action::Backup(b) => (Some(b.slot), b.cause.as_str()),
        Action::Drill(d) => (Some(d.slot), d.cause.as_str()),
        Action::Check(c) => (Some(c.slot), c.cause.as_str()),
        Action::Forget(_) | Action::Prune(_) => (None, "retention"),
        Action::Restore(_) => (None, "manual"),
    };
    run.repositories
        .iter()
        .enumerate()
        .map(|(nth, repository)| {
            let id = if nth == 0 { run.run.clone() } else { RunId(format!("{}-{}", run.run, nth + 1)) };
            let cause = cause.to_owned();
            let message = message.to_owned();
            let nothing = Outcome::nothing(id, run.operation, run.source.clone(), repository, run.started);
            Outcome { slot, cause, finished, result, message, ..nothing }
        })
        .collect()
}

/// What is known of a run that was under way when the last process ended.
pub(super) fn interrupted(begun: &Begun, now: Timestamp) -> Vec<Outcome> {
    broken(begun, RunResult::Interrupted, "Seawall ended while this run was under way", now)
}

/// A drill or check that failed and took longer is repeated as rarely as one that found something.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// When a run that did not do its work is tried again.
pub(super) fn retry_at(facts: &Facts, outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let looks = matches!(outcome.operation, Operation::Drill | Operation::Check);
    let found = outcome.drill.is_some() || outcome.check.is_some();
    // One that was ended because it took too long would take as long again.
    let long = outcome.finished.duration_since(outcome.started) > LONG;
    if looks && outcome.result == RunResult::Failure && (found || long) {
        return now.checked_add(AFTER_A_FINDING).ok();
    }
    let failures = match (outcome.operation, &outcome.source) {
        (Operation::Backup, Some(s)) => facts.targets.get(&s.target(&outcome.repository)).map_or(0, |t| t.failures),
        (Operation::Prune, _) => facts.repositories.get(&outcome.repository).map_or(0, |r| r.failures),
        (Operation::Drill, Some(s)) => facts.drills.get(s).map_or(0, |d| d.duty.failures),
        (Operation::Check, _) => facts.repositories.get(&outcome.repository).map_or(0, |r| r.check.duty.failures),
        (_, _) => return None,
    };
    let done = outcome.result.settles_slot();
    let delay = backoff::delay(failures.saturating_add(1), fastrand::f64());
    (!done).then(|| now.saturating_add(SignedDuration::try_from(delay).unwrap_or_default()).unwrap_or(Timestamp::MAX))
}

/// The audit record of an ended run.
pub(super) fn audit(outcome: &Outcome) -> AuditEntry {
    let detail = match (&outcome.snapshot, outcome.forgotten.as_slice()) {
        (None, []) if outcome.drill.is_some() || outcome.check.is_some() => evidence(outcome),
        (Some(snapshot), _) => format!("snapshot {} in {}", snapshot.id, outcome.repository),
        (None, []) => outcome.message.clone(),
        (None, ids) => format!("forgot {} in {}", ids.join(" "), outcome.repository),
    };
    AuditEntry {
        at: outcome.finished,
        actor: "seawall".to_owned(),
        action: outcome.operation.as_str().to_owned(),
        object: object(outcome),
        result: outcome.result.as_str().to_owned(),
        detail,
    }
}

/// What a drill or check found, for whoever has to show it later.
fn evidence(outcome: &Outcome) -> String {
    let mut detail = outcome.message.clone();
    if let Some(report) = &outcome.drill {
        let checks =
            report.checks.iter().map(|c| format!("{} {}", if c.passed { "passed" } else { "failed" }, c.check));
        let checks = checks.collect::<Vec<_>>().join(", ");
        let (snapshot, of) = (&report.snapshot, report.snapshot_time);
        detail = format!("{detail}; snapshot {snapshot} of {of} in {}: {checks}", outcome.repository);
    }
    if let Some(report) = &outcome.check {
        let snapshots: BTreeSet<&str> = report.damage.iter().flat_map(|d| &d.snapshots).map(String::as_str).collect();
        if !snapshots.is_empty() {
            let names = snapshots.into_iter().collect::<Vec<_>>().join(" ");
            detail = format!("{detail}; snapshots that lose something by it: {names}");
        }
    }
    detail
}

/// The events of an ended run: how it ended, and what else people should know of.
pub(super) fn events(outcome: &Outcome) -> Vec<Event> {
    let reason = match outcome.operation {
        Operation::Backup => "QuiesceTrouble",
        Operation::Drill => "DrillTrouble",
        _ => "Trouble",
    };
    let warnings = outcome.warnings.iter().map(|message| Event {
        at: outcome.finished,
        warning: true,
        object: object(outcome),
        reason: reason.to_owned(),
        message: message.clone(),
    });
    std::iter::once(event(outcome)).chain(warnings).collect()
}

fn event(outcome: &Outcome) -> Event {
    let operation = match outcome.operation {
        Operation::Backup => "Backup",
        Operation::Forget => "Forget",
        Operation::Prune => "Prune",
        Operation::Drill => "Drill",
        Operation::Check => "Check",
        Operation::Restore => "Restore",
    };
    let result = match outcome.result {
        RunResult::Success => "Succeeded",
        RunResult::Partial => "Partial",
        RunResult::Failure => "Failed",
        RunResult::Interrupted => "Interrupted",
        RunResult::Skipped => "Skipped",
        RunResult::Empty => "Empty",
    };
    Event {
        at: outcome.finished,
        warning: outcome.result != RunResult::Success,
        object: object(outcome),
        reason: format!("{operation}{result}"),
        message: outcome.message.clone(),
    }
}

fn object(outcome: &Outcome) -> String {
    match &outcome.source {
        Some(source) => format!("policy/{source}"),
        None => format!("repository/{}", outcome.repository),
    }
}
