//! Carrying out what a plan says. Returns outcomes; writes no status, has no choices left.

mod backup;
mod check;
mod copy;
pub mod drill;
mod fail_point;
mod forget;
pub mod import;
pub mod journal;
mod manifest;
mod postgres;
mod prune;
pub mod quiesce;
pub mod restore;
mod taken;

use crate::adapters::clone::Clones;
use crate::adapters::repository::{Reason, Registry, RepositoryError};
use crate::adapters::sqlite::Staging;
use crate::clock::Clock;
use crate::controller::ports::{Execute, RunControl, Work};
use crate::reconcile::{Action, Operation, Outcome, RunResult, SourceKey};
use drill::Drills;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use quiesce::Quiescer;
use restore::Restores;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Carries out actions on the repositories of a registry.
#[derive(Clone)]
pub struct Executor {
    registry: Arc<Registry>,
    host: String,
    clock: Arc<dyn Clock>,
    quiescer: Option<Quiescer>,
    staging: Option<Arc<Staging>>,
    clones: Option<Arc<Clones>>,
    drills: Option<Drills>,
    restores: Option<Restores>,
}

impl Executor {
    /// An executor that writes snapshots under the name `host`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, host: String, clock: Arc<dyn Clock>) -> Self {
        let (quiescer, staging, clones, drills, restores) = (None, None, None, None, None);
        Self { registry, host, clock, quiescer, staging, clones, drills, restores }
    }

    /// Able to make containers stand still. Without it, a policy that asks for that is a failure.
    #[must_use]
    pub fn with_quiescer(self, quiescer: Quiescer) -> Self {
        Self { quiescer: Some(quiescer), ..self }
    }

    /// Able to copy databases. Without it, a policy that asks for that is a failure.
    #[must_use]
    pub fn with_staging(self, staging: Arc<Staging>) -> Self {
        Self { staging: Some(staging), ..self }
    }

    /// Able to clone volumes. Without it, a policy that asks for that has them read while their containers stand still.
    #[must_use]
    pub fn with_clones(self, clones: Arc<Clones>) -> Self {
        Self { clones: Some(clones), ..self }
    }

    /// Able to drill. Without it, a drill is a failure.
    #[must_use]
    pub fn with_drills(self, drills: Drills) -> Self {
        Self { drills: Some(drills), ..self }
    }

    /// Able to restore. Without it, a restore is a failure.
    #[must_use]
    pub fn with_restores(self, restores: Restores) -> Self {
        Self { restores: Some(restores), ..self }
    }
}

impl Execute for Executor {
    fn execute(&self, work: Work, control: RunControl) -> BoxFuture<'static, Vec<Outcome>> {
        let this = self.clone();
        Box::pin(async move {
            match work.action.clone() {
                Action::Backup(action) => backup::run(&this, &work, &action, &control).await,
                Action::Forget(action) => vec![forget::run(&this, &work, action, &control).await],
                Action::Prune(action) => vec![prune::run(&this, &work, action, &control).await],
                Action::Drill(action) => vec![drill::run(&this, &work, &action, &control).await],
                Action::Check(action) => vec![check::run(&this, &work, action, &control).await],
                Action::Restore(action) => vec![restore::run(&this, &work, action, &control).await],
            }
        })
    }
}

/// Runs blocking work off the async threads. A panic is a failure like any other.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, RepositoryError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a run ended unexpectedly");
        Err(RepositoryError::because(Reason::Internal, "The run ended unexpectedly; the log has more", &error))
    })
}

/// Waits for work that is told to end once its time is up: what it came to, and whether that was so.
async fn within<T>(time: Duration, cancel: &CancellationToken, work: impl Future<Output = T>) -> (T, bool) {
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => (ended, false),
        () = tokio::time::sleep(time) => {
            cancel.cancel();
            (work.await, true)
        }
    }
}

/// An outcome that says nothing yet: a failure, until it is filled in.
fn blank(control: &RunControl, operation: Operation, source: Option<SourceKey>, repository: &str) -> Outcome {
    Outcome::nothing(control.run.clone(), operation, source, repository, control.started)
}

/// Fills in how a run ended that did not do its work.
fn ended_badly(mut outcome: Outcome, error: &RepositoryError, finished: Timestamp) -> Outcome {
    outcome.result = if error.kind() == Reason::Interrupted { RunResult::Interrupted } else { RunResult::Failure };
    outcome.message = error.told();
    outcome.finished = finished;
    outcome
}

/// That a plan speaks of a repository which is not in force.
fn unknown_repository(name: &str) -> RepositoryError {
    RepositoryError::new(Reason::NotFound, format!("The repository {name} is not defined; add its document"))
}
