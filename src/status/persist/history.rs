//! Runs and events: written, counted, read back, and let go when they are old.

use super::{KEEP, json, read_column};
use crate::controller::ports::{Begun, CountedEvent, Event, EventFilter, RunFilter};
use crate::reconcile::Outcome;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// So many runs of a source stay, however old they are.
const KEEP_RUNS: u32 = 100;
/// A repeat is counted with its event while the silence between them is no longer than this, in microseconds.
const SILENCE: i64 = 3_600 * 1_000_000;

pub(super) fn write_begun(tx: &Transaction, begun: &Begun) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO begun (run, begun) VALUES (?1, ?2)")?
        .execute((&begun.run.0, json(begun)?))?;
    Ok(())
}

/// Writes a run that ended and closes it.
pub(super) fn write_run(tx: &Transaction, run: &Outcome) -> rusqlite::Result<()> {
    let (policy, source) = match &run.source {
        Some(key) => (key.policy.clone(), key.source.clone()),
        None => (format!("@{}", run.repository), String::new()),
    };
    tx.prepare_cached("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        run.run.0,
        run.repository,
        policy,
        source,
        run.operation.as_str(),
        run.result.as_str(),
        run.started.as_microsecond(),
        json(run)?
    ])?;
    tx.prepare_cached("DELETE FROM begun WHERE run = ?1")?.execute([&run.run.0])?;
    Ok(())
}

/// Writes an event, or counts it with the one that it repeats.
pub(super) fn write_event(tx: &Transaction, event: &Event) -> rusqlite::Result<()> {
    let at = event.at.as_microsecond();
    let since = at.saturating_sub(SILENCE);
    let repeats: Option<i64> = tx
        .prepare_cached(
            "SELECT id FROM events WHERE object = ?1 AND reason = ?2 AND at >= ?3 AND message = ?4 AND warning = ?5 \
             ORDER BY at DESC LIMIT 1",
        )?
        .query_row(params![event.object, event.reason, since, event.message, event.warning], |row| row.get(0))
        .optional()?;
    match repeats {
        Some(id) => tx
            .prepare_cached("UPDATE events SET at = max(at, ?2), count = count + 1 WHERE id = ?1")?
            .execute((id, at))?,
        None => tx
            .prepare_cached(
                "INSERT INTO events (object, reason, message, warning, first_at, at, count) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1)",
            )?
            .execute(params![event.object, event.reason, event.message, event.warning, at])?,
    };
    Ok(())
}

/// Lets go what is older than [`KEEP`], save the newest runs of every source.
pub(super) fn prune(tx: &Transaction, now: Timestamp) -> rusqlite::Result<()> {
    let before = now.as_microsecond().saturating_sub(KEEP);
    let mut old = tx.prepare("SELECT DISTINCT policy, source FROM runs WHERE started < ?1")?;
    let old: Vec<(String, String)> =
        old.query_map([before], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (policy, source) in old {
        tx.prepare_cached(
            "DELETE FROM runs WHERE policy = ?1 AND source = ?2 AND started < min(?3, coalesce((SELECT started \
             FROM runs WHERE policy = ?1 AND source = ?2 ORDER BY started DESC LIMIT 1 OFFSET ?4), ?5))",
        )?
        .execute(params![policy, source, before, KEEP_RUNS - 1, i64::MIN])?;
    }
    tx.execute("DELETE FROM events WHERE at < ?1", [before])?;
    Ok(())
}

pub(super) fn begun(db: &Connection) -> rusqlite::Result<Vec<Begun>> {
    let mut rows = db.prepare("SELECT begun FROM begun ORDER BY run")?;
    read_column(&mut rows, &[])
}

pub(super) fn runs(db: &Connection, filter: &RunFilter) -> rusqlite::Result<Vec<Outcome>> {
    let mut wanted = Vec::new();
    let mut values: Vec<&dyn rusqlite::ToSql> = Vec::new();
    if let Some(policy) = &filter.policy {
        values.push(policy);
        wanted.push("policy = ?");
    }
    if let Some(source) = &filter.source {
        values.push(source);
        wanted.push("source = ?");
    }
    let limit = filter.limit.map_or(-1, i64::from);
    values.push(&limit);
    let text = format!("SELECT outcome FROM runs{} ORDER BY started DESC, run DESC LIMIT ?", clause(&wanted));
    let mut rows = db.prepare(&text)?;
    read_column(&mut rows, &values)
}

pub(super) fn events(db: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<CountedEvent>> {
    let mut wanted = Vec::new();
    let mut values: Vec<&dyn rusqlite::ToSql> = Vec::new();
    if let Some(object) = &filter.object {
        values.push(object);
        wanted.push("object = ?");
    }
    let limit = filter.limit.map_or(-1, i64::from);
    values.push(&limit);
    let text = format!(
        "SELECT object, reason, message, warning, first_at, at, count FROM events{} ORDER BY at DESC, id DESC LIMIT ?",
        clause(&wanted)
    );
    let mut rows = db.prepare(&text)?;
    rows.query_map(values.as_slice(), |row| {
        Ok(CountedEvent {
            event: Event {
                at: instant(row.get(5)?),
                warning: row.get(3)?,
                object: row.get(0)?,
                reason: row.get(1)?,
                message: row.get(2)?,
            },
            first_at: instant(row.get(4)?),
            count: row.get::<_, i64>(6)?.unsigned_abs(),
        })
    })?
    .collect()
}

fn clause(wanted: &[&str]) -> String {
    if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) }
}

fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
