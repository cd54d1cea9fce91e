//! The documents as a person writes them. The comments here are the descriptions in `schema/`.

mod postgres;
mod quiesce;
mod resources;
mod verification;

pub use postgres::{PostgresExclude, PostgresSource};
pub use quiesce::{ContainerSelector, Hook, OnError, Quiesce, QuiesceMode};
pub use resources::{Cpu, IoPriority, Resources};
pub use verification::{
    CommandCheck, Drill, DrillCheck, DrillServer, HttpCheck, PERCENT, RepositoryCheck, SIZE, Size, Verification,
};

use super::outside::raw::{Bucket, ManagedDatabase};
use super::{Criticality, SecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A promise about one source of data on a Docker host: what is protected, when, where to, and what is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupPolicy {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: BackupPolicyKind,
    /// What the document is called.
    pub metadata: Metadata,
    /// What is asked for.
    pub spec: BackupPolicySpec,
}

/// A place where snapshots live.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "if" = {"properties": {"metadata": {"properties": {"name": {"const": "default"}}}}},
    "else" = {"properties": {"spec": {"properties": {"local": {"required": ["path"]}}}}},
))]
pub struct RepositoryDocument {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: RepositoryKind,
    /// What the document is called.
    pub metadata: Metadata,
    /// What is asked for.
    pub spec: RepositorySpec,
}

/// The version of the format.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only version there is.
    #[serde(rename = "seawall.dev/v1")]
    V1,
}

/// The kind of a policy document.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub enum BackupPolicyKind {
    /// A policy.
    BackupPolicy,
}

/// The kind of a repository document.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub enum RepositoryKind {
    /// A repository.
    Repository,
}

/// What a document is called.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique per kind on a host: lower-case letters, digits and `-`, at most 63, beginning and ending with a
    /// letter or digit.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// Free labels, for people and tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a policy asks for: a `schedule`, or `exempt` in its place. A source outside the host needs neither.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["schedule"], "properties": {"exempt": false, "source": {"properties": {"managedDatabase": false,
        "bucket": {"required": ["copy"], "properties": {"copy": {"const": true}}}}}}},
    {"properties": {"exempt": false, "repositories": false, "retention": false, "timeout": false, "resources": false, "verification": false,
        "source": {"anyOf": [{"required": ["managedDatabase"]}, {"required": ["bucket"],
            "properties": {"bucket": {"properties": {"copy": {"const": false}}}}}]}}},
    {"required": ["exempt"], "properties": {"repositories": false, "retention": false, "timeout": false, "resources": false, "verification": false}},
]))]
pub struct BackupPolicySpec {
    /// What the source holds, for people.
    #[serde(default)]
    pub description: String,
    /// How bad a loss would be; becomes the severity of the alerts.
    #[serde(default)]
    pub criticality: Criticality,
    /// What is protected. Exactly one kind.
    pub source: Source,
    /// Why the source needs no backup, in place of `schedule`, `repositories` and `retention`.
    pub exempt: Option<Exempt>,
    /// When a backup is due. Required unless the source is exempt or outside the host; there it says how often to look,
    /// by default `{every: 15m}`.
    pub schedule: Option<Schedule>,
    /// What was promised to others.
    #[serde(default)]
    pub objectives: Objectives,
    /// Names of the repositories that every backup goes to. Default: `[default]`, a repository on this host's disk.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub repositories: Option<Vec<String>>,
    /// What is kept. Without it, everything is.
    pub retention: Option<Retention>,
    /// A run that takes longer is ended as a failure. Default `6h`.
    pub timeout: Option<Duration>,
    /// What a backup may take of a busy host. Default: all that is there.
    pub resources: Option<Resources>,
    /// What proves that a restore would do.
    #[serde(default)]
    pub verification: Verification,
    /// Start no run while this is true.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to the snapshots when the policy is removed: they stay. The only value.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What happens to snapshots when their policy is removed.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
}

/// What is protected.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Source {
    /// Docker volumes of this host.
    Volume(Box<VolumeSource>),
    /// A directory or file of this host: a bind mount, a `.env` file.
    Path(PathSource),
    /// A PostgreSQL database, dumped.
    Postgres(PostgresSource),
    /// A database that a provider runs, whose own backups are looked at.
    ManagedDatabase(ManagedDatabase),
    /// A bucket of objects, whose protection is looked at.
    Bucket(Box<Bucket>),
}

/// A directory with all that is in it, or one file. No container is touched while it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathSource {
    /// Its absolute path, as Seawall sees it. Where Seawall runs in a container it has to be mounted there.
    #[schemars(extend("pattern" = "^/"))]
    pub path: PathBuf,
    /// Globs, relative to the directory, of what is left out: `cache/**`, or `*.log` at any depth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Docker volumes: one by `name`, or all that a `selector` matches. Exactly one of the two.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["name"]}, {"required": ["selector"]}]))]
pub struct VolumeSource {
    /// The name of one volume.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"))]
    pub name: Option<String>,
    /// Which volumes. Each has its own snapshots, status and series.
    pub selector: Option<Selector>,
    /// Globs, relative to the volume's root, of what is left out: `cache/**`, or `*.log` at any depth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// How the containers that write to the volume are made to stand still while it is read. Without it, they are not.
    pub quiesce: Option<Quiesce>,
    /// SQLite databases in the volume, which are copied as one whole state while their application goes on: paths or
    /// globs relative to the volume's root, or `auto` for every file that begins as such a database does.
    pub sqlite: Option<Sqlite>,
    /// Whether containers stand still for no longer than it takes to clone the volume, which is then read while they
    /// are back. Only with `quiesce`.
    #[serde(default)]
    pub snapshot: Snapshot,
}

