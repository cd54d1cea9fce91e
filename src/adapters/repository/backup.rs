//! Making one snapshot.

use super::databases::{Before, Copies};
use super::error::{Reason, RepositoryError};
use super::files::name_of;
use super::gate::Pass;
use super::index::Index;
use super::lock::Lock;
use super::reach::{prepare, reach};
use super::report::{BackupReport, Cloned, Control, SnapshotMeta, VolumeTree};
use super::source::Source;
use super::{RepositoryAdapter, guarded, interrupted, lock, snapshots};
use crate::adapters::volume_walk::{Exclude, Notes, Walk};
use crate::reconcile::{SnapshotRecord, SourceKey};
use rustic_core::repofile::SnapshotFile;
use rustic_core::{FileType, Id, TreeId};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A backup under way: while this is there, nothing is removed from the repository.
pub(super) struct Begun<'a> {
    pub index: Arc<Index>,
    /// Writes that had failed before it.
    pub failures: u64,
    manifest_length: u64,
    _lock: Lock,
    _pass: Pass<'a>,
}

impl RepositoryAdapter {
    /// Takes a tree as a snapshot. Files that did not change since the newest snapshot of the same source and host
    /// are not read again. There is a snapshot when, and only when, this returns one: a run that is cancelled, whose
    /// source breaks off or whose disk fills up leaves none.
    ///
    /// # Errors
    /// See [`Reason`]; `SourceLost` and `Interrupted` among them. Trouble with single files is no error, it is in
    /// the report and makes the snapshot partial.
    pub fn backup(
        &self,
        tree: &VolumeTree,
        meta: &SnapshotMeta,
        control: &Control,
    ) -> Result<BackupReport, RepositoryError> {
        let exclude = Exclude::new(&tree.exclude).map_err(|e| {
            RepositoryError::because(Reason::Refused, "An exclude pattern is not a glob; correct it", &e)
        })?;
        let exclude = exclude.all_but(tree.only.clone());
        let walk = || {
            Walk::open(&tree.root, exclude.clone(), control.cancel.clone()).map_err(|e| {
                let message =
                    format!("The source's directory {} cannot be read; no snapshot was made", tree.root.display());
                RepositoryError::because(Reason::SourceLost, message, &e)
            })
        };
        if walk()?.is_empty() {
            return Ok(BackupReport { empty: true, ..BackupReport::default() });
        }
        let (begun, manifest) = self.begin(meta, control)?;
        let parent = self.parent(&meta.source, &meta.host)?;
        let before = self.before(&begun.index, parent.as_ref().map(|(_, tree)| *tree));

        // Gone after everything that reads from it.
        let scratch = prepare(control, &tree.root);
        let reached = reach(walk, scratch.as_ref(), control)?;
        let (root, notes, cloned) = (reached.root.clone(), Arc::clone(&reached.notes), reached.cloned.clone());
        let copies = control
            .databases
            .clone()
            .map(|databases| Copies::new(databases, before, Arc::clone(&notes), control.cancel.clone()));
        let source = Source::new(&tree.name, manifest, reached, control, copies);
        let taken = guarded("store files", &self.location, || {
            Ok(self.take_in(&begun.index, parent, source, (&tree.name, meta), (&notes, control)))
        });
        if cloned != Cloned::Yes {
            root.look_again();
        }
        if let Some(around) = &control.around {
            around.verdict()?;
        }
        let snapshot = self.verdict(
            taken.flatten(),
            &notes,
            begun.failures,
            control,
            &format!("{} at {}", tree.name, tree.root.display()),
        )?;
        let report = self.end(snapshot, &begun, &notes)?;
        Ok(BackupReport { read_bytes: notes.contents().1, cloned, ..report })
    }

    /// Everything that can fail or take time before a source is read; with the manifest, as it is stored.
    pub(super) fn begin(
        &self,
        meta: &SnapshotMeta,
        control: &Control,
    ) -> Result<(Begun<'_>, Vec<u8>), RepositoryError> {
        let manifest = serde_json::to_vec_pretty(&meta.manifest)
            .map_err(|e| RepositoryError::because(Reason::Internal, "The manifest could not be written down", &e))?;
        let pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let lock = Lock::take(&self.files, &self.sealer, false)?;
        let (index, failures) = (self.resident()?, self.files.failures());
        let begun = Begun { index, failures, manifest_length: manifest.len() as u64, _lock: lock, _pass: pass };
        Ok((begun, manifest))
    }

