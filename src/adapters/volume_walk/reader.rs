//! Reading one regular file, with every surprise noted.

use super::meta::{Meta, open_at, stat_at, stat_fd, xattrs_at};
use super::notes::Notes;
use crate::adapters::sqlite::{Files, Plain};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A name and a value.
type Attribute = (String, Vec<u8>);

/// A regular file that has been seen and can be opened.
#[derive(Debug)]
pub struct Opener {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) seen: Meta,
    pub(super) notes: Arc<Notes>,
    pub(super) cancel: CancellationToken,
    /// What a clone's original consists of on disk, if it may be a database.
    pub(super) files: Option<Box<Files>>,
    /// The attributes of a clone's original.
    pub(super) xattrs: Option<Box<[Attribute]>>,
}

/// Why there is no clone.
#[derive(Debug)]
pub(in crate::adapters) enum CloneFailed {
    /// The original is not to be had. That is noted.
    Source,
    /// The clone could not be made.
    Target(Errno),
}

impl Opener {
    /// What a clone's original consists of on disk, if this is a clone that may be a database.
    pub(in crate::adapters) fn files(&self) -> Option<&Files> {
        self.files.as_deref()
    }

    /// Clones it under a name that is not there yet. With `or_copy`, a file that cannot be cloned although others can
    /// (on btrfs, one that is exempt from copy-on-write) is copied.
    ///
    /// # Errors
    /// See [`CloneFailed`].
    pub(in crate::adapters) fn clone_into(
        &self,
        directory: &OwnedFd,
        name: &OsStr,
        or_copy: bool,
    ) -> Result<(), CloneFailed> {
        let plain = Plain::wait(self.directory.as_fd(), &self.name, &self.cancel);
        let mut from = File::from(self.same().map_err(|error| {
            self.notes.problem(&self.path, describe(error));
            CloneFailed::Source
        })?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let to = rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map_err(CloneFailed::Target)?;
        let cloned = match rustix::fs::ioctl_ficlone(&to, &from) {
            Err(error) if !or_copy || matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::IO) => Err(error),
            Err(_) => io::copy(&mut (&mut from).take(self.seen.size), &mut File::from(to))
                .map(drop)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            Ok(()) => Ok(()),
        };
        drop((from, plain));
        cloned.map_err(CloneFailed::Target)
    }

    /// The clone of a file of the path, size and attributes given, as if it was the file.
    ///
    /// # Errors
    /// It is not there.
    pub(in crate::adapters) fn of_clone(
        directory: &Arc<OwnedFd>,
        name: OsString,
        files: Option<Box<Files>>,
        (path, meta): (&Path, &Meta),
        notes: &Arc<Notes>,
        cancel: &CancellationToken,
    ) -> Result<Self, Errno> {
        let seen = Meta { size: meta.size, ..Meta::of(&stat_at(directory.as_fd(), &name)?) };
        let (directory, path) = (Arc::clone(directory), path.to_owned());
        let (notes, cancel, xattrs) = (Arc::clone(notes), cancel.clone(), Some(meta.xattrs.clone().into_boxed_slice()));
        Ok(Self { directory, name, path, seen, notes, cancel, files, xattrs })
    }

    /// Opens it, if it is still the file that was seen.
    fn same(&self) -> Result<OwnedFd, Errno> {
        let fd = open_at(self.directory.as_fd(), &self.name, OFlags::empty())?;
        let now = Meta::of(&stat_fd(fd.as_fd())?);
        // Another file under the name has other metadata than what was recorded; calling it vanished is honest.
        if now.identity() == self.seen.identity() { Ok(fd) } else { Err(Errno::NOENT) }
    }

