//! The one place where the time of day is read.
//!
//! Everything that decides takes `now` as an argument; everything that must ask, asks a [`Clock`], so that a
//! test can hold time still. `clippy.toml` bans the other ways.

use jiff::Timestamp;

/// A source of the current instant.
pub trait Clock: Send + Sync + 'static {
    /// The current instant of the wall clock. May jump in either direction between two calls.
    fn now(&self) -> Timestamp;
}

/// The host's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
