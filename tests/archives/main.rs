//! Archives that others made: taken into a repository, restored from, and migrated to policies. Nothing faked: real tar,
//! openssl, zstd and restic. Needs root,
//! and what `tests/tools.txt` names.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod forms;
mod hostile;
mod migrate;
mod operator;
mod parts;
mod restore;
mod runbook;
#[path = "../support/seaweed.rs"]
mod seaweed;
mod single;
