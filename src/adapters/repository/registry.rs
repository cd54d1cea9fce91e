//! From a `Repository` document to an open repository, kept open.

use super::files::{Bucket, Disk, Storage};
use super::{Reason, RepositoryAdapter, RepositoryError};
use crate::adapters::http_client::Limits;
use crate::adapters::key::{self, Secret};
use crate::adapters::s3::{self, Keys, PATIENCE, S3};
use crate::policy::s3::resides;
use crate::policy::{Repository, RepositoryLocation, S3Location, SecretRef};
use crate::reconcile::watch::bucket::Told;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Opens repositories once and keeps them open, so that key derivation and index are paid once.
///
/// Blocking; every call may take as long as the repository's disk does. A repository that hangs delays only
/// callers that want the same one.
#[derive(Debug)]
pub struct Registry {
    state: PathBuf,
    slots: Mutex<BTreeMap<String, Arc<Mutex<Option<Opened>>>>>,
    limits: Arc<Limits>,
}

#[derive(Debug)]
struct Opened {
    digest: String,
    password: Secret,
    adapter: Arc<RepositoryAdapter>,
}

impl Registry {
    /// A registry over the state directory, where keys that Seawall makes live, and the default repository.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), slots: Mutex::default(), limits: Arc::default() }
    }

    /// Where the repository's files are, for people; a bucket as restic names it.
    #[must_use]
    pub fn location(&self, repository: &Repository) -> PathBuf {
        match &repository.location {
            RepositoryLocation::Local { path: Some(path) } => path.clone(),
            RepositoryLocation::Local { path: None } => self.state.join("repository"),
            RepositoryLocation::S3(location) => PathBuf::from(location.address()),
        }
    }

    /// What of Seawall's own lies in a directory: its state, or the files of a repository.
    #[must_use]
    pub fn own_files_in(&self, directory: &Path, repositories: &[&Repository]) -> Option<PathBuf> {
        let places = repositories.iter().map(|repository| self.location(repository));
        let mut places = std::iter::once(self.state.clone()).chain(places);
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = real(directory);
        places.find(|place| real(place).starts_with(&directory))
    }

    /// Where the key of a repository is whose document names none.
    #[must_use]
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.state.join("keys").join(format!("{name}.key"))
    }

    /// The key of a repository, for `seawall key export`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn key(&self, repository: &Repository) -> Result<Secret, RepositoryError> {
        let from = repository.password_from.clone().unwrap_or_else(|| SecretRef::File(self.key_path(&repository.name)));
        key::read(&from).map_err(|e| unreadable(&repository.name, &e))
    }

    /// The repository, opened; made first where its directory is absent or empty.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn open(&self, repository: &Repository) -> Result<Arc<RepositoryAdapter>, RepositoryError> {
        self.get(repository, true)?.ok_or_else(|| {
            RepositoryError::new(Reason::NotFound, format!("There is no repository {}", repository.name))
        })
    }

    /// The repository, opened; `None` where it has not been made yet. Writes nothing.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn open_existing(&self, repository: &Repository) -> Result<Option<Arc<RepositoryAdapter>>, RepositoryError> {
        self.get(repository, false)
    }

    /// A repository that has to exist, opened with a key that is not where its document says yet. It is not kept open, and
    /// nothing is written.
    ///
    /// # Errors
    /// There is none; see [`Reason`].
    pub fn open_with(&self, repository: &Repository, key: &Secret) -> Result<RepositoryAdapter, RepositoryError> {
        let storage = self.storage(repository)?;
        if !super::exists(&*storage)? {
            let message = format!("There is no repository at {}", self.location(repository).display());
            return Err(RepositoryError::new(Reason::NotFound, message));
        }
        RepositoryAdapter::open_on(&repository.name, storage, true, key)
    }

    /// As [`Registry::with`], where there has to be a repository: none is made.
    ///
    /// # Errors
    /// There is none; those of opening, and those of the work.
    pub fn with_existing<T>(
        &self,
        repository: &Repository,
        work: impl FnOnce(&RepositoryAdapter) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let adapter = self.open_existing(repository)?.ok_or_else(|| {
            let (name, place) = (&repository.name, self.location(repository));
            let message = format!("There is no repository {name}: nothing has been stored at {} yet", place.display());
            RepositoryError::new(Reason::NotFound, message)
        })?;
        work(&adapter).inspect_err(|error| self.after(repository, error))
    }

    /// Opens the repository and works with it. It is opened anew the next time when the work met trouble that an
    /// open repository may not survive.
    ///
    /// # Errors
    /// Those of opening, and those of the work.
    pub fn with<T>(
        &self,
        repository: &Repository,
        work: impl FnOnce(&RepositoryAdapter) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let adapter = self.open(repository)?;
        work(&adapter).inspect_err(|error| self.after(repository, error))
    }

    /// To be told of trouble with a repository: closes it where opening anew may help.
    pub fn after(&self, repository: &Repository, error: &RepositoryError) {
        let harmless = matches!(
            error.kind(),
            Reason::Locked | Reason::Interrupted | Reason::SourceLost | Reason::Refused | Reason::Retained
        );
        if !harmless {
            *lock(&self.slot(&repository.name)) = None;
        }
    }

    fn storage(&self, repository: &Repository) -> Result<Arc<dyn Storage>, RepositoryError> {
        Ok(match &repository.location {
            RepositoryLocation::Local { .. } => Arc::new(Disk::new(&self.location(repository))),
            RepositoryLocation::S3(s3) => Arc::new(bucket(&repository.name, s3, Arc::clone(&self.limits))?),
        })
    }

    fn slot(&self, name: &str) -> Arc<Mutex<Option<Opened>>> {
        Arc::clone(lock(&self.slots).entry(name.to_owned()).or_default())
    }

    fn get(&self, repository: &Repository, create: bool) -> Result<Option<Arc<RepositoryAdapter>>, RepositoryError> {
        let slot = self.slot(&repository.name);
        let mut slot = lock(&slot);
        if let Some(opened) = slot.as_ref() {
            if opened.digest == repository.digest && opened.adapter.is_current() {
                if repository.password_from.is_none() {
                    self.put_back(&repository.name, &opened.password)?;
                }
                return Ok(Some(Arc::clone(&opened.adapter)));
            }
            *slot = None;
        }
        let location = self.location(repository);
        let storage = self.storage(repository)?;
        let exists = super::exists(&*storage)?;
        if !exists {
            self.refuse_to_replace(&repository.name, &location)?;
            if !create {
                return Ok(None);
            }
        }
        let password = self.password(repository, &location, exists)?;
        let adapter = Arc::new(RepositoryAdapter::open_on(&repository.name, storage, exists, &password)?);
        self.remember(&repository.name, &location)?;
        *slot = Some(Opened { digest: repository.digest.clone(), password, adapter: Arc::clone(&adapter) });
        Ok(Some(adapter))
    }

    fn password(&self, repository: &Repository, location: &Path, exists: bool) -> Result<Secret, RepositoryError> {
        if let Some(from) = &repository.password_from {
            return key::read(from).map_err(|e| unreadable(&repository.name, &e));
        }
        let path = self.key_path(&repository.name);
        let there = path.try_exists().map_err(|e| RepositoryError::io("look for the key", &path, &e))?;
        if there {
            return key::read_file(&path).map_err(|e| unreadable(&repository.name, &e));
        }
        if exists {
            return Err(RepositoryError::new(
                Reason::KeyLost,
                format!(
                    "THE KEY IS LOST: the repository {} exists at {}, but its key file {} is gone, and nothing in the \
                     repository can be read without it. Put the exported key (`seawall key export`) back into that \
                     file. If no copy exists, the snapshots cannot be recovered: move the repository's directory \
                     away, and Seawall starts a new one",
                    repository.name,
                    location.display(),
                    path.display(),
                ),
            ));
        }
        tracing::warn!(
            repository = %repository.name, key = %path.display(),
            "made a new key; without it the backups cannot be read: keep a copy elsewhere (`seawall key export`)"
        );
        key::generate(&path).map_err(|e| unreadable(&repository.name, &e))
    }

    /// A key file that vanishes while the key is still in memory is written again: after a restart it were too late.
    fn put_back(&self, name: &str, password: &Secret) -> Result<(), RepositoryError> {
        let path = self.key_path(name);
        if path.try_exists().map_err(|e| RepositoryError::io("look for the key", &path, &e))? {
            return Ok(());
        }
        tracing::error!(repository = name, key = %path.display(), "the key file was gone and has been written again");
        key::store(&path, password).map_err(|e| unreadable(name, &e))
    }

    /// The file that remembers where a repository has been, so that an unmounted disk is not taken for a new one.
    fn marker(&self, name: &str) -> PathBuf {
        self.state.join("keys").join(format!("{name}.location"))
    }

    fn refuse_to_replace(&self, name: &str, location: &Path) -> Result<(), RepositoryError> {
        let marker = self.marker(name);
        match fs::read(&marker) {
            Ok(known) if known == location.as_os_str().as_encoded_bytes() => Err(RepositoryError::new(
                Reason::NotFound,
                format!(
                    "The repository {name} was at {} and is not there any more: mount its disk, or bring its bucket back. Should it be \
                     gone for good, remove {} and Seawall starts a new one",
                    location.display(),
                    marker.display(),
                ),
            )),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(RepositoryError::io("read where the repository was", &marker, &error)),
        }
    }

    fn remember(&self, name: &str, location: &Path) -> Result<(), RepositoryError> {
        let marker = self.marker(name);
        let wanted = location.as_os_str().as_encoded_bytes();
        if fs::read(&marker).is_ok_and(|known| known == wanted) {
            return Ok(());
        }
        let failed = |e: io::Error| RepositoryError::io("remember where the repository is", &marker, &e);
        fs::create_dir_all(self.state.join("keys")).map_err(failed)?;
        fs::write(&marker, wanted).map_err(failed)
    }
}

