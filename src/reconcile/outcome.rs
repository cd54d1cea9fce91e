//! What came of a run.

use super::SourceKey;
use super::observed::SnapshotRecord;
use super::restore::Restored;
use super::verification::{CheckReport, DrillReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The name of one run: sorts by start time, unique on a host. Written `20261123T130512Z-3f9a1c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// The name of a run that begins at `at`; `random` tells it from others of the same second.
    #[must_use]
    pub fn new(at: Timestamp, random: u32) -> Self {
        Self(format!("{}-{:06x}", at.strftime("%Y%m%dT%H%M%SZ"), random & 0x00ff_ffff))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run does. The values of the `operation` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Makes a snapshot.
    Backup,
    /// Forgets snapshots of one source in one repository.
    Forget,
    /// Frees the space of forgotten snapshots in one repository.
    Prune,
    /// Restores the newest snapshot of a source where nobody needs it, and looks whether it would do.
    Drill,
    /// Looks whether a repository holds what it should.
    Check,
    /// Brings a snapshot back, or undoes that.
    Restore,
}

impl Operation {
    /// Every operation, for series that exist before the first run.
    pub const ALL: [Self; 6] = [Self::Backup, Self::Forget, Self::Prune, Self::Drill, Self::Check, Self::Restore];

    /// Those that concern a source, and so are counted under its policy.
    pub const OF_POLICIES: [Self; 4] = [Self::Backup, Self::Forget, Self::Drill, Self::Restore];

    /// Those that concern a repository as a whole, and so are counted under its name.
    pub const OF_REPOSITORIES: [Self; 2] = [Self::Prune, Self::Check];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Forget => "forget",
            Self::Prune => "prune",
            Self::Drill => "drill",
            Self::Check => "check",
            Self::Restore => "restore",
        }
    }
}

/// How a run ended. The values of the `result` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Everything that was asked for was done.
    Success,
    /// A snapshot exists, but some files vanished or could not be read.
    Partial,
    /// Nothing usable came of it.
    Failure,
    /// Ended from outside: shutdown, kill, power.
    Interrupted,
    /// Not begun, for a reason that is in the message.
    Skipped,
    /// The source held no file at all; no snapshot was made.
    Empty,
}

impl RunResult {
    /// Every result, for series that exist before the first run.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Partial, Self::Failure, Self::Interrupted, Self::Skipped, Self::Empty];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failure => "failure",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Empty => "empty",
        }
    }

    /// Whether the slot that the run was for needs no further run.
    #[must_use]
    pub const fn settles_slot(self) -> bool {
        matches!(self, Self::Success | Self::Partial)
    }
}

/// One file that could not be taken as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblem {
    /// Path relative to the source's root, lossy where it is not UTF-8.
    pub path: String,
    /// What happened: `vanished`, or the system's message.
    pub problem: String,
}

/// What one run did, in one repository where it concerns one. Recorded as it is in the run history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The run. A backup into two repositories is two runs.
    pub run: RunId,
    /// What was done.
    pub operation: Operation,
    /// For whom; `None` for what concerns a repository: a prune, a check.
    pub source: Option<SourceKey>,
    /// Where.
    pub repository: String,
    /// The slot that a backup was for.
    pub slot: Option<Timestamp>,
    /// Why the run was made, one word or two: `scheduled`, `initial`, `catch-up`, `retry`, `manual`, `retention`.
    pub cause: String,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub result: RunResult,
    /// One sentence for a person; the error with its causes when it failed. Never a secret.
    pub message: String,
    /// The snapshot that a backup made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Arc<SnapshotRecord>>,
    /// What a restore brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// Snapshots that were forgotten, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<String>,
    /// Bytes that a prune freed, or marked to be freed.
    #[serde(default)]
    pub freed_bytes: u64,
    /// Files that could not be taken as they were; the first 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FileProblem>,
    /// How many there were in all.
    #[serde(default)]
    pub problem_count: u64,
    /// How long the application stood still, until it was back; `None`: it was not touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiesce_seconds: Option<f64>,
    /// What a drill found, if it came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Box<DrillReport>>,
    /// What a check found, if it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Box<CheckReport>>,
    /// What else people should know of, one sentence each; every one becomes an event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Outcome {
    /// That a run of `operation` began at `started` and came to nothing: a failure, until what it did is filled in.
    #[must_use]
    pub fn nothing(
        run: RunId,
        operation: Operation,
        source: Option<SourceKey>,
        repository: &str,
        started: Timestamp,
    ) -> Self {
        Self {
            run,
            operation,
            source,
            repository: repository.to_owned(),
            slot: None,
            cause: String::new(),
            started,
            finished: started,
            result: RunResult::Failure,
            message: String::new(),
            snapshot: None,
            restored: None,
            forgotten: Vec::new(),
            freed_bytes: 0,
            problems: Vec::new(),
            problem_count: 0,
            quiesce_seconds: None,
            drill: None,
            check: None,
            warnings: Vec::new(),
        }
    }
}
