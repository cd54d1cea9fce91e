//! Who has a database open in this process.
//!
//! By POSIX, a process that closes any descriptor of a file gives up all locks that it holds on that file (fcntl(2)),
//! also those that SQLite holds through another descriptor. So nobody here opens a file plainly while SQLite has the
//! database that it may belong to.

use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What SQLite keeps beside a database: <https://www.sqlite.org/tempfiles.html>.
pub(super) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How often a waiting one looks whether its run was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// A directory, and the name in it that a database and its companions have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64, u64, OsString);

impl Key {
    fn of(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Self, rustix::io::Errno> {
        let stat = rustix::fs::fstat(directory)?;
        let base = base(name).unwrap_or(name);
        Ok(Self(stat.st_dev, stat.st_ino, base.to_owned()))
    }
}

/// The database that a file of this name would belong to.
pub(super) fn base(name: &OsStr) -> Option<&OsStr> {
    let bytes = name.as_bytes();
    let base = COMPANIONS.iter().find_map(|suffix| bytes.strip_suffix(suffix.as_bytes()))?;
    (!base.is_empty()).then(|| OsStr::from_bytes(base))
}

/// The name of a companion.
pub(super) fn beside(name: &OsStr, suffix: &str) -> OsString {
    OsString::from_vec([name.as_bytes(), suffix.as_bytes()].concat())
}

/// How many have it open plainly; `None`: SQLite has it.
type Holders = BTreeMap<Key, Option<usize>>;

static HOLDERS: Mutex<Holders> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

fn holders() -> MutexGuard<'static, Holders> {
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(
    key: &Key,
    cancel: &CancellationToken,
    free: impl Fn(Option<&Option<usize>>) -> bool,
) -> Option<MutexGuard<'static, Holders>> {
    let mut held = holders();
    while !free(held.get(key)) {
        if cancel.is_cancelled() {
            return None;
        }
        held = CHANGED.wait_timeout(held, LOOK).unwrap_or_else(PoisonError::into_inner).0;
    }
    Some(held)
}

/// The right to open a file plainly, for as long as it lives.
#[derive(Debug)]
pub struct Plain(Key);

impl Plain {
    /// Waits until SQLite has it no more. `None` when the run was cancelled, or the directory is gone.
    #[must_use]
    pub fn wait(directory: BorrowedFd<'_>, name: &OsStr, cancel: &CancellationToken) -> Option<Self> {
        let key = Key::of(directory, name).ok()?;
        let mut held = wait(&key, cancel, |state| state != Some(&None))?;
        if let Some(count) = held.entry(key.clone()).or_insert(Some(0)) {
            *count += 1;
        }
        Some(Self(key))
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let mut held = holders();
        if let Some(Some(count)) = held.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.0);
            }
        }
        CHANGED.notify_all();
    }
}

/// The right to open a database through SQLite, for as long as it lives.
#[derive(Debug)]
pub(super) struct Alone(Key);

impl Alone {
    /// Waits until nobody has it. `None` as for [`Plain::wait`].
    pub(super) fn wait(directory: BorrowedFd<'_>, name: &OsStr, cancel: &CancellationToken) -> Option<Self> {
        let key = Key::of(directory, name).ok()?;
        wait(&key, cancel, |state| state.is_none())?.insert(key.clone(), None);
        Some(Self(key))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        holders().remove(&self.0);
        CHANGED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn plain_and_alone_exclude_each_other_by_database() {
        let dir = std::fs::File::open(tempfile::tempdir().unwrap().path()).unwrap();
        let (here, never, ended) = (dir.as_fd(), CancellationToken::new(), CancellationToken::new());
        ended.cancel();
        let wal = Plain::wait(here, OsStr::new("a.db-wal"), &never).unwrap();
        let again = Plain::wait(here, OsStr::new("a.db"), &never).unwrap();
        assert!(Alone::wait(here, OsStr::new("a.db"), &ended).is_none());
        drop(again);
        assert!(Alone::wait(here, OsStr::new("a.db"), &ended).is_none());
        let other = Alone::wait(here, OsStr::new("b.db"), &ended).unwrap();
        drop(wal);
        let alone = Alone::wait(here, OsStr::new("a.db"), &ended).unwrap();
        assert!(Plain::wait(here, OsStr::new("a.db-shm"), &ended).is_none());
        assert!(Alone::wait(here, OsStr::new("a.db"), &ended).is_none());
        drop((alone, other));
        assert!(Plain::wait(here, OsStr::new("a.db-shm"), &ended).is_some());
    }

    #[test]
    fn companions_are_told_by_their_names() {
        assert_eq!(base(OsStr::new("a.db-wal")), Some(OsStr::new("a.db")));
        assert_eq!(base(OsStr::new("a.db-journal")), Some(OsStr::new("a.db")));
        assert_eq!(base(OsStr::new("-wal")), None);
        assert_eq!(base(OsStr::new("a.db")), None);
        assert_eq!(beside(OsStr::new("a"), "-shm"), "a-shm");
    }
}
