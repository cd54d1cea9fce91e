//! Making the application of a source stand still while it is read, and bringing it back whatever happens.
//!
//! Each reading of a source has one *window*: it begins once the repository is open, locked and its index loaded, and is
//! over as soon as the last file has been read, before anything else is stored. Everything that is touched in it is in
//! the [`journal`](super::journal) before; a task of its own brings it back, so that a run that hangs holds up nothing.

mod holds;
mod judge;
mod recover;
mod select;
mod settle;
mod still;
mod window;

pub use recover::Settled;
pub(super) use window::{Ask, Closed, Window};

use super::journal::Journal;
use crate::adapters::docker::Docker;
use crate::clock::Clock;
use holds::Holds;
use std::sync::Arc;

/// Makes containers stand still and brings them back. Cheap to clone; all clones know of each other.
#[derive(Clone)]
pub struct Quiescer {
    docker: Docker,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    /// The id of the container that this process runs in.
    own: Option<String>,
    holds: Holds,
}

impl std::fmt::Debug for Quiescer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quiescer").field("docker", &self.docker).field("own", &self.own).finish_non_exhaustive()
    }
}

impl Quiescer {
    /// Over an engine, with a journal that only this process writes.
    #[must_use]
    pub fn new(docker: Docker, journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { docker, journal, clock, own: select::own_container(), holds: Holds::default() }
    }
}
