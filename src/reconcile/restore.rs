//! Restores, and what they replaced.

use super::duties::is_alone;
use super::plan::WaitingRestore;
use super::{Observed, Operation, Request, RunId, Running, SourceKey};
use crate::policy::SecretRef;
use crate::policy::postgres::short_name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long what a restore replaced is kept, where nobody says otherwise.
pub const KEPT: Duration = Duration::from_hours(7 * 24);

/// A restore, or what follows one, of a source. Only people ask for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreAction {
    /// The source.
    pub source: SourceKey,
    /// What is to be done.
    pub step: RestoreStep,
}

/// What is done in a restore.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RestoreStep {
    /// A snapshot is brought back.
    #[serde(rename_all = "camelCase")]
    Bring {
        /// The repository that has it.
        repository: String,
        /// Its whole id.
        snapshot: String,
        /// The part that is brought back, relative to the root of the source; empty: all.
        path: String,
        /// The volume that it goes into, or the bucket, or the database (see [`database_target`]); `None`: where it came from.
        to: Option<String>,
        /// How a database is brought back.
        #[serde(default)]
        database: Manner,
        /// How long what it replaces is kept; `None`: [`KEPT`].
        #[serde(default)]
        keep: Option<Duration>,
        /// Which objects of a bucket may be replaced.
        #[serde(default)]
        over: Over,
    },
    /// An archive that was made by other means is brought in, as it is.
    #[serde(rename_all = "camelCase")]
    Unpack {
        /// The file, as the process sees it that does it.
        file: String,
        /// Its SHA-256, in hex: another file under the name is not meant.
        digest: String,
        /// The directory of it, or the file, that is the root of the source; empty: its own.
        root: String,
        /// The part that is brought in, relative to that; empty: all.
        #[serde(default)]
        path: String,
        /// Where the passphrase is that it was encrypted with.
        passphrase: Option<SecretRef>,
        /// The volume that it goes into; `None`: that of the source.
        to: Option<String>,
        /// How long what it replaces is kept; `None`: [`KEPT`].
        #[serde(default)]
        keep: Option<Duration>,
    },
    /// What an earlier restore replaced is put back, and what it brought is kept in its place.
    Undo(RunId),
    /// What an earlier restore replaced is removed.
    Discard(RunId),
}

/// Which objects of a bucket that differ from those of a snapshot are replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Over {
    /// None.
    #[default]
    Nothing,
    /// Those that were not written after the one in the snapshot.
    Older,
    /// All.
    Anything,
}

/// How a database is brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manner {
    /// Whether another database than the source's own is replaced although it holds something.
    pub clean: bool,
    /// Whether owners and rights are left aside.
    pub no_owner: bool,
}

/// Which database is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntoDatabase {
    /// The one whose address is in this variable.
    Env(String),
    /// The one whose address is in this file.
    File(String),
    /// One of this name on the server of the policy.
    Name(String),
}

/// Which database a person means.
#[must_use]
pub fn database_target(to: &str) -> IntoDatabase {
    match (to.strip_prefix("env:"), to.strip_prefix("file:")) {
        (Some(name), _) => IntoDatabase::Env(name.to_owned()),
        (_, Some(path)) => IntoDatabase::File(path.to_owned()),
        (None, None) => IntoDatabase::Name(to.to_owned()),
    }
}

impl RestoreAction {
    /// The volume whose content it changes; `None`: none.
    #[must_use]
    pub fn volume(&self) -> Option<&str> {
        match &self.step {
            RestoreStep::Bring { to, .. } | RestoreStep::Unpack { to, .. } => {
                Some(to.as_ref().unwrap_or(&self.source.source))
            }
            RestoreStep::Undo(_) => Some(&self.source.source),
            RestoreStep::Discard(_) => None,
        }
    }

    /// The repository that it reads.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        match &self.step {
            RestoreStep::Bring { repository, .. } => Some(repository),
            RestoreStep::Unpack { .. } | RestoreStep::Undo(_) | RestoreStep::Discard(_) => None,
        }
    }
}

