//! The names of things that have a state of their own.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One source of one policy: for volumes, one matched volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceKey {
    /// The policy's name.
    pub policy: String,
    /// The source's name: for volumes, the volume's.
    pub source: String,
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.source)
    }
}

/// One source in one repository: what has a newest snapshot, a settled slot and a retry time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetKey {
    /// The policy's name.
    pub policy: String,
    /// The source's name.
    pub source: String,
    /// The repository's name.
    pub repository: String,
}

impl TargetKey {
    /// The source without the repository.
    #[must_use]
    pub fn source_key(&self) -> SourceKey {
        SourceKey { policy: self.policy.clone(), source: self.source.clone() }
    }
}

impl SourceKey {
    /// This source in one repository.
    #[must_use]
    pub fn target(&self, repository: &str) -> TargetKey {
        TargetKey { policy: self.policy.clone(), source: self.source.clone(), repository: repository.to_owned() }
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.policy, self.source, self.repository)
    }
}
