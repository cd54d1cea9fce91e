//! Whether what a provider does for a bucket protects its objects as the policy asks.
//!
//! Only a literal `Enabled` is versioning. What a server does not tell is unknown, and what it can never do is said so.

use super::Judgement;
use super::expiry::{Expiry, too_short};
use crate::policy::s3::resides;
use crate::policy::{Bucket, BucketProvider, ProtectionKind};
use crate::status::model::Truth;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What is known of one setting of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// The server has said it.
    Known(T),
    /// The server has no such thing; why, in words.
    Unsupported(String),
    /// Nobody knows; a CamelCase word, and why.
    Unknown(&'static str, String),
}

/// Whether older versions of objects are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// They are: the server has said `Enabled`.
    Enabled,
    /// Not any more.
    Suspended,
    /// It was never switched on.
    Never,
}

/// One lock on objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What it is called.
    pub name: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Only keys that begin with this.
    pub prefix: String,
    /// For how long.
    pub holds: Holds,
}

/// For how long a lock holds an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// From when it is written on.
    For(Duration),
    /// Until then, whenever it is written.
    Until(Timestamp),
    /// Until the lock is taken away.
    Indefinitely,
    /// Only where whoever writes it says so.
    Asked,
}

/// What was learnt of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAnswer {
    /// Older versions.
    pub versioning: Told<Versioning>,
    /// S3 Object Lock.
    pub object_lock: Told<Vec<Lock>>,
    /// Cloudflare's bucket locks.
    pub bucket_lock: Told<Vec<Lock>>,
    /// What the provider removes by itself.
    pub lifecycle: Told<Vec<Expiry>>,
    /// Where it is.
    pub region: Told<String>,
    /// What was asked and what was answered, one finding each.
    pub evidence: Vec<String>,
}

