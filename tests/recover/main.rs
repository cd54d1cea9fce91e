//! A host that is gone, brought back on a second Docker engine that has nothing, with the repository and its key alone.
//! Needs root, and what `tests/tools.txt` names.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod application;
mod bucket;
mod choices;
mod scene;
#[path = "../support/seaweed.rs"]
mod seaweed;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "the other test program uses more of it")]
mod server;
mod servers;
