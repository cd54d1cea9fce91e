//! The running operator, nothing faked: the binary, a Docker engine, files, a repository that `restic` reads too.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses its helpers")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod docker;
mod held;
mod killed;
mod lifecycle;
mod paths;
mod policies;
mod retention;
mod state;
mod trouble;

/// A schedule that no test lives to see a slot of.
const RARELY: &str = "every: 52w";
