//! Facts, one row each, so that a run among two thousand sources writes a handful of rows.

use crate::reconcile::Facts;
use rusqlite::{Connection, Transaction};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Reads everything. A row that this version cannot read is left out, with a warning: facts are history.
pub(super) fn load(db: &Connection) -> rusqlite::Result<Facts> {
    let mut facts = Facts::default();
    let mut rows = db.prepare("SELECT kind, key, value FROM facts")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key, value): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let read = match kind.as_str() {
            "first_seen" => put(&mut facts.first_seen, &key, &value),
            "target" => put(&mut facts.targets, &key, &value),
            "repository" => put(&mut facts.repositories, &key, &value),
            "suspended_since" => put(&mut facts.suspended_since, &key, &value),
            "runs" => put(&mut facts.runs, &key, &value),
            "generation" => put(&mut facts.generations, &key, &value),
            "missed_slots" => put(&mut facts.missed_slots, &key, &value),
            "window" => put(&mut facts.windows, &key, &value),
            "drill" => put(&mut facts.drills, &key, &value),
            _ => Ok(()),
        };
        if let Err(error) = read {
            tracing::warn!(kind, key, %error, "a remembered fact cannot be read and is left out");
        }
    }
    dense(&mut facts.first_seen);
    dense(&mut facts.targets);
    dense(&mut facts.runs);
    dense(&mut facts.generations);
    dense(&mut facts.drills);
    dense(&mut facts.windows);
    Ok(facts)
}

/// A map that was filled in order is half empty, one that is made at once is not.
fn dense<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    *map = std::mem::take(map).into_iter().collect();
}

fn put<K: DeserializeOwned + Ord, V: DeserializeOwned>(
    map: &mut BTreeMap<K, V>,
    key: &str,
    value: &str,
) -> serde_json::Result<()> {
    map.insert(serde_json::from_str(key)?, serde_json::from_str(value)?);
    Ok(())
}

/// Writes what differs.
pub(super) fn write(tx: &Transaction, old: &Facts, new: &Facts) -> rusqlite::Result<()> {
    write_map(tx, "first_seen", &old.first_seen, &new.first_seen)?;
    write_map(tx, "target", &old.targets, &new.targets)?;
    write_map(tx, "repository", &old.repositories, &new.repositories)?;
    write_map(tx, "suspended_since", &old.suspended_since, &new.suspended_since)?;
    write_map(tx, "runs", &old.runs, &new.runs)?;
    write_map(tx, "generation", &old.generations, &new.generations)?;
    write_map(tx, "missed_slots", &old.missed_slots, &new.missed_slots)?;
    write_map(tx, "window", &old.windows, &new.windows)?;
    write_map(tx, "drill", &old.drills, &new.drills)
}

fn write_map<K: Serialize + Ord, V: Serialize + PartialEq>(
    tx: &Transaction,
    kind: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> rusqlite::Result<()> {
    let mut set = tx.prepare_cached("INSERT OR REPLACE INTO facts (kind, key, value) VALUES (?1, ?2, ?3)")?;
    for (key, value) in new.iter().filter(|(key, value)| old.get(key) != Some(value)) {
        set.execute((kind, super::json(key)?, super::json(value)?))?;
    }
    let mut remove = tx.prepare_cached("DELETE FROM facts WHERE kind = ?1 AND key = ?2")?;
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        remove.execute((kind, super::json(key)?))?;
    }
    Ok(())
}
