//! Forgetting snapshots of one source in one repository.

use super::{Executor, blank, blocking, ended_badly, unknown_repository};
use crate::adapters::repository::Control;
use crate::controller::ports::{RunControl, Work};
use crate::policy::quantity::count;
use crate::reconcile::{ForgetAction, Operation, Outcome, RunResult};
use std::sync::Arc;

pub(super) async fn run(executor: &Executor, work: &Work, action: ForgetAction, control: &RunControl) -> Outcome {
    let name = action.target.repository.clone();
    let source = action.target.source_key();
    let mut outcome = blank(control, Operation::Forget, Some(source.clone()), &name);
    "retention".clone_into(&mut outcome.cause);
    let Some(repository) = work.desired.repositories.get(&name).cloned() else {
        return ended_badly(outcome, &unknown_repository(&name), executor.clock.now());
    };
    let (registry, host) = (Arc::clone(&executor.registry), executor.host.clone());
    let inner =
        Control { cancel: control.cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let ended =
        blocking(move || registry.with(&repository, |adapter| adapter.forget(&source, &host, &action.remove, &inner)));
    match ended.await {
        Ok(forgotten) => {
            outcome.result = if forgotten.retained == 0 { RunResult::Success } else { RunResult::Partial };
            let retained = match forgotten.retained {
                0 => String::new(),
                n => format!("; {} retained by a lock of the bucket, until it ends", count(n, "snapshot")),
            };
            outcome.message = format!("{} forgotten{retained}", count(forgotten.ids.len() as u64, "snapshot"));
            outcome.forgotten = forgotten.ids;
            outcome.finished = executor.clock.now();
            outcome
        }
        Err(error) => ended_badly(outcome, &error, executor.clock.now()),
    }
}
