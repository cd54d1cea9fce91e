//! Looking through one repository for damage.

use super::{Executor, blank, blocking, ended_badly, unknown_repository, within};
use crate::adapters::repository::{Control, Reason, RepositoryError};
use crate::controller::ports::{RunControl, Work};
use crate::policy::quantity::{bytes, count, display};
use crate::reconcile::duties::CHECK_TIMEOUT;
use crate::reconcile::{CheckAction, CheckReport, Operation, Outcome, RunResult};
use std::sync::Arc;

pub(super) async fn run(executor: &Executor, work: &Work, action: CheckAction, control: &RunControl) -> Outcome {
    let mut outcome = blank(control, Operation::Check, None, &action.repository);
    outcome.slot = Some(action.slot);
    action.cause.as_str().clone_into(&mut outcome.cause);
    let Some(repository) = work.desired.repositories.get(&action.repository).cloned() else {
        return ended_badly(outcome, &unknown_repository(&action.repository), executor.clock.now());
    };
    let registry = Arc::clone(&executor.registry);
    let cancel = control.cancel.child_token();
    let inner = Control { cancel: cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let running = blocking(move || {
        registry.with(&repository, |adapter| match &action.repair {
            None => adapter.check(action.portion, &action.suspects, &inner),
            Some(seen) => adapter.repair(seen, action.portion, &action.suspects, &inner),
        })
    });
    let (ended, overran) = within(CHECK_TIMEOUT, &cancel, running).await;
    let finished = executor.clock.now();
    match ended {
        Ok(report) => {
            outcome.finished = finished;
            outcome.result = if report.damage_count == 0 { RunResult::Success } else { RunResult::Failure };
            outcome.message = words(&report);
            outcome.check = Some(Box::new(report));
            outcome
        }
        Err(error) if overran && error.kind() == Reason::Interrupted => {
            let message = format!(
                "The check took longer than {} and was ended; let it read less at once by check.readDataPercent",
                display(CHECK_TIMEOUT)
            );
            ended_badly(outcome, &RepositoryError::new(Reason::Unavailable, message), finished)
        }
        Err(error) => ended_badly(outcome, &error, finished),
    }
}

fn words(report: &CheckReport) -> String {
    let repaired = report.repaired.iter().fold(String::new(), |text, done| text + done + ". ");
    if let Some(first) = report.damage.first() {
        let more =
            if report.damage_count > 1 { format!("; and {} more", report.damage_count - 1) } else { String::new() };
        return format!("{repaired}The repository is damaged: {}{more}", first.what);
    }
    let read = match report.portion {
        None => "no data read".to_owned(),
        Some(portion) if portion.of == 1 => format!("{} of data read, all there are", bytes(report.bytes_read)),
        Some(portion) => {
            format!("{} of data read, share {} of {}", bytes(report.bytes_read), portion.nth + 1, portion.of)
        }
    };
    let (snapshots, packs) = (count(report.snapshots, "snapshot"), count(report.packs, "pack"));
    format!("{repaired}{snapshots} and {packs} are whole; {read}")
}
