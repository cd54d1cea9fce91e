//! What is to be done, and why.

pub use crate::policy::retention::SnapshotDecision;

use super::verification::{CheckAction, CheckDecision, DrillAction, DutyDecision, MissedDuty};
use super::watch::Watched;
use super::{Request, RestoreAction, SourceKey, TargetKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The difference between desired and observed, as work. Deterministic for equal input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What may begin now, most urgent first.
    pub actions: Vec<Action>,
    /// Per source, what was concluded, whether or not there is something to do. Sorted by policy and source.
    pub decisions: Vec<Decision>,
    /// Slots that nothing answered, to be counted once.
    pub missed: Vec<Missed>,
    /// Slots of drills and checks that nothing answered, to be counted once.
    #[serde(default)]
    pub missed_duties: Vec<MissedDuty>,
    /// What was concluded about the checks of every repository in force. Sorted by name.
    #[serde(default)]
    pub checks: Vec<CheckDecision>,
    /// What is known about every volume of the host. Sorted by name.
    pub coverage: Vec<VolumeCoverage>,
    /// What was concluded about sources outside the host. Sorted by policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// Restores that were asked for and cannot begin yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingRestore>,
    /// When time alone will next change this plan.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    /// What was concluded about a source.
    #[must_use]
    pub fn decision(&self, source: &SourceKey) -> Option<&Decision> {
        self.decisions.iter().find(|d| d.policy == source.policy && d.source.as_ref() == Some(&source.source))
    }

    /// Whether what was asked for can be done, now or once what stands in the way is gone.
    #[must_use]
    pub fn takes(&self, request: &Request) -> bool {
        let never = [Verdict::Suspended, Verdict::Exempt, Verdict::NoMatch];
        match request {
            Request::Backup(source) => self.decision(source).is_some_and(|d| !never.contains(&d.verdict)),
            Request::Drill(source) => {
                let drill = self.decision(source).and_then(|d| d.drill.as_ref());
                drill.is_some_and(|d| !never.contains(&d.verdict))
            }
            Request::Check { repository, .. } => self.checks.iter().any(|c| c.repository == *repository),
            Request::Restore(_) => true,
        }
    }

    /// What stands in the way of what was asked for, for a person; `None`: nothing that is known.
    #[must_use]
    pub fn obstacle(&self, request: &Request) -> Option<&str> {
        match request {
            Request::Backup(source) => self.decision(source).map(|d| d.why.as_str()),
            Request::Drill(source) => self.decision(source).and_then(|d| d.drill.as_ref()).map(|d| d.why.as_str()),
            Request::Check { repository, .. } => {
                self.checks.iter().find(|c| c.repository == *repository).map(|c| c.duty.why.as_str())
            }
            Request::Restore(restore) => {
                self.waiting.iter().find(|waiting| waiting.restore == *restore).map(|waiting| waiting.why.as_str())
            }
        }
    }
}

/// One piece of work for an executor, which has no choices left to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Action {
    /// Make a snapshot.
    Backup(BackupAction),
    /// Forget snapshots.
    Forget(ForgetAction),
    /// Free space.
    Prune(PruneAction),
    /// Restore where nobody needs it.
    Drill(DrillAction),
    /// Look through a repository.
    Check(CheckAction),
    /// Bring a snapshot back, or undo that.
    Restore(RestoreAction),
}

/// A restore that was asked for and cannot begin yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingRestore {
    /// The restore.
    pub restore: RestoreAction,
    /// A sentence for a person that says why.
    pub why: String,
}

/// Make a snapshot of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupAction {
    /// The source.
    pub source: SourceKey,
    /// Where to; at least one.
    pub repositories: Vec<String>,
    /// The slot that it answers.
    pub slot: Timestamp,
    /// Why now.
    pub cause: Cause,
}

/// Why a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// There is no complete snapshot yet.
    Initial,
    /// Its slot has come.
    Scheduled,
    /// Its slot came while nothing could answer it; earlier ones may have been missed as well.
    CatchUp,
    /// An earlier attempt for the same slot did not succeed.
    Retry,
    /// A person asked.
    Manual,
}

impl Cause {
    /// As it is written in the run history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Scheduled => "scheduled",
            Self::CatchUp => "catch-up",
            Self::Retry => "retry",
            Self::Manual => "manual",
        }
    }
}

/// Forget snapshots of one source in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForgetAction {
    /// The source and repository.
    pub target: TargetKey,
    /// Ids to forget, oldest first; at least one.
    pub remove: Vec<String>,
}

/// Free the space of forgotten snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneAction {
    /// The repository.
    pub repository: String,
}

/// What was concluded about one source of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The policy.
    pub policy: String,
    /// The source; `None` when the policy matches nothing.
    pub source: Option<String>,
    /// One word: see [`Verdict`].
    pub verdict: Verdict,
    /// A sentence for a person that says why.
    pub why: String,
    /// When the next backup begins if nothing else happens (slot plus jitter).
    pub next_run: Option<Timestamp>,
    /// The instant from which the source is overdue; `None` while suspended or exempt.
    pub deadline: Option<Timestamp>,
    /// When the newest complete snapshot was begun that exists in every repository that the policy names.
    pub last_success: Option<Timestamp>,
    /// What retention concluded, per repository that the policy names.
    pub retention: Vec<RetentionDecision>,
    /// What was concluded about drills; `None` for what is not backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DutyDecision>,
}

/// What was concluded about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// A backup is due and in the plan.
    Due,
    /// A backup is due, but something stands in the way; `why` says what.
    Waiting,
    /// A run of this source is under way.
    Running,
    /// Nothing is due.
    UpToDate,
    /// The person suspended the policy.
    Suspended,
    /// The person exempted the source.
    Exempt,
    /// The policy's source matches nothing on this host.
    NoMatch,
}

/// What retention concluded about one source in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionDecision {
    /// The repository.
    pub repository: String,
    /// Every own snapshot of the source, newest first, with what happens to it and why.
    pub snapshots: Vec<SnapshotDecision>,
    /// Why nothing is removed although something could be.
    pub held: Option<Held>,
}

/// A removal that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// `ShrinkGuard`, `LastRunFailed`, `RepositoryUnknown`, …
    pub reason: String,
    /// For a person; for the guard it spells out the acknowledgement.
    pub message: String,
}

/// Slots that no run will answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// The source and repository.
    pub target: TargetKey,
    /// How many.
    pub count: u32,
    /// All slots up to and including this instant are accounted for from now on.
    pub accounted: Timestamp,
}

/// Whether a volume is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// At least one policy backs it up.
    Protected,
    /// A policy says why it needs no backup, and none backs it up.
    Exempt,
    /// No policy speaks of it.
    Unprotected,
}

impl Coverage {
    /// Every word.
    pub const ALL: [Self; 3] = [Self::Protected, Self::Exempt, Self::Unprotected];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Exempt => "exempt",
            Self::Unprotected => "unprotected",
        }
    }
}

/// One volume of the host and who speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeCoverage {
    /// The volume.
    pub volume: String,
    /// The verdict.
    pub coverage: Coverage,
    /// The policies that match it, sorted.
    pub policies: Vec<String>,
    /// The reason of the exemption, or a sentence about what is missing.
    pub reason: String,
    /// Names of the containers that mount it.
    pub used_by: Vec<String>,
}
