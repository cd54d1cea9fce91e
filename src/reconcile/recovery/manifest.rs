//! What travelled with a snapshot, as far as a recovery reads it.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What travelled with a snapshot. What an older Seawall did not write yet is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// How the volume was made, where the source is one.
    pub volume: Option<VolumeMade>,
    /// Which path of the host it is, where the source is one.
    pub path: Option<HostPath>,
    /// What was dumped, where the source is a database.
    pub postgres: Option<Dumped>,
    /// Which bucket it is, where the source is one.
    pub bucket: Option<Copied>,
    /// The containers that used it.
    pub containers: Vec<User>,
    /// The policy that it was made for.
    pub policy: Option<Written>,
    /// The name of the repository that it was written into.
    pub repository: String,
    /// Every document that was in force on the host.
    pub documents: Vec<Written>,
}

/// How a volume was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct VolumeMade {
    /// Its driver.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A path of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostPath {
    /// Absolute.
    pub path: String,
    /// Whether it is one file.
    pub file: bool,
}

/// A database that was dumped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Dumped {
    /// Whether roles and tablespaces are with it.
    pub globals: bool,
}

/// A bucket whose objects were copied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Copied {
    /// Its name.
    pub name: String,
}

/// A container that used a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// The image's name.
    pub image: String,
    /// The networks that it was in.
    pub networks: Vec<String>,
    /// Labels of Compose and Swarm.
    pub compose: BTreeMap<String, String>,
}

/// One document, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Written {
    /// `BackupPolicy` or `Repository`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl Written {
    /// Whether it is a policy.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        self.kind != "Repository"
    }
}

impl Manifest {
    /// What can be read of it. What cannot is as if it were not there: a recovery does without.
    #[must_use]
    pub fn read(found: Option<Value>) -> Self {
        found.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }
}
