//! Valid policies and repositories: what the rest of Seawall works with.

use super::{
    Bucket, Drill, ManagedDatabase, PostgresSource, Quiesce, RepositoryCheck, Resources, Retention, Rule, S3Access,
    Schedule,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is in force, as one value. Changing a file makes a new one; it is never edited in place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// Policies by `metadata.name`.
    pub policies: BTreeMap<String, Arc<Policy>>,
    /// Repositories by `metadata.name`. `default` is always there: the embedded one unless a document defines it.
    pub repositories: BTreeMap<String, Arc<Repository>>,
    /// The git commit of the policies directory, where it is a work tree.
    pub revision: Option<String>,
}

/// One `BackupPolicy` document that passed validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// `metadata.name`, a DNS label, unique on this host.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec.description`, empty when absent.
    pub description: String,
    /// How bad a loss would be; becomes the severity of the alerts.
    pub criticality: Criticality,
    /// What is protected.
    pub source: Source,
    /// Backed up, or exempt with a reason.
    pub treatment: Treatment,
    /// What the person promised to others.
    pub objectives: Objectives,
    /// No run is started while this is true; overdue deadlines are not exported.
    pub suspend: bool,
    /// The file that holds the document, relative to the policies directory.
    pub file: PathBuf,
    /// Line of the document's first key in that file, counted from 1.
    pub line: usize,
    /// The document as it was written. Travels with every snapshot.
    pub text: Arc<str>,
    /// SHA-256, in hex, of the meaning of the document: comments, order and spelling of equal values do not count.
    pub digest: String,
    /// Counts the changes of `digest` since the policy was first accepted, from 1. Assigned by the store.
    pub generation: u64,
}

impl Policy {
    /// The backup settings, unless the policy is an exemption.
    #[must_use]
    pub fn backup(&self) -> Option<&BackupSpec> {
        match &self.treatment {
            Treatment::Backup(spec) => Some(spec),
            Treatment::Exempt { .. } | Treatment::Watch(_) => None,
        }
    }

    /// By what schedule the source is looked at, where it is outside the host: its own, or, of one that is copied as well,
    /// every quarter of an hour.
    #[must_use]
    pub fn look(&self) -> Option<Schedule> {
        match (&self.treatment, &self.source) {
            (Treatment::Watch(schedule), _) => Some((**schedule).clone()),
            (Treatment::Backup(_), Source::Bucket(_)) => {
                Schedule::new(Rule::Every(super::outside::EVERY), "UTC", Duration::ZERO, None).ok()
            }
            _ => None,
        }
    }

    /// When something is due: a backup, or a look at what a provider keeps.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.treatment {
            Treatment::Backup(spec) => Some(&spec.schedule),
            Treatment::Watch(schedule) => Some(schedule),
            Treatment::Exempt { .. } => None,
        }
    }
}

/// How bad a loss would be.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    /// The business stops.
    Critical,
    /// Serious, with a way around.
    High,
    /// Annoying.
    #[default]
    Medium,
    /// Hardly noticed.
    Low,
}

impl Criticality {
    /// The word in the policy file and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What a policy protects. Exactly one kind per policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Docker volumes of this host; each matched volume is a source with its own snapshots, status and series.
    Volume(VolumeSource),
    /// A database that a provider runs; its own backups are observed.
    ManagedDatabase(Box<ManagedDatabase>),
    /// A bucket; its protection is observed.
    Bucket(Box<Bucket>),
    /// A directory or file of this host.
    Path(PathSource),
    /// A database that is dumped, wherever it is.
    Postgres(PostgresSource),
}

impl Source {
    /// The word in the policy file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Volume(_) => "volume",
            Self::Path(_) => "path",
            Self::Postgres(_) => "postgres",
            Self::ManagedDatabase(_) => "managedDatabase",
            Self::Bucket(_) => "bucket",
        }
    }
}

/// A directory with all that is in it, or one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSource {
    /// Absolute and normal; it is UTF-8, and the name of the source.
    pub path: String,
    /// Globs, relative to the directory, of what is left out, as for a volume.
    pub exclude: Vec<String>,
}

