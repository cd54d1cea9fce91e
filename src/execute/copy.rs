//! Filling a repository behind a network from one on this host, so that the application does not wait for the network.

use super::backup::{Job, has_passed, too_long};
use super::{Executor, blocking, within};
use crate::adapters::repository::{BackupReport, Control, Reason, RepositoryAdapter, RepositoryError};
use crate::controller::ports::{RunControl, Work};
use crate::policy::{Repository, RepositoryLocation};
use crate::reconcile::{BackupAction, SnapshotRecord};
use std::sync::Arc;

/// Whether a repository is reached over a network.
pub(super) fn is_remote(work: &Work, name: &str) -> bool {
    let repository = work.desired.repositories.get(name);
    repository.is_some_and(|repository| matches!(repository.location, RepositoryLocation::S3(_)))
}

/// A snapshot of the very slot in a repository on this host, of which a copy will do. What cannot be listed has none.
pub(super) async fn of_slot(
    executor: &Executor,
    work: &Work,
    action: &BackupAction,
) -> Option<(Arc<Repository>, Arc<SnapshotRecord>)> {
    let names = &work.desired.policies.get(&action.source.policy)?.backup()?.repositories;
    for name in names.iter().filter(|name| !is_remote(work, name)) {
        let Some(repository) = work.desired.repositories.get(name).cloned() else { continue };
        let (registry, asked) = (Arc::clone(&executor.registry), Arc::clone(&repository));
        let listed = blocking(move || registry.with_existing(&asked, RepositoryAdapter::snapshots)).await;
        let right = |record: &Arc<SnapshotRecord>| {
            record.source.as_ref() == Some(&action.source)
                && record.host == executor.host
                && record.slot == Some(action.slot)
        };
        let newest = listed.unwrap_or_default().into_iter().filter(right).max_by_key(|record| record.time);
        if let Some(record) = newest {
            return Some((repository, record));
        }
    }
    None
}

/// One attempt at a copy, within the policy's time.
pub(super) async fn attempt(
    executor: &Executor,
    job: Job,
    (from, record): (Arc<Repository>, Arc<SnapshotRecord>),
    control: &RunControl,
) -> Result<BackupReport, RepositoryError> {
    let cancel = control.cancel.child_token();
    let inner = Control { cancel: cancel.clone(), progress: Arc::clone(&control.progress), ..Control::default() };
    let registry = Arc::clone(&executor.registry);
    let (timeout, started) = (job.timeout, job.meta.time);
    let running = blocking(move || {
        let from = registry.open(&from)?;
        registry.with(&job.repository, |into| into.copy_from(&from, &record.id, &job.meta, &inner))
    });
    match within(timeout, &cancel, running).await.0 {
        Err(error) if error.kind() == Reason::Interrupted && has_passed(executor.clock.now(), started, timeout) => {
            Err(too_long(timeout))
        }
        ended => ended,
    }
}
