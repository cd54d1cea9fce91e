//! The state directory: what Seawall remembers, in one SQLite database, and the lock that keeps it to one instance.
//!
//! Promises: what [`Record::record`] returned `Ok` for survives a kill and a power cut (`synchronous=FULL`), and is
//! there whole or not at all. A database that is broken is set aside, never deleted, and a new one is begun: that
//! loses history and nothing else, since freshness is decided from the snapshots that exist.

mod accepted;
mod error;
mod facts;
mod history;
mod lock;
mod schema;

pub use error::StateError;

use super::audit::{self, AuditError, AuditSummary};
use crate::clock::{Clock, SystemClock};
use crate::controller::ports::{
    Accepted, AcceptedDocument, Begun, CountedEvent, Entry, Event, EventFilter, History, Record, RunFilter,
};
use crate::reconcile::{Facts, Outcome};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Statement, TransactionBehavior};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long runs, events and audit entries are kept: 90 days, in microseconds.
const KEEP: i64 = 90 * 24 * 3_600 * 1_000_000;
/// How often old history is let go, in microseconds.
const PRUNE_EVERY: i64 = 3_600 * 1_000_000;

/// An open state directory. All methods block; calls from several threads take turns.
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    inner: Mutex<Inner>,
    /// Given up last, when the database is closed.
    _lock: Option<lock::Lock>,
}

#[derive(Debug)]
struct Inner {
    db: Connection,
    /// What is in the database, so that only differences are written.
    facts: Arc<Facts>,
    pruned: Option<i64>,
}

/// The file that says under which name this host writes snapshots.
const HOST: &str = "host";

