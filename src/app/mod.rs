//! Puts the pieces together: the running operator, and a single look for the commands that only show.

mod once;
mod operate;

pub use once::{carry_out_once, look_once};
pub use operate::run;

use crate::adapters::clone::Clones;
use crate::adapters::docker::Docker;
use crate::adapters::sqlite::Staging;
use crate::controller::ports::CountedEvent;
use crate::execute::drill::Drills;
use crate::reconcile::Outcome;
use crate::status::model::{StatusSnapshot, StoredSnapshot};
use anyhow::Context;
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
