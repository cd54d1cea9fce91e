//! What runs do with databases that are dumped.

pub(super) mod aside;
pub(super) mod drill;
pub(super) mod restore;

use crate::adapters::postgres::{Dump, Kind, PostgresError, Wanted};
use crate::adapters::repository::{
    BackupReport, Control, Reason, RepositoryAdapter, RepositoryError, SnapshotMeta, Streams,
};
use serde_json::json;
use std::sync::Arc;

/// Dumps a database into a repository. The report, and what a person should know of beside it.
pub(super) fn dump(
    repository: &RepositoryAdapter,
    wanted: &Wanted,
    meta: &SnapshotMeta,
    control: &Control,
) -> Result<(BackupReport, Vec<String>), RepositoryError> {
    let wanted = Wanted { cancel: control.cancel.clone(), ..wanted.clone() };
    let dump = Arc::new(Dump::prepare(wanted, meta.time).map_err(|error| repository_error(&error))?);
    let mut meta = meta.clone();
    meta.manifest["postgres"]["server"] = json!(dump.facts());
    meta.manifest["postgres"]["programs"] = json!(dump.programs().major);
    let streams: Arc<dyn Streams> = dump.clone();
    let report = repository.backup_streams(&streams, &meta, control)?;
    Ok((report, dump.notes()))
}

/// Trouble with a database, as trouble of the run.
pub(in crate::execute) fn repository_error(error: &PostgresError) -> RepositoryError {
    match error.kind() {
        Kind::Refused => RepositoryError::new(Reason::Refused, error.to_string()),
        Kind::Server => RepositoryError::new(Reason::SourceLost, error.to_string()),
        Kind::Interrupted => RepositoryError::new(
            Reason::Interrupted,
            "The run was ended from outside before it was done; nothing was changed",
        ),
    }
}
