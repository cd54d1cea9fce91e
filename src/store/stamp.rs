//! Whether a file can have changed since it was read, as its file system tells it: thousands need not be read again to
//! find that they are as they were.
//!
//! File systems count time in steps, of up to two seconds, and two changes within one step may leave the same times. So
//! a file is read again until a reading came well after its stamp was first seen: whatever was done in that step was
//! then done. No clock is compared with another, since the file system may be another machine's.

use rustix::fs::AtFlags;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than any file system's step.
pub(super) const STEP: Duration = Duration::from_secs(3);

/// What differs, from a step to a later one, when a file was written to, or another one took its name. The time of the
/// last change of its entry is part of it: no program can set that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    /// Of the file that a path leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::at(rustix::fs::CWD, path.as_os_str())
    }

    /// Of the file that a name in a directory leads to.
    pub fn at(directory: impl AsFd, name: &OsStr) -> io::Result<Self> {
        let found = rustix::fs::statat(directory, name, AtFlags::empty())?;
        Ok(Self {
            device: found.st_dev,
            inode: found.st_ino,
            size: found.st_size,
            modified: (found.st_mtime, found.st_mtime_nsec),
            changed: (found.st_ctime, found.st_ctime_nsec),
        })
    }
}

/// A reading of a file, by the stamp that it had just before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    stamp: Stamp,
    first_seen: Instant,
    settled: bool,
}

impl Reading {
    /// Of a file that is read right after this, after its stamp was taken. `before`: the reading before.
    pub fn begin(stamp: Stamp, before: Option<&Self>, step: Duration) -> Self {
        let now = Instant::now();
        let first_seen = before.filter(|before| before.stamp == stamp).map_or(now, |before| before.first_seen);
        Self { stamp, first_seen, settled: now.duration_since(first_seen) >= step }
    }

    /// Whether what was read is what the file holds, now that it has this stamp.
    pub fn holds(&self, stamp: Stamp) -> bool {
        self.settled && self.stamp == stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_holds_once_it_came_well_after_its_stamp() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let first = Reading::begin(stamp, None, STEP);
        assert!(!first.holds(stamp), "a second change in the same step would not show");
        let early = Reading::begin(stamp, Some(&first), STEP);
        assert!(!early.holds(stamp));
        let later = Reading::begin(stamp, Some(&early), Duration::ZERO);
        assert!(later.holds(stamp));
    }

    #[test]
    fn what_is_done_to_a_file_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let reading = Reading::begin(stamp, None, Duration::ZERO);
        assert!(reading.holds(Stamp::of(&path).unwrap()));
        let times = std::fs::metadata(&path).unwrap().modified().unwrap();
        // Longer than the steps of the file systems that tests run on.
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, "two").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
        assert!(!reading.holds(Stamp::of(&path).unwrap()), "as long, and with the time of before set by hand");
        let other = directory.path().join("other");
        std::fs::write(&other, "one").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!reading.holds(Stamp::of(&path).unwrap()), "another file under the name");
    }
}
