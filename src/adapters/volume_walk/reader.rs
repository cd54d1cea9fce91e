//! Reading one regular file, with every surprise noted.

use super::meta::{Meta, open_at, stat_fd};
use super::notes::Notes;
use crate::adapters::sqlite::Plain;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A regular file that has been seen and can be opened.
#[derive(Debug)]
pub struct Opener {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) seen: Meta,
    pub(super) notes: Arc<Notes>,
    pub(super) cancel: CancellationToken,
}

impl Opener {
    /// The open directory that it is in, and its name there.
    pub(in crate::adapters) fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        (self.directory.as_fd(), &self.name)
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
        let fd = open_at(self.directory.as_fd(), &self.name, OFlags::empty())?;
        let now = Meta::of(&stat_fd(fd.as_fd())?);
        // Another file under the name has other metadata than what was recorded; calling it vanished is honest.
        if now.identity() != self.seen.identity() {
            return Err(Errno::NOENT);
        }
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
