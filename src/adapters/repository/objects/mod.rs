//! The objects of a bucket as snapshots, and back.

mod names;
mod put_back;
mod walk;

pub use put_back::{Keys, PutBack, Wanted};

use super::error::{Reason, RepositoryError};
use super::lock::Lock;
use super::report::{BackupReport, Control, SnapshotMeta};
use super::source::Found;
use super::source::manifest_found;
use super::{RepositoryAdapter, guarded, snapshots};
use crate::adapters::s3::{S3, wait};
use crate::adapters::volume_walk::Notes;
use rustic_core::repofile::{Node, NodeType};
use std::ffi::OsStr;
use std::sync::Arc;
use walk::{Objects, directory_metadata};

impl RepositoryAdapter {
    /// Takes the objects of a bucket below a prefix as a snapshot. What has the `ETag`, time and length of the newest
    /// snapshot is not read again. Otherwise as [`RepositoryAdapter::backup`]: an object that changes or vanishes
    /// meanwhile makes the snapshot partial, a server that goes away leaves none.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn backup_objects(
        &self,
        s3: &S3,
        prefix: &str,
        meta: &SnapshotMeta,
        control: &Control,
    ) -> Result<BackupReport, RepositoryError> {
        let place = format!("the bucket {} at {}", s3.bucket(), s3.host());
        let lost = |error: &dyn std::error::Error| {
            let message = format!("The objects of {place} cannot be listed; no snapshot was made");
            RepositoryError::because(Reason::SourceLost, message, error)
        };
        let first = wait(s3.list(prefix, None, 1)).map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        if first.objects.is_empty() {
            return Ok(BackupReport { empty: true, ..BackupReport::default() });
        }
        let manifest = serde_json::to_vec_pretty(&meta.manifest)
            .map_err(|e| RepositoryError::because(Reason::Internal, "The manifest could not be written down", &e))?;
        let manifest_length = manifest.len() as u64;
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, false)?;
        let index = self.resident()?;
        let parent = self.parent(&meta.source, &meta.host)?;
        let failures = self.files.failures();
        let notes = Arc::new(Notes::default());
        let shared = (Arc::clone(&notes), Arc::clone(&control.progress), control.cancel.clone());
        let tree = parent.as_ref().map(|(_, tree)| *tree);
        let objects = Objects::new((self, &index), (s3, prefix), (s3.bucket(), tree), shared);
        let root = Node::new_node(OsStr::new(s3.bucket()), NodeType::Dir, directory_metadata());
        let root = Found { path: s3.bucket().into(), node: root, open: None };
        let source = [manifest_found(manifest, (0, 0)), root].into_iter().chain(objects);
        let taken = guarded("store objects", &self.location, || {
            Ok(self.take_in(&index, parent, source, (s3.bucket(), meta), (&notes, control)))
        });
        let mut snapshot = self.verdict(taken.flatten(), &notes, failures, control, &place)?;
        let (problems, problem_count) = notes.problems();
        snapshots::finish(&mut snapshot, problem_count == 0, manifest_length);
        let record = self.publish(&snapshot)?;
        Ok(BackupReport {
            files: record.files,
            bytes: record.bytes,
            added_bytes: record.added_bytes,
            snapshot: Some(record),
            problems,
            problem_count,
            ..BackupReport::default()
        })
    }
}