/// A bucket, once it is known to be where it may be.
fn bucket(name: &str, location: &S3Location, limits: Arc<Limits>) -> Result<Bucket, RepositoryError> {
    let address = location.address();
    let keys = Keys::read(&location.access).map_err(|e| {
        let message = format!("The access key of the repository {name} cannot be had; see `s3` of its document");
        RepositoryError::because(Reason::KeyUnreadable, message, &e)
    })?;
    let unreachable = |e: &dyn std::error::Error| {
        RepositoryError::because(
            Reason::Unavailable,
            format!("The repository {name} cannot be reached at {address}"),
            e,
        )
    };
    let s3 = S3::new(&location.access, keys, PATIENCE, limits).map_err(|e| unreachable(&e))?;
    if let Some(residency) = &location.residency {
        let told = s3::wait(s3::region(&s3)).map_err(|e| unreachable(&e))?.map_err(|e| unreachable(&e))?;
        let wrong = match told {
            Told::Known(region) if resides(&region, residency) => None,
            Told::Known(region) => Some(format!("it is in `{region}`")),
            Told::Unsupported(why) | Told::Unknown(_, why) => Some(format!("nobody says where it is: {why}")),
        };
        if let Some(wrong) = wrong {
            let message = format!("The repository {name} at {address} has to be in `{residency}`, and {wrong}");
            return Err(RepositoryError::new(Reason::WrongResidency, message));
        }
    }
    Ok(Bucket::new(s3, &location.prefix, &address))
}

fn unreadable(name: &str, error: &key::KeyError) -> RepositoryError {
    RepositoryError::because(
        Reason::KeyUnreadable,
        format!("The key of the repository {name} cannot be had; see passwordFrom of its document"),
        error,
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
