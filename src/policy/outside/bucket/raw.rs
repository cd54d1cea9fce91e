//! A bucket as a person writes it. The comments here are the descriptions in `schema/`.

use crate::policy::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A bucket of objects. It is looked at whether its provider protects what is in it from being deleted or overwritten.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bucket {
    /// Whose bucket it is, which says what its protection can be and how it is asked for.
    pub provider: BucketProvider,
    /// The bucket's name.
    pub name: String,
    /// Only what begins with this matters, such as `uploads/`. Default: all of the bucket.
    #[serde(default)]
    pub prefix: String,
    /// Cloudflare: the id of the account, 32 hexadecimal digits.
    pub account: Option<String>,
    /// Cloudflare: where the bucket was made. In another jurisdiction it is not found.
    pub jurisdiction: Option<Jurisdiction>,
    /// The region of the bucket. `awsS3` and `backblazeB2` need it.
    pub region: Option<String>,
    /// The address of the S3 server. Only `s3Compatible` needs it.
    pub endpoint: Option<String>,
    /// The address of Cloudflare's API, in place of its own.
    pub api_endpoint: Option<String>,
    /// Where the id of an access key for S3's protocol is read from. Every look reads it anew.
    pub access_key_id_from: Option<SecretRef>,
    /// Where the secret of that access key is read from.
    pub secret_access_key_from: Option<SecretRef>,
    /// Cloudflare: where a token for its API is read from, which bucket locks are read with. It needs `Workers R2
    /// Storage Read`.
    pub token_from: Option<SecretRef>,
    /// Whether its objects are copied into the policy's repositories as well. The access key has to read and list them.
    #[serde(default)]
    pub copy: bool,
    /// What has to protect the objects.
    #[serde(default)]
    pub protection: Protection,
    /// What has to be kept of objects that were deleted or overwritten. A lock has to last as long.
    pub keep_at_least: Option<KeepAtLeast>,
    /// Where the bucket has to be: a region, or the beginning of its name, such as `eu`.
    pub residency: Option<String>,
    /// A file of certificates in PEM that are trusted beside the system's.
    #[schemars(extend("pattern" = "^/"))]
    pub ca_file: Option<PathBuf>,
    /// Whether `endpoint` and `apiEndpoint` may be plain http although they are not on this host.
    #[serde(default)]
    pub allow_http: bool,
}

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BucketProvider {
    /// Cloudflare R2. It has no object versioning; bucket locks protect there.
    #[serde(rename = "cloudflareR2")]
    CloudflareR2,
    /// Amazon S3.
    #[serde(rename = "awsS3")]
    AwsS3,
    /// Backblaze B2 over its S3 protocol.
    #[serde(rename = "backblazeB2")]
    BackblazeB2,
    /// Google Cloud Storage over its XML protocol, with HMAC keys.
    GoogleCloudStorage,
    /// Any other server that speaks S3's protocol.
    #[serde(rename = "s3Compatible")]
    S3Compatible,
}

/// Where an R2 bucket was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Jurisdiction {
    /// None in particular.
    #[default]
    Default,
    /// The European Union.
    Eu,
    /// The United States.
    Us,
    /// FedRAMP moderate.
    Fedramp,
    /// FedRAMP high.
    FedrampHigh,
}

/// What has to protect the objects.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Protection {
    /// Any of these is enough. Default: all three.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub require: Vec<ProtectionKind>,
}

impl Default for Protection {
    fn default() -> Self {
        Self { require: vec![ProtectionKind::Versioning, ProtectionKind::ObjectLock, ProtectionKind::BucketLock] }
    }
}

/// What can protect objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProtectionKind {
    /// What is deleted or overwritten stays as an older version.
    Versioning,
    /// S3 Object Lock with a default retention.
    ObjectLock,
    /// A bucket lock rule of Cloudflare R2.
    BucketLock,
}

/// What has to be kept at least: both, where both are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["versions"]}, {"required": ["days"]}]))]
pub struct KeepAtLeast {
    /// So many older versions of every object.
    #[schemars(range(min = 1))]
    pub versions: Option<u32>,
    /// Everything that was deleted or overwritten within so many days.
    #[schemars(range(min = 1))]
    pub days: Option<u32>,
}

impl BucketProvider {
    /// The word in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CloudflareR2 => "cloudflareR2",
            Self::AwsS3 => "awsS3",
            Self::BackblazeB2 => "backblazeB2",
            Self::GoogleCloudStorage => "googleCloudStorage",
            Self::S3Compatible => "s3Compatible",
        }
    }
}

impl Jurisdiction {
    /// The word in the policy file, and in Cloudflare's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Eu => "eu",
            Self::Us => "us",
            Self::Fedramp => "fedramp",
            Self::FedrampHigh => "fedramp-high",
        }
    }
}

impl ProtectionKind {
    /// The word in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Versioning => "versioning",
            Self::ObjectLock => "objectLock",
            Self::BucketLock => "bucketLock",
        }
    }
}
