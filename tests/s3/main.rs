//! Repositories in a bucket, on a real S3 server (SeaweedFS), with Debian's `restic` as the other opinion. Needs root,
//! `restic`, `curl`, `python3`, a Docker engine, and what `tests/tools.txt` names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod alone;
mod bucket;
mod copies;
#[path = "../repository/lab.rs"]
#[allow(dead_code, reason = "the other test program uses more of it")]
mod lab;
mod objects;
mod repository;
#[path = "../support/seaweed.rs"]
mod seaweed;
#[path = "../support/mod.rs"]
mod support;
mod trouble;

use support::long_file;
