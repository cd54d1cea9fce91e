//! What a person asks for: the two document kinds, from YAML text to values that are known to be valid.
//!
//! One way: text → [`document`] (a tree that knows its lines and columns) → [`structure`] (every structural
//! error at once, against the schema of [`raw`]) → [`raw`] (serde and schemars types) → [`validate`] → [`model`].
//! Nothing here reads a file, a clock or the network.

pub mod diagnostic;
mod digest;
mod document;
mod finding;
mod host_path;
mod link;
pub mod model;
pub mod outside;
mod parse;
pub mod postgres;
pub mod quantity;
pub mod quiesce;
mod raw;
mod repository;
mod resources;
pub mod retention;
pub mod s3;
pub mod schedule;
mod schema;
pub mod secrets;
pub mod shell;
mod structure;
mod validate;
pub mod verification;
mod zone;

pub use diagnostic::Diagnostic;
pub use document::MAX_FILE_BYTES;
pub use finding::{is_secret, nearest};
pub use link::link;
pub use model::{
    BackupSpec, Criticality, Desired, Objectives, PathSource, Policy, Repository, RepositoryLocation, S3Location,
    SecretRef, Source, Sqlite, Treatment, VolumeSelect, VolumeSource,
};
pub use outside::{
    Access, Bucket, BucketProvider, CloudflareAccess, DatabaseProvider, Jurisdiction, KeepAtLeast, ManagedDatabase,
    ProtectionKind, TokenScope,
};
pub use parse::{Document, Kind, Parsed, parse};
pub use postgres::{PostgresExclude, PostgresSource};
pub use quiesce::{ContainerSelector, Hook, Means, Mode, OnError, Quiesce};
pub use resources::Resources;
pub use retention::{Guard, Retention};
pub use s3::S3Access;
pub use schedule::{Rule, Schedule, ScheduleError};
pub use schema::schema;
pub use verification::{CommandCheck, Drill, DrillCheck, DrillServer, HttpCheck, RepositoryCheck};
