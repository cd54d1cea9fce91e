//! restic's lock files, so that restic and other Seawalls see what is going on, and so that theirs are respected.
//!
//! Rules: restic's design document, section "Locks". A lock is a sealed JSON file in `locks/`. One that forbids
//! others is exclusive. It is refreshed while held; one that is 30 minutes old is nobody's. Seawall adds a field of
//! its own that tells a process from a later one with the same number; restic ignores it.

use super::error::{Reason, RepositoryError};
use super::files::{Files, LOCKS, is_retained, optional};
use super::process::{Identity, effective_ids};
use super::seal::Sealer;
use crate::clock::{Clock, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a held lock is refreshed: restic's own interval.
const REFRESH: Duration = Duration::from_mins(5);
/// The age from which a lock is nobody's: restic's own limit.
const STALE: SignedDuration = SignedDuration::from_mins(30);

/// One lock file. Field names are restic's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LockFile {
    time: Timestamp,
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seawall: Option<Identity>,
}

impl LockFile {
    fn own(exclusive: bool) -> Self {
        let (uid, gid) = effective_ids();
        Self {
            time: SystemClock.now(),
            exclusive,
            hostname: super::process::hostname(),
            username: "seawall".to_owned(),
            pid: std::process::id(),
            uid,
            gid,
            seawall: Identity::own(),
        }
    }

    /// Whether whoever wrote it is certainly gone.
    fn is_stale(&self, now: Timestamp) -> bool {
        if now.duration_since(self.time) > STALE {
            return true;
        }
        if self.hostname != super::process::hostname() {
            return false;
        }
        match &self.seawall {
            Some(identity) => identity.is_gone(self.pid),
            None => super::process::is_gone(self.pid),
        }
    }

    fn holder(&self) -> String {
        let kind = if self.exclusive { "exclusively " } else { "" };
        format!("{kind}by {}@{}, process {}, since {}", self.username, self.hostname, self.pid, self.time)
    }
}

/// A lock that is held: refreshed until dropped, then removed.
#[derive(Debug)]
pub(super) struct Lock {
    files: Arc<Files>,
    current: Arc<Mutex<String>>,
    stop: Option<Sender<()>>,
    refresher: Option<JoinHandle<()>>,
}

impl Lock {
    /// Takes a lock: shared with other readers and writers, or exclusive.
    ///
    /// # Errors
    /// `Locked`, saying by whom; or the lock cannot be written.
    pub(super) fn take(files: &Arc<Files>, sealer: &Sealer, exclusive: bool) -> Result<Self, RepositoryError> {
        refuse_conflict(files, sealer, exclusive, None)?;
        let name =
            write(files, sealer, exclusive).map_err(|e| RepositoryError::io("write a lock", &files.at(LOCKS), &e))?;
        let current = Arc::new(Mutex::new(name.clone()));
        let (stop, stopped) = channel();
        let mut lock =
            Self { files: Arc::clone(files), current: Arc::clone(&current), stop: Some(stop), refresher: None };
        // Who wrote at the same time sees this lock, or is seen here.
        refuse_conflict(files, sealer, exclusive, Some(&name))?;
        let (files, sealer) = (Arc::clone(files), sealer.clone());
        lock.refresher = std::thread::Builder::new()
            .name("repository-lock".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                    if let Err(error) = refresh(&files, &sealer, exclusive, &current) {
                        tracing::warn!(repository = %files.root().display(), %error, "could not refresh the lock");
                    }
                }
            })
            .map_err(|e| RepositoryError::io("start to refresh a lock", lock.files.root(), &e))?
            .into();
        Ok(lock)
    }
}

impl Lock {
    /// A shared lock for whoever only reads. `None`: this key, or this mount, lets nothing be written. What is read is
    /// compared with its hashes, so that whoever removes it meanwhile makes a restore fail, and never wrong.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub(super) fn to_read(files: &Arc<Files>, sealer: &Sealer) -> Result<Option<Self>, RepositoryError> {
        match Self::take(files, sealer, false) {
            Err(error) if error.kind() == Reason::PermissionDenied => {
                tracing::warn!(repository = %files.root().display(), %error, "read without a lock");
                Ok(None)
            }
            taken => taken.map(Some),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(refresher) = self.refresher.take()
            && refresher.join().is_err()
        {
            tracing::error!("the thread that refreshes a lock panicked");
        }
        let name = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.files.take_away(&name) {
            let lock = self.files.at(&name);
            tracing::warn!(lock = %lock.display(), %error, "a lock stays behind; it is stale in 30 minutes");
        }
    }
}

