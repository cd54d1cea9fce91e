//! Sources outside the host as a person writes them. The comments here are the descriptions in `schema/`.

pub use super::bucket::raw::Bucket;

use crate::policy::SecretRef;
use crate::policy::raw::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A Postgres database that a provider runs. No copy is made: the provider's own backups are looked at and judged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedDatabase {
    /// Whose database it is.
    pub provider: DatabaseProvider,
    /// Supabase: the project's ref, twenty letters. Neon: the project's id.
    pub project: Option<String>,
    /// Neon: the id of a branch. Default: the project's default branch.
    pub branch: Option<String>,
    /// Railway: the id of the database's volume instance.
    pub volume_instance: Option<String>,
    /// Railway: whose token it is.
    #[serde(default)]
    pub scope: TokenScope,
    /// Where the token for the provider's API is read from. Supabase: with `backups_read`. Every look reads it anew.
    pub token_from: SecretRef,
    /// Where the database's own address is read from, so that its archiver is asked as well. Not at Neon, where every
    /// question would wake the database and the archiver is not what keeps it.
    pub database_url_from: Option<SecretRef>,
    /// How old the newest restorable backup may be. Default `24h`.
    pub max_age: Option<Duration>,
    /// How far back the provider has to be able to restore. Without it, that is not judged.
    pub min_window: Option<Duration>,
    /// The address of the API, in place of the provider's own.
    pub endpoint: Option<String>,
    /// A file of certificates in PEM that are trusted beside the system's.
    #[schemars(extend("pattern" = "^/"))]
    pub ca_file: Option<PathBuf>,
    /// Whether `endpoint` may be plain http although it is not on this host.
    #[serde(default)]
    pub allow_http: bool,
}

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DatabaseProvider {
    /// Supabase: its daily backups, or point-in-time recovery where that is bought.
    Supabase,
    /// Neon: the history that it holds, and snapshots.
    Neon,
    /// Railway: the backups of the database's volume.
    Railway,
}

impl DatabaseProvider {
    /// The word in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supabase => "supabase",
            Self::Neon => "neon",
            Self::Railway => "railway",
        }
    }
}

/// Whose token it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenScope {
    /// An account's or a workspace's.
    #[default]
    Account,
    /// A project's.
    Project,
}

impl TokenScope {
    /// The word in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Project => "project",
        }
    }
}
