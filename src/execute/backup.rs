//! Backing up one source into the repositories of its policy, one after the other.

use super::copy;
use super::fail_point::fail_point;
use super::quiesce::{Ask, Closed, Quiescer, Window};
use super::taken::{self, Content, Taken};
use super::{Executor, blank, blocking, ended_badly, manifest, unknown_repository, within};
use crate::adapters::clone::Clones;
use crate::adapters::repository::{
    Around, BackupReport, Cloned, Control, Databases, Reason, RepositoryAdapter, RepositoryError, SnapshotMeta,
};
use crate::controller::ports::{RunControl, Work};
use crate::policy::quantity::{bytes, count};
use crate::policy::{Quiesce, Repository, Resources};
use crate::reconcile::{BackupAction, Operation, Outcome, RunId, RunResult};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One outcome per repository, in the action's order.
pub(super) async fn run(executor: &Executor, work: &Work, action: &BackupAction, control: &RunControl) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(action.repositories.len());
    let mut order: Vec<(usize, &String)> = action.repositories.iter().enumerate().collect();
    // What is behind a network comes last: by then there may be a snapshot on this host to copy.
    order.sort_by_key(|(_, repository)| copy::is_remote(work, repository));
    for (nth, repository) in order {
        let started = if outcomes.is_empty() { control.started } else { executor.clock.now() };
        let mut outcome = blank(control, Operation::Backup, Some(action.source.clone()), repository);
        if nth > 0 {
            outcome.run = RunId(format!("{}-{}", control.run, nth + 1));
        }
        outcome.started = started;
        outcome.slot = Some(action.slot);
        action.cause.as_str().clone_into(&mut outcome.cause);
        let job = job(executor, work, action, &outcome);
        let there = if copy::is_remote(work, repository) { copy::of_slot(executor, work, action).await } else { None };
        let copied = there.as_ref().map(|(from, record)| (from.name.clone(), record.complete));
        let (ended, closed) = match (job, there) {
            (Ok(job), Some(there)) => {
                let copied = copy::attempt(executor, job, there, control).await;
                (copied.map(|report| (report, Vec::new())), Closed::default())
            }
            (Ok(job), None) => attempt(executor, job, control).await,
            (Err(error), _) => (Err(error), Closed::default()),
        };
        fail_point("published");
        let finished = executor.clock.now();
        let outcome = match ended {
            Ok((report, notes)) => {
                outcome.warnings = notes;
                match copied {
                    Some((from, complete)) => ended_as_copy(outcome, report, &from, complete, finished),
                    None => ended_well(outcome, report, finished),
                }
            }
            Err(error) => ended_badly(outcome, &error, finished),
        };
        outcomes.push((nth, with_window(outcome, closed)));
    }
    outcomes.sort_by_key(|(nth, _)| *nth);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Everything that one attempt needs, looked up.
pub(super) struct Job {
    pub repository: Arc<Repository>,
    content: Content,
    pub meta: SnapshotMeta,
    pub timeout: Duration,
    resources: Resources,
    quiesce: Option<(Quiescer, Arc<Quiesce>)>,
    databases: Option<Databases>,
    clones: Option<Arc<Clones>>,
}

fn job(executor: &Executor, work: &Work, action: &BackupAction, outcome: &Outcome) -> Result<Job, RepositoryError> {
    let key = &action.source;
    let refused = |message: String| RepositoryError::new(Reason::Refused, message);
    let repository = work.desired.repositories.get(&outcome.repository).cloned();
    let repository = repository.ok_or_else(|| unknown_repository(&outcome.repository))?;
    let policy = work.desired.policies.get(&key.policy);
    let policy = policy.ok_or_else(|| refused(format!("The policy {} is not in force any more", key.policy)))?;
    let spec = policy.backup();
    let spec = spec.ok_or_else(|| refused(format!("The policy {} is an exemption by now", key.policy)))?;
    let Taken { content, manifest, quiesce, databases, clones } = taken::of(executor, work, policy, &key.source)?;
    let manifest = manifest::with_documents(manifest, &work.desired, &repository.name);
    Ok(Job {
        clones,
        quiesce,
        databases,
        repository,
        content,
        meta: SnapshotMeta {
            source: key.clone(),
            slot: Some(action.slot),
            run: outcome.run.clone(),
            host: executor.host.clone(),
            time: outcome.started,
            manifest,
            imported: None,
        },
        timeout: spec.timeout,
        resources: spec.resources,
    })
}