impl StateDir {
    /// Opens the directory for the running operator: makes it (mode 0700) when it is not there, takes the lock, sets
    /// a broken database aside. `who` is the command that holds the lock, for the message that a second one gets.
    ///
    /// # Errors
    /// [`StateError`]: another instance holds it, a newer Seawall wrote it, or the system refuses.
    pub fn open(path: &Path, who: &str) -> Result<Self, StateError> {
        let now = SystemClock.now();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StateError::io("create", path))?;
        let lock = lock::Lock::take(path, who, now)?;
        let file = path.join("state.db");
        let (inner, broken) = match open_database(&file) {
            Ok(inner) => (inner, None),
            Err(error) if error.is_corruption() => {
                let aside = set_aside(&file, now)?;
                (open_database(&file)?, Some((error, aside)))
            }
            Err(error) => return Err(error),
        };
        let state = Self { dir: path.to_owned(), inner: Mutex::new(inner), _lock: Some(lock) };
        if let Some((error, aside)) = broken {
            state.report_broken(&error, &aside, now);
        }
        Ok(state)
    }

    /// Opens the directory for a command that only shows: without the lock, whether or not the operator runs. Where
    /// there is nothing yet, nothing is remembered, and nothing is made.
    ///
    /// # Errors
    /// [`StateError`]: a newer Seawall wrote it, it is broken, or the system refuses.
    pub fn open_read_only(path: &Path) -> Result<Self, StateError> {
        let file = path.join("state.db");
        let fail = |source| StateError::Database { what: "read", path: file.clone(), source };
        let mut db = match file.metadata() {
            Ok(_) => connect_read_only(&file).map_err(fail)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Connection::open_in_memory().map_err(fail)?,
            Err(error) => return Err(StateError::io("read", &file)(error)),
        };
        let mut found = schema::version(&db).map_err(fail)?;
        if found == 0 {
            // Not there, or just being made by an operator that starts: nothing is remembered.
            db = Connection::open_in_memory().map_err(fail)?;
            schema::migrate(&mut db).map_err(fail)?;
            found = schema::KNOWN;
        }
        if found > schema::KNOWN {
            return Err(StateError::Newer { path: file, found, known: schema::KNOWN });
        }
        let facts = Arc::new(facts::load(&db).map_err(fail)?);
        Ok(Self { dir: path.to_owned(), inner: Mutex::new(Inner { db, facts, pruned: None }), _lock: None })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The name under which a host with this state directory writes snapshots, where a recovery has recorded that it goes on
    /// under another than the machine's own.
    #[must_use]
    pub fn host(path: &Path) -> Option<String> {
        let text = std::fs::read_to_string(path.join(HOST)).ok()?;
        Some(text.trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// Records that name, durable on return.
    ///
    /// # Errors
    /// [`StateError`] when the system refuses.
    pub fn record_host(&self, name: &str) -> Result<(), StateError> {
        let (path, fresh) = (self.dir.join(HOST), self.dir.join("host.new"));
        let written = std::fs::write(&fresh, format!("{name}\n"))
            .and_then(|()| std::fs::File::open(&fresh)?.sync_all())
            .and_then(|()| std::fs::rename(&fresh, &path))
            .and_then(|()| std::fs::File::open(&self.dir)?.sync_all());
        written.map_err(StateError::io("write", &path))
    }

    /// What is remembered.
    pub fn load_facts(&self) -> Arc<Facts> {
        Arc::clone(&self.inner().facts)
    }

    /// Runs that began and never ended. At start-up: those that a kill or a power cut interrupted. Each is closed by
    /// recording an outcome under its id.
    ///
    /// # Errors
    /// [`StateError`] when the database cannot be read.
    pub fn interrupted(&self) -> Result<Vec<Begun>, StateError> {
        history::begun(&self.inner().db).map_err(|source| self.database("read", source))
    }

    /// Checks the audit trail from end to end.
    ///
    /// # Errors
    /// [`AuditError`]: what does not fit, or that it cannot be read.
    pub fn audit_verify(&self) -> Result<AuditSummary, AuditError> {
        audit::verify(&self.inner().db)
    }

    /// Writes the audit trail as JSON lines, oldest first, with the hashes that let another program check it.
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be read or written.
    pub fn audit_export(&self, to: &mut dyn Write) -> Result<(), AuditError> {
        audit::export(&self.inner().db, to)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held left an open transaction at worst, which was rolled back.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn database(&self, what: &'static str, source: rusqlite::Error) -> StateError {
        StateError::Database { what, path: self.dir.join("state.db"), source }
    }

    fn report_broken(&self, error: &StateError, aside: &Path, now: Timestamp) {
        let message = format!(
            "the state database was broken ({}); it was set aside as {} and a new one begun: run history and audit \
             trail start anew, backups are not touched",
            error.sentence(),
            aside.display()
        );
        tracing::error!("{message}");
        let event = Event {
            at: now,
            warning: true,
            object: "host".to_owned(),
            reason: "StateDatabaseBroken".to_owned(),
            message,
        };
        if let Err(error) = self.record(&Entry { events: vec![event], ..Entry::default() }) {
            tracing::error!("{error}");
        }
    }
}

impl Inner {
    fn record(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(new) = &entry.facts {
            facts::write(&tx, &self.facts, new)?;
        }
        for begun in &entry.begun {
            history::write_begun(&tx, begun)?;
        }
        for run in &entry.runs {
            history::write_run(&tx, run)?;
        }
        for event in &entry.events {
            history::write_event(&tx, event)?;
        }
        for audited in &entry.audit {
            audit::append(&tx, audited)?;
        }
        let newest = newest(entry).filter(|at| {
            let at = at.as_microsecond();
            self.pruned.is_none_or(|pruned| at.saturating_sub(pruned) >= PRUNE_EVERY)
        });
        if let Some(now) = newest {
            history::prune(&tx, now)?;
            audit::prune(&tx, now)?;
        }
        tx.commit()?;
        if let Some(new) = &entry.facts {
            self.facts = Arc::clone(new);
        }
        if let Some(now) = newest {
            self.pruned = Some(now.as_microsecond());
        }
        Ok(())
    }
}

impl Record for StateDir {
    fn record(&self, entry: &Entry) -> Result<(), String> {
        self.inner().record(entry).map_err(|source| self.database("write", source).sentence())
    }
}

impl History for StateDir {
    fn runs(&self, filter: &RunFilter) -> Result<Vec<Outcome>, String> {
        history::runs(&self.inner().db, filter).map_err(|source| self.database("read", source).sentence())
    }

    fn events(&self, filter: &EventFilter) -> Result<Vec<CountedEvent>, String> {
        history::events(&self.inner().db, filter).map_err(|source| self.database("read", source).sentence())
    }
}

impl Accepted for StateDir {
    fn load(&self) -> Result<Vec<AcceptedDocument>, String> {
        let inner = self.inner();
        let mut rows = inner
            .db
            .prepare("SELECT document FROM accepted ORDER BY position")
            .map_err(|source| self.database("read", source).sentence())?;
        read_column(&mut rows, &[]).map_err(|source| self.database("read", source).sentence())
    }

    fn save(&self, documents: &[AcceptedDocument]) -> Result<(), String> {
        let write = |db: &mut Connection| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            accepted::write(&tx, documents)?;
            tx.commit()
        };
        write(&mut self.inner().db).map_err(|source| self.database("write", source).sentence())
    }
}

/// The newest instant that an entry speaks of: the time of day, as far as history is concerned.
fn newest(entry: &Entry) -> Option<Timestamp> {
    let runs = entry.runs.iter().map(|run| run.finished);
    runs.chain(entry.begun.iter().map(|begun| begun.started))
        .chain(entry.events.iter().map(|event| event.at))
        .chain(entry.audit.iter().map(|audited| audited.at))
        .max()
}

/// Opens for writing, checks, migrates, reads.
fn open_database(file: &Path) -> Result<Inner, StateError> {
    // Made here, so that nobody else can read it, whatever the umask.
    let made = File::options().write(true).create(true).truncate(false).mode(0o600).open(file);
    made.map_err(StateError::io("open", file))?;
    let open = || {
        let mut db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        settle(&db)?;
        let found = schema::version(&db)?;
        if found > schema::KNOWN {
            return Ok(Err(found));
        }
        schema::migrate(&mut db)?;
        check(&db)?;
        let facts = Arc::new(facts::load(&db)?);
        Ok(Ok(Inner { db, facts, pruned: None }))
    };
    open()
        .map_err(|source| StateError::Database { what: "open", path: file.to_owned(), source })?
        .map_err(|found| StateError::Newer { path: file.to_owned(), found, known: schema::KNOWN })
}

fn settle(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // KiB: what is written is a handful of rows, and the system keeps the file's pages anyway.
    db.pragma_update(None, "cache_size", -256)?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)
}

/// Reads every page, so that a broken one is found now and not in the middle of a night.
fn check(db: &Connection) -> rusqlite::Result<()> {
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(verdict)))
}