    /// Makes what was taken a snapshot, partial where the notes tell of trouble.
    pub(super) fn end(
        &self,
        mut snapshot: SnapshotFile,
        begun: &Begun<'_>,
        notes: &Notes,
    ) -> Result<BackupReport, RepositoryError> {
        let (problems, problem_count) = notes.problems();
        snapshots::finish(&mut snapshot, problem_count == 0, begun.manifest_length);
        let report = BackupReport::of(self.publish(&snapshot)?);
        Ok(BackupReport { problems, problem_count, ..report })
    }

    /// Whether what was taken may become a snapshot: for every way in which it may not be whole, that it is.
    pub(super) fn verdict(
        &self,
        taken: Result<SnapshotFile, RepositoryError>,
        notes: &Notes,
        failures: u64,
        control: &Control,
        place: &str,
    ) -> Result<SnapshotFile, RepositoryError> {
        if control.cancel.is_cancelled() {
            return Err(interrupted());
        }
        if let Some(why) = notes.lost() {
            let message = format!("The source {place} broke off while it was read ({why}); no snapshot was made");
            return Err(RepositoryError::new(Reason::SourceLost, message));
        }
        self.written(taken, failures)
    }

    /// Whether all that was to be written was.
    pub(super) fn written(
        &self,
        taken: Result<SnapshotFile, RepositoryError>,
        failures: u64,
    ) -> Result<SnapshotFile, RepositoryError> {
        // Who found the way blocked may have been the first to tell.
        if self.files.failures() != failures
            && let Some((path, error)) = self.files.last_failure()
        {
            return Err(RepositoryError::io("write", &path, &error));
        }
        if self.files.failures() != failures {
            return Err(RepositoryError::new(
                Reason::Unavailable,
                format!("Something could not be written to {}; no snapshot was made", self.location.display()),
            ));
        }
        taken
    }

    /// The snapshot to compare with: the newest of the source and host, with its tree. One that cannot be read holds
    /// nothing: everything is then read again.
    pub(super) fn parent(&self, source: &SourceKey, host: &str) -> Result<Option<(String, TreeId)>, RepositoryError> {
        let known = self.refresh_known()?;
        let own = known.values().filter(|record| record.source.as_ref() == Some(source) && record.host == host);
        let newest = own.max_by(|a, b| a.time.cmp(&b.time)).map(|record| record.id.to_string());
        drop(known);
        Ok(newest.and_then(|id| {
            let parsed: Id = id.parse().ok()?;
            let snapshot = self.guarded("read a snapshot", || self.open.get_file::<SnapshotFile>(&parsed.into()));
            snapshot.ok().map(|snapshot| (id, snapshot.tree))
        }))
    }

    /// Looks entries up in a tree. One that cannot be read holds nothing.
    fn before<'a>(&'a self, index: &'a Index, tree: Option<TreeId>) -> Before<'a> {
        Box::new(move |path| self.stored_entry(index, tree?, path))
    }

    /// Writes the snapshot, durable on return: the moment from which it exists.
    pub(super) fn publish(&self, snapshot: &SnapshotFile) -> Result<Arc<SnapshotRecord>, RepositoryError> {
        let failed =
            |e: std::io::Error| RepositoryError::io("write the snapshot", &self.location.join("snapshots"), &e);
        let json = serde_json::to_vec(snapshot).map_err(|e| failed(e.into()))?;
        let sealed = self.sealer.seal(&json).map_err(failed)?;
        let name = hex::encode(Sha256::digest(&sealed));
        let id: Id = name.parse().map_err(|_| failed(std::io::Error::other("a hash that is no id")))?;
        self.files.put(&name_of(FileType::Snapshot, &id), &[sealed.into()]).map_err(failed)?;
        let record = Arc::new(snapshots::record(name, snapshot));
        lock(&self.known).insert(id, Arc::clone(&record));
        Ok(record)
    }
}
