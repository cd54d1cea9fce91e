//! Databases, nothing faked: the binary, a PostgreSQL of Debian that each test starts for itself, its own programs. Needs
//! root, and no Docker.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod archiver;
mod drills;
mod dumps;
mod memory;
mod refused;
mod restores;
mod server;