fn write(files: &Files, sealer: &Sealer, exclusive: bool) -> io::Result<String> {
    let json = serde_json::to_vec(&LockFile::own(exclusive)).map_err(io::Error::other)?;
    let content = sealer.seal(&json)?;
    let name = format!("{LOCKS}/{}", hex::encode(Sha256::digest(&content)));
    files.put(&name, &[content.into()])?;
    Ok(name)
}

/// A fresh lock first, then the old one away: at no time is there none.
fn refresh(files: &Files, sealer: &Sealer, exclusive: bool, current: &Mutex<String>) -> io::Result<()> {
    let fresh = write(files, sealer, exclusive)?;
    let old = std::mem::replace(&mut *current.lock().unwrap_or_else(PoisonError::into_inner), fresh);
    files.take_away(&old)
}

/// Fails when there is another's lock that does not go together with the wanted one. Removes stale ones.
fn refuse_conflict(files: &Files, sealer: &Sealer, exclusive: bool, own: Option<&str>) -> Result<(), RepositoryError> {
    let failed = |e: io::Error| RepositoryError::io("read the locks", &files.at(LOCKS), &e);
    let now = SystemClock.now();
    for file in files.list(LOCKS).map_err(failed)? {
        let name = format!("{LOCKS}/{}", file.name);
        if own == Some(name.as_str()) {
            continue;
        }
        let Some(content) = optional(files.read(&name)).map_err(failed)? else { continue };
        let lock = sealer.open_json(&content).and_then(|json| serde_json::from_slice::<LockFile>(&json).ok());
        let stale = match &lock {
            Some(lock) => lock.is_stale(now),
            None => now.duration_since(file.written) > STALE,
        };
        if stale {
            tracing::info!(lock = name, holder = lock.map(|l| l.holder()), "removed a stale lock");
            // Where the bucket's own lock holds it, or nothing may be written, it stays, and is nobody's all the same.
            match files.take_away(&name) {
                Err(error) if is_retained(&error) || is_read_only(&error) => {}
                removed => removed.map_err(failed)?,
            }
            continue;
        }
        if exclusive || lock.as_ref().is_none_or(|lock| lock.exclusive) {
            let holder = lock.map_or_else(|| "by someone who left an unreadable lock".to_owned(), |l| l.holder());
            return Err(RepositoryError::new(
                Reason::Locked,
                format!(
                    "The repository at {} is locked {holder}. Wait for it to end; should it be gone, `restic unlock` \
                     removes what it left",
                    files.root().display()
                ),
            ));
        }
    }
    Ok(())
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::repository::files::Disk;
    use rustic_core::repofile::MasterKey;

    fn directory() -> (tempfile::TempDir, Arc<Files>, Sealer) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(LOCKS)).unwrap();
        let files = Arc::new(Files::new(Arc::new(Disk::new(dir.path()))));
        (dir, files, Sealer::new(&MasterKey::new()).unwrap())
    }

    fn names(dir: &tempfile::TempDir) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(dir.path().join(LOCKS)).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_refreshed_lock_is_another_file_and_goes_with_its_holder() {
        let (dir, files, sealer) = directory();
        let lock = Lock::take(&files, &sealer, false).unwrap();
        let before = names(&dir);
        refresh(&files, &sealer, false, &lock.current).unwrap();
        let after = names(&dir);
        assert_eq!((before.len(), after.len()), (1, 1));
        assert_ne!(before, after);
        drop(lock);
        assert_eq!(names(&dir), [] as [std::path::PathBuf; 0]);
    }

    #[test]
    fn exclusive_goes_with_nobody_and_shared_with_shared() {
        let (dir, files, sealer) = directory();
        let first = Lock::take(&files, &sealer, false).unwrap();
        let second = Lock::take(&files, &sealer, false).unwrap();
        assert_eq!(Lock::take(&files, &sealer, true).unwrap_err().reason(), "Locked");
        assert_eq!(names(&dir).len(), 2, "who is refused leaves nothing");
        drop((first, second));
        let alone = Lock::take(&files, &sealer, true).unwrap();
        assert_eq!(Lock::take(&files, &sealer, false).unwrap_err().reason(), "Locked");
        drop(alone);
    }

    #[test]
    fn age_and_a_dead_holder_make_a_lock_stale() {
        let own = LockFile::own(true);
        let after = |minutes| own.time + SignedDuration::from_mins(minutes);
        assert!(!own.is_stale(after(29)));
        assert!(own.is_stale(after(31)));
        let elsewhere = LockFile { hostname: "elsewhere".to_owned(), pid: 1, seawall: None, ..own.clone() };
        assert!(!elsewhere.is_stale(after(1)), "nobody knows about processes of another host");
        assert!(elsewhere.is_stale(after(31)));
        let reused = LockFile { pid: 1, ..own.clone() };
        assert!(reused.is_stale(after(1)), "another process has the number by now");
    }
}
