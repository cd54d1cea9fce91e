//! Databases that restores have set aside: found again, put back, and removed once their time is over.
//!
//! One counts as such only where the record on this host, its name and the mark beside it on its server agree, and the server
//! is the one on which it was set aside. Whatever else is there belongs to somebody else and is never touched.

use super::repository_error;
use crate::adapters::postgres::{PostgresError, Server, Target};
use crate::adapters::repository::{Reason, RepositoryError};
use crate::execute::fail_point::fail_point;
use crate::execute::restore::{SetAside, Shelf};
use jiff::Timestamp;
use std::io;
use tokio_util::sync::CancellationToken;

/// The server of one, and whether it is there.
pub(super) fn find(aside: &SetAside, cancel: &CancellationToken) -> Result<(Server, bool), PostgresError> {
    let binaries = aside.binaries.as_deref();
    let Target { server, .. } = Target::reach(&aside.url_from, Some(&aside.undo.target), binaries, cancel)?;
    if aside.system.is_some() && server.system() != aside.system {
        return Err(PostgresError::refused(format!(
            "The address leads to another server than the one on which {} was set aside",
            aside.name()
        )));
    }
    let marked = server.marked(&aside.mark)?;
    let there = marked.iter().any(|(name, rest)| *name == aside.name() && rest.is_empty());
    Ok((server, there))
}

/// Gives a database that was made the name of the one that it replaces, and sets that aside. What becomes of it is on record
/// before and after, so that it is not forgotten.
pub(super) fn exchange(shelf: &Shelf, server: &Server, mut aside: SetAside, new: &str) -> Result<(), RepositoryError> {
    let (name, kept) = (aside.undo.target.clone(), aside.name());
    aside.under_way = true;
    shelf.put_database(&aside).map_err(|error| unrecorded(&error))?;
    let exchanged = server.rename(&[(&name, &kept), (new, &name)], (&name, &kept), &aside.mark);
    fail_point("exchanged");
    if let Err(error) = exchanged {
        // What was cut off may have been so after the exchange: only the server knows.
        match find(&aside, &CancellationToken::new()) {
            Ok((_, true)) => {}
            Ok((_, false)) => {
                shelf.forget_database(&aside.undo.restore).map_err(|error| unrecorded(&error))?;
                return Err(repository_error(&error));
            }
            Err(_) => {
                aside.under_way = false;
                shelf.put_database(&aside).map_err(|error| unrecorded(&error))?;
                return Err(repository_error(&error));
            }
        }
    }
    (aside.exchanged, aside.under_way) = (true, false);
    if let Err(error) = shelf.put_database(&aside) {
        // It is on record all the same, and its server tells the rest.
        tracing::error!(database = %kept, %error, "the record of what a restore replaced could not be completed");
    }
    Ok(())
}

fn unrecorded(error: &io::Error) -> RepositoryError {
    RepositoryError::because(Reason::Unavailable, "The restore cannot be put on record, so nothing was replaced", error)
}

/// Removes what has been kept for long enough, and finds out what became of restores that were cut off. Blocking.
pub(in crate::execute) fn expire(shelf: &Shelf, now: Timestamp, cancel: &CancellationToken) {
    let due = |aside: &SetAside| !aside.under_way && (!aside.exchanged || aside.undo.expires <= now);
    for aside in shelf.databases().into_iter().filter(due) {
        let (restore, database) = (aside.undo.restore.clone(), aside.name());
        match settle(shelf, aside, now, cancel) {
            Ok(told) => tracing::info!(%restore, %database, "{told}"),
            Err(error) => {
                tracing::warn!(%restore, %database, %error, "what it replaced was not looked after; it is tried again");
            }
        }
    }
}

fn settle(
    shelf: &Shelf,
    mut aside: SetAside,
    now: Timestamp,
    cancel: &CancellationToken,
) -> Result<&'static str, PostgresError> {
    let failed = |error: io::Error| PostgresError::refused(format!("its record cannot be written: {error}"));
    let (server, there) = find(&aside, cancel)?;
    if !there {
        shelf.forget_database(&aside.undo.restore).map_err(failed)?;
        return Ok(if aside.exchanged {
            "what it had replaced is not on its server any more"
        } else {
            "it was cut off before it replaced anything"
        });
    }
    if aside.undo.expires <= now {
        server.remove(&aside.name(), &aside.mark)?;
        shelf.forget_database(&aside.undo.restore).map_err(failed)?;
        return Ok("removed what it had replaced; its time was over");
    }
    aside.exchanged = true;
    shelf.put_database(&aside).map_err(failed)?;
    Ok("it was cut off after the exchange: it is done, and what it replaced is kept")
}
