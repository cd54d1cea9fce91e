//! What the integration tests share. Every test binary compiles all of it and uses a part.
#![allow(dead_code, reason = "no test binary uses every helper")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests, which fail so")]

pub mod engine;
pub mod fake_engine;
pub mod long_file;
pub mod operator;
pub mod wait;
