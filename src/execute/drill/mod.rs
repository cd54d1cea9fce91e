//! A drill: the newest snapshot of a source, restored into a volume that goes away again, looked at, and measured.

mod checks;
mod database;
mod files;
mod probes;
mod scratch;
mod server;

use super::{Executor, blank, blocking, ended_badly, unknown_repository, within};
use crate::adapters::repository::{Control, Reason, RepositoryError, RestoreReport};
use crate::controller::ports::{RunControl, Work};
use crate::policy::quantity::{bytes, count, display};
use crate::policy::{DrillCheck, DrillServer, Policy, Repository, Source};
use crate::reconcile::{DrillAction, DrillReport, Operation, Outcome, RunResult, SnapshotRecord};
use checks::Looker;
use jiff::Timestamp;
use scratch::Scratch;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use scratch::Drills;

pub(super) async fn run(executor: &Executor, work: &Work, action: &DrillAction, control: &RunControl) -> Outcome {
    let mut outcome = blank(control, Operation::Drill, Some(action.source.clone()), &action.repository);
    outcome.slot = Some(action.slot);
    action.cause.as_str().clone_into(&mut outcome.cause);
    let policy = work.desired.policies.get(&action.source.policy);
    if let Some(Source::Postgres(source)) = policy.map(|policy| &policy.source) {
        return Box::pin(database::run(executor, work, action, control, source, outcome)).await;
    }
    let job = match job(executor, work, action) {
        Ok(job) => job,
        Err(error) => return ended_badly(outcome, &error, executor.clock.now()),
    };
    let mut warnings = job.drills.sweep().await;
    let cancel = control.cancel.child_token();
    let inner = Control { cancel: cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let attempt = Box::pin(attempt(executor, &job, action, control, inner));
    let (ended, overran) = within(job.timeout, &cancel, attempt).await;
    // Whatever came of it: nothing stays.
    warnings.extend(job.drills.remove(&control.run).await);
    let finished = executor.clock.now();
    let mut outcome = match ended {
        Ok(report) => judged(outcome, report, &job, finished),
        Err(_) if overran => ended_badly(outcome, &too_long(job.timeout), finished),
        Err(error) => ended_badly(outcome, &error, finished),
    };
    outcome.warnings.extend(warnings);
    outcome
}

/// Everything that a drill needs, looked up.
struct Job {
    repository: Arc<Repository>,
    drills: Drills,
    checks: Vec<DrillCheck>,
    timeout: Duration,
    rto: Option<Duration>,
    /// What a database is restored into; `None`: a server from the programs of this host.
    server: Option<DrillServer>,
}

fn job(executor: &Executor, work: &Work, action: &DrillAction) -> Result<Job, RepositoryError> {
    let refused = |message: String| RepositoryError::new(Reason::Refused, message);
    let repository = work.desired.repositories.get(&action.repository).cloned();
    let repository = repository.ok_or_else(|| unknown_repository(&action.repository))?;
    let policy = work.desired.policies.get(&action.source.policy);
    let gone = || refused(format!("The policy {} backs nothing up any more", action.source.policy));
    let (rto, spec) =
        policy.map(Arc::as_ref).and_then(|p: &Policy| Some((p.objectives.rto, p.backup()?))).ok_or_else(gone)?;
    let drills = executor.drills.clone();
    let drills = drills.ok_or_else(|| refused("There is no Docker engine here to drill with".to_owned()))?;
    let source = policy.map(|policy| &policy.source).ok_or_else(gone)?;
    let server = spec.drill.as_ref().and_then(|drill| drill.server.clone());
    Ok(Job { repository, drills, checks: spec.drill_checks(source), timeout: spec.drill_timeout(), rto, server })
}

/// Restores and looks. What it made is left to the caller.
async fn attempt(
    executor: &Executor,
    job: &Job,
    action: &DrillAction,
    control: &RunControl,
    inner: Control,
) -> Result<DrillReport, RepositoryError> {
    let snapshot = find(executor, job, action).await?;
    let scratch = job.drills.make(&control.run, executor.clock.now()).await?;
    super::fail_point::fail_point("drill-scratch-made");
    check_room(&scratch.path, snapshot.bytes)?;
    let began = executor.clock.now();
    restore(executor, job, action, &scratch, &inner).await?;
    let restore_seconds = seconds(began, executor.clock.now());
    super::fail_point::fail_point("drill-restored");
    let looker = Looker { executor, job, action, scratch: &scratch, inner: &inner, run: &control.run };
    let mut checks = Vec::with_capacity(job.checks.len());
    for (nth, check) in job.checks.iter().enumerate() {
        if inner.cancel.is_cancelled() {
            return Err(interrupted());
        }
        checks.push(looker.look(nth, check).await);
    }
    if inner.cancel.is_cancelled() {
        return Err(interrupted());
    }
    let (files, size) = (snapshot.files, snapshot.bytes);
    Ok(DrillReport {
        snapshot: snapshot.id.to_string(),
        snapshot_time: snapshot.time,
        files,
        bytes: size,
        restore_seconds,
        seconds: seconds(control.started, executor.clock.now()),
        checks,
    })
}

async fn find(executor: &Executor, job: &Job, action: &DrillAction) -> Result<Arc<SnapshotRecord>, RepositoryError> {
    let (registry, repository, id) =
        (Arc::clone(&executor.registry), Arc::clone(&job.repository), action.snapshot.clone());
    blocking(move || registry.with(&repository, |adapter| adapter.snapshot(&id))).await
}

async fn restore(
    executor: &Executor,
    job: &Job,
    action: &DrillAction,
    scratch: &Scratch,
    inner: &Control,
) -> Result<RestoreReport, RepositoryError> {
    let (registry, repository) = (Arc::clone(&executor.registry), Arc::clone(&job.repository));
    let (id, inner) = (action.snapshot.clone(), inner.clone());
    let into = scratch.path.clone();
    blocking(move || registry.with(&repository, |adapter| adapter.restore(&id, Path::new(""), &into, &inner))).await
}

/// Refuses before anything is written what would fill the disk.
pub(super) fn check_room(place: &Path, size: u64) -> Result<(), RepositoryError> {
    let free = free(place)?;
    let needed = size.saturating_add(size / 20).saturating_add(ROOM);
    if free >= needed {
        return Ok(());
    }
    Err(RepositoryError::new(
        Reason::NoSpace,
        format!(
            "There is no room for the drill: the snapshot holds {}, and {} are free at {}. Free space there, or drill a \
             smaller source",
            bytes(size),
            bytes(free),
            place.display()
        ),
    ))
}

/// What has to stay free beside the restored files, for everything else on the disk.
const ROOM: u64 = 64 << 20;

fn free(path: &Path) -> Result<u64, RepositoryError> {
    let stat = rustix::fs::statvfs(path).map_err(|e| RepositoryError::io("ask for the free space", path, &e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn interrupted() -> RepositoryError {
    RepositoryError::new(Reason::Interrupted, "The drill was ended from outside before it was done")
}

fn too_long(timeout: Duration) -> RepositoryError {
    let message = format!(
        "The drill took longer than its timeout of {} and was ended; raise verification.drill.timeout, or name fewer \
         checks",
        display(timeout)
    );
    RepositoryError::new(Reason::Unavailable, message)
}

pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// How the drill ended, by what it found.
fn judged(mut outcome: Outcome, report: DrillReport, job: &Job, finished: Timestamp) -> Outcome {
    let took = |seconds: f64| display(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.passed).collect();
    outcome.finished = finished;
    outcome.message = match failed.as_slice() {
        [] => format!(
            "{}, {}, restored in {}; with {} verified in {}",
            count(report.files, "file"),
            bytes(report.bytes),
            took(report.restore_seconds),
            count(report.checks.len() as u64, "check"),
            took(report.seconds),
        ),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
            format!("What was restored does not pass: {}: {}{more}", first.check, first.message)
        }
    };
    outcome.result = if failed.is_empty() { RunResult::Success } else { RunResult::Failure };
    if let Some(rto) = job.rto.filter(|rto| failed.is_empty() && report.seconds > rto.as_secs_f64()) {
        let warning = format!("the drill took {}, longer than the promised {}", took(report.seconds), display(rto));
        outcome.warnings.push(warning);
    }
    outcome.drill = Some(Box::new(report));
    outcome
}
