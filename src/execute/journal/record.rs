//! What a line of the journal says, and whether it says it whole.

use crate::policy::{Hook, Mode};
use crate::reconcile::{Quiesced, RunId, SourceKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Something is about to be made stand still. Durable before it is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// For whom.
    pub source: SourceKey,
    /// The run that does it.
    pub run: RunId,
    /// By which means.
    pub mode: Mode,
    /// The container's name when it was touched, or the service's.
    pub name: String,
    /// Its id.
    pub id: String,
    /// By what it is found should it be made anew under another id.
    pub identity: Option<Identity>,
    /// What it was before.
    pub prior: Prior,
    /// What is to be run in it when it is over.
    pub post: Option<Hook>,
    /// The longest that one step of bringing it back may take, milliseconds.
    pub patience_ms: u64,
    /// When it was written: everything that was done to the container under it came later.
    pub at: Timestamp,
    /// When it has to be back at the latest, whatever became of the run.
    pub deadline: Timestamp,
}

impl Intent {
    /// In the words of the status.
    #[must_use]
    pub fn quiesced(&self) -> Quiesced {
        Quiesced {
            source: self.source.clone(),
            run: self.run.clone(),
            container: self.name.clone(),
            mode: self.mode,
            since: self.at,
            deadline: self.deadline,
        }
    }
}

/// What stays when a container is made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// A container of a Compose service.
    Compose {
        /// `com.docker.compose.project`
        project: String,
        /// `com.docker.compose.service`
        service: String,
        /// `com.docker.compose.container-number`
        number: String,
    },
    /// A Swarm service.
    Swarm {
        /// Its name.
        service: String,
    },
}

/// What something was before it was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Prior {
    /// A running container.
    Running,
    /// A service of so many tasks.
    Replicas(u64),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Record {
    Open(u64, Box<Intent>),
    Closed(u64),
}

impl Record {
    /// The line, with its end.
    pub(super) fn line(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(format!("{} {json}\n", checksum(&json)))
    }

    /// The record of a line without its end; `None` for one that is not whole.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        (sum == checksum(json)).then(|| serde_json::from_str(json).ok()).flatten()
    }
}

fn checksum(json: &str) -> String {
    hex::encode(&Sha256::digest(json)[..8])
}