/// As in "the restore of n8n-data/n8n_data".
impl fmt::Display for RestoreAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            RestoreStep::Bring { .. } => write!(f, "restore of {}", self.source),
            RestoreStep::Unpack { .. } => write!(f, "restore of {} from an archive", self.source),
            RestoreStep::Undo(run) => write!(f, "undoing of restore {run} of {}", self.source),
            RestoreStep::Discard(run) => write!(f, "discarding of what restore {run} of {} replaced", self.source),
        }
    }
}

/// What a restore replaced, kept for the case that it was the better one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undo {
    /// The restore.
    pub restore: RunId,
    /// Whose source.
    pub source: SourceKey,
    /// The volume, or the path on the host.
    pub target: String,
    /// The snapshot that was brought back, or the path of the archive.
    pub snapshot: String,
    /// Which part of the volume; empty: all.
    pub path: String,
    /// When the exchange was made.
    pub at: Timestamp,
    /// From when on it is removed.
    pub expires: Timestamp,
    /// Where it lies.
    pub place: PathBuf,
    /// Bytes that it takes on the disk.
    pub bytes: u64,
    /// Whether the restore has been undone, so that this is now what it had brought.
    pub undone: bool,
}

impl Undo {
    /// Whether it is of a volume, and not of a path on the host.
    #[must_use]
    pub fn is_of_volume(&self) -> bool {
        !is_path(&self.target)
    }
}

/// Whether a source of this name is a path on the host: a volume's name has no `/`.
#[must_use]
pub fn is_path(source: &str) -> bool {
    source.starts_with('/')
}

/// Whether a source of this name is a bucket: such a name has a slash, and is neither a path nor a database.
#[must_use]
pub fn is_bucket(source: &str) -> bool {
    source.contains('/') && !is_path(source) && short_name(source).is_none()
}

/// Whether a source of this name is a volume: paths, databases and buckets have a slash in theirs.
fn needs_docker(source: &str) -> bool {
    !source.contains('/')
}

/// How much a restore brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The snapshot, or the path of the archive.
    pub snapshot: String,
    /// Entries that are not directories.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// The database under whose name what it replaced is kept on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// The restores that were asked for: those that may begin, and why the others cannot yet.
pub(super) fn conclude(observed: &Observed) -> (Vec<RestoreAction>, Vec<WaitingRestore>) {
    let (mut actions, mut waiting) = (Vec::new(), Vec::new());
    for request in &observed.requested {
        let Request::Restore(restore) = request else { continue };
        match obstacle(restore, observed) {
            None => actions.push(restore.clone()),
            Some(why) => waiting.push(WaitingRestore { restore: restore.clone(), why }),
        }
    }
    (actions, waiting)
}

fn obstacle(restore: &RestoreAction, observed: &Observed) -> Option<String> {
    if !observed.docker.up && needs_docker(&restore.source.source) {
        return Some(format!("Docker does not answer: {}", observed.docker.message));
    }
    if let Some(run) = observed.running.iter().find(|run| touches(run, restore)) {
        return Some(format!("run {} ({}) works on the same volume", run.run, run.operation.as_str()));
    }
    let reads = |run: &&Running| restore.repository().is_some_and(|name| run.repositories.iter().any(|n| n == name));
    let run = observed.running.iter().filter(|run| is_alone(run)).find(reads)?;
    Some(format!("run {} ({}) works on the repository", run.run, run.operation.as_str()))
}

/// Whether a run has a volume in its hands that the restore changes. A drill has one of its own.
pub(super) fn touches(run: &Running, restore: &RestoreAction) -> bool {
    let changes = |name: &str| restore.source.source == name || restore.volume() == Some(name);
    let reads = matches!(run.operation, Operation::Backup | Operation::Restore);
    reads && run.source.as_ref().is_some_and(|source| changes(&source.source))
}
