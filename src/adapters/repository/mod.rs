//! Repositories in restic's format. The only place that knows the library which speaks it.
//!
//! The library is `rustic_core`, wrapped: what it cannot be trusted with is done here. Snapshots are written by
//! [`backup`] alone and only when the run is good; files are read by our own walker; lock files are ours; a panic in
//! it is an error like any other.

mod ahead;
mod backup;
mod check;
mod compare;
mod copy;
mod databases;
mod error;
mod fetch;
mod files;
mod gate;
mod index;
mod intake;
mod laid;
mod lock;
mod maintain;
mod noted;
mod objects;
mod part;
mod process;
mod reach;
mod read_back;
mod registry;
mod report;
mod restore;
mod seal;
mod snapshots;
mod source;
mod streams;
mod tree;
mod tree_ahead;

pub use databases::Databases;
pub use error::{Reason, RepositoryError};
pub use objects::{Keys, PutBack, Wanted};
pub use part::FileView;
pub use registry::Registry;
pub use report::{
    Around, BackupReport, Cloned, Control, EntryKind, Forgotten, PruneReport, RestoreReport, Sample, Size,
    SnapshotMeta, TreeEntry, Verified, VolumeTree,
};
pub use streams::Streams;

use crate::adapters::key::Secret;
use crate::reconcile::SnapshotRecord;
use bytes::Bytes;
use files::{Disk, Files, Found, Storage};
use gate::{Gate, NoPass};
use index::Index;
use rustic_core::repofile::{IndexFile, IndexId, IndexPack, MasterKey, SnapshotFile};
use rustic_core::{
    ConfigOptions, Credentials, FileType, Id, KeyOptions, OpenStatus, Repository, RepositoryBackends,
    RepositoryOptions, RusticResult,
};
use seal::Sealer;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Size of a pack file. Fixed and small, because the memory that a backup takes is a multiple of it.
const PACK_SIZE: u32 = 10 * 1024 * 1024;
/// Size of a pack file of directory trees.
const TREE_PACK_SIZE: u32 = 4 * 1024 * 1024;

/// One open repository. Blocking; may be used by many threads at once.
pub struct RepositoryAdapter {
    name: String,
    location: PathBuf,
    files: Arc<Files>,
    master: MasterKey,
    sealer: Sealer,
    /// The config file as it was when opened, sealed.
    stored_config: Bytes,
    open: Repository<OpenStatus>,
    resident: Mutex<Option<Arc<Index>>>,
    known: Mutex<BTreeMap<Id, Arc<SnapshotRecord>>>,
    gate: Gate,
}

impl std::fmt::Debug for RepositoryAdapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryAdapter")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl RepositoryAdapter {
    /// Opens the repository at `location`; makes it first where there is none yet.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn open_or_init(name: &str, location: &Path, password: &Secret) -> Result<Self, RepositoryError> {
        let storage: Arc<dyn Storage> = Arc::new(Disk::new(location));
        let exists = exists(&*storage)?;
        Self::open_on(name, storage, exists, password)
    }

    /// As [`RepositoryAdapter::open_or_init`], on any storage of which is known whether there is a repository.
    fn open_on(
        name: &str,
        storage: Arc<dyn Storage>,
        exists: bool,
        password: &Secret,
    ) -> Result<Self, RepositoryError> {
        let location = &storage.root().to_owned();
        let plain = Arc::new(Files::new(storage));
        let credentials = Credentials::password(password.reveal());
        let doing = if exists { "open" } else { "make the repository" };
        let opened = guarded(doing, location, || {
            let repository = library(&plain)?;
            if exists {
                repository.open(&credentials)
            } else {
                let sizes = ConfigOptions::default()
                    .set_datapack_growfactor(0_u32)
                    .set_treepack_growfactor(0_u32)
                    .set_extra_verify(true);
                repository.init(&credentials, &KeyOptions::default().hostname(process::hostname()), &sizes)
            }
        })?;
        let master = opened.key();
        let sealer = Sealer::new(&master)
            .ok_or_else(|| RepositoryError::new(Reason::Damaged, "The repository's master key has a wrong length"))?;
        let stored_config =
            plain.read("config").map_err(|e| RepositoryError::io("read the config file", &plain.at("config"), &e))?;
        let config = fixed_sizes(&opened, &sealer, location)?;
        let files = Arc::new(plain.with(config, CancellationToken::new()));
        let open = guarded("open", location, || library(&files)?.open(&Credentials::Masterkey(master.clone())))?;
        Ok(Self {
            name: name.to_owned(),
            location: location.clone(),
            files,
            master,
            sealer,
            stored_config,
            open,
            resident: Mutex::default(),
            known: Mutex::default(),
            gate: Gate::default(),
        })
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the repository is still the one that was opened.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.files.read("config").is_ok_and(|config| config == self.stored_config)
    }

    /// Every snapshot, whoever made it. Reads only those that were not there the last time.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn snapshots(&self) -> Result<Vec<Arc<SnapshotRecord>>, RepositoryError> {
        let known = self.refresh_known()?;
        Ok(known.values().cloned().collect())
    }

    fn refresh_known(&self) -> Result<MutexGuard<'_, BTreeMap<Id, Arc<SnapshotRecord>>>, RepositoryError> {
        let mut known = lock(&self.known);
        let ids = self.files.ids(FileType::Snapshot);
        let ids = ids.map_err(|e| RepositoryError::io("list the snapshots", &self.location, &e))?;
        let ids: BTreeSet<Id> = ids.into_iter().map(|(id, _)| id).collect();
        known.retain(|id, _| ids.contains(id));
        for id in ids {
            if known.contains_key(&id) {
                continue;
            }
            let read = self.guarded("read a snapshot", || self.open.get_file::<SnapshotFile>(&id.into()));
            match read {
                Ok(snapshot) => {
                    known.insert(id, Arc::new(snapshots::record(id.to_hex().to_string(), &snapshot)));
                }
                // Forgotten by someone between the listing and now.
                Err(error) if error.kind() == Reason::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }

    /// An index that knows everything that is in the repository now.
    fn resident(&self) -> Result<Arc<Index>, RepositoryError> {
        let mut resident = lock(&self.resident);
        let ids = self.files.ids(FileType::Index);
        let ids = ids.map_err(|e| RepositoryError::io("list the index", &self.location, &e))?;
        let ids: BTreeSet<Id> = ids.into_iter().map(|(id, _)| id).collect();
        let (index, lacking) = match resident.as_ref().and_then(|index| Some((index, index.lacks(&ids)?))) {
            Some((index, lacking)) if lacking.is_empty() => return Ok(Arc::clone(index)),
            Some((index, lacking)) => (Arc::clone(index), lacking),
            None => {
                // The old one goes before the new one comes: two at once would double the memory.
                *resident = None;
                (Arc::default(), ids.into_iter().collect())
            }
        };
        self.guarded("read the index", || {
            let lacking: Vec<IndexId> = lacking.into_iter().map(IndexId::from).collect();
            for file in self.open.stream_files_list::<IndexFile>(lacking)? {
                let (id, file) = file?;
                let listed = |packs: Vec<IndexPack>| packs.into_iter().map(|pack| (pack.id, pack.blobs));
                index.add(*id, listed(file.packs));
                index.add_doomed(listed(file.packs_to_delete));
            }
            Ok(())
        })?;
        index.settle();
        *resident = Some(Arc::clone(&index));
        Ok(index)
    }

    fn guarded<T>(&self, doing: &str, work: impl FnOnce() -> RusticResult<T>) -> Result<T, RepositoryError> {
        guarded(doing, &self.location, work)
    }

    fn no_pass(&self, why: NoPass) -> RepositoryError {
        match why {
            NoPass::Cancelled => interrupted(),
            NoPass::Busy => RepositoryError::new(
                Reason::Locked,
                format!("The repository {} is in use by a backup of this process; it will be tried again", self.name),
            ),
        }
    }
}

