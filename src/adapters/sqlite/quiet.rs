//! Copying a database that nobody writes to at the moment: its files as they are, put right in the copy.
//!
//! This is for what a reader may not touch: a write-ahead log or a journal that a crash left is rolled forward or back
//! in the copy, and the application finds its own files as it left them.

use super::guard::beside;
use super::staging::Staged;
use super::{Files, Trouble};
use crate::adapters::volume_walk::open_at;
use rusqlite::Connection;
use rustix::fd::BorrowedFd;
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// File systems stamp times by the tick of the kernel's clock: what is younger than some of them may change once more
/// without showing it.
const SETTLED: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 20;

/// Copies it into `staged`, which is a whole database on return.
pub(super) fn copy(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    staged: &Staged,
    cancel: &CancellationToken,
) -> Result<(), Trouble> {
    for _ in 0..ATTEMPTS {
        if cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let before = Files::look(directory, name)?;
        if before.newest().is_none_or(settled) {
            take(directory, name, staged.path(), cancel)?;
            for suffix in ["-wal", "-journal"] {
                let target = staged.beside(suffix);
                match take(directory, &beside(name, suffix), &target, cancel) {
                    Err(Trouble::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                        fs::remove_file(&target).or_else(absent)?;
                    }
                    taken => taken?,
                }
            }
            if Files::look(directory, name)? == before {
                return put_right(staged);
            }
        }
        std::thread::sleep(SETTLED);
    }
    Err(Trouble::Busy("it was written to all the time".to_owned()))
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn settled((seconds, nanoseconds): (i64, u32)) -> bool {
    let Ok(seconds) = u64::try_from(seconds) else { return true };
    let written = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    match written.elapsed() {
        Ok(age) => age >= SETTLED,
        // A time that is still to come tells nothing.
        Err(ahead) => ahead.duration() > Duration::from_secs(1),
    }
}

fn take(directory: BorrowedFd<'_>, name: &OsStr, target: &Path, cancel: &CancellationToken) -> Result<(), Trouble> {
    let mut from = File::from(open_at(directory, name, OFlags::empty()).map_err(io::Error::from)?);
    if !from.metadata()?.is_file() {
        return Err(Trouble::Moved);
    }
    let mut to = File::create(target)?;
    // In pieces, so that a run can be ended.
    while io::copy(&mut from.by_ref().take(64 << 20), &mut to)? > 0 {
        if cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
    }
    Ok(())
}

/// Lets SQLite roll forward or back what is beside the copy.
fn put_right(staged: &Staged) -> Result<(), Trouble> {
    let copy = Connection::open(staged.path())?;
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_checkpoint(TRUNCATE)")?;
    copy.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}
