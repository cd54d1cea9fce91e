//! The data engine against the real world: Debian's `restic`, real disks, real kills. Needs root, `restic`, `setfacl`
//! and `python3`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod clones;
mod databases;
mod executor;
mod fidelity;
mod lab;
mod locks;
#[path = "../support/long_file.rs"]
mod long_file;
mod registry;
mod restore;
mod retention;
mod trouble;
mod walk;
