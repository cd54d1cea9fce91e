//! Drills of sources and checks of repositories: what is planned, what was found, what is remembered of them.

use super::plan::{Cause, Verdict};
use super::{Attempt, SourceKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Restore a snapshot where nobody needs it, and look at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillAction {
    /// The source.
    pub source: SourceKey,
    /// The repository that is restored from.
    pub repository: String,
    /// The snapshot: the newest complete one.
    pub snapshot: String,
    /// The slot that it answers.
    pub slot: Timestamp,
    /// Why now.
    pub cause: Cause,
}

/// Look through a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckAction {
    /// The repository.
    pub repository: String,
    /// Which of its data is read; `None`: the structure alone.
    pub portion: Option<Portion>,
    /// Packs that were damaged the last time: they are read in any case, so that a check that passes speaks for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<String>,
    /// The slot that it answers.
    pub slot: Timestamp,
    /// Why now.
    pub cause: Cause,
    /// The damage that a person has seen and wants repaired, by [`CheckReport::digest`]. Any other is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// One of several equal shares of a repository's data, told apart by the hashes that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// Which: from 0.
    pub nth: u32,
    /// Of how many; at least one.
    pub of: u32,
}

/// What was concluded about something beside backups that has a schedule of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DutyDecision {
    /// One word.
    pub verdict: Verdict,
    /// A sentence for a person that says why.
    pub why: String,
    /// Whether there is a schedule; without one it is only done when a person asks.
    pub scheduled: bool,
    /// When the next one begins if nothing else happens.
    pub next_run: Option<Timestamp>,
    /// From when it is overdue; `None` without a schedule and while suspended.
    pub deadline: Option<Timestamp>,
    /// When the newest one that succeeded ended.
    pub last_success: Option<Timestamp>,
}

/// What was concluded about the checks of one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckDecision {
    /// The repository.
    pub repository: String,
    /// What was concluded.
    #[serde(flatten)]
    pub duty: DutyDecision,
    /// When all of the data will have been read, if the schedule is kept; `None` when that is not asked for.
    pub all_read_by: Option<Timestamp>,
}

/// Something beside backups that has a schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Duty {
    /// The drill of a source.
    Drill(SourceKey),
    /// The check of a repository.
    Check(String),
}

/// Slots of a duty that no run will answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedDuty {
    /// Of what.
    pub duty: Duty,
    /// How many.
    pub count: u32,
    /// All slots up to and including this instant are accounted for from now on.
    pub accounted: Timestamp,
}

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    /// The snapshot that was restored.
    pub snapshot: String,
    /// Its recovery point.
    pub snapshot_time: Timestamp,
    /// Files that were restored, directories not counted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long the restore itself took, seconds.
    pub restore_seconds: f64,
    /// From the order to the end of the last check, seconds.
    pub seconds: f64,
    /// One entry per check, in the order in which they were made.
    pub checks: Vec<Evidence>,
}

impl DrillReport {
    /// Whether every check was made and passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

/// What one check of a drill found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The check in words: `fileExists database.sqlite`.
    pub check: String,
    /// Whether it holds.
    pub passed: bool,
    /// What was found, one sentence; the end of the output of a command.
    pub message: String,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// What a check of a repository found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Snapshots whose trees were followed.
    pub snapshots: u64,
    /// Pack files that the index names.
    pub packs: u64,
    /// Those whose data was read.
    pub packs_read: u64,
    /// Bytes that were read of them.
    pub bytes_read: u64,
    /// Which share was read.
    pub portion: Option<Portion>,
    /// What is wrong, the first 100.
    pub damage: Vec<Damage>,
    /// How much in all.
    pub damage_count: u64,
    /// Identifies the damage as a whole; empty when there is none.
    #[serde(default)]
    pub digest: String,
    /// What was repaired, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<String>,
}

/// One thing that is wrong with a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// What, one sentence.
    pub what: String,
    /// The pack file, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// Whether a repair would change something about it.
    #[serde(default)]
    pub repairable: bool,
    /// Snapshots that lose something by it, the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Paths in them that cannot be restored, the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// What is remembered of something beside backups that has a schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DutyFacts {
    /// Since when it is scheduled. A slot before this is nobody's.
    pub since: Option<Timestamp>,
    /// Every slot up to and including this instant has been answered by a run or counted as missed.
    pub accounted: Option<Timestamp>,
    /// The newest run that ended, however it ended.
    pub last_run: Option<Arc<Attempt>>,
    /// The newest that was not ended from outside, and so says something.
    #[serde(default)]
    pub judged: Option<Arc<Attempt>>,
    /// When the newest that succeeded ended.
    pub last_success: Option<Timestamp>,
    /// The slot that it was for.
    pub last_success_slot: Option<Timestamp>,
    /// Runs that failed since the last that did not.
    pub failures: u32,
    /// No further attempt is made before this instant.
    pub retry_at: Option<Timestamp>,
}

/// What is remembered of the drills of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillFacts {
    /// When they were made, and how they ended.
    pub duty: DutyFacts,
    /// How long the newest that succeeded took, from the order to the end of the last check, seconds.
    pub seconds: Option<f64>,
    /// What the newest one found, if it came so far.
    pub report: Option<DrillReport>,
}

/// What is remembered of the checks of one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckFacts {
    /// When they were made, and how they ended.
    pub duty: DutyFacts,
    /// What the newest one that came to its end found.
    pub report: Option<CheckReport>,
    /// Into how many shares the data was divided.
    pub portions: u32,
    /// When each share was last read, by its number.
    pub read: BTreeMap<u32, Timestamp>,
}

impl CheckFacts {
    /// What is wrong with the repository, in one sentence, as far as the newest check knows.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        let report = self.report.as_ref().filter(|report| report.damage_count > 0)?;
        let first = report.damage.first().map(|damage| damage.what.clone()).unwrap_or_default();
        let more = report.damage_count - 1;
        Some(if more == 0 { first } else { format!("{first}; and {more} more") })
    }

    /// The same, for damage that a repair would change something about.
    #[must_use]
    pub fn repairable(&self) -> Option<String> {
        let damage = self.report.iter().flat_map(|report| &report.damage);
        damage.into_iter().find(|damage| damage.repairable).map(|damage| damage.what.clone())
    }

    /// Pack files that were damaged the last time.
    #[must_use]
    pub fn suspects(&self) -> Vec<String> {
        let damage = self.report.iter().flat_map(|report| &report.damage);
        damage.filter_map(|damage| damage.pack.clone()).collect()
    }

    /// The share that was read longest ago, of so many.
    #[must_use]
    pub fn next_portion(&self, of: u32) -> Portion {
        let of = of.max(1);
        let read_at = |nth: &u32| if self.portions == of { self.read.get(nth).copied() } else { None };
        Portion { nth: (0..of).min_by_key(read_at).unwrap_or(0), of }
    }
}
