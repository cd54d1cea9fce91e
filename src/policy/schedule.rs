//! When a source is due.
//!
//! A *slot* is an instant that the schedule names. Its run starts `jitter` later: a fixed share of
//! `schedule.jitter`, a hash of policy and source, the same after every restart.

use jiff::Timestamp;
use std::time::Duration;

/// A validated schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The rule that names slots.
    pub rule: Rule,
    /// IANA name of the time zone in which cron fields are read.
    pub time_zone: String,
    /// Most that a run is shifted after its slot.
    pub jitter: Duration,
    /// A slot whose run could not even be started within this time after it was due is missed.
    /// `None`: it stays due until the next slot takes its place.
    pub starting_deadline: Option<Duration>,
}

/// What names slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Five-field cron, names and `@daily` forms allowed, as the person wrote it.
    Cron(String),
    /// Every so often, counted from 1970-01-01T00:00:00Z, so that a restart changes nothing.
    Every(Duration),
}

/// What a schedule says at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The newest slot that has started (slot plus jitter is not after now) and is newer than `accounted`.
    pub latest: Option<Timestamp>,
    /// How many slots lie between `accounted` and `latest`, both excluded. Counting stops at 100,000.
    pub missed: u32,
    /// The next slot whose start lies after now. `None` when the rule names no further instant.
    pub next: Option<Timestamp>,
}
