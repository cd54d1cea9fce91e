//! The repository's files on a local disk: durable once written, and no error swallowed.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The directory of lock files.
pub(super) const LOCKS: &str = "locks";

/// A directory in restic's layout.
///
/// Snapshots that the library asks to write are *not* written: its archiver does so at the end of every run, also
/// of one whose source broke off. Only [`LocalFiles::put`] writes them, when the run is known to be good.
#[derive(Debug, Default)]
pub(super) struct LocalFiles {
    root: PathBuf,
    /// What is given out in place of the config file.
    config: Option<Bytes>,
    /// Once cancelled, nothing is read or written any more.
    cancel: CancellationToken,
    failures: AtomicU64,
    last_failure: Mutex<Option<(PathBuf, io::Error)>>,
}

impl LocalFiles {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }

    /// The same directory, with another config file and an own way to be stopped.
    pub(super) fn with(&self, config: Bytes, cancel: CancellationToken) -> Self {
        Self { root: self.root.clone(), config: Some(config), cancel, ..Self::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// How many writes have failed. A run in which this grew has not written everything.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The newest failed write: where, and why.
    pub(super) fn last_failure(&self) -> Option<(PathBuf, io::Error)> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn path(&self, tpe: FileType, id: &Id) -> PathBuf {
        let name = id.to_hex();
        match tpe {
            FileType::Config => self.root.join("config"),
            FileType::Pack => self.root.join("data").join(&name.as_str()[..2]).join(name.as_str()),
            _ => self.root.join(tpe.dirname()).join(name.as_str()),
        }
    }

    /// Ids of the files of one type, with sizes.
    pub(super) fn ids(&self, tpe: FileType) -> io::Result<Vec<(Id, u64)>> {
        let mut found = Vec::new();
        if tpe == FileType::Config {
            if let Some(length) = optional(fs::metadata(self.root.join("config")))? {
                found.push((Id::default(), length.len()));
            }
            return Ok(found);
        }
        let top = self.root.join(tpe.dirname());
        if tpe != FileType::Pack {
            ids_in(&top, &mut found)?;
            return Ok(found);
        }
        for entry in fs::read_dir(&top)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && entry.file_name().len() == 2 {
                ids_in(&entry.path(), &mut found)?;
            }
        }
        Ok(found)
    }

    /// Writes a file under its final name, whole and durable, or not at all.
    pub(super) fn put(&self, path: &Path, parts: &[Bytes]) -> io::Result<()> {
        self.try_put(path, parts).inspect_err(|error| {
            let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((path.to_owned(), same));
            self.failures.fetch_add(1, Ordering::Release);
        })
    }

    fn try_put(&self, path: &Path, parts: &[Bytes]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.go_on()?;
        let directory = path.parent().unwrap_or(&self.root);
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!("-tmp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = directory.join(name);
        let written = write_new(&temporary, parts)
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_directory(directory));
        if written.is_err()
            && let Err(error) = optional(fs::remove_file(&temporary))
        {
            tracing::warn!(file = %temporary.display(), %error, "an unfinished file stays behind");
        }
        written
    }

    /// Removes a file. One that is gone already is as good as removed.
    pub(super) fn take_away(&self, path: &Path) -> io::Result<()> {
        self.go_on()?;
        optional(fs::remove_file(path)).map(|_| ())
    }

    /// Makes the directories of an empty repository and removes keys that an unfinished attempt left, because they
    /// would open to another master key.
    pub(super) fn lay_out(&self) -> io::Result<()> {
        make_directory(&self.root)?;
        for name in ["keys", "snapshots", "index", "data", LOCKS] {
            make_directory(&self.root.join(name))?;
        }
        for entry in fs::read_dir(self.root.join("keys"))? {
            fs::remove_file(entry?.path())?;
        }
        for byte in 0..=u8::MAX {
            make_directory(&self.root.join("data").join(hex::encode([byte])))?;
        }
        sync_directory(&self.root)
    }

    /// Removes temporary files that a killed writer left a day ago or earlier.
    pub(super) fn sweep(&self, now: Timestamp) -> io::Result<()> {
        let mut directories = vec![self.root.join("snapshots"), self.root.join("index")];
        for entry in fs::read_dir(self.root.join("data"))? {
            directories.push(entry?.path());
        }
        for directory in directories.iter().filter(|directory| directory.is_dir()) {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if !entry.file_name().to_string_lossy().contains("-tmp-") {
                    continue;
                }
                let written = entry.metadata()?.modified()?;
                if Timestamp::try_from(written).is_ok_and(|at| now.duration_since(at) > SignedDuration::from_hours(24))
                {
                    self.take_away(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    fn go_on(&self) -> io::Result<()> {
        if self.cancel.is_cancelled() { Err(io::Error::other("the run was cancelled")) } else { Ok(()) }
    }
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
pub(super) fn id_of(name: &OsStr) -> Option<Id> {
    name.to_str().filter(|name| name.len() == 64).and_then(|name| name.parse().ok())
}

fn ids_in(directory: &Path, found: &mut Vec<(Id, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some(id) = id_of(&entry.file_name()) else { continue };
        // Another process may remove a file between the listing and this look.
        if let Some(meta) = optional(entry.metadata())?
            && meta.is_file()
        {
            found.push((id, meta.len()));
        }
    }
    Ok(())
}

fn write_new(path: &Path, parts: &[Bytes]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn failed(what: &'static str, path: &Path, error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, format!("could not {what} `{{path}}`"), error)
        .attach_context("path", path.display().to_string())
}

impl ReadBackend for LocalFiles {
    fn location(&self) -> String {
        format!("local:{}", self.root.display())
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let found = self.ids(tpe).map_err(|e| failed("list", &self.root.join(tpe.dirname()), e))?;
        found
            .into_iter()
            .map(|(id, size)| {
                let size = u32::try_from(size)
                    .map_err(|_| failed("use", &self.path(tpe, &id), io::Error::other("larger than 4 GiB")))?;
                Ok((id, size))
            })
            .collect()
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        if let (FileType::Config, Some(config)) = (tpe, &self.config) {
            return Ok(config.clone());
        }
        let path = self.path(tpe, id);
        let read = self.go_on().and_then(|()| fs::read(&path));
        read.map(Bytes::from).map_err(|e| failed("read", &path, e))
    }

    fn read_partial(&self, tpe: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let path = self.path(tpe, id);
        let read = || {
            self.go_on()?;
            let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            File::open(&path)?.read_exact_at(&mut buffer, u64::from(offset))?;
            Ok(Bytes::from(buffer))
        };
        read().map_err(|e| failed("read", &path, e))
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.path(tpe, id).display().to_string()
    }
}

impl WriteBackend for LocalFiles {
    fn create(&self) -> RusticResult<()> {
        self.lay_out().map_err(|e| failed("make", &self.root, e))
    }

    fn write_bytes(&self, tpe: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        if tpe == FileType::Snapshot {
            return Ok(());
        }
        let path = self.path(tpe, id);
        self.put(&path, content.slice()).map_err(|e| failed("write", &path, e))
    }

    fn remove(&self, tpe: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let path = self.path(tpe, id);
        self.take_away(&path).map_err(|e| failed("remove", &path, e))
    }
}