/// How far one means protects.
enum Protects {
    Yes(String),
    No(&'static str, String),
    Unknown(&'static str, String),
}

/// Reasons why a bucket is not protected, the one that lacks least first: of several, that is the one to mend.
const NEARNESS: [&str; 10] = [
    "LifecycleTooShort",
    "LockTooShort",
    "LockWithoutRetention",
    "LockDisabled",
    "LockElsewhere",
    "VersioningSuspended",
    "VersioningOff",
    "NoLock",
    "VersioningUnsupported",
    "LockUnsupported",
];

/// Whether the bucket is protected, and the word for how: `versioning`, `objectLock`, `bucketLock`, `none`, `unknown`.
#[must_use]
pub fn judge(bucket: &Bucket, answer: &BucketAnswer, now: Timestamp) -> (Judgement, &'static str) {
    let kinds = [ProtectionKind::Versioning, ProtectionKind::ObjectLock, ProtectionKind::BucketLock];
    let all = kinds.map(|kind| (kind, by(kind, bucket, answer, now)));
    let wanted = |kind: &ProtectionKind| bucket.require.contains(kind);
    let yes = |wanted: &dyn Fn(&ProtectionKind) -> bool| {
        all.iter().find_map(|(kind, found)| match found {
            Protects::Yes(how) if wanted(kind) => Some((*kind, how)),
            _ => None,
        })
    };
    let unknown = all.iter().find_map(|(kind, found)| match found {
        Protects::Unknown(reason, why) if wanted(kind) => Some((*reason, why)),
        _ => None,
    });
    let word = match yes(&wanted).or_else(|| yes(&|_| true)) {
        Some((kind, _)) => kind.as_str(),
        None if answer.versioning == Told::Known(Versioning::Enabled) => ProtectionKind::Versioning.as_str(),
        None if unknown.is_some() => "unknown",
        None => "none",
    };
    let failures = || all.iter().filter(|(kind, _)| wanted(kind)).filter_map(failure);
    // That there are no locks is no news where something else could be.
    let told = |reason: &str| {
        let told = failures().filter(|(other, _)| reason == "LockUnsupported" || *other != "LockUnsupported");
        told.map(|(_, message)| message).collect::<Vec<&str>>()
    };
    let judged = if let Some((kind, how)) = yes(&wanted) {
        Judgement::new(Truth::True, capital(kind), how.clone())
    } else if let Some((reason, why)) = unknown {
        let all = [&[why.as_str()][..], &told(reason)].concat();
        Judgement::new(Truth::Unknown, reason, format!("cannot be verified: {}", all.join("; ")))
    } else {
        let nearness = |reason: &str| NEARNESS.iter().position(|known| *known == reason);
        let reason = failures().map(|(reason, _)| reason).min_by_key(|reason| nearness(reason));
        let reason = reason.unwrap_or("NotProtected");
        Judgement::new(Truth::False, reason, told(reason).join("; "))
    };
    (placed(bucket, answer).unwrap_or(judged), word)
}

fn failure((_, found): &(ProtectionKind, Protects)) -> Option<(&'static str, &str)> {
    match found {
        Protects::No(reason, message) => Some((reason, message)),
        _ => None,
    }
}

const fn capital(kind: ProtectionKind) -> &'static str {
    match kind {
        ProtectionKind::Versioning => "Versioning",
        ProtectionKind::ObjectLock => "ObjectLock",
        ProtectionKind::BucketLock => "BucketLock",
    }
}

/// What is wrong with where the bucket is, if anything.
fn placed(bucket: &Bucket, answer: &BucketAnswer) -> Option<Judgement> {
    let residency = bucket.residency.as_deref()?;
    match &answer.region {
        Told::Known(region) if resides(region, residency) => None,
        Told::Known(region) => {
            let message = format!("the bucket is in `{region}`, which is not within the `{residency}` of `residency`");
            Some(Judgement::new(Truth::False, "WrongResidency", message))
        }
        Told::Unsupported(why) | Told::Unknown(_, why) => {
            let message = format!("cannot be verified: nobody says where the bucket is: {why}");
            Some(Judgement::new(Truth::Unknown, "ResidencyUnknown", message))
        }
    }
}

fn by(kind: ProtectionKind, bucket: &Bucket, answer: &BucketAnswer, now: Timestamp) -> Protects {
    match kind {
        ProtectionKind::Versioning => versioning(bucket, answer),
        ProtectionKind::ObjectLock => locked(kind, &answer.object_lock, bucket, now),
        ProtectionKind::BucketLock => locked(kind, &answer.bucket_lock, bucket, now),
    }
}

fn versioning(bucket: &Bucket, answer: &BucketAnswer) -> Protects {
    let no = |reason, message: &str| Protects::No(reason, message.to_owned());
    match &answer.versioning {
        Told::Unsupported(why) => return no("VersioningUnsupported", why),
        Told::Unknown(reason, why) => return Protects::Unknown(reason, why.clone()),
        Told::Known(Versioning::Suspended) => {
            let message = "versioning is suspended: what is overwritten or deleted from now on is gone";
            return no("VersioningSuspended", message);
        }
        Told::Known(Versioning::Never) => {
            return no("VersioningOff", "versioning was never switched on: what is overwritten or deleted is gone");
        }
        Told::Known(Versioning::Enabled) => {}
    }
    let kept = "older versions are kept".to_owned();
    let Some(keep) = &bucket.keep_at_least else { return Protects::Yes(kept) };
    match &answer.lifecycle {
        Told::Unknown(reason, why) => Protects::Unknown(reason, format!("how long older versions are kept: {why}")),
        Told::Unsupported(_) => Protects::Yes(format!("{kept}, for ever")),
        Told::Known(rules) => match rules.iter().find_map(|rule| too_short(rule, bucket, keep)) {
            Some(why) => Protects::No("LifecycleTooShort", why),
            None => Protects::Yes(format!("{kept}, at least as long as `keepAtLeast` asks")),
        },
    }
}

fn locked(kind: ProtectionKind, locks: &Told<Vec<Lock>>, bucket: &Bucket, now: Timestamp) -> Protects {
    let word = match kind {
        ProtectionKind::BucketLock => "bucket lock rule",
        _ => "object lock",
    };
    let locks = match locks {
        Told::Unsupported(why) => return Protects::No("LockUnsupported", why.clone()),
        Told::Unknown(reason, why) => return Protects::Unknown(reason, why.clone()),
        Told::Known(locks) => locks,
    };
    let days = bucket.keep_at_least.and_then(|keep| keep.days);
    let wanted = days.map_or(Duration::ZERO, |days| Duration::from_hours(u64::from(days) * 24));
    // The nearest miss is told: what is too short before what is off, and that before what is elsewhere.
    let mut miss = (0, "NoLock", format!("there is no {word}"));
    for lock in locks {
        let name = &lock.name;
        let found = if !bucket.prefix.starts_with(&lock.prefix) {
            let prefix = &lock.prefix;
            (1, "LockElsewhere", format!("the {word} {name} covers what begins with `{prefix}` and no more"))
        } else if !lock.enabled {
            (2, "LockDisabled", format!("the {word} {name} is disabled"))
        } else if lock.holds == Holds::Asked {
            let message = format!("{word} is on, with no default retention: only what is written with one is locked");
            (3, "LockWithoutRetention", message)
        } else if let Some(lasts) = falls_short(lock.holds, wanted, now) {
            let wanted = days.map_or_else(String::new, |days| format!(", less than the {days} days of `keepAtLeast`"));
            (4, "LockTooShort", format!("the {word} {name} holds {lasts}{wanted}"))
        } else {
            return Protects::Yes(format!("the {word} {name} holds what is written {}", holds(lock.holds)));
        };
        if found.0 > miss.0 {
            miss = found;
        }
    }
    Protects::No(miss.1, miss.2)
}

/// How long a lock holds, if that is not long enough.
fn falls_short(lock: Holds, wanted: Duration, now: Timestamp) -> Option<String> {
    let enough = match lock {
        Holds::For(length) => length >= wanted && !length.is_zero(),
        Holds::Until(end) => {
            let wanted = SignedDuration::try_from(wanted).unwrap_or(SignedDuration::MAX);
            end > now && now.saturating_add(wanted).is_ok_and(|least| end >= least)
        }
        Holds::Indefinitely => true,
        Holds::Asked => false,
    };
    (!enough).then(|| holds(lock))
}

fn holds(lock: Holds) -> String {
    match lock {
        Holds::For(length) => format!("for {}", crate::policy::quantity::display(length)),
        Holds::Until(end) => format!("until {end}"),
        Holds::Indefinitely => "indefinitely".to_owned(),
        Holds::Asked => "where that is asked for".to_owned(),
    }
}

/// What R2 says of versioning can only mislead: 200 and nothing to some tokens, 403 to others.
#[must_use]
pub fn never_on_r2() -> Told<Versioning> {
    Told::Unsupported(
        "Cloudflare R2 has no object versioning, whatever GetBucketVersioning answers; bucket lock rules protect there: \
         ask for `bucketLock`"
            .to_owned(),
    )
}

/// That bucket locks are somewhere else, or, with Google, where an access key for S3's protocol does not lead: its retention
/// policies are told by its JSON API alone.
#[must_use]
pub fn no_bucket_locks(provider: BucketProvider) -> Told<Vec<Lock>> {
    if provider == BucketProvider::GoogleCloudStorage {
        let why = "whether the bucket has a retention policy (Google's Bucket Lock) is not told to an HMAC key";
        return Told::Unknown("NotTold", why.to_owned());
    }
    Told::Unsupported(format!("{} has no bucket locks; only cloudflareR2 has", provider.as_str()))
}
