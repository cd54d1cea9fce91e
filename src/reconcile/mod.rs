//! Deciding: what is asked for, what is there, and so what is to be done.
//!
//! Pure. [`decide()`] is all that the operator ever does and exactly what `seawall plan` prints.

mod backups;
pub mod compose;
mod coverage;
mod decide;
pub mod duties;
pub mod facts;
mod freshness;
pub mod key;
pub mod lint;
pub mod observed;
pub mod outcome;
pub mod plan;
mod prune;
pub mod recovery;
pub mod request;
pub mod restore;
mod retain;
mod slots;
mod sources;
mod turns;
pub mod verification;
pub mod watch;

pub use decide::decide;
pub use facts::{Attempt, Facts, RepositoryFacts, TargetFacts, Window};
pub use freshness::GRACE;
pub use key::{SourceKey, TargetKey};
pub use observed::{
    Container, DockerState, Observed, Quiesced, Readable, RepositoryHealth, RepositoryState, Running, SnapshotRecord,
    Volume,
};
pub use outcome::{FileProblem, Operation, Outcome, RunId, RunResult};
pub use plan::{Action, BackupAction, Cause, Decision, ForgetAction, Plan, PruneAction};
pub use request::{Request, Wish};
pub use restore::{RestoreAction, RestoreStep, Restored, Undo};
pub use sources::names as source_names;
pub use verification::{CheckAction, CheckReport, DrillAction, DrillReport, Portion};