/// One attempt, within the policy's time, and what became of the containers.
async fn attempt(executor: &Executor, job: Job, control: &RunControl) -> (Result<Stored, RepositoryError>, Closed) {
    let cancel = control.cancel.child_token();
    let window = job.quiesce.clone().zip(root(&job.content)).map(|((quiescer, quiesce), root)| {
        let ask = Ask {
            source: job.meta.source.clone(),
            run: job.meta.run.clone(),
            quiesce,
            readers: false,
            root,
            cancel: cancel.clone(),
            shutdown: control.cancel.clone(),
        };
        Window::new(quiescer, ask)
    });
    let around = window.clone().map(|window| window as Arc<dyn Around>);
    let inner = Control {
        around,
        databases: job.databases.clone(),
        clones: job.clones.clone(),
        resources: job.resources,
        cancel: cancel.clone(),
        progress: Arc::clone(&control.progress),
    };
    let registry = Arc::clone(&executor.registry);
    let (timeout, started) = (job.timeout, job.meta.time);
    let running = blocking(move || {
        registry.with(&job.repository, |repository| store(repository, &job.content, &job.meta, &inner))
    });
    let (ended, mut overran) = within(timeout, &cancel, running).await;
    let closed = match &window {
        Some(window) => window.closed().await,
        None => Closed::default(),
    };
    let ended = match (ended, &window) {
        (Err(_), Some(window)) if closed.overran => Err(RepositoryError::new(Reason::Unavailable, window.too_long())),
        (Err(error), _) if error.kind() == Reason::Interrupted => {
            overran |= has_passed(executor.clock.now(), started, timeout);
            Err(if overran { too_long(timeout) } else { error })
        }
        (ended, _) => ended,
    };
    (ended, closed)
}

/// What was stored, and what a person should know of beside it.
type Stored = (BackupReport, Vec<String>);

fn store(
    repository: &RepositoryAdapter,
    content: &Content,
    meta: &SnapshotMeta,
    control: &Control,
) -> Result<Stored, RepositoryError> {
    match content {
        Content::Files(tree) => repository.backup(tree, meta, control).map(|report| (report, Vec::new())),
        Content::Objects(s3, prefix) => {
            repository.backup_objects(s3, prefix, meta, control).map(|report| (report, Vec::new()))
        }
        Content::Database(wanted) => super::postgres::dump(repository, wanted, meta, control),
    }
}

/// The directory that files are read from.
fn root(content: &Content) -> Option<PathBuf> {
    match content {
        Content::Files(tree) => Some(tree.root.clone()),
        Content::Objects(..) | Content::Database(_) => None,
    }
}

/// What became of the containers, added to what became of the files.
pub(super) fn with_window(mut outcome: Outcome, closed: Closed) -> Outcome {
    outcome.quiesce_seconds = closed.seconds;
    outcome.warnings.extend(closed.warnings);
    if !closed.failures.is_empty() {
        outcome.result = RunResult::Failure;
        outcome.message = format!("{}. {}", closed.failures.join(". "), outcome.message);
    }
    outcome
}

/// Whether the run's time was up, whoever noticed first.
pub(super) fn has_passed(now: Timestamp, started: Timestamp, timeout: Duration) -> bool {
    Duration::try_from(now.duration_since(started)).is_ok_and(|elapsed| elapsed >= timeout)
}

pub(super) fn too_long(timeout: Duration) -> RepositoryError {
    RepositoryError::new(
        Reason::Unavailable,
        format!(
            "The run took longer than its timeout of {} s and was ended; no snapshot was made. Raise the policy's \
             timeout, or exclude what need not be kept; what was stored already is not read again",
            timeout.as_secs()
        ),
    )
}

fn ended_as_copy(
    mut outcome: Outcome,
    report: BackupReport,
    from: &str,
    complete: bool,
    finished: Timestamp,
) -> Outcome {
    outcome.finished = finished;
    outcome.result = if complete { RunResult::Success } else { RunResult::Partial };
    let (files, size, added) = (count(report.files, "file"), bytes(report.bytes), bytes(report.added_bytes));
    outcome.message = format!("{files}, {size}, added {added}; copied from the repository {from}");
    if !complete {
        outcome.message.push_str(", where some files are not as they were");
    }
    outcome.snapshot = report.snapshot;
    outcome
}

fn ended_well(mut outcome: Outcome, report: BackupReport, finished: Timestamp) -> Outcome {
    outcome.finished = finished;
    outcome.result = match (report.empty, report.problem_count) {
        (true, _) => RunResult::Empty,
        (false, 0) => RunResult::Success,
        (false, _) => RunResult::Partial,
    };
    outcome.message = match outcome.result {
        RunResult::Empty => "The source holds nothing; no snapshot was made".to_owned(),
        RunResult::Partial => format!(
            "{}, {}, added {}; {} could not be taken as they were, the first: {}",
            count(report.files, "file"),
            bytes(report.bytes),
            bytes(report.added_bytes),
            report.problem_count,
            report.problems.first().map(|p| format!("{} ({})", p.path, p.problem)).unwrap_or_default(),
        ),
        _ => format!("{}, {}, added {}", count(report.files, "file"), bytes(report.bytes), bytes(report.added_bytes)),
    };
    match report.cloned {
        Cloned::NotAsked => {}
        Cloned::Yes => outcome.message.push_str("; read from a clone"),
        Cloned::No(why) => outcome
            .warnings
            .push(format!("The volume was not cloned, and its containers stood still until it was read: {why}")),
    }
    outcome.snapshot = report.snapshot;
    outcome.problems = report.problems;
    outcome.problem_count = report.problem_count;
    outcome
}
