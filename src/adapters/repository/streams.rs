//! A snapshot of what is no file: contents under names, whose lengths are not known before they have been read.

use super::error::{Reason, RepositoryError};
use super::lock::Lock;
use super::report::{BackupReport, Control, SnapshotMeta};
use super::source::{Found, MANIFEST, Open};
use super::{RepositoryAdapter, guarded, interrupted};
use crate::adapters::volume_walk::Notes;
use crate::controller::ports::Progress;
use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Contents under names. Blocking.
pub trait Streams: Send + Sync {
    /// The name of the directory that they stand in.
    fn name(&self) -> &str;
    /// Their own names.
    fn files(&self) -> Vec<String>;
    /// Begins to read one.
    ///
    /// # Errors
    /// It cannot be had.
    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>>;
    /// Called once everything has been read: whether all of it was whole.
    ///
    /// # Errors
    /// It was not, and this is why.
    fn verdict(&self) -> Result<(), String>;
}

impl RepositoryAdapter {
    /// Takes streams as a snapshot: there is one when, and only when, this returns one.
    ///
    /// # Errors
    /// See [`Reason`]; `SourceLost` with what the streams say of themselves.
    pub fn backup_streams(
        &self,
        streams: &Arc<dyn Streams>,
        meta: &SnapshotMeta,
        control: &Control,
    ) -> Result<BackupReport, RepositoryError> {
        let (begun, manifest) = self.begin(meta, control)?;
        let (name, notes) = (streams.name().to_owned(), Arc::new(Notes::default()));
        let entries = entries(streams, manifest, meta.time, &control.progress);
        let taken = guarded("store files", &self.location, || {
            Ok(self.take_in(&begun.index, None, entries.into_iter(), (&name, meta), (&notes, control)))
        });
        if control.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let lost = |why: String| RepositoryError::new(Reason::SourceLost, format!("{why}. No snapshot was made"));
        streams.verdict().map_err(lost)?;
        let snapshot = self.written(taken.flatten(), begun.failures)?;
        if let Some(problem) = notes.problems().0.first() {
            return Err(lost(format!("{} could not be read: {}", problem.path, problem.problem)));
        }
        let report = self.end(snapshot, &begun, &notes)?;
        Ok(BackupReport { read_bytes: report.bytes, ..report })
    }

    /// Writes the content of one file of a snapshot to where it is read as it comes. How many bytes.
    ///
    /// # Errors
    /// As [`RepositoryAdapter::cat`], and `Interrupted`.
    pub fn stream(
        &self,
        id: &str,
        path: &Path,
        into: &mut dyn Write,
        control: &Control,
    ) -> Result<u64, RepositoryError> {
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::to_read(&self.files, &self.sealer)?;
        let mut into =
            Unless { writer: into, cancel: control.cancel.clone(), progress: Arc::clone(&control.progress), bytes: 0 };
        let written = self.cat(id, path, &mut into);
        if control.cancel.is_cancelled() {
            return Err(interrupted());
        }
        written.map(|()| into.bytes)
    }
}

/// A writer that ends when the run does, and tells how far it is.
struct Unless<W> {
    writer: W,
    cancel: CancellationToken,
    progress: Arc<Progress>,
    bytes: u64,
}

impl<W: Write> Write for Unless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the run is ended"));
        }
        let length = self.writer.write(bytes)?;
        self.progress.add_bytes(length as u64);
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The manifest, a directory, and what is in it.
fn entries(streams: &Arc<dyn Streams>, manifest: Vec<u8>, at: Timestamp, progress: &Arc<Progress>) -> Vec<Found> {
    let entry = |path: PathBuf, kind: NodeType, size: usize, open: Option<Open>| {
        let metadata = metadata(matches!(kind, NodeType::Dir), size as u64, at);
        let node = Node::new_node(path.file_name().unwrap_or_default(), kind, metadata);
        Found { path, node, open }
    };
    let directory = PathBuf::from(streams.name());
    let length = manifest.len();
    let mut found = vec![
        entry(MANIFEST.into(), NodeType::File, length, Some(Open::Manifest(manifest))),
        entry(directory.clone(), NodeType::Dir, 0, None),
    ];
    let mut files = streams.files();
    files.sort();
    found.extend(files.into_iter().map(|file| {
        let path = directory.join(&file);
        entry(path, NodeType::File, 0, Some(Open::Stream(Arc::clone(streams), file, Arc::clone(progress))))
    }));
    found
}

fn metadata(directory: bool, size: u64, at: Timestamp) -> Metadata {
    // 1 << 31: a directory, as Go writes modes.
    let mode = if directory { 0o700 | 1 << 31 } else { 0o600 };
    Metadata {
        mode: Some(mode),
        mtime: Some(at),
        atime: Some(at),
        ctime: Some(at),
        uid: Some(0),
        gid: Some(0),
        size,
        links: 1,
        ..Metadata::default()
    }
}
