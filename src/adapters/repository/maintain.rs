//! Forgetting, pruning.

use super::error::{Reason, RepositoryError};
use super::lock::Lock;
use super::report::{Control, Forgotten, PruneReport};
use super::{RepositoryAdapter, library};
use crate::clock::{Clock, SystemClock};
use crate::reconcile::{SnapshotRecord, SourceKey};
use bytes::Bytes;
use rustic_core::{Credentials, FileType, Id, PruneOptions, ReadBackend};
use std::sync::Arc;
use std::time::Duration;

/// How long forgetting and pruning wait for backups of this process to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

impl RepositoryAdapter {
    /// Forgets snapshots of one source of one host. All or none are refused before any is removed; one that is gone
    /// already is left out of the answer, and one that a lock of the bucket holds is counted. Their space is freed by [`RepositoryAdapter::prune`].
    ///
    /// # Errors
    /// `Refused`: one of them is not this source's own, or is its newest complete one. See [`Reason`] for the rest.
    pub fn forget(
        &self,
        source: &SourceKey,
        host: &str,
        ids: &[String],
        control: &Control,
    ) -> Result<Forgotten, RepositoryError> {
        let _pass = self.gate.alone(&control.cancel, PATIENCE).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, true)?;
        let known = self.refresh_known()?;
        let is_own = |record: &SnapshotRecord| record.source.as_ref() == Some(source) && record.host == host;
        let newest = known
            .values()
            .filter(|record| is_own(record) && record.complete)
            .max_by(|a, b| a.time.cmp(&b.time).then_with(|| a.id.cmp(&b.id)));
        let mut remove = Vec::new();
        for wanted in ids {
            let refuse = |why: &str| {
                Err(RepositoryError::new(
                    Reason::Refused,
                    format!(
                        "Snapshot {wanted} is not forgotten, nor any other: {why}. This is a bug; please report it"
                    ),
                ))
            };
            let Ok(id) = wanted.parse::<Id>() else { return refuse("that is not a full snapshot id") };
            let Some(record) = known.get(&id) else { continue };
            if !is_own(record) {
                return refuse(&format!("it is not one that this host made of {source}"));
            }
            if newest.is_some_and(|newest| newest.id == record.id) {
                return refuse("it is the newest complete one of its source");
            }
            remove.push(id);
        }
        drop(known);
        let mut forgotten = Forgotten::default();
        for id in remove {
            if control.cancel.is_cancelled() {
                break;
            }
            match self.guarded("forget a snapshot", || self.open.delete_snapshots(&[id.into()])) {
                Err(error) if error.kind() == Reason::Retained => forgotten.retained += 1,
                removed => {
                    removed?;
                    forgotten.ids.push(id.to_hex().to_string());
                }
            }
        }
        Ok(forgotten)
    }

    /// Frees space in two steps at least 23 hours apart: a prune marks what nothing refers to, and a later one
    /// removes what was marked. Whoever was writing when it was marked has then found out. Alone in the repository;
    /// can be cancelled at any time, because nothing is removed before what replaces it is durable.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn prune(&self, control: &Control) -> Result<PruneReport, RepositoryError> {
        let _pass = self.gate.alone(&control.cancel, PATIENCE).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, true)?;
        self.files
            .sweep(SystemClock.now())
            .map_err(|e| RepositoryError::io("remove unfinished files", &self.location, &e))?;
        let config = self.guarded("read the config file", || self.files.read_full(FileType::Config, &Id::default()))?;
        let pruned = self.prune_with(config, control);
        if control.cancel.is_cancelled() && pruned.is_err() { Err(interrupted_prune()) } else { pruned }
    }

    fn prune_with(&self, config: Bytes, control: &Control) -> Result<PruneReport, RepositoryError> {
        let files = Arc::new(self.files.with(config, control.cancel.clone()));
        let options = PruneOptions::default();
        self.guarded("prune", || {
            let repository = library(&files)?.open(&Credentials::Masterkey(self.master.clone()))?;
            let plan = repository.prune_plan(&options)?;
            let sizes = plan.stats.size_sum();
            let report = PruneReport {
                freed_bytes: plan.stats.size_to_delete.remove,
                marked_bytes: sizes.remove + sizes.repackrm + plan.stats.size_unref,
                repacked_bytes: sizes.repack - sizes.repackrm,
            };
            repository.prune(&options, plan)?;
            Ok(report)
        })
    }
}

fn interrupted_prune() -> RepositoryError {
    RepositoryError::new(Reason::Interrupted, "The prune was ended from outside; the next one goes on from there")
}
