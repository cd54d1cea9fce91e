//! SQLite databases inside a volume, copied as one whole state while their application goes on.
//!
//! What is promised to the application: no file of it is made, changed, removed or given another owner; no writer waits
//! for longer than a fraction of a second. What is promised to the person: a copy that passed SQLite's own check, or a
//! reason why there is none.

mod guard;
mod harmless;
pub mod integrity;
mod live;
mod quiet;
mod staging;

pub use guard::Plain;
pub use staging::Staging;

use super::volume_walk::{open_at, stat_at};
use guard::{Alone, beside};
use rusqlite::{Connection, ErrorCode};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Flock, FlockType};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// How every database begins: <https://www.sqlite.org/fileformat.html>, "The Database Header".
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes 18 and 19 of the header of a database with a write-ahead log.
const WAL: [u8; 2] = [2, 2];
/// The byte of the shared memory file that every connection holds a lock on: `UNIX_SHM_DMS` in `os_unix.c`.
const CONNECTED: u64 = 128;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the run was cancelled")]
    Cancelled,
    #[error("{0}")]
    Busy(String),
    #[error("it became another file")]
    Moved,
    #[error("{0}")]
    Room(String),
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Trouble {
    /// Whether another way to copy it is no use.
    fn is_final(&self) -> bool {
        match self {
            Self::Cancelled | Self::Moved | Self::Room(_) | Self::Damaged(_) => true,
            Self::Busy(_) | Self::Io(_) => false,
            Self::Sqlite(error) => is_damage(error),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                "it is no database that can be read: encrypted, or damaged".to_owned()
            }
            Self::Sqlite(error) if is_damage(error) => format!("it is damaged: {error}"),
            other => other.to_string(),
        }
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// The database that a file would belong to by its name.
#[must_use]
pub fn database_of(path: &Path) -> Option<PathBuf> {
    Some(path.with_file_name(guard::base(path.file_name()?)?))
}

/// Inode, size, last change of the content.
type Look = (u64, u64, (i64, u32));

/// What a database consists of on disk, to see whether it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files([Option<Look>; 3]);

impl Files {
    /// Looks at a database, its write-ahead log and its journal.
    ///
    /// # Errors
    /// The database, or the directory, is gone or out of reach.
    pub fn look(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
        let one = |name: &OsStr| match stat_at(directory, name) {
            Ok(stat) => Ok(Some((
                stat.stx_ino,
                stat.stx_size,
                // Not the change of the inode: SQLite touches that of a log which root opens (`robustFchown` in `os_unix.c`).
                (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            ))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(io::Error::from(error)),
        };
        let database = one(name)?.ok_or(io::ErrorKind::NotFound)?;
        // A journal that holds nothing comes and goes with a setting, and tells nothing.
        let filled = |look: Option<Look>| look.filter(|(_, size, _)| *size > 0);
        Ok(Self([Some(database), filled(one(&beside(name, "-wal"))?), filled(one(&beside(name, "-journal"))?)]))
    }

    /// When the newest content was written.
    #[must_use]
    pub fn newest(&self) -> Option<(i64, u32)> {
        self.0.iter().flatten().map(|(_, _, written)| *written).max()
    }

    /// All of it as bytes, different as soon as anything is.
    #[must_use]
    pub fn fingerprint(&self) -> Vec<u8> {
        format!("{:?}", self.0).into_bytes()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().flatten().map(|(_, size, _)| *size).sum()
    }

    fn inode(&self) -> u64 {
        self.0[0].map_or(0, |(inode, ..)| inode)
    }
}

/// Whether a file begins as a database does. Of a size that no database has, nothing is read.
///
/// # Errors
/// It cannot be read.
pub fn is_database(directory: BorrowedFd<'_>, name: &OsStr, size: u64, cancel: &CancellationToken) -> io::Result<bool> {
    // A page has 512 bytes or a power of two of them.
    if size == 0 || !size.is_multiple_of(512) {
        return Ok(false);
    }
    let _plain = Plain::wait(directory, name, cancel);
    Ok(header(directory, name)?.is_some())
}

/// Whether it has a write-ahead log; `None`: it is no database.
fn header(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<bool>> {
    let mut file = File::from(open_at(directory, name, OFlags::empty())?);
    let mut header = [0; 20];
    match file.read_exact(&mut header) {
        Ok(()) => Ok((&header[..16] == MAGIC).then_some(header[18..20] == WAL)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A consistent copy, as a file without a name. Blocking.
///
/// # Errors
/// Why there is none, as it is listed; `None`: the run was cancelled.
pub fn copy(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    staging: &Staging,
    cancel: &CancellationToken,
) -> Result<File, Option<String>> {
    let copied = try_copy(directory, name, staging, cancel);
    copied.map_err(|trouble| match trouble {
        Trouble::Cancelled => None,
        trouble => Some(trouble.told()),
    })
}

fn try_copy(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    staging: &Staging,
    cancel: &CancellationToken,
) -> Result<File, Trouble> {
    let _alone = Alone::wait(directory, name, cancel).ok_or(Trouble::Cancelled)?;
    let files = Files::look(directory, name)?;
    let Some(wal) = header(directory, name)? else { return Err(Trouble::Moved) };
    staging.check_room(files.bytes()).map_err(Trouble::Room)?;
    // A database with a write-ahead log that nobody has open would have files made beside it by whoever opens it.
    let log = beside(name, "-wal");
    let live = !wal || (is_connected(directory, name)? && stat_at(directory, &log).is_ok());
    let first = if live { live_copy(directory, name, &files, wal, staging, cancel) } else { Err(None) };
    let staged = match first {
        Ok(staged) => staged,
        Err(Some(trouble)) if trouble.is_final() => return Err(trouble),
        Err(trouble) => {
            let staged = staging.file()?;
            match (quiet::copy(directory, name, &staged, cancel), trouble) {
                // What stood in the way of the better way says more.
                (Err(Trouble::Busy(_)), Some(trouble)) => return Err(trouble),
                (copied, _) => copied?,
            }
            staged
        }
    };
    check(staged.path())?;
    Ok(staged.into_file()?)
}

fn live_copy(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    files: &Files,
    wal: bool,
    staging: &Staging,
    cancel: &CancellationToken,
) -> Result<staging::Staged, Option<Trouble>> {
    let staged = staging.file().map_err(|error| Some(error.into()))?;
    // SQLite resolves the link of an open directory to its path, and opens that.
    let here = std::fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    let path = here.map_err(|error| Some(error.into()))?.join(name);
    let device = stat_at(directory, name).map_err(|error| Some(error.into()))?;
    let device = rustix::fs::makedev(device.stx_dev_major, device.stx_dev_minor);
    let meant = || has_open(device, files.inode());
    let harmless = harmless::Harmless::begin().map_err(|error| Some(error.into()))?;
    live::copy(&path, staged.path(), wal, meant, live::GENTLE, cancel)?;
    drop(harmless);
    Ok(staged)
}

/// Whether this process has an inode open. Nothing else of this process opens that of a database meanwhile, so it tells
/// whether SQLite opened what was meant, and not something that took its place.
fn has_open(device: u64, inode: u64) -> bool {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return false };
    descriptors.flatten().any(|descriptor| {
        let stat = rustix::fs::stat(descriptor.path());
        stat.is_ok_and(|stat| stat.st_dev == device && stat.st_ino == inode)
    })
}

/// Whether any connection has the shared memory of a database open.
fn is_connected(directory: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Trouble> {
    let file = match open_at(directory, &beside(name, "-shm"), OFlags::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let mut lock = Flock::from(FlockType::WriteLock);
    (lock.start, lock.length) = (CONNECTED, 1);
    Ok(rustix::process::fcntl_getlk(file.as_fd(), &lock)?.is_some())
}

/// SQLite's own look at a copy. What only breaks a rule of the application is not damage.
fn check(path: &Path) -> Result<(), Trouble> {
    const RULES: [&str; 5] =
        ["NULL value in ", "CHECK constraint ", "non-unique entry", "TEXT value in ", "NUMERIC value in "];
    let copy = Connection::open(path)?;
    copy.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA ignore_check_constraints = ON")?;
    let found = copy.prepare("PRAGMA quick_check(10)").and_then(|mut check| {
        let rows = check.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    });
    match found {
        Ok(found) => {
            let mut lines = found.iter().flat_map(|row| row.lines()).filter(|line| !line.starts_with("***"));
            let damage = lines.find(|line| *line != "ok" && !RULES.iter().any(|rule| line.starts_with(rule)));
            damage.map_or(Ok(()), |damage| Err(Trouble::Damaged(damage.to_owned())))
        }
        Err(error) if is_damage(&error) => Err(error.into()),
        // A function or an order of the application that SQLite alone does not know.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(path: &Path, row: &str) {
        let db = Connection::open(path).unwrap();
        db.execute_batch("CREATE TABLE t (c)").unwrap();
        db.execute("INSERT INTO t VALUES (?)", [row]).unwrap();
    }

    /// What an application could do between the look at its database and the opening of it.
    #[test]
    fn what_took_the_place_of_a_database_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("volume")).unwrap();
        database(&at("volume/app.db"), "its own");
        database(&at("secret.db"), "somebody else's");
        std::os::unix::fs::symlink(dir.path(), at("volume/link")).unwrap();
        std::os::unix::fs::symlink(at("secret.db"), at("volume/link.db")).unwrap();
        let volume = std::fs::File::open(at("volume")).unwrap();
        let files = Files::look(volume.as_fd(), OsStr::new("app.db")).unwrap();
        let device = rustix::fs::fstat(&volume).unwrap().st_dev;
        let (never, target) = (CancellationToken::new(), at("copy"));
        let copy = |source: &str| {
            live::copy(&at(source), &target, false, || has_open(device, files.inode()), live::GENTLE, &never)
        };
        assert!(matches!(copy("secret.db"), Err(Trouble::Moved)));
        for link in ["volume/link/secret.db", "volume/link.db"] {
            assert!(matches!(copy(link), Err(Trouble::Sqlite(_))), "{link}");
        }
        assert!(!target.exists());
        copy("volume/app.db").unwrap();
        let copied = Connection::open(&target).unwrap();
        assert_eq!(copied.query_row("SELECT c FROM t", [], |row| row.get::<_, String>(0)).unwrap(), "its own");
    }
}