/// Whether a volume is cloned before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Snapshot {
    /// Where its file system can clone files (btrfs, XFS with reflink). Elsewhere it is read while they stand still.
    Auto,
    /// It is not.
    #[default]
    None,
}

/// Which files of a volume are copied as SQLite databases.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sqlite {
    /// By how they begin.
    Word(Auto),
    /// By their paths, or globs, relative to the volume's root.
    Files(#[schemars(extend("minItems" = 1))] Vec<String>),
}

/// The word for what Seawall finds out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub enum Auto {
    /// It finds out.
    #[serde(rename = "auto")]
    Auto,
}

/// Which volumes: those that meet every criterion given. At least one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Selector {
    /// Globs over the volume's name, any of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1))]
    pub names: Vec<String>,
    /// Labels that the volume carries, all of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1))]
    pub labels: BTreeMap<String, String>,
    /// The Compose project that the volume belongs to.
    pub compose_project: Option<String>,
}

/// Why nothing needs to be kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exempt {
    /// The reason, for whoever asks in a year.
    #[schemars(regex(pattern = r"\S"))]
    pub reason: String,
}

/// When a backup is due: `cron` or `every`, exactly one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["cron"]}, {"required": ["every"]}]))]
pub struct Schedule {
    /// Five fields (minute, hour, day of month, month, day of week), names allowed, or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`.
    pub cron: Option<String>,
    /// Every so often, such as `15m`; at least `1m`.
    pub every: Option<Duration>,
    /// The IANA time zone in which the cron fields are read, such as `Europe/Berlin`. Default `UTC`.
    pub time_zone: Option<String>,
    /// Shift each source's runs by a fixed share of this, so that they do not all begin at once.
    pub jitter: Option<Duration>,
    /// A slot that could not be started within this time is missed. Without it, it stays due until the next one.
    pub starting_deadline: Option<Duration>,
}

/// What was promised to others.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objectives {
    /// Recovery point objective: the most data, measured in time, that may be lost.
    pub rpo: Option<Duration>,
    /// Recovery time objective: the longest that a restore may take.
    pub rto: Option<Duration>,
}

/// What is kept: whatever at least one rule keeps. The newest complete snapshot always is.
/// At least one rule is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["keepWithin"]}, {"required": ["keepLast"]}, {"required": ["keepHourly"]}, {"required": ["keepDaily"]},
    {"required": ["keepWeekly"]}, {"required": ["keepMonthly"]}, {"required": ["keepYearly"]},
]))]
pub struct Retention {
    /// Everything younger than this.
    pub keep_within: Option<Duration>,
    /// This many newest. Default 1, and never less.
    #[schemars(range(min = 1))]
    pub keep_last: Option<u32>,
    /// The newest of this many hours that have one.
    pub keep_hourly: Option<u32>,
    /// The newest of this many days that have one.
    pub keep_daily: Option<u32>,
    /// The newest of this many ISO weeks that have one.
    pub keep_weekly: Option<u32>,
    /// The newest of this many months that have one.
    pub keep_monthly: Option<u32>,
    /// The newest of this many years that have one.
    pub keep_yearly: Option<u32>,
    /// When a removal waits for a person.
    #[serde(default)]
    pub guard: Guard,
}

/// When a removal waits for a person.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guard {
    /// A plan that would remove a larger share at once is held back. Default 50.
    #[schemars(range(min = 1, max = 100))]
    pub max_delete_percent: Option<u8>,
    /// The acknowledgement that the message of a held plan spells out.
    pub acknowledge: Option<String>,
}

/// What a repository is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["local"], "properties": {"residency": false}}, {"required": ["s3"]}]))]
pub struct RepositorySpec {
    /// A directory of this host.
    pub local: Option<Local>,
    /// A bucket.
    pub s3: Option<S3>,
    /// Where the bucket has to be: a region, or the beginning of its name, such as `eu`. Nothing is stored elsewhere.
    pub residency: Option<String>,
    /// Where the password is read from. Without it, Seawall makes a key on first use in its state directory.
    pub password_from: Option<SecretRef>,
    /// When the repository is looked through for damage. Without it, nobody looks.
    pub check: Option<RepositoryCheck>,
}

/// A directory of this host.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Local {
    /// Absolute path. May be left out for the repository named `default`: then `repository` in the state directory.
    #[schemars(extend("pattern" = "^/"))]
    pub path: Option<PathBuf>,
}

/// A bucket of a server that speaks S3's protocol.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// The server's address.
    pub endpoint: String,
    /// The bucket's name. It has to be there.
    pub bucket: String,
    /// Where in the bucket, such as `host-1`. Each host has a place of its own.
    #[serde(default)]
    pub prefix: String,
    /// The bucket's region. Default `us-east-1`.
    pub region: Option<String>,
    /// Where the id of the access key is read from.
    pub access_key_id_from: SecretRef,
    /// Where the secret of the access key is read from.
    pub secret_access_key_from: SecretRef,
    /// A file of certificates in PEM that are trusted beside the system's.
    #[schemars(extend("pattern" = "^/"))]
    pub ca_file: Option<PathBuf>,
    /// Whether `endpoint` may be plain http although it is not on this host.
    #[serde(default)]
    pub allow_http: bool,
}

/// A length of time such as `30s`, `15m`, `24h`, `7d`, `2w` or `1h30m`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Duration(#[schemars(regex(pattern = DURATION))] pub String);

/// How a length of time is written.
pub const DURATION: &str = "^([0-9]+(ms|s|m|h|d|w))+$";
