//! A server's own view of its archiver.

use super::address::Address;
use super::ask::Asker;
use super::client::Clients;
use super::error::PostgresError;
use crate::adapters::key;
use crate::policy::SecretRef;
use crate::reconcile::watch::archiver::Archiver;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    mode: String,
    timeout: u64,
    archived: Option<i64>,
    failed: Option<i64>,
    since: Option<i64>,
    standby: bool,
    written: u64,
    system: String,
}

/// No more than any role may see. `archive_command` is not asked for: it may have secrets in it.
const VIEW: &str = "SELECT json_build_object(
    'mode', current_setting('archive_mode'),
    'timeout', (SELECT setting::bigint FROM pg_settings WHERE name = 'archive_timeout'),
    'archived', floor(extract(epoch FROM last_archived_time) * 1000)::bigint,
    'failed', floor(extract(epoch FROM last_failed_time) * 1000)::bigint,
    'since', floor(extract(epoch FROM stats_reset) * 1000)::bigint,
    'standby', pg_is_in_recovery(),
    'written', CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END,
    'system', (SELECT system_identifier::text FROM pg_control_system()))
  FROM pg_stat_archiver;";

/// Asks the server of an address. Blocking.
///
/// # Errors
/// There is no address, no client, or no answer.
pub fn look(url_from: &SecretRef, now: Timestamp, cancel: &CancellationToken) -> Result<Archiver, PostgresError> {
    let secret = key::read(url_from).map_err(|error| PostgresError::refused(error.to_string()))?;
    let address = Address::parse(&secret)?;
    let programs = Clients::find(None, cancel)?.newest().clone();
    let view: View = Asker { programs, address, cancel: cancel.clone() }.json(VIEW)?;
    let instant = |milliseconds: Option<i64>| milliseconds.and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(Archiver {
        on: matches!(view.mode.as_str(), "on" | "always"),
        standby: view.standby && view.mode != "always",
        at_least_every: (view.timeout > 0).then(|| Duration::from_secs(view.timeout)),
        archived: instant(view.archived),
        failed: instant(view.failed),
        since: instant(view.since),
        written: view.written,
        system: view.system,
        at: now,
    })
}
