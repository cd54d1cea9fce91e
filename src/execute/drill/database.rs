//! The drill of a database: into a server of its own, from the programs of this host or from an image. Only the image
//! needs Docker.

use super::{Job, interrupted, job, judged, server, too_long};
use crate::adapters::postgres::{PostgresError, scratch};
use crate::adapters::repository::{Control, RepositoryError};
use crate::controller::ports::{RunControl, Work};
use crate::execute::postgres::drill::{self, Drilled};
use crate::execute::{Executor, blocking, ended_badly, within};
use crate::policy::PostgresSource;
use crate::reconcile::{DrillAction, DrillReport, Outcome};
use std::sync::Arc;

pub(super) async fn run(
    executor: &Executor,
    work: &Work,
    action: &DrillAction,
    control: &RunControl,
    source: &PostgresSource,
    outcome: Outcome,
) -> Outcome {
    let job = match job(executor, work, action) {
        Ok(job) => job,
        Err(error) => return ended_badly(outcome, &error, executor.clock.now()),
    };
    let cancel = control.cancel.child_token();
    let inner = Control { cancel: cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let drilled = Drilled {
        source: source.clone(),
        checks: job.checks.clone(),
        owner: job.drills.owner().to_owned(),
        run: control.run.clone(),
        started: control.started,
        snapshot: action.snapshot.clone(),
        clock: Arc::clone(&executor.clock),
    };
    let mut warnings = swept(&job).await;
    let attempt = Box::pin(attempt(executor, &job, drilled, inner));
    let (ended, overran) = within(job.timeout, &cancel, attempt).await;
    if job.server.is_some() {
        warnings.extend(job.drills.remove(&control.run).await);
    }
    let finished = executor.clock.now();
    let mut outcome = match ended {
        Ok((report, notes)) => {
            warnings.extend(notes);
            judged(outcome, report, &job, finished)
        }
        Err(_) if overran => ended_badly(outcome, &too_long(job.timeout), finished),
        Err(error) => ended_badly(outcome, &error, finished),
    };
    outcome.warnings.extend(warnings);
    outcome
}

/// Removes what earlier drills left.
async fn swept(job: &Job) -> Vec<String> {
    if job.server.is_some() {
        return job.drills.sweep().await;
    }
    let owner = job.drills.owner().to_owned();
    tokio::task::spawn_blocking(move || scratch::sweep(&owner)).await.unwrap_or_else(|error| vec![error.to_string()])
}

async fn attempt(
    executor: &Executor,
    job: &Job,
    drilled: Drilled,
    inner: Control,
) -> Result<(DrillReport, Vec<String>), RepositoryError> {
    let served = match &job.server {
        None => None,
        Some(wanted) => {
            let now = executor.clock.now();
            let start = server::start(&job.drills, &drilled, wanted, &inner.cancel, now);
            Some(inner.cancel.run_until_cancelled(start).await.ok_or_else(interrupted)??)
        }
    };
    let (registry, repository) = (Arc::clone(&executor.registry), Arc::clone(&job.repository));
    blocking(move || registry.with(&repository, |adapter| drill::attempt(adapter, &drilled, served.as_ref(), &inner)))
        .await
}

/// Trouble with the server of a drill, as trouble of the run.
pub(super) fn failed(error: &PostgresError) -> RepositoryError {
    crate::execute::postgres::repository_error(error)
}
