//! The published state: immutable, made anew by [`super::fold`] after everything that happens.

use super::verification::{CheckStatus, DrillStatus};
use crate::policy::{Diagnostic, Mode};
use crate::reconcile::compose::Project;
use crate::reconcile::observed::{Quiesced, RepositoryHealth, Running};
use crate::reconcile::plan::{Coverage, Plan, RetentionDecision, Verdict};
use crate::reconcile::watch::Watched;
use crate::reconcile::{Attempt, Operation, RunResult, SnapshotRecord, Undo, Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that Seawall says about itself and its world at one instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusSnapshot {
    /// When it was made.
    pub at: Option<Timestamp>,
    /// The name under which this host writes snapshots.
    pub host: String,
    /// The program.
    pub version: String,
    /// The git commit that the program was built from, or `unknown`.
    pub revision: String,
    /// The files.
    pub config: ConfigStatus,
    /// The Docker engine.
    pub docker: DockerStatus,
    /// Policies in force, by name. One that is as it was is the same value as in the status before.
    pub policies: BTreeMap<String, Arc<PolicyStatus>>,
    /// Repositories in force, by name.
    pub repositories: BTreeMap<String, RepositoryStatus>,
    /// Every volume of the host, by name.
    pub volumes: BTreeMap<String, VolumeStatus>,
    /// The Compose projects whose containers are on this host, by name.
    #[serde(default)]
    pub projects: BTreeMap<String, Project>,
    /// Runs that are under way.
    pub running: Vec<RunningStatus>,
    /// What Seawall made stand still and has not yet seen back, in the order in which it was touched.
    #[serde(default)]
    pub quiesced: Arc<Vec<Quiesced>>,
    /// What restores replaced and what is kept of it, newest first.
    #[serde(default)]
    pub undos: Arc<Vec<Undo>>,
    /// The plan of the last pass.
    pub plan: Arc<Plan>,
    /// When the last pass through the loop ended well.
    pub reconciled_at: Option<Timestamp>,
    /// Passes so far in this process.
    pub reconciles: u64,
    /// Runs by policy (a repository's own under `@NAME`), operation and result, as far as there were any.
    pub runs: Vec<RunCount>,
    /// The last state that could not be written to the state directory, if writing fails now.
    pub state_error: Option<String>,
}

impl StatusSnapshot {
    /// What stands still and should not: past its deadline, or with no run under way that looks after it.
    pub fn stuck(&self) -> impl Iterator<Item = &Quiesced> {
        let looked_after = |one: &Quiesced| {
            // The runs of one action share the beginning of their names.
            self.running.iter().any(|run| one.run.0.starts_with(&run.running.run.0))
        };
        self.quiesced.iter().filter(move |one| self.at.is_some_and(|at| at > one.deadline) || !looked_after(one))
    }
}

/// How often something ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunCount {
    /// The policy, or `@` and the repository's name.
    pub policy: String,
    /// What they did.
    pub operation: Operation,
    /// How they ended.
    pub result: RunResult,
    /// How often.
    pub count: u64,
}

/// The policies directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// The directory.
    pub directory: PathBuf,
    /// The git commit of the directory, where it is a work tree.
    pub revision: Option<String>,
    /// Every policy file, and those that vanished while their documents are still in force.
    pub files: Vec<FileStatus>,
    /// Trouble with the directory as a whole: missing, unreadable, emptied. The last known good is then in force.
    pub problem: Option<String>,
    /// Why changes are only seen by the periodic rescan, when they are.
    pub watch_problem: Option<String>,
    /// Whether the newest load had no error.
    pub last_reload_successful: bool,
    /// When a load last had no error.
    pub last_reload_success: Option<Timestamp>,
    /// Loads that changed something, by whether they had no error.
    pub reloads: ReloadCounts,
}

/// Loads that changed something since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadCounts {
    /// Without an error.
    pub success: u64,
    /// With at least one.
    pub failure: u64,
}

/// One policy file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus {
    /// Relative to the policies directory.
    pub file: PathBuf,
    /// Whether it has no error.
    pub valid: bool,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
    /// Names of the documents that are in force from it (last known good when it is not valid).
    pub documents: Vec<String>,
}

/// The Docker engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerStatus {
    /// Whether it answers.
    pub up: bool,
    /// Why not.
    pub message: String,
    /// Its version.
    pub version: String,
    /// When it last answered.
    pub seen_at: Option<Timestamp>,
}

/// Three-valued truth, as Kubernetes writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows, which is never good.
    Unknown,
}

