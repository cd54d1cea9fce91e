//! The repository's files, wherever they lie: complete and durable once written, and no error swallowed.

mod bucket;
mod direct;
mod disk;
mod later;
mod storage;

pub(super) use bucket::{Bucket, said};
pub(super) use direct::before_page;
pub(super) use disk::Disk;
pub(super) use later::Later;
pub(super) use storage::{Found, Listed, Parts, Storage};

use crate::adapters::s3::Refused;
use bytes::Bytes;
use jiff::Timestamp;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The directory of lock files.
pub(super) const LOCKS: &str = "locks";

/// The files of one repository, in restic's layout.
///
/// Snapshots that the library asks to write are *not* written: its archiver does so at the end of every run, also
/// of one whose source broke off. Only [`Files::put`] writes them, when the run is known to be good.
#[derive(Debug)]
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    /// What is given out in place of the config file.
    config: Option<Bytes>,
    /// Once cancelled, nothing is read or written any more.
    cancel: CancellationToken,
    failures: AtomicU64,
    last_failure: Mutex<Option<(PathBuf, io::Error)>>,
}

impl Files {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        let (failures, last_failure) = (AtomicU64::default(), Mutex::default());
        Self { storage, config: None, cancel: CancellationToken::new(), failures, last_failure }
    }

    /// The same files, with another config file and an own way to be stopped.
    pub(super) fn with(&self, config: Bytes, cancel: CancellationToken) -> Self {
        Self { config: Some(config), cancel, ..Self::new(Arc::clone(&self.storage)) }
    }

    /// Where they are, for people.
    pub(super) fn root(&self) -> &Path {
        self.storage.root()
    }

    /// Where one of them is, for people.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// How many writes have failed. A run in which this grew has not written everything.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The newest failed write: where, and why.
    pub(super) fn last_failure(&self) -> Option<(PathBuf, io::Error)> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ids of the files of one type, with sizes.
    pub(super) fn ids(&self, tpe: FileType) -> io::Result<Vec<(Id, u64)>> {
        if tpe == FileType::Config {
            let config = optional(self.storage.read("config"))?;
            return Ok(config.map(|config| (Id::default(), config.len() as u64)).into_iter().collect());
        }
        let listed = self.storage.list(tpe.dirname(), tpe == FileType::Pack)?;
        Ok(listed.into_iter().filter_map(|file| Some((id_of(&file.name)?, file.size))).collect())
    }

    /// Files with an id for a name, right in a directory.
    pub(super) fn list(&self, directory: &str) -> io::Result<Vec<Listed>> {
        let listed = optional(self.storage.list(directory, false))?.unwrap_or_default();
        Ok(listed.into_iter().filter(|file| id_of(&file.name).is_some()).collect())
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Bytes> {
        self.go_on()?;
        self.storage.read(name)
    }

    /// A file of which parts are wanted.
    pub(super) fn open(&self, name: &str) -> io::Result<Box<dyn Parts>> {
        self.go_on()?;
        self.storage.open(name)
    }

    pub(super) fn read_part(&self, name: &str, offset: u32, length: u32) -> io::Result<Bytes> {
        let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.open(name)?.read_exact_at(&mut buffer, u64::from(offset))?;
        Ok(Bytes::from(buffer))
    }

    /// Reads a part of a file that is wanted once. Where in `room`, which grows as needed, it lies.
    pub(super) fn read_once(
        &self,
        name: &str,
        offset: u32,
        length: usize,
        room: &mut Vec<u8>,
    ) -> io::Result<Range<usize>> {
        self.go_on()?;
        self.storage.read_once(name, u64::from(offset), length, room)
    }

    /// Shows a file from begin to end, a part at a time.
    pub(super) fn read_through(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.go_on()?;
        self.storage.read_through(name, seen)
    }

    /// Writes a file under its final name, whole and durable, or not at all.
    pub(super) fn put(&self, name: &str, parts: &[Bytes]) -> io::Result<()> {
        let written = self.go_on().and_then(|()| self.storage.put_later(name, parts));
        self.noted(name, written.and_then(|later| Later::settle(vec![later])))
    }

    /// Writes a file that is to be settled with others.
    pub(super) fn put_later(&self, name: &str, parts: &[Bytes]) -> io::Result<Later> {
        let written = self.go_on().and_then(|()| self.storage.put_later(name, parts));
        self.noted(name, written.inspect(Later::begin))
    }

    /// Makes files durable under their final names.
    pub(super) fn settle(&self, files: Vec<Later>) -> io::Result<()> {
        self.noted(FileType::Pack.dirname(), self.go_on().and_then(|()| Later::settle(files)))
    }

    fn noted<T>(&self, name: &str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let same = match (error.raw_os_error(), said(error)) {
                (Some(code), _) => io::Error::from_raw_os_error(code),
                (None, Some(said)) => io::Error::new(error.kind(), said.clone()),
                (None, None) => error.kind().into(),
            };
            *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.at(name), same));
            self.failures.fetch_add(1, Ordering::Release);
        })
    }

    /// Removes a file. One that is gone already is as good as removed.
    pub(super) fn take_away(&self, name: &str) -> io::Result<()> {
        self.go_on()?;
        self.storage.remove(name)
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    /// Removes what a killed writer left a day ago or earlier.
    pub(super) fn sweep(&self, now: Timestamp) -> io::Result<()> {
        self.storage.sweep(now)
    }

    fn go_on(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(io::Error::other("the run was cancelled")) } else { Ok(()) }
    }
}

