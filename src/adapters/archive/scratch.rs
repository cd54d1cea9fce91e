//! A directory to unpack archives in, which nobody else can enter and of which nothing stays.

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directory, held: one process at a time has it, and what an earlier one left in it is gone.
#[derive(Debug)]
pub struct Scratch {
    directory: PathBuf,
    _held: File,
}

impl Scratch {
    /// Makes the directory where it is not there, and takes it. `None`: another process has it.
    ///
    /// # Errors
    /// The system's.
    pub fn take(directory: &Path) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let held = File::open(directory)?;
        match rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            taken => taken?,
        }
        let scratch = Self { directory: directory.to_owned(), _held: held };
        scratch.clear()?;
        Ok(Some(scratch))
    }

    /// An empty directory in it; what was in it before is gone.
    ///
    /// # Errors
    /// The system's.
    pub fn empty(&self) -> io::Result<PathBuf> {
        self.clear()?;
        let fresh = self.directory.join("unpacked");
        DirBuilder::new().mode(0o700).create(&fresh)?;
        Ok(fresh)
    }

    /// Bytes that are free on its file system, to those who may not use the reserve.
    ///
    /// # Errors
    /// The system's.
    pub fn free(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.directory)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            fs::remove_dir_all(entry?.path())?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::warn!(directory = %self.directory.display(), %error, "what was unpacked stays until the next import");
        }
    }
}
