//! When the space of forgotten snapshots is freed.

use super::observed::{RepositoryHealth, RepositoryState};
use super::plan::PruneAction;
use super::{Observed, RunResult};
use crate::policy::Desired;
use jiff::{SignedDuration, Timestamp};

/// Between two prunes of a repository.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// How long after the last forget prunes go on: the first one marks packs, a later one removes those that have been
/// marked for 23 hours, so that a backup that began in between does not lose what it counted on.
const TAIL: SignedDuration = SignedDuration::from_hours(48);

/// The prunes that may begin now, and when the next one will be due.
pub(super) fn conclude(
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
) -> (Vec<PruneAction>, Option<Timestamp>) {
    let mut actions = Vec::new();
    let mut wake_at = None;
    for name in desired.repositories.keys() {
        let Some(due_at) = due_at(observed, name) else { continue };
        let healthy = |r: &RepositoryState| r.listed_at.is_some() && r.health == RepositoryHealth::Healthy;
        let usable = observed.repositories.get(name).is_some_and(healthy);
        // What is damaged may be mended from what nothing refers to.
        let damaged = observed.facts.repositories.get(name).is_some_and(|f| f.check.damage().is_some());
        let busy = damaged || observed.running.iter().any(|r| r.repositories.contains(name));
        if due_at > now {
            wake_at = super::backups::earliest(wake_at, Some(due_at));
        } else if usable && !busy {
            actions.push(PruneAction { repository: name.clone() });
        }
    }
    (actions, wake_at)
}

fn due_at(observed: &Observed, name: &str) -> Option<Timestamp> {
    let facts = observed.facts.repositories.get(name)?;
    let forgotten = facts.last_forget?;
    let done = facts.last_prune.as_ref().filter(|p| p.result == RunResult::Success);
    let due = match done {
        None => forgotten,
        Some(prune) if prune.started < forgotten.saturating_add(TAIL).unwrap_or(Timestamp::MAX) => {
            prune.started.saturating_add(INTERVAL).unwrap_or(Timestamp::MAX)
        }
        Some(_) => return None,
    };
    Some(due.max(facts.retry_at.unwrap_or(due)))
}