    /// The open directory that it is in, and its name there.
    pub(in crate::adapters) fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        (self.directory.as_fd(), &self.name)
    }

    /// Its extended attributes. That they cannot be read is noted.
    ///
    /// # Errors
    /// The file is not there any more, as a problem.
    pub(in crate::adapters) fn attributes(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        if let Some(xattrs) = &self.xattrs {
            return Ok(xattrs.to_vec());
        }
        xattrs_at(self.directory.as_fd(), &self.name).or_else(|error| {
            stat_at(self.directory.as_fd(), &self.name).map_err(describe)?;
            self.notes.problem(&self.path, format!("extended attributes: {}", describe(error)));
            Ok(Vec::new())
        })
    }

    /// Opens it. Trouble is noted here and needs no further note.
    ///
    /// # Errors
    /// It vanished, may not be read, or is another file by now.
    pub fn open(self) -> io::Result<Reader> {
        self.try_open().map_err(|error| {
            self.notes.problem(&self.path, describe(error));
            io::Error::from(error)
        })
    }

    fn try_open(&self) -> Result<Reader, Errno> {
        let plain = Plain::wait(self.directory.as_fd(), &self.name, &self.cancel);
        let fd = self.same()?;
        self.notes.opened();
        Ok(Reader {
            file: File::from(fd),
            _plain: plain,
            path: self.path.clone(),
            left: self.seen.size,
            size: self.seen.size,
            settled: false,
            padding: false,
            notes: Arc::clone(&self.notes),
            cancel: self.cancel.clone(),
        })
    }
}

/// Yields exactly as many bytes as the file had when it was seen: what grew is cut, what shrank is filled with
/// zeros, and both are noted, so that size and content in a snapshot agree.
#[derive(Debug)]
pub struct Reader {
    file: File,
    /// Given back once the file is closed.
    _plain: Option<Plain>,
    path: PathBuf,
    left: u64,
    size: u64,
    settled: bool,
    padding: bool,
    notes: Arc<Notes>,
    cancel: CancellationToken,
}

impl Reader {
    /// At the end of what was expected: whether there is more by now.
    fn settle(&mut self) {
        if !self.settled {
            self.settled = true;
            if !self.padding && self.file.metadata().is_ok_and(|now| now.len() != self.size) {
                self.notes.problem(&self.path, "changed size while it was read");
            }
        }
    }
}

impl Reader {
    /// Passes over a hole in whole steps, from `behind` bytes before what is read next: how many bytes that is from there, and
    /// nothing unless it is at least `behind`. What is passed over counts as read.
    ///
    /// # Errors
    /// The system's, when the place to read on from cannot be taken.
    pub fn pass_hole(&mut self, behind: u64, step: u64) -> io::Result<u64> {
        let Some(from) = (self.size - self.left).checked_sub(behind).filter(|_| !self.padding) else { return Ok(0) };
        let end = match rustix::fs::seek(&self.file, SeekFrom::Data(from)) {
            Ok(data) => data.min(self.size),
            // Nothing but a hole up to the end, wherever that is by now.
            Err(Errno::NXIO) => self.size.min(self.file.metadata()?.len()),
            // A file system that does not know of holes.
            Err(_) => from,
        };
        let passed = end.saturating_sub(from) / step * step;
        let passed = if passed < behind { 0 } else { passed };
        let on = if passed == 0 { from + behind } else { from + passed };
        rustix::fs::seek(&self.file, SeekFrom::Start(on))?;
        self.left = self.size - on;
        Ok(passed)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the run was cancelled"));
        }
        if self.left == 0 {
            self.settle();
            return Ok(0);
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..room];
        let mut length = 0;
        if !self.padding {
            length = self.file.read(buffer).inspect_err(|error| {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.notes.problem(&self.path, error.to_string());
                }
            })?;
            self.notes.read(length as u64);
            if length == 0 && room > 0 {
                self.notes
                    .problem(&self.path, format!("shrank while it was read; its last {} bytes are zeros", self.left));
                self.padding = true;
            }
        }
        if self.padding {
            buffer.fill(0);
            length = room;
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// A system error as it is listed.
pub(super) fn describe(error: Errno) -> String {
    match error {
        Errno::NOENT => "vanished".to_owned(),
        Errno::LOOP | Errno::NOTDIR => "became something else while the volume was read".to_owned(),
        error => io::Error::from(error).to_string(),
    }
}
