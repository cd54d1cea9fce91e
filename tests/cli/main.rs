//! The command line: what it prints for a given state, and what the real binary does with arguments, pipes and an
//! operator on the other end of the socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod fixture;
mod golden;
mod keys;
mod validate;
