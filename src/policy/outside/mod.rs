//! Sources that live outside the host: what their provider keeps is observed and judged.

mod bucket;
pub(super) mod check;
pub(super) mod raw;

use super::SecretRef;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;

pub use bucket::{Bucket, BucketProvider, CloudflareAccess, Jurisdiction, KeepAtLeast, ProtectionKind};
pub use raw::{DatabaseProvider, TokenScope};

/// How often such a source is looked at when the policy does not say.
pub(super) const EVERY: Duration = Duration::from_mins(15);

/// A database that a provider runs, with the backups that the provider makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedDatabase {
    /// Whose.
    pub provider: DatabaseProvider,
    /// The provider's name for it: Supabase's project ref, Neon's project id, the id of Railway's volume instance.
    pub id: String,
    /// Neon's branch; `None`: the default one.
    pub branch: Option<String>,
    /// What the token is good for.
    pub scope: TokenScope,
    /// The token for the provider's API.
    pub token_from: SecretRef,
    /// The database's own address, to ask its archiver; `None`: it is not asked.
    pub database_url_from: Option<SecretRef>,
    /// The newest restorable backup may be so old.
    pub max_age: Duration,
    /// So far back has the provider to be able to restore.
    pub min_window: Option<Duration>,
    /// How the API is reached.
    pub access: Access,
}

/// How an API is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// In place of the provider's own address; no slash at its end.
    pub endpoint: Option<String>,
    /// Certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a server elsewhere may be spoken to without encryption.
    pub allow_http: bool,
}

impl ManagedDatabase {
    /// The name of the source: `PROVIDER/ID`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider.as_str(), self.id)
    }

    /// The meaning, for the digest.
    pub(super) fn meaning(&self) -> Json {
        let mut meaning = json!({
            "provider": self.provider.as_str(),
            "id": self.id,
            "branch": self.branch,
            "scope": self.scope.as_str(),
            "tokenFrom": self.token_from.meaning(),
            "maxAge": super::digest::ms(self.max_age),
            "minWindow": self.min_window.map(super::digest::ms),
            "access": self.access.meaning(),
        });
        if let Some(from) = &self.database_url_from {
            meaning["databaseUrlFrom"] = from.meaning();
        }
        meaning
    }
}

impl Access {
    fn meaning(&self) -> Json {
        json!({ "endpoint": self.endpoint, "caFile": self.ca_file, "allowHttp": self.allow_http })
    }
}
