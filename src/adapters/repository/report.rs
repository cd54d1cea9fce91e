//! What goes in and out of a repository, free of the library's types.

use super::{Databases, RepositoryError};
use crate::adapters::clone::Clones;
use crate::controller::ports::Progress;
use crate::policy::Resources;
use crate::reconcile::{FileProblem, RunId, SnapshotRecord, SourceKey};
use jiff::Timestamp;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The files to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeTree {
    /// The directory whose content is taken, and whose own metadata becomes that of `/NAME` in the snapshot.
    pub root: PathBuf,
    /// The one entry of the directory that is taken; `None`: all.
    pub only: Option<OsString>,
    /// The name of that directory in the snapshot: the volume's.
    pub name: String,
    /// Globs of what is left out, as in [`crate::policy::VolumeSource::exclude`].
    pub exclude: Vec<String>,
}

/// What is known of a snapshot before its files are read.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotMeta {
    /// The source.
    pub source: SourceKey,
    /// The slot that it answers; `None`: it was no scheduled run's.
    pub slot: Option<Timestamp>,
    /// The run that makes it.
    pub run: RunId,
    /// The name under which this host writes snapshots.
    pub host: String,
    /// When reading begins: the recovery point.
    pub time: Timestamp,
    /// What travels along as `/.seawall.json`.
    pub manifest: serde_json::Value,
    /// The SHA-256, in hex, of the archive that it is made of; `None`: of the source itself.
    pub imported: Option<String>,
}

/// What happens around the reading of a source. Blocking.
pub trait Around: Send + Sync + std::fmt::Debug {
    /// Called once everything is ready that can fail or take time, and nothing has been read.
    ///
    /// # Errors
    /// The source is not read, and this is why.
    fn before(&self) -> Result<(), RepositoryError>;
    /// Called, after [`Around::before`], as soon as nothing more is read, for whatever reason. Does not wait.
    fn after(&self);
    /// Called once everything is stored, before there is a snapshot: whether there may be one.
    ///
    /// # Errors
    /// There is none, and this is why.
    fn verdict(&self) -> Result<(), RepositoryError>;
}

/// How a long operation is ended early and how far it is.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// What happens around the reading, where something does.
    pub around: Option<Arc<dyn Around>>,
    /// Files that are copied as databases, where there are any.
    pub databases: Option<Databases>,
    /// Clones the source where that can be done, so that reading is over, to [`Around`], before anything is read.
    pub clones: Option<Arc<Clones>>,
    /// What it may take of the host.
    pub resources: Resources,
    /// Once cancelled, the operation returns within seconds.
    pub cancel: CancellationToken,
    /// Advanced while files are read.
    pub progress: Arc<Progress>,
}

/// What came of a backup that did not fail.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupReport {
    /// The snapshot; `None` when the source was empty.
    pub snapshot: Option<Arc<SnapshotRecord>>,
    /// Whether there was nothing in the source, after excludes.
    pub empty: bool,
    /// Entries in the snapshot that are not directories.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes that the snapshot added to the repository.
    pub added_bytes: u64,
    /// Bytes of contents that were read from the source; none for files that did not change.
    pub read_bytes: u64,
    /// What could not be taken as it was, the first [`crate::adapters::volume_walk::LISTED_PROBLEMS`].
    pub problems: Vec<FileProblem>,
    /// How much in all.
    pub problem_count: u64,
    /// Whether a clone was read in place of the source.
    pub cloned: Cloned,
}

impl BackupReport {
    /// What a snapshot says of itself.
    pub(super) fn of(record: Arc<SnapshotRecord>) -> Self {
        let (files, bytes, added_bytes) = (record.files, record.bytes, record.added_bytes);
        Self { files, bytes, added_bytes, snapshot: Some(record), ..Self::default() }
    }
}

/// Whether a clone was read in place of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cloned {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// It was.
    Yes,
    /// It could not be made: why, as the end of a sentence.
    No(String),
}

/// What a forget did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// The snapshots that are gone by it.
    pub ids: Vec<String>,
    /// How many a lock of the bucket holds: they go when it has ended.
    pub retained: u64,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Bytes of files that were removed: those that an earlier prune had marked long enough ago.
    pub freed_bytes: u64,
    /// Bytes that are marked now, for a later prune to remove.
    pub marked_bytes: u64,
    /// Bytes of still used data that were written anew, out of files that were mostly unused.
    pub repacked_bytes: u64,
}

/// What a restore laid down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories, the root among them.
    pub directories: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What could not be given to an entry (an owner, an attribute), the first
    /// [`crate::adapters::volume_walk::LISTED_PROBLEMS`].
    pub problems: Vec<FileProblem>,
    /// How much in all.
    pub problem_count: u64,
}

/// How much there is in a part of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries that are not directories.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes of them that are not holes, about.
    pub written: u64,
}

impl Size {
    /// Bytes that it takes on a disk, about.
    #[must_use]
    pub const fn needed(&self) -> u64 {
        // Half a block is lost in the last one of each file, and an inode takes some.
        self.written + self.files * 2560 + (1 << 20)
    }
}

/// Which files are read back, and not only looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How many of a hundred; 100 is all of them.
    pub percent: f64,
    /// Another seed draws other files.
    pub seed: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self { percent: 100.0, seed: 0 }
    }
}

/// What a comparison with a snapshot came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries that are in the snapshot and were there, directories among them.
    pub entries: u64,
    /// Files of which every byte was compared.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// What differs, the first [`crate::adapters::volume_walk::LISTED_PROBLEMS`].
    pub differences: Vec<FileProblem>,
    /// How much in all.
    pub difference_count: u64,
}

/// What an entry of a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    Block,
    /// A character device.
    Character,
}

impl EntryKind {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symbolic link",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Block => "block device",
            Self::Character => "character device",
        }
    }
}

/// One entry of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeEntry {
    /// Relative to the root of the source.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, set-user-id and the like among them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Option<Timestamp>,
    /// Where a link points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}
