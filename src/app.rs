//! Puts the pieces together: the running operator, and a single look for the commands that only show.

use crate::controller::ports::Event;
use crate::reconcile::{Outcome, SnapshotRecord};
use crate::status::model::StatusSnapshot;
use std::net::SocketAddr;
use std::path::PathBuf;
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

/// One look at everything, for the commands that only show.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What is true now.
    pub status: StatusSnapshot,
    /// This host's own snapshots, each with its repository's name, newest first.
    pub snapshots: Vec<(String, SnapshotRecord)>,
    /// Ended runs, newest first.
    pub runs: Vec<Outcome>,
    /// Events, newest first.
    pub events: Vec<Event>,
}
