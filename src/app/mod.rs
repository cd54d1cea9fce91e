//! Puts the pieces together: the running operator, and a single look for the commands that only show.

pub mod mount;
mod once;
mod operate;
mod peek;
pub mod recover;

pub use once::{carry_out_once, look_once};
pub use operate::run;
pub use peek::{Peek, containers, docker_once};

use crate::adapters::clone::Clones;
use crate::adapters::docker::Docker;
use crate::adapters::sqlite::Staging;
use crate::controller::ports::{AuditEntry, CountedEvent, Entry, Event, Record};
use crate::execute::drill::Drills;
use crate::execute::restore::{Mended, Shelf};
use crate::reconcile::Outcome;
use crate::status::model::{StatusSnapshot, StoredSnapshot};
use anyhow::Context;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What every command needs to know about this host.
#[derive(Debug, Clone)]
pub struct Options {
    /// The policies directory.
    pub policies: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// The Docker engine, as `DOCKER_HOST` writes it; `None`: the default socket.
    pub docker_host: Option<String>,
    /// The name under which this host writes snapshots.
    pub host: String,
    /// Where the read-only endpoints listen.
    pub listen: SocketAddr,
    /// Most runs at once.
    pub max_runs: usize,
    /// How often the policies directory is read again whatever the watcher says.
    pub rescan: Duration,
}

/// Where copies of databases are made, swept. Only for whoever holds the state directory.
fn staging(options: &Options) -> anyhow::Result<Arc<Staging>> {
    let directory = options.state.join("staging");
    let staging = Staging::open(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(Arc::new(staging))
}

/// Where clones of volumes are on record, swept. Only for whoever holds the state directory.
fn clones(options: &Options) -> anyhow::Result<Arc<Clones>> {
    let directory = options.state.join("clones");
    let clones = Clones::open(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(Arc::new(clones))
}

/// What restores left, put right. Only for whoever holds the state directory.
fn shelf(options: &Options, record: &Arc<dyn Record>, at: Timestamp) -> anyhow::Result<Arc<Shelf>> {
    let directory = options.state.join("restores");
    let (shelf, mended) = Shelf::open(&directory).with_context(|| format!("cannot use {}", directory.display()))?;
    let (mut events, mut audit) = (Vec::new(), Vec::new());
    for Mended { restore, source, message } in mended {
        tracing::warn!(%restore, "{message}");
        let object = format!("policy/{source}");
        let (actor, action) = ("seawall".to_owned(), "restore.settle".to_owned());
        let (result, detail) = ("success".to_owned(), format!("run {restore}: {message}"));
        audit.push(AuditEntry { at, actor, action, object: object.clone(), result, detail });
        events.push(Event { at, warning: true, object, reason: "RestoreSettled".to_owned(), message });
    }
    if !events.is_empty() {
        record.record(&Entry { events, audit, ..Entry::default() }).map_err(anyhow::Error::msg)?;
    }
    Ok(Arc::new(shelf))
}

/// One look at everything, for the commands that only show.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What is true now.
    pub status: StatusSnapshot,
    /// This host's own snapshots, newest first.
    pub snapshots: Vec<StoredSnapshot>,
    /// Ended runs, newest first.
    pub runs: Vec<Outcome>,
    /// Events, newest first.
    pub events: Vec<CountedEvent>,
}

/// What drills work with on the engine. It is told apart from that of other Seawalls by the state directory.
fn drills(options: &Options, docker: Docker) -> Drills {
    let state = std::fs::canonicalize(&options.state).unwrap_or_else(|_| options.state.clone());
    let owner = Sha256::new().chain_update(state.as_os_str().as_encoded_bytes()).chain_update(&options.host).finalize();
    Drills::new(docker, hex::encode(&owner[..8]))
}

/// The program's version and the commit that it was built from.
pub(crate) const BUILD: (&str, &str) = (
    env!("CARGO_PKG_VERSION"),
    match option_env!("SEAWALL_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
);