/// Which volumes, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSource {
    /// Which volumes.
    pub select: VolumeSelect,
    /// Globs, relative to the volume's root, of what is left out: `cache/**`, `*.log` (any depth when it has no `/`).
    pub exclude: Vec<String>,
    /// How the containers that write to it are made to stand still while it is read; `None`: they are not.
    pub quiesce: Option<Arc<Quiesce>>,
    /// Which of its files are copied as SQLite databases; `None`: none.
    pub sqlite: Option<Sqlite>,
    /// Whether it is cloned, where its file system can do that, so that its containers stand still for that alone.
    pub clone: bool,
}

/// Which files of a volume are copied as SQLite databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sqlite {
    /// Every file that begins as one does.
    Auto,
    /// Paths and globs, relative to the volume's root; at least one.
    Files(Vec<String>),
}

/// Which volumes a policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSelect {
    /// The volume with this name.
    Name(String),
    /// Every volume that meets all the given criteria; at least one criterion is given.
    Selector {
        /// Globs over the volume's name, any of; empty: any name.
        names: Vec<String>,
        /// Labels that the volume carries, all of.
        labels: BTreeMap<String, String>,
        /// The Compose project that the volume belongs to (its `com.docker.compose.project` label).
        compose_project: Option<String>,
    },
}

/// What happens with the source.
#[derive(Debug, Clone, PartialEq)]
pub enum Treatment {
    /// Nothing needs to be kept, because of the reason that the person gave.
    Exempt {
        /// Never empty.
        reason: String,
    },
    /// Snapshots are made and kept.
    Backup(Box<BackupSpec>),
    /// No copy is made: what the provider keeps is looked at by this schedule.
    Watch(Box<Schedule>),
}

/// How a source is backed up.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupSpec {
    /// When.
    pub schedule: Schedule,
    /// Where to, by name, in the person's order, no duplicates, at least one.
    pub repositories: Vec<String>,
    /// What is kept. `None`: everything.
    pub retention: Option<Retention>,
    /// A run that takes longer is ended as a failure. Default 6 h.
    pub timeout: Duration,
    /// What it may take of the host.
    pub resources: Resources,
    /// How it is proved that a restore would do.
    pub drill: Option<Drill>,
}

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Objectives {
    /// Recovery point: the most data, measured in time, that may be lost.
    pub rpo: Option<Duration>,
    /// Recovery time: the longest a restore may take.
    pub rto: Option<Duration>,
}

/// One `Repository` document that passed validation, or the embedded default.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// `metadata.name`, a DNS label.
    pub name: String,
    /// Where the snapshots live.
    pub location: RepositoryLocation,
    /// Where the password is read from. `None`: a key that Seawall makes on first use in its state directory.
    pub password_from: Option<SecretRef>,
    /// When it is looked through for damage. `None`: never, unless a person asks.
    pub check: Option<RepositoryCheck>,
    /// The file that holds the document; empty for the embedded default.
    pub file: PathBuf,
    /// The document as it was written; empty for the embedded default. Travels with every snapshot.
    pub text: Arc<str>,
    /// SHA-256, in hex, of the meaning of the document.
    pub digest: String,
}

/// Where a repository's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryLocation {
    /// A directory of this host. `None`: `repository/` in the state directory.
    Local {
        /// Absolute.
        path: Option<PathBuf>,
    },
    /// A bucket.
    S3(Box<S3Location>),
}

/// A place in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket, and the keys to it.
    pub access: S3Access,
    /// Where in it; empty, or without a slash at either end.
    pub prefix: String,
    /// The region that the bucket has to be in, or how its name begins.
    pub residency: Option<String>,
}

impl S3Location {
    /// How restic names it: `s3:ENDPOINT/BUCKET/PREFIX`.
    #[must_use]
    pub fn address(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3:{}/{}{slash}{}", self.access.endpoint, self.access.bucket, self.prefix)
    }
}

/// Where a secret is read from. It never holds the secret, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretRef {
    /// The name of an environment variable of the Seawall process.
    Env(#[schemars(regex(pattern = r"^[^=]+$"))] String),
    /// The absolute path of a file; one trailing line break is not part of the secret.
    File(#[schemars(extend("pattern" = "^/"))] PathBuf),
}

impl SecretRef {
    /// The meaning, for the digest.
    pub(super) fn meaning(&self) -> serde_json::Value {
        match self {
            Self::Env(name) => serde_json::json!({ "env": name }),
            Self::File(path) => serde_json::json!({ "file": path }),
        }
    }
}
