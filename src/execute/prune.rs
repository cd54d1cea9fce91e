//! Freeing the space of forgotten snapshots.

use super::{Executor, blank, blocking, ended_badly, unknown_repository};
use crate::adapters::repository::{Control, Reason};
use crate::controller::ports::{RunControl, Work};
use crate::policy::quantity::bytes;
use crate::reconcile::{Operation, Outcome, PruneAction, RunResult};
use std::sync::Arc;

pub(super) async fn run(executor: &Executor, work: &Work, action: PruneAction, control: &RunControl) -> Outcome {
    let mut outcome = blank(control, Operation::Prune, None, &action.repository);
    "retention".clone_into(&mut outcome.cause);
    let Some(repository) = work.desired.repositories.get(&action.repository).cloned() else {
        return ended_badly(outcome, &unknown_repository(&action.repository), executor.clock.now());
    };
    let registry = Arc::clone(&executor.registry);
    let inner =
        Control { cancel: control.cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let ended = blocking(move || registry.with(&repository, |adapter| adapter.prune(&inner)));
    match ended.await {
        Ok(report) => {
            outcome.result = RunResult::Success;
            outcome.freed_bytes = report.freed_bytes + report.marked_bytes;
            outcome.message = format!(
                "{} freed; {} marked, to be freed by a prune at least 23 h from when they were marked",
                bytes(report.freed_bytes),
                bytes(report.marked_bytes)
            );
            outcome.finished = executor.clock.now();
            outcome
        }
        // Nothing was removed, and nothing is lost by that; once the lock has ended, a later prune frees it.
        Err(error) if error.kind() == Reason::Retained => {
            outcome.result = RunResult::Success;
            outcome.message = format!("Nothing was freed: {}", error.told());
            outcome.finished = executor.clock.now();
            outcome
        }
        Err(error) => ended_badly(outcome, &error, executor.clock.now()),
    }
}
