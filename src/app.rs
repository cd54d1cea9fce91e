//! Puts the pieces together: the running operator, and a single look for the commands that only show.

use crate::controller::ports::CountedEvent;
use crate::reconcile::Outcome;
use crate::status::model::{StatusSnapshot, StoredSnapshot};
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
    /// This host's own snapshots, newest first.
    pub snapshots: Vec<StoredSnapshot>,
    /// Ended runs, newest first.
    pub runs: Vec<Outcome>,
    /// Events, newest first.
    pub events: Vec<CountedEvent>,
}

/// Be the operator until a signal ends it.
///
/// # Errors
/// It cannot start: another operator holds the state directory, an address is taken, a directory cannot be used.
pub fn run(_options: Options) -> anyhow::Result<()> {
    anyhow::bail!("the operator is not built into this binary yet")
}

/// Looks at everything once, as the operator would, and changes nothing.
///
/// # Errors
/// The state directory cannot be read. Docker or a repository that does not answer is part of the look, not an error.
pub fn look_once(_options: &Options) -> anyhow::Result<Look> {
    anyhow::bail!("looking without a running operator is not built into this binary yet")
}

/// Backs up a policy's sources, or one of them, without an operator. One outcome per source and repository.
///
/// # Errors
/// Nothing could be begun: an operator runs, the policy or the source is unknown or in no state to be backed up.
pub fn backup_once(_options: &Options, _policy: &str, _source: Option<&str>) -> anyhow::Result<Vec<Outcome>> {
    anyhow::bail!("backing up without a running operator is not built into this binary yet")
}
