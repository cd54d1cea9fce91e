//! Whatever ends Seawall, nothing that it stopped stays stopped: the real binary against a real engine. Needs root and
//! `restic`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod clones;
mod compose;
mod databases;
mod disk;
mod endings;
mod engine;
mod hangs;
mod host;
mod kills;
mod people;
mod still;
mod swarm;
mod together;
mod torn;
