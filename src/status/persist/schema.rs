//! The tables, and the way from an older format to the newest.

use rusqlite::{Connection, TransactionBehavior};

/// One step per format. A step that was released is never edited; a change is a new step.
const STEPS: [&str; 1] = ["
    CREATE TABLE facts (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) \
     WITHOUT ROWID;
    CREATE TABLE runs (run TEXT NOT NULL, repository TEXT NOT NULL, policy TEXT NOT NULL, source TEXT NOT NULL,
        operation TEXT NOT NULL, result TEXT NOT NULL, started INTEGER NOT NULL, outcome TEXT NOT NULL,
        PRIMARY KEY (run, repository));
    CREATE INDEX runs_by_start ON runs (started, run);
    CREATE INDEX runs_by_source ON runs (policy, source, started);
    CREATE TABLE begun (run TEXT PRIMARY KEY, begun TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE events (id INTEGER PRIMARY KEY, object TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
        warning INTEGER NOT NULL, first_at INTEGER NOT NULL, at INTEGER NOT NULL, count INTEGER NOT NULL);
    CREATE INDEX events_by_time ON events (at);
    CREATE INDEX events_by_object ON events (object, reason, at);
    CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE audit_ends (one INTEGER PRIMARY KEY CHECK (one = 1), anchor_seq INTEGER NOT NULL,
        anchor_hash TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL);
    INSERT INTO audit_ends VALUES (1, 0, '', 0, '');
    CREATE TABLE accepted (position INTEGER PRIMARY KEY, document TEXT NOT NULL);
"];

/// The newest format.
#[expect(clippy::cast_possible_wrap, reason = "the number of steps is small")]
pub(super) const KNOWN: i64 = STEPS.len() as i64;

/// The format of a database; 0: nothing in it yet.
pub(super) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a database that is not newer than [`KNOWN`] to it, all or nothing.
pub(super) fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let from = version(db)?;
    if from == KNOWN {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", KNOWN)?;
    tx.commit()
}
