//! What lives outside the host: what providers say, and what is concluded from it.
//!
//! The providers are played, with the shapes that their own clients and documents give (no test talks to one).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; the lint's own exception misses its helpers")]

mod buckets;
mod client;
#[path = "../support/cloud.rs"]
mod cloud;
mod databases;
#[path = "../support/seaweed.rs"]
mod seaweed;
mod seaweed_buckets;
mod world;
