//! Where a drill restores to: made, found again after a crash, removed.

use crate::adapters::docker::{Docker, DockerError, Purpose};
use crate::adapters::postgres;
use crate::adapters::repository::{Reason, RepositoryError};
use crate::reconcile::{Readable, RunId};
use jiff::Timestamp;
use std::path::PathBuf;

/// Makes and removes what drills work with.
#[derive(Debug, Clone)]
pub struct Drills {
    docker: Docker,
    owner: String,
}

/// The volume of one drill.
pub(super) struct Scratch {
    /// Its directory.
    pub path: PathBuf,
}

impl Drills {
    /// On an engine; `owner` tells this Seawall from others on the same one, and is the same after a restart.
    #[must_use]
    pub const fn new(docker: Docker, owner: String) -> Self {
        Self { docker, owner }
    }

    /// What tells this Seawall from others.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) const fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(super) fn purpose(&self, run: &RunId) -> Purpose {
        Purpose { owner: self.owner.clone(), run: run.to_string() }
    }

    /// Removes what earlier drills left behind when their process died. What could not be removed, in words.
    pub async fn sweep(&self) -> Vec<String> {
        let owner = self.owner.clone();
        let servers = tokio::task::spawn_blocking(move || postgres::scratch::sweep(&owner)).await;
        let mut troubles = servers.unwrap_or_else(|error| vec![error.to_string()]);
        match self.docker.remove_scratch(&self.owner, None).await {
            Ok(removed) => {
                for name in removed {
                    tracing::warn!(%name, "removed what an earlier drill had left behind");
                }
            }
            Err(error) => {
                troubles.push(format!("what an earlier drill left behind could not be removed: {}", told(&error)));
            }
        }
        troubles
    }

    pub(super) async fn make(&self, run: &RunId, now: Timestamp) -> Result<Scratch, RepositoryError> {
        let purpose = self.purpose(run);
        self.docker.make_scratch(&purpose).await.map_err(|error| engine(&error))?;
        let volume = self.docker.volume(&purpose.name(), now).await.map_err(|error| engine(&error))?;
        match volume.readable {
            Readable::At(path) => Ok(Scratch { path }),
            Readable::No { message, reason } => {
                let message = format!("The volume of the drill cannot be written to from here: {message} ({reason})");
                Err(RepositoryError::new(Reason::Refused, message))
            }
        }
    }

    /// Removes everything of one run. What could not be removed, in words; it is tried again before the next drill.
    pub(super) async fn remove(&self, run: &RunId) -> Option<String> {
        let removed = self.docker.remove_scratch(&self.owner, Some(&run.to_string())).await;
        removed.err().map(|error| format!("what the drill worked with could not be removed yet: {}", told(&error)))
    }
}

/// Trouble with the engine, as trouble of the run.
pub(super) fn engine(error: &DockerError) -> RepositoryError {
    RepositoryError::new(Reason::Unavailable, told(error))
}

/// An error with its causes, in one line.
pub(super) fn told(error: &DockerError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
