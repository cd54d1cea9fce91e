//! What people ask for, beside what schedules say.

use super::plan::Action;
use super::{Operation, RestoreAction, SourceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that a person asked for and that has not begun. It stands until a run answers it, or until there is
/// nothing left that it could be done with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// A snapshot of the source, now.
    Backup(SourceKey),
    /// A drill of the source, now.
    Drill(SourceKey),
    /// A look through a repository, now.
    Check {
        /// Which.
        repository: String,
        /// How much of its data is read, 0 to 100; `None`: as its document says.
        read_percent: Option<u8>,
        /// The damage that is to be repaired, by its digest; `None`: none.
        repair: Option<String>,
    },
    /// A restore, or what follows one.
    Restore(RestoreAction),
}

impl Request {
    /// What it asks for.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Backup(_) => Operation::Backup,
            Self::Drill(_) => Operation::Drill,
            Self::Check { .. } => Operation::Check,
            Self::Restore(_) => Operation::Restore,
        }
    }

    /// The source that it is about; `None` where it is about a repository.
    #[must_use]
    pub const fn source(&self) -> Option<&SourceKey> {
        match self {
            Self::Backup(source) | Self::Drill(source) | Self::Restore(RestoreAction { source, .. }) => Some(source),
            Self::Check { .. } => None,
        }
    }

    /// What it is about, as events and the audit trail write it.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::Backup(source) | Self::Drill(source) | Self::Restore(RestoreAction { source, .. }) => {
                format!("policy/{source}")
            }
            Self::Check { repository, .. } => format!("repository/{repository}"),
        }
    }

    /// Whether the action does what was asked for.
    #[must_use]
    pub fn is_answered_by(&self, action: &Action) -> bool {
        match (self, action) {
            (Self::Backup(source), Action::Backup(backup)) => backup.source == *source,
            (Self::Drill(source), Action::Drill(drill)) => drill.source == *source,
            (Self::Check { repository, repair, .. }, Action::Check(check)) => {
                check.repository == *repository && check.repair == *repair
            }
            (Self::Restore(restore), Action::Restore(action)) => restore == action,
            (Self::Backup(_) | Self::Drill(_) | Self::Check { .. } | Self::Restore(_), _) => false,
        }
    }
}

/// As in "… of n8n-data/n8n_data": the operation and what it is about.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(source) => write!(f, "backup of {source}"),
            Self::Drill(source) => write!(f, "drill of {source}"),
            Self::Check { repository, .. } => write!(f, "check of repository {repository}"),
            Self::Restore(restore) => restore.fmt(f),
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
    /// Drill a policy: all its sources, or one.
    Drill {
        /// The policy.
        policy: String,
        /// One of its sources; `None`: all.
        source: Option<String>,
    },
    /// Look through a repository.
    Check {
        /// Which; `None`: all.
        repository: Option<String>,
        /// How much of its data is read, 0 to 100; `None`: as its document says.
        read_percent: Option<u8>,
        /// The damage that is to be repaired, by its digest; `None`: none.
        repair: Option<String>,
    },
    /// A restore, or what follows one.
    Restore(RestoreAction),
}

impl Wish {
    /// The command that says it.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "seawall backup",
            Self::Drill { .. } => "seawall drill",
            Self::Check { .. } => "seawall check",
            Self::Restore(_) => "seawall restore",
        }
    }
}
