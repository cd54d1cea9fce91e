//! What the repositories know of runs whose end nobody wrote down.

use crate::reconcile::{Facts, RepositoryState, RunResult};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Facts after interrupted backups were found to have made their snapshots: Seawall ended after the snapshot was there
/// and before that was on record. `None`: nothing changes.
#[must_use]
pub fn found(facts: &Facts, repositories: &BTreeMap<String, RepositoryState>) -> Option<Facts> {
    let mut next = None;
    for (key, target) in &facts.targets {
        let Some(run) = target.last_run.as_ref().filter(|run| run.result == RunResult::Interrupted) else { continue };
        let own = repositories.get(&key.repository).and_then(|state| state.own.get(&key.source_key()));
        let made = own.and_then(|list| list.iter().find(|snapshot| snapshot.run.as_ref() == Some(&run.run)));
        let Some(snapshot) = made else { continue };
        let target = next.get_or_insert_with(|| facts.clone()).targets.entry(key.clone()).or_default();
        target.accounted = target.accounted.max(run.slot);
        target.failures = 0;
        target.retry_at = None;
        if snapshot.complete {
            target.last_success = target.last_success.max(Some(snapshot.time));
            target.last_success_slot = target.last_success_slot.max(run.slot);
        }
        if let Some(run) = target.last_run.as_mut().map(Arc::make_mut) {
            run.result = if snapshot.complete { RunResult::Success } else { RunResult::Partial };
            run.message =
                format!("the snapshot {} is there, though Seawall ended before that was on record", snapshot.id);
        }
    }
    next
}