/// The name of a file.
pub(super) fn name_of(tpe: FileType, id: &Id) -> String {
    let id = id.to_hex();
    let id = id.as_str();
    match tpe {
        FileType::Config => "config".to_owned(),
        FileType::Pack => format!("data/{}/{id}", &id[..2]),
        _ => format!("{}/{id}", tpe.dirname()),
    }
}

/// Whether a lock of the bucket holds what was to be removed.
pub(super) fn is_retained(error: &io::Error) -> bool {
    said(error).is_some_and(|said| said.refused() == Some(Refused::Locked))
}

/// `None` for what is not there.
pub(super) fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The id that a file's name spells, in full.
fn id_of(name: &str) -> Option<Id> {
    Some(name).filter(|name| name.len() == 64).and_then(|name| name.parse().ok())
}

fn failed(what: &'static str, path: &Path, error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, format!("could not {what} `{{path}}`"), error)
        .attach_context("path", path.display().to_string())
}

impl ReadBackend for Files {
    fn location(&self) -> String {
        self.root().display().to_string()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let found = self.ids(tpe).map_err(|e| failed("list", &self.at(tpe.dirname()), e))?;
        found
            .into_iter()
            .map(|(id, size)| {
                let too_large = || io::Error::other("larger than 4 GiB");
                let size = u32::try_from(size).map_err(|_| failed("use", &self.at(&name_of(tpe, &id)), too_large()))?;
                Ok((id, size))
            })
            .collect()
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        if let (FileType::Config, Some(config)) = (tpe, &self.config) {
            return Ok(config.clone());
        }
        let name = name_of(tpe, id);
        self.read(&name).map_err(|e| failed("read", &self.at(&name), e))
    }

    fn read_partial(&self, tpe: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let name = name_of(tpe, id);
        self.read_part(&name, offset, length).map_err(|e| failed("read", &self.at(&name), e))
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.at(&name_of(tpe, id)).display().to_string()
    }
}

impl WriteBackend for Files {
    fn create(&self) -> RusticResult<()> {
        self.storage.lay_out().map_err(|e| failed("make", self.root(), e))
    }

    fn write_bytes(&self, tpe: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        if tpe == FileType::Snapshot {
            return Ok(());
        }
        let name = name_of(tpe, id);
        self.put(&name, content.slice()).map_err(|e| failed("write", &self.at(&name), e))
    }

    fn remove(&self, tpe: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let name = name_of(tpe, id);
        self.take_away(&name).map_err(|e| failed("remove", &self.at(&name), e))
    }
}
