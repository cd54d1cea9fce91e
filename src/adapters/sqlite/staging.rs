//! Where copies are made before they go into a snapshot.

use super::guard::{COMPANIONS, beside};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left free beside a copy.
const MARGIN: u64 = 64 << 20;

/// A private directory for copies. Only one process uses it.
#[derive(Debug)]
pub struct Staging {
    directory: PathBuf,
    count: AtomicU64,
}

impl Staging {
    /// Makes the directory where it is not there yet, and removes what an earlier process left in it.
    ///
    /// # Errors
    /// It cannot be made or listed.
    pub fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "what an earlier process left could not be removed");
            }
        }
        Ok(Self { directory: directory.to_owned(), count: AtomicU64::new(0) })
    }

    /// Whether a copy of so many bytes fits.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), String> {
        let told = |error: io::Error| format!("no copy could be made in {}: {error}", self.directory.display());
        let stat = rustix::fs::statvfs(&self.directory).map_err(|error| told(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= bytes.saturating_add(MARGIN) {
            return Ok(());
        }
        let (room, needed) = (crate::policy::quantity::bytes(free), crate::policy::quantity::bytes(bytes));
        Err(format!("no copy could be made: {} has {room} free, and it needs {needed}", self.directory.display()))
    }

    /// An empty file of its own.
    pub(super) fn file(&self) -> io::Result<Staged> {
        let name = format!("{}-{}", std::process::id(), self.count.fetch_add(1, Ordering::Relaxed));
        let path = self.directory.join(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Staged { path })
    }
}

/// A file in the staging directory, gone with this value.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
}

impl Staged {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a companion.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(beside(self.path.file_name().unwrap_or_default(), suffix))
    }

    /// The content. It has no name any more, so that nothing is left whatever happens to the process.
    pub(super) fn into_file(self) -> io::Result<File> {
        File::open(&self.path)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let all = COMPANIONS.iter().map(|suffix| self.beside(suffix)).chain([self.path.clone()]);
        for path in all {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(file = %path.display(), %error, "a copy stays behind until the next start");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outlives_its_use_or_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(&dir.path().join("staging")).unwrap();
        let left = || fs::read_dir(dir.path().join("staging")).unwrap().count();
        let staged = staging.file().unwrap();
        fs::write(staged.beside("-wal"), "x").unwrap();
        assert_eq!(left(), 2);
        let file = staged.into_file().unwrap();
        assert_eq!((left(), file.metadata().unwrap().len()), (0, 0));
        std::mem::forget(staging.file().unwrap());
        Staging::open(&dir.path().join("staging")).unwrap();
        assert_eq!(left(), 0);
        assert!(staging.check_room(1).is_ok());
        assert!(staging.check_room(u64::MAX / 2).unwrap_err().contains("free, and it needs"));
    }
}
