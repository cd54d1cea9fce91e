//! What providers remove by themselves, against what has to be kept.
//!
//! The meaning is Amazon's: a rule removes an older version once it is older than so many days *and* so many newer ones
//! exist, so it keeps the union of both. Two rules keep what both keep. Google's conditions within one rule are the same;
//! Backblaze's rules know days alone.

use crate::policy::{Bucket, BucketProvider, KeepAtLeast};

/// A rule by which a provider removes older versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// What it is called.
    pub name: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Only keys that begin with this.
    pub prefix: String,
    /// What it removes, and when.
    pub removes: Removes,
}

/// What a rule removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removes {
    /// Versions that were replaced or deleted so many days ago and have so many newer ones beside them; 0 is no condition.
    Older {
        /// Days since it was the current one.
        days: u32,
        /// Newer versions that are kept.
        newer: u32,
    },
    /// Whatever was written so many days ago, older versions with it.
    Written {
        /// Days since it was written.
        days: u32,
    },
    /// The current version, which becomes an older one where there are versions, and is gone elsewhere.
    Current {
        /// Days since it was written.
        days: u32,
    },
}

/// Why a rule keeps less than it should, if it does. For buckets with versions.
pub(super) fn too_short(rule: &Expiry, bucket: &Bucket, keep: &KeepAtLeast) -> Option<String> {
    let touches = rule.prefix.starts_with(&bucket.prefix) || bucket.prefix.starts_with(&rule.prefix);
    if !rule.enabled || !touches {
        return None;
    }
    let name = &rule.name;
    let (days, newer) = match rule.removes {
        Removes::Current { .. } => return None,
        Removes::Written { days } => {
            let message = format!(
                "the lifecycle rule {name} removes what was written {days} days ago, also where it was replaced only \
                 yesterday"
            );
            return Some(message);
        }
        Removes::Older { days, newer } => (days, newer),
    };
    if let Some(wanted) = keep.days.filter(|wanted| days < *wanted) {
        return Some(format!(
            "the lifecycle rule {name} removes older versions after {days} days, and `keepAtLeast` asks for {wanted}"
        ));
    }
    let wanted = keep.versions.filter(|wanted| newer < *wanted)?;
    let can = match bucket.provider {
        BucketProvider::BackblazeB2 => {
            "Backblaze's rules know no number of versions: ask for `days` alone, or take the rule out"
        }
        BucketProvider::GoogleCloudStorage => "add `numNewerVersions` to it",
        _ => "add `NewerNoncurrentVersions` to it",
    };
    Some(format!(
        "the lifecycle rule {name} keeps {newer} older versions beyond {days} days, and `keepAtLeast` asks for {wanted}: \
         {can}"
    ))
}