/// One observation about a policy or repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Accepted`, `BackupFresh`, …
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Whether it holds.
    pub status: Truth,
    /// One CamelCase word for programs.
    pub reason: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
    /// When `status` last changed.
    pub last_transition_time: Option<Timestamp>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `critical`, `high`, `medium`, `low`.
    pub criticality: String,
    /// What kind of source it has: `volume`, `path`.
    #[serde(default)]
    pub kind: String,
    /// The file, relative to the policies directory, and the line it begins at.
    pub file: PathBuf,
    /// Line of the document.
    pub line: usize,
    /// Changes of meaning since the policy was first accepted.
    pub generation: u64,
    /// The generation that the last pass acted upon.
    pub observed_generation: u64,
    /// The git commit that it was read at.
    pub observed_revision: Option<String>,
    /// Whether a person suspended it.
    pub suspended: bool,
    /// Since when.
    pub suspended_since: Option<Timestamp>,
    /// Why no backup is needed, when the policy is an exemption.
    pub exempt: Option<String>,
    /// The schedule in words: `0 2 * * 0 Asia/Jerusalem, jitter 5m`.
    pub schedule: Option<String>,
    /// The repositories.
    pub repositories: Vec<String>,
    /// Promised recovery point, seconds.
    pub rpo_seconds: Option<u64>,
    /// Promised recovery time, seconds.
    pub rto_seconds: Option<u64>,
    /// When a run is ended as a failure, seconds; `None` for an exemption.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// Slots that nothing answered.
    pub missed_slots: u64,
    /// The conditions, `Ready` first.
    pub conditions: Vec<Condition>,
    /// The sources, by name.
    pub sources: Vec<SourceStatus>,
    /// What is known of the source, where it is outside the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Box<Watched>>,
}

impl PolicyStatus {
    /// Whether snapshots are made of its source, and not only looks taken at it.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.watched.is_none() || !self.repositories.is_empty()
    }
}

/// One source of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name: for volumes, the volume's.
    pub source: String,
    /// What the last pass concluded.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// When it was first seen under this policy.
    pub first_seen: Option<Timestamp>,
    /// The recovery point: when the newest complete snapshot was begun that is in every repository of the policy.
    pub last_success: Option<Timestamp>,
    /// The newest ended backup run, of those into any repository.
    pub last_run: Option<Arc<Attempt>>,
    /// Whether the newest ended backup run into every repository was a success; `None` before the first.
    pub last_run_successful: Option<bool>,
    /// When it is overdue.
    pub deadline: Option<Timestamp>,
    /// When the next run begins.
    pub next_run: Option<Timestamp>,
    /// By how much its runs are shifted after their slot, seconds.
    pub jitter_seconds: f64,
    /// When a failed run is tried again.
    pub retry_at: Option<Timestamp>,
    /// Per repository, in the policy's order.
    pub repositories: Vec<SourceRepositoryStatus>,
    /// What retention concluded.
    pub retention: Vec<RetentionDecision>,
    /// Drills; `None` where none is scheduled and none was ever made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Box<DrillStatus>>,
    /// How its containers are made to stand still; `None`: they are not.
    #[serde(default)]
    pub quiesce: Option<Box<QuiesceStatus>>,
}

/// How the containers of a source are made to stand still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuiesceStatus {
    /// By which means.
    pub mode: Mode,
    /// The longest that they may stand still, seconds.
    pub max_duration_seconds: f64,
    /// The newest window; `None` before the first.
    pub last: Option<Window>,
}

/// One source in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRepositoryStatus {
    /// The repository.
    pub repository: String,
    /// Whether the repository could be listed, so that the numbers mean something.
    pub known: bool,
    /// Snapshots, partial ones included.
    pub snapshots: u64,
    /// Bytes of the newest complete snapshot's files.
    pub bytes: u64,
    /// The newest complete snapshot.
    pub newest: Option<Arc<SnapshotRecord>>,
    /// The newest ended backup run.
    pub last_run: Option<Arc<Attempt>>,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: String,
    /// Whether it can be used; `None` before the first look.
    pub health: Option<RepositoryHealth>,
    /// When it was last listed.
    pub listed_at: Option<Timestamp>,
    /// This host's own snapshots.
    pub snapshots: u64,
    /// Other snapshots, never touched.
    pub foreign_snapshots: u64,
    /// Whether Seawall made the key and nobody has exported it yet.
    pub key_export_pending: bool,
    /// When something was last forgotten in it.
    pub last_forget: Option<Timestamp>,
    /// The newest prune.
    pub last_prune: Option<Arc<Attempt>>,
    /// Checks; `None` where none is scheduled and none was ever made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckStatus>,
}

/// One of this host's own snapshots with the repository that holds it: what `/api/v1/snapshots` lists, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSnapshot {
    /// The repository.
    pub repository: String,
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Arc<SnapshotRecord>,
}

/// One volume of the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Whether it is safe.
    pub coverage: Coverage,
    /// The policies that match it.
    pub policies: Vec<String>,
    /// Why.
    pub reason: String,
    /// Names of the containers that mount it.
    pub used_by: Vec<String>,
    /// Why its files cannot be read, when they cannot.
    pub unreadable: Option<String>,
}

/// A run that is under way, with how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningStatus {
    /// The run.
    #[serde(flatten)]
    pub running: Running,
    /// Bytes read so far.
    pub bytes_done: u64,
    /// Files done so far.
    pub files_done: u64,
}
