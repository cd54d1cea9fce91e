//! The objects of a bucket as snapshots, and back.

mod names;
mod put_back;
mod walk;

pub use put_back::{Keys, PutBack, Wanted};

use super::error::{Reason, RepositoryError};
use super::report::{BackupReport, Control, SnapshotMeta};
use super::source::{Found, manifest_found};
use super::{RepositoryAdapter, guarded};
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
        let (begun, manifest) = self.begin(meta, control)?;
        let parent = self.parent(&meta.source, &meta.host)?;
        let notes = Arc::new(Notes::default());
        let shared = (Arc::clone(&notes), Arc::clone(&control.progress), control.cancel.clone());
        let tree = parent.as_ref().map(|(_, tree)| *tree);
        let objects = Objects::new((self, &begun.index), (s3, prefix), (s3.bucket(), tree), shared);
        let root = Node::new_node(OsStr::new(s3.bucket()), NodeType::Dir, directory_metadata());
        let root = Found { path: s3.bucket().into(), node: root, open: None };
        let source = [manifest_found(manifest, (0, 0)), root].into_iter().chain(objects);
        let taken = guarded("store objects", &self.location, || {
            Ok(self.take_in(&begun.index, parent, source, (s3.bucket(), meta), (&notes, control)))
        });
        let snapshot = self.verdict(taken.flatten(), &notes, begun.failures, control, &place)?;
        self.end(snapshot, &begun, &notes)
    }
}
