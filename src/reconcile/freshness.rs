//! How fresh a source is in one repository: from the snapshots that exist, and from memory where those are not known.

use super::facts::TargetFacts;
use super::observed::{RepositoryHealth, RepositoryState, SnapshotRecord};
use super::{Observed, RunResult, SourceKey};
use crate::policy::Schedule;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How long after a slot its source becomes overdue when the policy names no `startingDeadline`.
pub const GRACE: Duration = Duration::from_hours(1);

/// One source in one repository, as far as backups care.
pub(super) struct Target<'a> {
    pub repository: &'a str,
    pub facts: Option<&'a TargetFacts>,
    /// The listing, when the repository could be listed.
    pub state: Option<&'a RepositoryState>,
    pub snapshots: &'a [Arc<SnapshotRecord>],
    /// When the newest complete snapshot was begun.
    pub last_success: Option<Timestamp>,
    /// The slot that it answered.
    pub last_success_slot: Option<Timestamp>,
    /// What is wrong with the repository and can be mended, as far as its checks know.
    pub damage: Option<String>,
}

impl<'a> Target<'a> {
    pub fn of(source: &SourceKey, repository: &'a str, observed: &'a Observed) -> Self {
        let facts = observed.facts.targets.get(&source.target(repository));
        let state = observed.repositories.get(repository).filter(|r| r.listed_at.is_some());
        let snapshots = state.and_then(|r| r.own.get(source)).map_or(&[][..], |list| list.as_slice());
        let newest = snapshots.iter().rev().find(|s| s.complete);
        let (mut last_success, mut last_success_slot) =
            (newest.map(|s| s.time), newest.and_then(|s| s.slot.or(Some(s.time))));
        // A listing is the truth about its own time only: what ended after it is known from memory.
        let listed_at = state.and_then(|r| r.listed_at);
        let ended = facts.and_then(|f| f.last_run.as_ref()).filter(|r| r.result == RunResult::Success);
        let ended = ended.map(|r| r.finished);
        let remembered = facts.and_then(|f| f.last_success).filter(|t| listed_at <= ended.max(Some(*t)));
        if remembered > last_success {
            last_success = remembered;
            last_success_slot = facts.and_then(|f| f.last_success_slot).or(remembered);
        }
        let damage = observed.facts.repositories.get(repository).and_then(|f| f.check.repairable());
        Self { repository, facts, state, snapshots, last_success, last_success_slot, damage }
    }

    /// Why no run can use the repository now.
    pub fn obstacle(&self) -> Option<String> {
        match self.state.map(|s| &s.health) {
            Some(RepositoryHealth::Healthy) => None,
            Some(RepositoryHealth::Unhealthy { message, .. }) => {
                Some(format!("repository {} cannot be used: {message}", self.repository))
            }
            None => Some(format!("repository {} has not been looked at yet", self.repository)),
        }
    }

    /// Up to where slots have been answered; `None` when nothing has ever been.
    pub fn accounted(&self) -> Option<Timestamp> {
        let remembered = self.facts.and_then(|f| f.accounted);
        remembered.max(self.last_success_slot)
    }
}

/// From when the source is overdue: the start of the first slot after `since`, plus `startingDeadline` or [`GRACE`].
pub(super) fn deadline(schedule: &Schedule, seed: &str, since: Timestamp) -> Option<Timestamp> {
    let slot = schedule.slot_after(since)?;
    let grace = schedule.starting_deadline.unwrap_or(GRACE);
    later(later(slot, schedule.jitter_for(seed)), grace).into()
}

/// `t` plus `d`; the end of time when there is no such instant.
pub(super) fn later(t: Timestamp, d: Duration) -> Timestamp {
    t.saturating_add(jiff::SignedDuration::try_from(d).unwrap_or(jiff::SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}
