//! Databases, nothing faked: the binary, a PostgreSQL of Debian that each test starts for itself, its own programs. Needs
//! root, and Docker only where a server is started from an image.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod archiver;
mod drills;
mod dumps;
mod elsewhere;
mod expiry;
mod image;
mod locales;
mod memory;
mod refused;
mod restores;
mod server;
