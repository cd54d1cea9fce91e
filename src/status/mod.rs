//! What is true now, as one value that the command line, the API, the metrics and the status page all read.
//!
//! `model` and `fold` are pure; `persist` and `audit` keep facts, history and the audit trail in the state directory.

pub mod audit;
pub mod fold;
pub mod model;
pub mod persist;
pub mod runbook;
pub mod verification;
