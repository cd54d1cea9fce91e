//! The audit trail: who did what, on what, and how it ended, each entry bound to the one before by its hash.
//!
//! The hash of entry *n* is SHA-256, in lower-case hex, over `hash of n-1`, a line break, *n* in decimal, a line
//! break, and the entry's JSON exactly as it is stored and exported. The first entry is number 1 and follows the
//! empty hash. Entries older than 90 days are let go; where the chain then begins (the *anchor*) is itself written
//! into the chain as an entry `audit.prune`, so that cutting off its beginning by hand is noticed.
//!
//! Noticed: a changed, removed, inserted or moved entry. Not noticed, as with every chain without a secret: someone
//! who may write the file rewrites all of it from some entry on, or cuts off its newest part and the record of the
//! head with it. Against that, keep the head's hash that [`verify`] prints, or an export, on another machine.

use crate::controller::ports::AuditEntry;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::Write;

/// The action of the entry that says where the chain begins after old entries were let go.
const PRUNE: &str = "audit.prune";
/// How long entries are kept, in microseconds.
const KEEP: i64 = 90 * 24 * 3_600 * 1_000_000;

/// An audit trail that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditSummary {
    /// Entries that are kept.
    pub entries: u64,
    /// Number of the oldest kept entry; 0 when there is none.
    pub first: u64,
    /// Number of the newest entry; 0 when there is none.
    pub last: u64,
    /// When the oldest kept entry was written.
    pub oldest: Option<Timestamp>,
    /// When the newest was.
    pub newest: Option<Timestamp>,
    /// Hash of the newest entry: kept elsewhere, it proves that nothing before it was changed since.
    pub head: String,
}

/// Why an audit trail cannot be trusted, or not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It is not whole.
    #[error("the audit trail is not whole at entry {}: {}", .0.seq, .0.what)]
    Problem(AuditProblem),
    /// It cannot be read.
    #[error("cannot read the audit trail")]
    Read(#[from] rusqlite::Error),
    /// It cannot be written out.
    #[error("cannot write the audit trail out")]
    Write(#[from] std::io::Error),
}

/// The first place where an audit trail does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditProblem {
    /// Number of the entry.
    pub seq: u64,
    /// What is wrong, in words.
    pub what: String,
}

/// Where the chain begins (its last let-go entry) and where it ends.
struct Ends {
    anchor: (u64, String),
    head: (u64, String),
}

fn ends(db: &Connection) -> rusqlite::Result<Ends> {
    db.query_row("SELECT anchor_seq, anchor_hash, head_seq, head_hash FROM audit_ends", [], |row| {
        let seq = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
        Ok(Ends { anchor: (seq(0)?, row.get(1)?), head: (seq(2)?, row.get(3)?) })
    })
}

fn hash(prev: &str, seq: u64, entry: &str) -> String {
    hex::encode(Sha256::new().chain_update(format!("{prev}\n{seq}\n")).chain_update(entry).finalize())
}

/// SQLite's integers are signed; numbers of entries never come near the difference.
fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Adds an entry.
pub(super) fn append(tx: &Transaction, entry: &AuditEntry) -> rusqlite::Result<()> {
    let text =
        serde_json::to_string(entry).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let (last, prev) = ends(tx)?.head;
    let seq = last + 1;
    let hash = hash(&prev, seq, &text);
    tx.prepare_cached("INSERT INTO audit (seq, entry, hash) VALUES (?1, ?2, ?3)")?.execute((
        signed(seq),
        text,
        &hash,
    ))?;
    tx.prepare_cached("UPDATE audit_ends SET head_seq = ?1, head_hash = ?2")?.execute((signed(seq), &hash))?;
    Ok(())
}

/// Lets go of the oldest entries: those before the first that is young enough.
pub(super) fn prune(tx: &Transaction, now: Timestamp) -> rusqlite::Result<()> {
    let mut anchor: Option<(u64, String)> = None;
    let mut rows = tx.prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let entry: String = row.get(1)?;
        let old =
            parse(&entry).is_some_and(|entry| now.as_microsecond().saturating_sub(entry.at.as_microsecond()) > KEEP);
        if !old {
            break;
        }
        anchor = Some((row.get::<_, i64>(0)?.unsigned_abs(), row.get(2)?));
    }
    let Some((seq, hash)) = anchor else { return Ok(()) };
    tx.execute("DELETE FROM audit WHERE seq <= ?1", [signed(seq)])?;
    tx.execute("UPDATE audit_ends SET anchor_seq = ?1, anchor_hash = ?2", (signed(seq), &hash))?;
    append(
        tx,
        &AuditEntry {
            at: now,
            actor: "seawall".to_owned(),
            action: PRUNE.to_owned(),
            object: "host".to_owned(),
            result: "success".to_owned(),
            detail: anchor_detail(seq, &hash),
        },
    )
}

/// How the chain names its own beginning.
fn anchor_detail(seq: u64, hash: &str) -> String {
    format!("entries older than 90 days let go, up to {seq} {hash}")
}

fn parse(entry: &str) -> Option<AuditEntry> {
    serde_json::from_str(entry).ok()
}

/// Checks every entry against the one before it, the beginning against the anchor, and the end against the head.
pub(super) fn verify(db: &Connection) -> Result<AuditSummary, AuditError> {
    let problem = |seq, what: &str| Err(AuditError::Problem(AuditProblem { seq, what: what.to_owned() }));
    // One transaction, so that the operator may go on writing meanwhile.
    let db = db.unchecked_transaction()?;
    let Ends { anchor, head } = ends(&db)?;
    let mut summary =
        AuditSummary { entries: 0, first: 0, last: anchor.0, oldest: None, newest: None, head: anchor.1.clone() };
    let mut told_anchor = None;
    let mut rows = db.prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, text, stored): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let seq = seq.unsigned_abs();
        if seq != summary.last + 1 {
            return problem(summary.last + 1, "it is missing");
        }
        if hash(&summary.head, seq, &text) != stored {
            return problem(seq, "its hash does not fit: it or the one before it was changed, removed or moved");
        }
        let Some(entry) = parse(&text) else { return problem(seq, "it is not an audit entry") };
        if entry.action == PRUNE {
            told_anchor = Some(entry.detail);
        }
        summary.entries += 1;
        summary.first = if summary.first == 0 { seq } else { summary.first };
        summary.oldest = summary.oldest.or(Some(entry.at));
        summary.newest = Some(entry.at);
        summary.last = seq;
        summary.head = stored;
    }
    if (summary.last, &summary.head) != (head.0, &head.1) {
        return problem(
            summary.last + 1,
            "it is missing: newer entries were removed, or the record of the end changed",
        );
    }
    let expected = (anchor.0 > 0).then(|| anchor_detail(anchor.0, &anchor.1));
    if told_anchor != expected {
        return problem(
            summary.first,
            "the chain does not begin where it says that it begins: older ones were removed",
        );
    }
    Ok(summary)
}

/// Writes every kept entry as one line of JSON: its number, its hash, and itself as it was hashed.
pub(super) fn export(db: &Connection, to: &mut dyn Write) -> Result<(), AuditError> {
    let mut rows = db.prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, mut entry, hash): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if entry.contains('\n') || serde_json::from_str::<serde::de::IgnoredAny>(&entry).is_err() {
            // Somebody changed it. It is handed out as a string, so that the lines stay lines.
            entry = serde_json::Value::String(entry).to_string();
        }
        writeln!(to, "{{\"seq\":{seq},\"hash\":{},\"entry\":{entry}}}", serde_json::Value::String(hash))?;
    }
    Ok(to.flush()?)
}
