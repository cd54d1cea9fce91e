//! Deciding: what is asked for, what is there, and so what is to be done.
//!
//! Pure. [`decide::decide`] is all that the operator ever does and exactly what `seawall plan` prints.

pub mod decide;
pub mod facts;
pub mod key;
pub mod observed;
pub mod outcome;
pub mod plan;

pub use facts::{Attempt, Facts, RepositoryFacts, TargetFacts};
pub use key::{SourceKey, TargetKey};
pub use observed::{
    Container, DockerState, Observed, Readable, RepositoryHealth, RepositoryState, Running, SnapshotRecord, Volume,
};
pub use outcome::{FileProblem, Operation, Outcome, RunId, RunResult};
pub use plan::{Action, BackupAction, Cause, Decision, ForgetAction, Plan, PruneAction};
