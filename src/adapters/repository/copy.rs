//! A snapshot from one repository into another, without reading its source again.

use super::error::{Reason, RepositoryError};
use super::lock::Lock;
use super::report::{BackupReport, Control, SnapshotMeta};
use super::{RepositoryAdapter, interrupted, library, snapshots};
use rustic_core::repofile::SnapshotFile;
use rustic_core::{Credentials, FileType, Id, IndexedFullStatus, ReadBackend, Repository, TreeId};
use std::collections::HashSet;
use std::sync::Arc;

impl RepositoryAdapter {
    /// Copies a snapshot of `from` into this repository, as the work of the run that `meta` speaks of. What is here
    /// already is not copied. The snapshot is there when, and only when, this returns it. Both repositories are locked
    /// as for a backup.
    ///
    /// # Errors
    /// See [`Reason`]; `Damaged` where `from` lacks something of it.
    pub fn copy_from(
        &self,
        from: &Self,
        id: &str,
        meta: &SnapshotMeta,
        control: &Control,
    ) -> Result<BackupReport, RepositoryError> {
        let id: Id = id.parse().map_err(|_| RepositoryError::new(Reason::Refused, "That is not a full snapshot id"))?;
        let _from_pass = from.gate.together(&control.cancel).map_err(|why| from.no_pass(why))?;
        let _from_lock = Lock::to_read(&from.files, &from.sealer)?;
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, false)?;

        let mut snapshot = from.guarded("read a snapshot", || from.open.get_file::<SnapshotFile>(&id.into()))?;
        let config = self.guarded("read the config file", || self.files.read_full(FileType::Config, &Id::default()))?;
        // An own way to be stopped, and own failures.
        let files = Arc::new(self.files.with(config, control.cancel.clone()));
        let whole = from.guarded("read the index", || {
            library(&from.files)?.open(&Credentials::Masterkey(from.master.clone()))?.to_indexed()
        })?;
        from.is_complete(&whole, snapshot.tree)?;
        let copied = self.guarded("copy a snapshot", || {
            let into = library(&files)?.open(&Credentials::Masterkey(self.master.clone()))?.to_indexed_ids()?;
            whole.copy(&into, [&snapshot])
        });
        if control.cancel.is_cancelled() {
            return Err(interrupted());
        }
        if let Some((path, error)) = files.last_failure() {
            return Err(RepositoryError::io("write", &path, &error));
        }
        copied?;
        snapshots::taken_over(&mut snapshot, meta);
        self.publish(&snapshot).map(BackupReport::of)
    }

    /// That the index knows all that a snapshot needs: the library leaves out of a copy what it does not, and says nothing.
    fn is_complete(&self, whole: &Repository<IndexedFullStatus>, root: TreeId) -> Result<(), RepositoryError> {
        let (mut open, mut seen) = (vec![root], HashSet::new());
        while let Some(tree) = open.pop() {
            if !seen.insert(tree) {
                continue;
            }
            for node in self.guarded("read a directory of a snapshot", || whole.get_tree(&tree))?.nodes {
                open.extend(node.subtree);
                if node.content.iter().flatten().any(|data| whole.get_index_entry(data).is_err()) {
                    return Err(self.missing(&[node.name().to_string_lossy().into_owned()]));
                }
            }
        }
        Ok(())
    }
}
