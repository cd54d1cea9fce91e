//! What lives outside the host: whether what its provider keeps is what the policy asks for.
//!
//! No copy is made and no run is started; looks are taken by `observe`, and judged here. What nobody knows is
//! [`Truth::Unknown`], which is never protected.

pub mod archiver;
pub mod bucket;
pub mod database;
pub mod expiry;

use super::Observed;
use super::backups::earliest;
use super::freshness::later;
use crate::policy::{Desired, Policy, Source};
use crate::status::model::Truth;
use bucket::BucketAnswer;
use database::DatabaseAnswer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A look that is overdue by this much is not taken for news any more.
const SLACK: Duration = Duration::from_hours(1);

/// The newest look at one source outside the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The digest of the policy that it was taken for. After an edit, an older look says nothing.
    pub digest: String,
    /// When it ended.
    pub at: Timestamp,
    /// When the next one is due.
    pub next: Timestamp,
    /// What was learnt, or why nothing was.
    pub result: Result<Answer, Trouble>,
    /// When a look last learnt something; `None`: never.
    pub answered_at: Option<Timestamp>,
    /// The newest restorable backup that any look has learnt of.
    pub newest: Option<Timestamp>,
}

/// What a look learnt.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of a database.
    Database(DatabaseAnswer),
    /// Of a bucket.
    Bucket(BucketAnswer),
}

/// Why a look learnt nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One CamelCase word.
    pub reason: &'static str,
    /// A sentence with what to do. Never a secret.
    pub message: String,
}

/// What kind of source it is, which says what is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A managed database: is the provider's newest backup fresh?
    Database,
    /// A bucket: are its objects protected?
    Bucket,
}

impl Kind {
    /// The condition that says how it was judged.
    #[must_use]
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Database => "ProviderBackupFresh",
            Self::Bucket => "BucketProtected",
        }
    }
}

/// One judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Whether it holds.
    pub status: Truth,
    /// One CamelCase word.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
}

impl Judgement {
    pub(super) fn new(status: Truth, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into() }
    }
}

/// What was concluded about one source outside the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// The policy.
    pub policy: String,
    /// The source: `PROVIDER/NAME`.
    pub source: String,
    /// What it is.
    pub kind: Kind,
    /// Whose it is, as the policy says it.
    pub provider: String,
    /// The provider's name for it.
    pub name: String,
    /// Whether it is protected.
    pub verdict: Judgement,
    /// Whether the promised recovery point can be met; `None`: none is promised.
    pub objective: Option<Judgement>,
    /// What the verdict rests on, one finding each.
    pub evidence: Vec<String>,
    /// When the newest look ended.
    pub looked_at: Option<Timestamp>,
    /// When a look last learnt something.
    pub answered_at: Option<Timestamp>,
    /// When the next look is due.
    pub next_look: Option<Timestamp>,
    /// Whether the newest look learnt something.
    pub known: bool,
    /// The newest restorable backup that is known of.
    pub newest: Option<Timestamp>,
    /// From when it is too old.
    pub deadline: Option<Timestamp>,
    /// Whether the newest look found that the provider's newest backup failed, or that there is none.
    pub failed: bool,
    /// A bucket's protection, in one word: `versioning`, `objectLock`, `bucketLock`, `none`, `unknown`. `None` where the
    /// newest look learnt nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<String>,
    /// Whether snapshots are made of it as well.
    #[serde(default)]
    pub copied: bool,
}

/// The conclusions about all sources outside the host, sorted by policy; and when time alone changes one.
pub(super) fn conclude(desired: &Desired, observed: &Observed, now: Timestamp) -> (Vec<Watched>, Option<Timestamp>) {
    let mut wake_at = None;
    let mut watched = Vec::new();
    for policy in desired.policies.values() {
        if policy.look().is_none() {
            continue;
        }
        let probe = observed.probes.get(&policy.name).filter(|probe| probe.digest == policy.digest);
        let Some(conclusion) = one(policy, probe, now) else { continue };
        wake_at = earliest(wake_at, conclusion.deadline.filter(|at| *at > now));
        watched.push(conclusion);
    }
    (watched, wake_at)
}

fn one(policy: &Policy, probe: Option<&Probe>, now: Timestamp) -> Option<Watched> {
    let (kind, provider, name, source) = match &policy.source {
        Source::ManagedDatabase(db) => (Kind::Database, db.provider.as_str(), db.id.clone(), db.name()),
        Source::Bucket(bucket) => (Kind::Bucket, bucket.provider.as_str(), bucket.name.clone(), bucket.source.clone()),
        Source::Volume(_) | Source::Path(_) | Source::Postgres(_) => return None,
    };
    let unknown = |reason: &str, message: String| Judgement::new(Truth::Unknown, reason, message);
    let answer = match probe {
        _ if policy.suspend => Err(unknown("Suspended", "while the policy is suspended, nobody looks".to_owned())),
        None => Err(unknown("NotLookedYet", "nobody has looked yet".to_owned())),
        Some(probe) if now > later(probe.next, SLACK) => {
            Err(unknown("LookOverdue", format!("the newest look is of {}, and the next one is overdue", probe.at)))
        }
        Some(Probe { result: Err(trouble), answered_at, .. }) => {
            let before = answered_at.map_or("it never was".to_owned(), |at| format!("it last was at {at}"));
            Err(unknown(trouble.reason, format!("cannot be verified ({before}): {}", trouble.message)))
        }
        Some(Probe { result: Ok(answer), at, .. }) => Ok((answer, *at)),
    };
    let mut watched = Watched {
        policy: policy.name.clone(),
        source,
        kind,
        provider: provider.to_owned(),
        name,
        verdict: unknown("NotLookedYet", String::new()),
        objective: None,
        evidence: Vec::new(),
        looked_at: probe.map(|probe| probe.at),
        answered_at: probe.and_then(|probe| probe.answered_at),
        next_look: probe.map(|probe| probe.next).filter(|_| !policy.suspend),
        known: answer.is_ok(),
        newest: probe.and_then(|probe| probe.newest),
        deadline: None,
        failed: false,
        protection: None,
        copied: policy.backup().is_some(),
    };
    match (&policy.source, answer) {
        (source, Err(why)) => {
            let promised = policy.objectives.rpo.filter(|_| matches!(source, Source::ManagedDatabase(_)));
            watched.objective = promised.map(|_| why.clone());
            watched.verdict = why;
        }
        (Source::ManagedDatabase(db), Ok((Answer::Database(answer), at))) => {
            let verdict = database::judge(db, answer, at, now);
            watched.failed = matches!(verdict.reason.as_str(), "NoBackup" | "NewestFailed" | "ArchiverFailing");
            watched.verdict = verdict;
            watched.objective = policy.objectives.rpo.map(|rpo| database::objective(rpo, answer, at, now));
            watched.evidence.clone_from(&answer.evidence);
        }
        (Source::Bucket(bucket), Ok((Answer::Bucket(answer), _))) => {
            let (verdict, word) = bucket::judge(bucket, answer, now);
            watched.known = verdict.status != Truth::Unknown;
            watched.verdict = verdict;
            watched.protection = Some(word.to_owned());
            watched.evidence.clone_from(&answer.evidence);
        }
        // The digest says that the answer is to this policy, so it is of its kind.
        (_, Ok(_)) => return None,
    }
    if let Source::ManagedDatabase(db) = &policy.source
        && !policy.suspend
    {
        // Of a database of which no backup was ever seen, none is in time.
        watched.deadline = Some(watched.newest.map_or(Timestamp::UNIX_EPOCH, |at| database::deadline(db, at)));
    }
    Some(watched)
}
