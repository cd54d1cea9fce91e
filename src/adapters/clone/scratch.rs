//! Where clones lie, and what is known of it after a crash.

use super::{PREFIX, is_scratch};
use crate::adapters::volume_walk::open_at;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The scratch directories of this host, each on record before it is made. Only one process uses it.
#[derive(Debug)]
pub struct Clones {
    records: PathBuf,
}

impl Clones {
    /// Makes the directory of records where it is not there yet, and removes every scratch that an earlier process left.
    ///
    /// # Errors
    /// It cannot be made or listed.
    pub fn open(records: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(records)?;
        for entry in fs::read_dir(records)? {
            let record = entry?.path();
            if let Err(error) = sweep(&record) {
                tracing::warn!(record = %record.display(), %error, "what an earlier process cloned could not be removed");
            }
        }
        Ok(Self { records: records.to_owned() })
    }

    /// Makes a scratch for the volume at `root`, on a file system that can clone.
    ///
    /// # Errors
    /// Why there is none, as the end of a sentence.
    pub fn prepare(&self, root: &Path) -> Result<Scratch, String> {
        let failed = |what: &str, error: io::Error| format!("{what}: {error}");
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
        let here = device(root).map_err(|error| failed("its directory cannot be looked at", error))?;
        let beside = root.parent().filter(|parent| device(parent).is_ok_and(|device| device == here));
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let name = format!("{PREFIX}{}", hex::encode(random));
        let path = beside.unwrap_or(root).join(&name);
        let record = self.records.join(&name);
        write_down(&record, &path).map_err(|error| failed("it could not be written down", error))?;
        // From here on dropped, and so removed, whatever happens.
        let mut scratch = Scratch { path, record, directory: None };
        let directory = scratch.make().map_err(|error| failed("no clone can be made beside it", error.into()))?;
        probe(&directory).map_err(|error| match error {
            Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL | Errno::NOSYS | Errno::XDEV => {
                "its file system cannot clone files".to_owned()
            }
            error => failed("its file system clones no file", error.into()),
        })?;
        // A file is written out before it is cloned. What was written until now is best written while nothing waits.
        rustix::fs::syncfs(&directory).map_err(|error| failed("its file system does not write", error.into()))?;
        scratch.directory = Some(Arc::new(directory));
        Ok(scratch)
    }
}

/// How long a scratch that is not there is looked for again: its disk may not be mounted yet.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// Removes what a record speaks of, and then the record.
fn sweep(record: &Path) -> io::Result<()> {
    let path = PathBuf::from(std::ffi::OsString::from_vec(fs::read(record)?));
    // One that was cut short was never acted upon.
    if path.is_absolute() && path.file_name().is_some_and(is_scratch) && path.file_name() == record.file_name() {
        let young = fs::metadata(record)?.modified()?.elapsed().is_ok_and(|age| age < KEPT);
        if young && !path.try_exists()? {
            return Ok(());
        }
        remove(&path)?;
    }
    fs::remove_file(record)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_down(record: &Path, path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(record)?;
    file.write_all(path.as_os_str().as_bytes())?;
    file.sync_all()?;
    File::open(record.parent().unwrap_or(record))?.sync_all()
}

/// Clones an empty file, to see whether it can be done.
fn probe(directory: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let make = |name: &str| rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR);
    let (from, to) = (make("probe")?, make("probed")?);
    rustix::io::write(&from, b"probe")?;
    rustix::fs::ioctl_ficlone(&to, &from)
}

/// A directory for the clones of one reading, gone with this value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    record: PathBuf,
    directory: Option<Arc<OwnedFd>>,
}

impl Scratch {
    fn make(&self) -> Result<OwnedFd, Errno> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else { return Err(Errno::INVAL) };
        let parent = open_at(CWD, parent.as_os_str(), OFlags::DIRECTORY)?;
        rustix::fs::mkdirat(&parent, name, Mode::RWXU)?;
        open_at(parent.as_fd(), name, OFlags::DIRECTORY)
    }

    /// The open directory.
    pub(super) fn directory(&self) -> Option<&Arc<OwnedFd>> {
        self.directory.as_ref()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path).and_then(|()| fs::remove_file(&self.record)) {
            tracing::warn!(path = %self.path.display(), %error, "a clone stays behind until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn only_what_is_on_record_and_bears_its_name_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let records = dir.path().join("clones");
        fs::create_dir(&records).unwrap();
        let make = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("x"), "x").unwrap();
            path
        };
        let (left, data, other) = (make(".seawall-clone-1"), make("data"), make(".seawall-clone-3"));
        std::os::unix::fs::symlink(&data, left.join("link")).unwrap();
        write_down(&records.join(".seawall-clone-1"), &left).unwrap();
        write_down(&records.join(".seawall-clone-2"), &data).unwrap();
        let later = dir.path().join("mounted-later/.seawall-clone-5");
        write_down(&records.join(".seawall-clone-5"), &later).unwrap();
        write_down(&records.join(".seawall-clone-4"), Path::new("")).unwrap();
        Clones::open(&records).unwrap();
        assert_eq!((left.exists(), data.join("x").exists(), other.exists()), (false, true, true));
        let left = || fs::read_dir(&records).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(left(), [".seawall-clone-5"], "its disk may not be there yet");
        fs::create_dir_all(&later).unwrap();
        Clones::open(&records).unwrap();
        assert_eq!((left().len(), later.exists()), (0, false));
        assert!(is_scratch(OsStr::new(".seawall-clone-1")) && !is_scratch(OsStr::new("seawall-clone-1")));
    }

    #[test]
    fn what_cannot_clone_says_so_and_leaves_nothing() {
        // No tmpfs can.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let clones = Clones::open(&dir.path().join("clones")).unwrap();
        fs::create_dir(dir.path().join("volume")).unwrap();
        let why = clones.prepare(&dir.path().join("volume")).unwrap_err();
        assert_eq!(why, "its file system cannot clone files");
        assert_eq!(fs::read_dir(dir.path().join("clones")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
