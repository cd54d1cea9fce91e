//! The documents that were accepted, one row each, in their order.

use super::json;
use crate::controller::ports::AcceptedDocument;
use rusqlite::Transaction;
use std::collections::BTreeMap;

/// Writes what differs: of thousands of documents an edit changes one, and what is written waits for the disk.
pub(super) fn write(tx: &Transaction, documents: &[AcceptedDocument]) -> rusqlite::Result<()> {
    let mut before: BTreeMap<i64, String> = tx
        .prepare_cached("SELECT position, document FROM accepted")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut set = tx.prepare_cached("INSERT OR REPLACE INTO accepted (position, document) VALUES (?1, ?2)")?;
    for (position, document) in (1..).zip(documents) {
        let text = json(document)?;
        if before.remove(&position).as_ref() != Some(&text) {
            set.execute((position, text))?;
        }
    }
    let mut remove = tx.prepare_cached("DELETE FROM accepted WHERE position = ?1")?;
    for position in before.into_keys() {
        remove.execute([position])?;
    }
    Ok(())
}
