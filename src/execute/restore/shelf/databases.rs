//! Databases that restores have set aside. They lie on a server: here is how it is reached, and what proves which are meant.

use super::{Shelf, forget, write};
use crate::policy::SecretRef;
use crate::reconcile::{RunId, Undo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

/// One database under the name that says so, which is the place of its [`Undo`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::execute) struct SetAside {
    pub undo: Undo,
    /// Where the address of its server is read from.
    pub url_from: SecretRef,
    /// Where the programs are that its policy named.
    pub binaries: Option<PathBuf>,
    /// The server's own identity, where it tells: an address may lead to another one later.
    pub system: Option<String>,
    /// What is written beside the database on its server.
    pub mark: String,
    /// Whether it is known to have been set aside. Otherwise the restore was cut off, and only the server knows.
    pub exchanged: bool,
    /// Whether this process works on it now.
    #[serde(skip)]
    pub under_way: bool,
}

impl SetAside {
    /// Its name on the server.
    pub fn name(&self) -> String {
        self.undo.place.to_string_lossy().into_owned()
    }
}

impl Shelf {
    /// Every database that is on record.
    pub(in crate::execute) fn databases(&self) -> Vec<SetAside> {
        self.set_aside().values().cloned().collect()
    }

    /// What a restore has set aside, or was about to.
    pub(in crate::execute) fn database(&self, restore: &RunId) -> Option<SetAside> {
        self.set_aside().get(restore).cloned()
    }

    /// Writes a record, durable on return.
    pub(in crate::execute) fn put_database(&self, database: &SetAside) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(place(&self.directory))?;
        write(&self.path_of_database(&database.undo.restore), database)?;
        self.set_aside().insert(database.undo.restore.clone(), database.clone());
        self.publish();
        Ok(())
    }

    /// Removes a record, once there is no such database.
    pub(in crate::execute) fn forget_database(&self, restore: &RunId) -> io::Result<()> {
        forget(&self.path_of_database(restore))?;
        self.set_aside().remove(restore);
        self.publish();
        Ok(())
    }

    fn path_of_database(&self, restore: &RunId) -> PathBuf {
        place(&self.directory).join(format!("{restore}.json"))
    }

    pub(super) fn set_aside(&self) -> MutexGuard<'_, BTreeMap<RunId, SetAside>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the records of databases are.
pub(super) fn place(directory: &Path) -> PathBuf {
    directory.join("databases")
}
