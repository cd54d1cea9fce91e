//! Bringing a snapshot back, in the place of what is there, and undoing that.
//!
//! Everything that can fail or take time comes first: the snapshot is laid down beside the volume's directory, on the
//! same file system, and compared with itself. Only then does the application stand still, for as long as one exchange
//! of two names takes. What was replaced stays in the scratch directory until a person or its time removes it.

mod bring;
mod content;
mod objects;
mod shelf;

pub(super) use shelf::SetAside;
pub use shelf::{Mended, Shelf};

use super::fail_point::fail_point;
use super::quiesce::{Ask, Closed, Window};
use super::{Executor, blank, blocking, ended_badly};
use crate::adapters::docker::{Docker, DockerError};
use crate::adapters::exchange::Place;
use crate::adapters::repository::{Around, Reason, RepositoryError};
use crate::controller::ports::{RunControl, Work};
use crate::policy::postgres::short_name;
use crate::policy::quantity::bytes;
use crate::policy::{Means, Quiesce, Source};
use crate::reconcile::{
    Container, FileProblem, Operation, Outcome, RestoreAction, RestoreStep, Restored, RunId, RunResult, SourceKey,
};
use jiff::Timestamp;
use shelf::Kept;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long containers have to end, where the policy does not say.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long they may stand still: an exchange takes no time, but they are waited for.
const MAX_DURATION: Duration = Duration::from_mins(15);

/// How many of the objects that could not be put back are named.
const PROBLEMS: usize = 100;

/// What restores need beside repositories.
#[derive(Debug, Clone)]
pub struct Restores {
    docker: Docker,
    shelf: Arc<Shelf>,
}

impl Restores {
    /// Over an engine, with records that only this process writes.
    #[must_use]
    pub const fn new(docker: Docker, shelf: Arc<Shelf>) -> Self {
        Self { docker, shelf }
    }

    pub(super) const fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }
}

/// Removes what has been kept for long enough. Blocking; `cancel` ends questions to servers.
pub fn expire(shelf: &Shelf, now: Timestamp, cancel: &CancellationToken) {
    shelf.expire(now);
    super::postgres::aside::expire(shelf, now, cancel);
}

/// What was done.
#[derive(Default)]
struct Done {
    message: String,
    restored: Option<Restored>,
    closed: Closed,
    /// What could not be brought back.
    problems: Vec<FileProblem>,
}

pub(super) async fn run(executor: &Executor, work: &Work, action: RestoreAction, control: &RunControl) -> Outcome {
    if short_name(&action.source.source).is_some() {
        return super::postgres::restore::run(executor, work, action, control).await;
    }
    let repository = action.repository().unwrap_or_default().to_owned();
    let mut outcome = blank(control, Operation::Restore, Some(action.source.clone()), &repository);
    "manual".clone_into(&mut outcome.cause);
    let Some(restores) = executor.restores.clone() else {
        let error = refused("Nothing can be restored here");
        return ended_badly(outcome, &error, executor.clock.now());
    };
    let task = Task { executor, restores, work, source: &action.source, control };
    let source = work.desired.policies.get(&action.source.policy).map(|policy| &policy.source);
    let done = match &action.step {
        RestoreStep::Bring { .. } | RestoreStep::Unpack { .. } => match source {
            Some(Source::Bucket(bucket)) => objects::run(&task, bucket, &action.step).await,
            _ => bring::run(&task, &action.step).await,
        },
        RestoreStep::Undo(restore) => undo(&task, restore).await,
        RestoreStep::Discard(restore) => discard(&task, restore).await,
    };
    let finished = executor.clock.now();
    match done {
        Err(error) => ended_badly(outcome, &error, finished),
        Ok(Done { message, restored, closed, problems }) => {
            outcome.finished = finished;
            outcome.result = if problems.is_empty() { RunResult::Success } else { RunResult::Partial };
            outcome.problem_count = problems.len() as u64;
            outcome.problems = problems.into_iter().take(PROBLEMS).collect();
            outcome.message = message;
            outcome.restored = restored;
            super::backup::with_window(outcome, closed)
        }
    }
}

/// One restore, with what it works on.
struct Task<'a> {
    executor: &'a Executor,
    restores: Restores,
    work: &'a Work,
    source: &'a SourceKey,
    control: &'a RunControl,
}

async fn undo(task: &Task<'_>, restore: &RunId) -> Result<Done, RepositoryError> {
    let mut kept = kept(task, restore)?;
    if !kept.place.is_there() {
        let message = match task.restores.shelf.around(&kept) {
            Some(other) => format!(
                "What the restore {restore} replaced went aside with {}, which was replaced as a whole later; undo that \
                 first: `seawall restore {} --undo`",
                other.target, other.source.policy
            ),
            None => format!(
                "What the restore {restore} replaced is not there any more; was {} removed meanwhile?",
                kept.undo.target
            ),
        };
        return Err(RepositoryError::new(Reason::NotFound, message));
    }
    let volume = match kept.undo.target.clone() {
        name if kept.undo.is_of_volume() => {
            Some((bring::root_of(&task.restores.docker, &name, task.executor).await?, name))
        }
        _ => None,
    };
    let closed = exchange(task, volume, &kept.place).await?;
    kept.undo.undone = !kept.undo.undone;
    let (what, other) = if kept.undo.undone { ("undone", "it had brought") } else { ("done again", "it replaced") };
    let expires = kept.undo.expires;
    record(task, kept).await;
    let message = format!("The restore {restore} is {what}; what {other} is kept until {expires:.0}");
    Ok(Done { message, closed, ..Done::default() })
}

