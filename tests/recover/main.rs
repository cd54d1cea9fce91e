//! A host that is gone, brought back on a second Docker engine that has nothing, with the repository and its key alone.
//! Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod application;
mod choices;
mod scene;
