//! Copying a database that its application goes on writing to, by SQLite's online backup.
//!
//! It is opened for reading only, and its shared memory too: no file of the application is made, changed or given
//! another owner, and a volume that is mounted read-only will do.
//!
//! - With a write-ahead log, one read transaction spans the whole copy: writers are never held up, nothing restarts.
//! - With a rollback journal a reader does hold up writers, so the copy goes in steps that give way in between; a write
//!   between two steps begins it anew (<https://www.sqlite.org/backup.html>).

use super::Trouble;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How a copy gives way to writers, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Bytes of the first step.
    step: i64,
    /// A step that took longer is followed by smaller ones: writers wait for no longer than about this.
    held: Duration,
    /// A copy that was begun anew so often is given up.
    restarts: u32,
    /// So is one that got no lock for so long.
    patience: Duration,
}

/// What an application hardly notices.
pub(super) const GENTLE: Pace =
    Pace { step: 4 << 20, held: Duration::from_millis(200), restarts: 30, patience: Duration::from_secs(10) };

/// Between two steps.
const GIVE_WAY: Duration = Duration::from_millis(5);
/// Between two attempts at what is locked.
const AGAIN: Duration = Duration::from_millis(20);

/// Copies the database at `source` to the empty file at `target`. `opened` is asked whether what was opened is what was
/// meant, before anything is read.
pub(super) fn copy(
    source: &Path,
    target: &Path,
    wal: bool,
    opened: impl FnOnce() -> bool,
    pace: Pace,
    cancel: &CancellationToken,
) -> Result<(), Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let from = Connection::open_with_flags(uri(source), flags)?;
    if !opened() {
        return Err(Trouble::Moved);
    }
    from.busy_timeout(Duration::ZERO)?;
    let mut to = Connection::open(target)?;
    to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    if wal {
        patiently(pace, cancel, || {
            from.execute_batch("BEGIN")?;
            let read = from.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
            if read.is_err() {
                from.execute_batch("ROLLBACK")?;
            }
            read
        })?;
    }
    let size: i64 = patiently(pace, cancel, || from.query_row("PRAGMA page_size", [], |row| row.get(0)))?;
    step_by_step(&Backup::new(&from, &mut to)?, size.max(512), pace, cancel)
}

/// `size` is that of a page in bytes.
fn step_by_step(backup: &Backup<'_, '_>, size: i64, pace: Pace, cancel: &CancellationToken) -> Result<(), Trouble> {
    let least = (pace.step / size / 16).max(1);
    let mut pages = (pace.step / size).max(1);
    let (mut restarts, mut left) = (0, i32::MAX);
    let mut moved = Instant::now();
    loop {
        if cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let began = Instant::now();
        match backup.step(i32::try_from(pages).unwrap_or(i32::MAX))? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let took = began.elapsed();
                let now = backup.progress().remaining;
                if now >= left {
                    restarts += 1;
                    if restarts > pace.restarts {
                        return Err(Trouble::Busy(format!("it was written to {restarts} times while it was copied")));
                    }
                    if took * 4 < pace.held {
                        pages *= 2;
                    }
                }
                if took > pace.held {
                    pages = (pages / 2).max(least);
                }
                (left, moved) = (now, Instant::now());
                std::thread::sleep(GIVE_WAY);
            }
            _ if moved.elapsed() > pace.patience => return Err(locked(pace)),
            _ => std::thread::sleep(AGAIN),
        }
    }
}

/// Tries again while it is locked.
fn patiently<T>(
    pace: Pace,
    cancel: &CancellationToken,
    mut work: impl FnMut() -> rusqlite::Result<T>,
) -> Result<T, Trouble> {
    let since = Instant::now();
    loop {
        match work() {
            Err(error) if is_locked(&error) && !cancel.is_cancelled() => {
                if since.elapsed() > pace.patience {
                    return Err(locked(pace));
                }
                std::thread::sleep(AGAIN);
            }
            Err(_) if cancel.is_cancelled() => return Err(Trouble::Cancelled),
            done => return Ok(done?),
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn locked(pace: Pace) -> Trouble {
    Trouble::Busy(format!("its application kept it locked for {} s", pace.patience.as_secs()))
}

/// A path as SQLite reads it back byte by byte: <https://www.sqlite.org/uri.html>.
fn uri(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = path.as_os_str().as_bytes().iter();
    let path: Vec<String> =
        bytes.map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect();
    format!("file:{}?mode=ro&readonly_shm=1", path.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn odd_names_survive() {
        let path = Path::new(OsStr::from_bytes(b"/a b/%?#&\xff.db"));
        assert_eq!(uri(path), "file:/a%20b/%25%3f%23%26%ff.db?mode=ro&readonly_shm=1");
    }
    /// Writes a row, for ever, while `work` runs.
    fn while_written_to<T>(path: &Path, work: impl FnOnce() -> T) -> T {
        let end = CancellationToken::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let db = Connection::open(path).unwrap();
                db.busy_timeout(Duration::from_secs(10)).unwrap();
                while !end.is_cancelled() {
                    db.execute("INSERT INTO t VALUES ('more')", []).unwrap();
                }
            });
            let done = work();
            end.cancel();
            done
        })
    }

    #[test]
    fn a_copy_that_writers_leave_no_time_for_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let (source, target) = (dir.path().join("source"), dir.path().join("target"));
        let db = Connection::open(&source).unwrap();
        db.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE t (c); INSERT INTO t VALUES (zeroblob(1 << 22))")
            .unwrap();
        let (never, ended) = (CancellationToken::new(), CancellationToken::new());
        ended.cancel();
        // Steps of one page that never grow.
        let slow = Pace { step: 4096, held: Duration::ZERO, restarts: 3, patience: Duration::from_mins(1) };
        while_written_to(&source, || {
            let given_up = copy(&source, &target, false, || true, slow, &never).unwrap_err();
            assert_eq!(given_up.to_string(), "it was written to 4 times while it was copied");
            let cancelled = copy(&source, &target, false, || true, GENTLE, &ended);
            assert!(matches!(cancelled, Err(Trouble::Cancelled)));
        });
        db.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let short = Pace { patience: Duration::ZERO, ..GENTLE };
        let locked = copy(&source, &target, false, || true, short, &never).unwrap_err();
        assert_eq!(locked.to_string(), "its application kept it locked for 0 s");
    }
}