fn connect_read_only(file: &Path) -> rusqlite::Result<Connection> {
    let open = |name: &Path, flags| {
        let db = Connection::open_with_flags(name, OpenFlags::SQLITE_OPEN_READ_ONLY | flags)?;
        db.busy_timeout(Duration::from_secs(5))?;
        schema::version(&db)?;
        Ok(db)
    };
    open(file, OpenFlags::empty()).or_else(|error: rusqlite::Error| {
        // Without a running operator, and on a file system that cannot be written, there is no shared memory to be
        // had; nobody writes either.
        let uri = format!("file:{}?immutable=1", percent_encode(file));
        open(Path::new(&uri), OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
    })
}

fn percent_encode(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Renames a broken database and what belongs to it. Returns the new name.
fn set_aside(file: &Path, now: Timestamp) -> Result<PathBuf, StateError> {
    let named = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stamp = now.strftime("%Y%m%dT%H%M%S%.6fZ");
    let aside = named(&format!(".broken-{stamp}"));
    for suffix in ["-wal", "-shm", ""] {
        let from = named(suffix);
        match std::fs::rename(&from, named(&format!(".broken-{stamp}{suffix}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StateError::io("set aside", &from)(error));
            }
            _ => {}
        }
    }
    Ok(aside)
}

/// A value as it is stored.
fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Stored values, one a row. One that this version cannot read is left out, with a warning.
fn read_column<T: DeserializeOwned>(rows: &mut Statement, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<T>> {
    let rows = rows.query_map(values, |row| row.get::<_, String>(0))?;
    let mut list = Vec::new();
    for text in rows {
        match serde_json::from_str(&text?) {
            Ok(value) => list.push(value),
            Err(error) => tracing::warn!(%error, "a remembered record cannot be read and is left out"),
        }
    }
    Ok(list)
}