async fn discard(task: &Task<'_>, restore: &RunId) -> Result<Done, RepositoryError> {
    let kept = kept(task, restore)?;
    let (what, freed) = (if kept.undo.undone { "had brought" } else { "replaced" }, kept.undo.bytes);
    let shelf = Arc::clone(&task.restores.shelf);
    blocking(move || {
        shelf
            .remove(&kept)
            .map_err(|error| RepositoryError::because(Reason::Unavailable, "Not all could be removed", &error))
    })
    .await?;
    Ok(Done {
        message: format!("What the restore {restore} {what} is removed: {} freed", bytes(freed)),
        ..Done::default()
    })
}

fn kept(task: &Task<'_>, restore: &RunId) -> Result<Kept, RepositoryError> {
    let found = task.restores.shelf.get(restore).filter(|kept| kept.undo.source == *task.source);
    found.ok_or_else(|| {
        RepositoryError::new(Reason::NotFound, format!("Nothing is kept of a restore {restore} of {}", task.source))
    })
}

/// Stops whatever uses the volume, if it is one, exchanges, and starts it again. An error says that nothing was exchanged.
async fn exchange(
    task: &Task<'_>,
    volume: Option<(PathBuf, String)>,
    place: &Place,
) -> Result<Closed, RepositoryError> {
    let Some((root, volume)) = volume else {
        let place = place.clone();
        return blocking(move || place.exchange().map_err(refused)).await.map(|()| Closed::default());
    };
    let executor = task.executor;
    let quiescer = executor.quiescer.clone().ok_or_else(|| refused("Containers cannot be stopped here"))?;
    let containers = task.restores.docker.containers().await.map_err(|error| engine(&error))?;
    in_between(containers.values(), &volume)?;
    bound(containers.values(), &root)?;
    let cancel = task.control.cancel.child_token();
    let ask = Ask {
        source: SourceKey { policy: task.source.policy.clone(), source: volume },
        run: task.control.run.clone(),
        quiesce: Arc::new(stop(task)),
        readers: true,
        root,
        cancel,
        shutdown: task.control.cancel.clone(),
    };
    let window = Window::new(quiescer, ask);
    let (around, place) = (Arc::clone(&window), place.clone());
    let exchanged = blocking(move || {
        let exchanged = around.before().and_then(|()| {
            fail_point("exchanging");
            let exchanged = place.exchange().map_err(refused);
            fail_point("exchanged");
            exchanged
        });
        around.after();
        exchanged
    })
    .await;
    let mut closed = window.closed().await;
    // What moved meanwhile moved in what is set aside now.
    closed.moved.clear();
    exchanged.map(|()| closed)
}

/// How containers are made to stand still: stopped, since what stays open is what was replaced.
fn stop(task: &Task<'_>) -> Quiesce {
    let policy = task.work.desired.policies.get(&task.source.policy);
    let asked = policy.and_then(|policy| match &policy.source {
        Source::Volume(source) => source.quiesce.clone(),
        Source::Path(_) | Source::Postgres(_) | Source::ManagedDatabase(_) | Source::Bucket(_) => None,
    });
    Quiesce {
        means: Means::Stop,
        timeout: asked.as_ref().map_or(TIMEOUT, |asked| asked.timeout),
        max_duration: MAX_DURATION,
        also: asked.map(|asked| asked.also.clone()).unwrap_or_default(),
    }
}

/// Containers that neither run nor are stopped would go on with what was replaced.
fn in_between<'a>(mut containers: impl Iterator<Item = &'a Container>, volume: &str) -> Result<(), RepositoryError> {
    let open = |container: &&Container| {
        container.volumes.contains_key(volume) && matches!(container.state.as_str(), "paused" | "restarting")
    };
    containers.find(open).map_or(Ok(()), |container| {
        Err(refused(format!(
            "The container {} is {} and has the volume {volume} open: let it run, or stop it, and restore then",
            container.name, container.state
        )))
    })
}

/// Containers that have the directory itself, and not the volume, would go on with what was replaced, and nobody stops them.
fn bound<'a>(mut containers: impl Iterator<Item = &'a Container>, root: &Path) -> Result<(), RepositoryError> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let root = real(root);
    let open = |container: &&Container| {
        matches!(container.state.as_str(), "running" | "paused" | "restarting")
            && container.binds.iter().any(|bind| real(bind).starts_with(&root))
    };
    containers.find(open).map_or(Ok(()), |container| {
        Err(refused(format!(
            "The container {} has {} open by a bind mount, and would go on with what is replaced: stop it, and restore then",
            container.name,
            root.display()
        )))
    })
}

/// Writes a record after the fact; what lies on the disk tells the same.
async fn record(task: &Task<'_>, kept: Kept) {
    let shelf = Arc::clone(&task.restores.shelf);
    let written = blocking(move || {
        let failed =
            |error: std::io::Error| RepositoryError::because(Reason::Unavailable, "A record of the restore", &error);
        let bytes = kept.place.held_bytes();
        shelf.put(&Kept { undo: crate::reconcile::Undo { bytes, ..kept.undo }, ..kept }).map_err(failed)
    });
    if let Err(error) = written.await {
        tracing::error!("{}", error.told());
    }
}

fn refused(message: impl Into<String>) -> RepositoryError {
    RepositoryError::new(Reason::Refused, message)
}

fn engine(error: &DockerError) -> RepositoryError {
    RepositoryError::because(Reason::Unavailable, "Docker did not do its part", error)
}
