//! Restores, nothing faked: the binary, a Docker engine, applications that use what is restored. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod elsewhere;
mod hard;
mod inside;
mod kills;
mod lost;
mod paths;
mod place;
mod refused;
mod scene;
mod undo;
