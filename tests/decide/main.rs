//! What is decided, and what must never be: tables, golden plans and properties over the pure core.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod backups;
mod duties;
mod golden;
mod growth;
mod properties;
mod retention;
mod world;
