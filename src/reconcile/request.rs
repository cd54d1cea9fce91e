//! What people ask for, beside what schedules say.

use super::plan::Action;
use super::{Operation, SourceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that a person asked for and that has not begun. It stands until a run answers it, or until there is
/// nothing left that it could be done with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// A snapshot of the source, now.
    Backup(SourceKey),
}

impl Request {
    /// What it asks for.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Backup(_) => Operation::Backup,
        }
    }

    /// The source that it is about; `None` where it is about a repository.
    #[must_use]
    pub const fn source(&self) -> Option<&SourceKey> {
        match self {
            Self::Backup(source) => Some(source),
        }
    }

    /// What it is about, as events and the audit trail write it.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::Backup(source) => format!("policy/{source}"),
        }
    }

    /// Whether the action does what was asked for.
    #[must_use]
    pub fn is_answered_by(&self, action: &Action) -> bool {
        match (self, action) {
            (Self::Backup(source), Action::Backup(backup)) => backup.source == *source,
            (Self::Backup(_), _) => false,
        }
    }
}

/// As in "… of n8n-data/n8n_data": the operation and what it is about.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(source) => write!(f, "backup of {source}"),
        }
    }
}

/// What a person asked for, in the words of the command line: a name may mean many sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Back up a policy: all its sources, or one.
    Backup {
        /// The policy.
        policy: String,
        /// One of its sources; `None`: all.
        source: Option<String>,
    },
}

impl Wish {
    /// The command that says it.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "seawall backup",
        }
    }
}
