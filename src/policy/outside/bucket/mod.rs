//! Buckets: whose they are, how they are reached, and what has to protect what is in them.

pub(super) mod check;
pub(super) mod raw;

use super::Access;
use crate::policy::SecretRef;
use crate::policy::s3::S3Access;
use serde_json::{Value as Json, json};

pub use raw::{BucketProvider, Jurisdiction, KeepAtLeast, ProtectionKind};

/// A bucket that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose.
    pub provider: BucketProvider,
    /// Its name.
    pub name: String,
    /// The name of the source: `PROVIDER/NAME`, and the prefix where there is one.
    pub source: String,
    /// Only what begins with this matters; empty: everything.
    pub prefix: String,
    /// How it is reached by S3's protocol. `None`: not at all, Cloudflare's API is enough.
    pub s3: Option<S3Access>,
    /// How Cloudflare's API is reached, for an R2 bucket.
    pub cloudflare: Option<CloudflareAccess>,
    /// Whether its objects are copied into repositories.
    pub copy: bool,
    /// Any of these is enough; not empty.
    pub require: Vec<ProtectionKind>,
    /// What has to be kept of what was deleted or overwritten.
    pub keep_at_least: Option<KeepAtLeast>,
    /// Where it has to be.
    pub residency: Option<String>,
}

/// Cloudflare's API for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudflareAccess {
    /// The id of the account.
    pub account: String,
    /// Where the bucket was made.
    pub jurisdiction: Jurisdiction,
    /// Where the token is read from. `None`: the API cannot be asked.
    pub token_from: Option<SecretRef>,
    /// How the API is reached.
    pub access: Access,
}

impl Bucket {
    /// The meaning, for the digest.
    pub(in crate::policy) fn meaning(&self) -> Json {
        let cloudflare = self.cloudflare.as_ref().map(|cloudflare| {
            json!({
                "account": cloudflare.account,
                "jurisdiction": cloudflare.jurisdiction.as_str(),
                "tokenFrom": cloudflare.token_from.as_ref().map(SecretRef::meaning),
                "access": cloudflare.access.meaning(),
            })
        });
        let mut require: Vec<_> = self.require.iter().map(|kind| kind.as_str()).collect();
        require.sort_unstable();
        let mut meaning = json!({
            "provider": self.provider.as_str(),
            "name": self.name,
            "prefix": self.prefix,
            "s3": self.s3.as_ref().map(S3Access::meaning),
            "cloudflare": cloudflare,
            "require": require,
            "keepAtLeast": self.keep_at_least,
            "residency": self.residency,
        });
        if self.copy {
            meaning["copy"] = true.into();
        }
        meaning
    }
}
