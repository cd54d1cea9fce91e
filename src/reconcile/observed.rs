//! What is there.

use super::watch::Probe;
use super::{Facts, Operation, Request, RunId, SourceKey};
use crate::policy::retention::Candidate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One look at the world, with what is remembered of it.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The name under which this host writes snapshots; only snapshots of this host are ever considered.
    pub host: String,
    /// The Docker engine.
    pub docker: Arc<DockerState>,
    /// Repositories by name. One that is in force and absent here has not been looked at yet.
    pub repositories: Arc<BTreeMap<String, RepositoryState>>,
    /// The newest looks at what is outside the host, by policy. One that is absent here has not been looked at yet.
    pub probes: Arc<BTreeMap<String, Probe>>,
    /// What is remembered.
    pub facts: Arc<Facts>,
    /// Runs that are under way.
    pub running: Vec<Running>,
    /// What people asked for and what has not begun, in the order in which it was asked.
    pub requested: Vec<Request>,
}

impl Observed {
    /// Whether a person asked for this to be done with the source.
    #[must_use]
    pub fn is_asked(&self, operation: Operation, source: &SourceKey) -> bool {
        self.requested.iter().any(|asked| asked.operation() == operation && asked.source() == Some(source))
    }
}

/// The Docker engine, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerState {
    /// Whether the last attempt to look succeeded. While false, the rest is what was seen before.
    pub up: bool,
    /// Why not, for a person.
    pub message: String,
    /// The engine's version.
    pub version: String,
    /// When the rest was seen; `None`: never.
    pub seen_at: Option<Timestamp>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Containers, running or not, by name.
    pub containers: BTreeMap<String, Container>,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Driver options that it was made with.
    pub options: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether Docker chose the name (an anonymous volume).
    pub anonymous: bool,
    /// Where its files can be read by this process, or why they cannot.
    pub readable: Readable,
    /// Names of the containers that mount it, sorted.
    pub used_by: Vec<String>,
}

/// Whether this process can read a volume's files directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Readable {
    /// At this directory, which truly is the volume.
    At(PathBuf),
    /// Not: a CamelCase reason and a sentence with what to do.
    No {
        /// `NotMounted`, `NotLocalDriver`, `NoSuchDirectory`, `PermissionDenied`, …
        reason: String,
        /// For a person.
        message: String,
    },
}

/// One container, as far as backups care.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// The image's name as given.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// Docker's word: `running`, `paused`, `exited`, …
    pub state: String,
    /// Labels, Compose's and Swarm's among them.
    pub labels: BTreeMap<String, String>,
    /// Names of the volumes that it mounts, each with whether it may write.
    pub volumes: BTreeMap<String, bool>,
    /// Directories and files of the host that it mounts as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<PathBuf>,
    /// Names of the networks that it is in, sorted.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// One repository, as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct RepositoryState {
    /// Whether it can be used.
    pub health: RepositoryHealth,
    /// When it was last listed with success; `None`: never.
    pub listed_at: Option<Timestamp>,
    /// This host's own snapshots by source, each list oldest first.
    pub own: BTreeMap<SourceKey, Arc<Vec<Arc<SnapshotRecord>>>>,
    /// Snapshots that are not this host's own: other hosts', or made by other programs. Never touched.
    pub foreign: u64,
    /// Whether the key is one that Seawall made (and so has to be exported by a person).
    pub generated_key: bool,
    /// Where it is, for a person; no secret in it.
    pub location: String,
}

/// Whether a repository can be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RepositoryHealth {
    /// Opened and listed.
    Healthy,
    /// Not: a CamelCase reason and a sentence.
    Unhealthy {
        /// `WrongKey`, `KeyLost`, `NotFound`, `Locked`, `Damaged`, `NoSpace`, …
        reason: String,
        /// For a person.
        message: String,
    },
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotRecord {
    /// The repository's id for it, hex.
    pub id: Arc<str>,
    /// When the run that made it began to read: the recovery point.
    pub time: Timestamp,
    /// The host that made it.
    pub host: String,
    /// The source it is of; `None` when the snapshot does not carry Seawall's own tags.
    pub source: Option<SourceKey>,
    /// The slot that it answered.
    pub slot: Option<Timestamp>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The SHA-256, in hex, of the archive that it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Whether every file was taken; `false` for a partial one.
    pub complete: bool,
    /// Files in it.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes that it added to the repository.
    pub added_bytes: u64,
}

impl SnapshotRecord {
    /// As retention looks at it.
    #[must_use]
    pub fn candidate(&self) -> Candidate {
        Candidate { id: Arc::clone(&self.id), time: self.time, complete: self.complete }
    }
}

/// A container, or a Swarm service, that Seawall made stand still and has not yet seen back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quiesced {
    /// For whom.
    pub source: SourceKey,
    /// The run that did it.
    pub run: RunId,
    /// The container's name, or the service's.
    pub container: String,
    /// By which means.
    pub mode: crate::policy::Mode,
    /// Since when.
    pub since: Timestamp,
    /// When it has to be back at the latest.
    pub deadline: Timestamp,
}

/// A run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// The run.
    pub run: RunId,
    /// What it does.
    pub operation: Operation,
    /// For whom; `None` for a prune or a check.
    pub source: Option<SourceKey>,
    /// In which repositories.
    pub repositories: Vec<String>,
    /// When it began.
    pub started: Timestamp,
    /// Whether it keeps all others from its repositories although its operation does not.
    #[serde(default)]
    pub alone: bool,
}
