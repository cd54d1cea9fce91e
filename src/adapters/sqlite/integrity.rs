//! Whether a SQLite database that was restored is whole.

use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What every database begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// How many findings are told.
const FINDINGS: usize = 5;
/// How often is looked whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Opens the database as its application would after a crash, so that a log beside it is taken in, and has SQLite look
/// at every page. May write to the files: only for what nobody needs. In words, what was found.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(path: &Path, cancel: &CancellationToken) -> Result<String, String> {
    let mut begins = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    if read.is_err() || begins != *HEADER {
        return Err("it is not a SQLite database".to_owned());
    }
    // SQLite would write through a link that stands in the place of one of its own files.
    for suffix in ["-wal", "-shm", "-journal"] {
        let beside = with(path, suffix);
        if beside.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(format!("{} is not a regular file", beside.display()));
        }
    }
    let said = |error: rusqlite::Error| format!("SQLite cannot read it: {error}");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags).map_err(said)?;
    let handle = connection.get_interrupt_handle();
    let done = CancellationToken::new();
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.is_cancelled() {
                if cancel.is_cancelled() {
                    handle.interrupt();
                }
                thread::sleep(LOOK);
            }
        });
        let result = examine(&connection);
        done.cancel();
        result
    });
    match result {
        _ if cancel.is_cancelled() => Err("the drill was ended before SQLite was done".to_owned()),
        Ok(findings) if findings == ["ok"] => {
            let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
            let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(said)?;
            Ok(format!("ok, {tables} {}", if tables == 1 { "table" } else { "tables" }))
        }
        Ok(findings) => Err(format!("SQLite finds: {}", findings.join("; "))),
        Err(error) => Err(said(error)),
    }
}

fn examine(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS})"))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.collect()
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Seek, SeekFrom, Write};

    fn database(path: &Path) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE t (a, b); CREATE INDEX i ON t (a);").unwrap();
        for n in 0..2000 {
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (n, "x".repeat(100))).unwrap();
        }
    }

    fn look(path: &Path) -> Result<String, String> {
        check(path, &CancellationToken::new())
    }

    #[test]
    fn a_whole_database_is_ok_and_a_torn_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(dir.path()).unwrap().join("app.sqlite");
        database(&path);
        assert_eq!(look(&path).unwrap(), "ok, 1 table");
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(4096 * 20)).unwrap();
        file.write_all(&[0xa5; 8192]).unwrap();
        assert!(look(&path).unwrap_err().starts_with("SQLite "), "{:?}", look(&path));
    }

    #[test]
    fn what_is_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::write(root.join("empty"), b"").unwrap();
        fs::write(root.join("noise"), [7; 5000]).unwrap();
        for name in ["empty", "noise", "none"] {
            assert_eq!(look(&root.join(name)).unwrap_err(), "it is not a SQLite database", "{name}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        database(&root.join("app.sqlite"));
        let victim = root.join("victim");
        fs::write(&victim, b"precious").unwrap();
        for suffix in ["-wal", "-shm", "-journal"] {
            let link = root.join(format!("app.sqlite{suffix}"));
            std::os::unix::fs::symlink(&victim, &link).unwrap();
            assert!(look(&root.join("app.sqlite")).unwrap_err().ends_with("is not a regular file"));
            fs::remove_file(link).unwrap();
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn a_drill_that_ends_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(dir.path()).unwrap().join("app.sqlite");
        database(&path);
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(check(&path, &cancel).unwrap_err().contains("ended"));
    }
}