/// Whether there is a repository. `false`: there is nothing, or what an unfinished first start left, so that one can be
/// made.
fn exists(storage: &dyn Storage) -> Result<bool, RepositoryError> {
    let place = storage.root();
    match storage.look().map_err(|e| RepositoryError::io("look for a repository", place, &e))? {
        Found::Repository => Ok(true),
        Found::Nothing => Ok(false),
        Found::Other(what) => {
            let place = place.display();
            let message =
                format!("{place} is not a repository: {what}. Name a directory that is empty or does not exist yet");
            Err(RepositoryError::new(Reason::NotARepository, message))
        }
    }
}

fn interrupted() -> RepositoryError {
    RepositoryError::new(Reason::Interrupted, "The run was ended from outside before it was done; no snapshot was made")
}

/// The library's repository over these files.
fn library(files: &Arc<Files>) -> RusticResult<Repository<()>> {
    let options = RepositoryOptions::default().no_cache(true);
    Repository::new(&options, &RepositoryBackends::new(Arc::clone(files) as _, None))
}

/// Runs the library: its errors become ours, and so do its panics.
fn guarded<T>(doing: &str, location: &Path, work: impl FnOnce() -> RusticResult<T>) -> Result<T, RepositoryError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(RepositoryError::library(doing, location, &error)),
        Err(panic) => Err(RepositoryError::panicked(doing, location, panic.as_ref())),
    }
}

/// The config with our pack sizes, sealed. Only in memory: a repository that another program made stays as it is,
/// and memory is bounded all the same.
fn fixed_sizes(opened: &Repository<OpenStatus>, sealer: &Sealer, location: &Path) -> Result<Bytes, RepositoryError> {
    let mut config = opened.config().clone();
    config.datapack_size = Some(PACK_SIZE);
    config.datapack_size_limit = Some(PACK_SIZE);
    config.datapack_growfactor = Some(0);
    config.treepack_size = Some(TREE_PACK_SIZE);
    config.treepack_size_limit = Some(TREE_PACK_SIZE);
    config.treepack_growfactor = Some(0);
    config.extra_verify = Some(true);
    let content = serde_json::to_vec(&config).map_err(io::Error::other).and_then(|json| sealer.seal(&json));
    content.map(Bytes::from).map_err(|e| RepositoryError::io("prepare the config", location, &e))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_library_is_an_error() {
        let error = guarded::<()>("try", Path::new("/repository"), || panic!("index\nout of bounds")).unwrap_err();
        assert_eq!(error.reason(), "Internal");
        assert!(error.told().ends_with("(index out of bounds)"), "{}", error.told());
    }
}
