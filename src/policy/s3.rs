//! How a bucket is reached that speaks S3's protocol: for repositories and for buckets that are sources.

use super::SecretRef;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// A bucket, and the keys to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Access {
    /// The server's address; no slash at its end.
    pub endpoint: String,
    /// The name of the bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the id of the access key is read from.
    pub access_key_id_from: SecretRef,
    /// Where the secret key is read from.
    pub secret_access_key_from: SecretRef,
    /// Certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a server elsewhere may be spoken to without encryption.
    pub allow_http: bool,
}

impl S3Access {
    pub(super) fn meaning(&self) -> Json {
        json!({
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "region": self.region,
            "accessKeyIdFrom": self.access_key_id_from.meaning(),
            "secretAccessKeyFrom": self.secret_access_key_from.meaning(),
            "caFile": self.ca_file,
            "allowHttp": self.allow_http,
        })
    }
}

/// Whether a region lies in what `residency` asks for: it is that, or a part of it. `eu` is met by `eu`, `EU`,
/// `eu-central-1` and Google's `EUROPE-WEST3`, and not by `us-east-1`.
#[must_use]
pub fn resides(region: &str, residency: &str) -> bool {
    let (region, residency) = (region.to_ascii_lowercase(), residency.to_ascii_lowercase());
    let within = |area: &str| region == area || region.strip_prefix(area).is_some_and(|rest| rest.starts_with('-'));
    within(&residency) || (residency == "eu" && within("europe"))
}

#[cfg(test)]
mod tests {
    use super::resides;

    #[test]
    fn a_region_is_in_an_area_or_not() {
        for (region, residency, right) in [
            ("eu", "eu", true),
            ("EU", "eu", true),
            ("eu-central-003", "eu", true),
            ("EUROPE-WEST3", "eu", true),
            ("eu-central-1", "eu-central-1", true),
            ("eu-central-1", "eu-central", true),
            ("eu-west-1", "eu-central-1", false),
            ("us-east-1", "eu", false),
            ("default", "eu", false),
            ("europa", "eu", false),
            ("", "eu", false),
        ] {
            assert_eq!(resides(region, residency), right, "{region} {residency}");
        }
    }
}
