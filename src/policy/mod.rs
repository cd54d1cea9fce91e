//! What a person asks for: the two document kinds, from YAML text to values that are known to be valid.
//!
//! One way: text → [`document`] (a tree that knows its lines and columns) → [`structure`] (every structural
//! error at once, against the schema of [`raw`]) → [`raw`] (serde and schemars types) → [`validate`] → [`model`].
//! Nothing here reads a file, a clock or the network.

pub mod diagnostic;
pub mod model;
pub mod retention;
pub mod schedule;

pub use diagnostic::Diagnostic;
pub use model::{
    BackupSpec, Criticality, Desired, Objectives, Policy, Repository, RepositoryLocation, SecretRef, Source, Treatment,
    VolumeSelect, VolumeSource,
};
pub use retention::{Guard, Retention};
pub use schedule::{Rule, Schedule, ScheduleError};
