//! When a source is due.
//!
//! A *slot* is an instant that the schedule names. Its run starts `jitter` later: a fixed share of
//! `schedule.jitter`, a hash of policy and source, the same after every restart.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;

/// A validated schedule. Made by [`Schedule::new`] alone: what its fields say is also there in parsed form.
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
    zone: TimeZone,
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

/// What is wrong with a schedule. Each variant names the part that a person has to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// `schedule.cron` is no five-field cron expression, or names no instant.
    #[error("{0}")]
    Cron(String),
    /// `schedule.timeZone` is no IANA time zone.
    #[error("{0}")]
    TimeZone(String),
    /// `schedule.jitter` is too large.
    #[error("{0}")]
    Jitter(String),
    /// `schedule.every` is too short or too long.
    #[error("{0}")]
    Every(String),
    /// `schedule.startingDeadline` is too short.
    #[error("{0}")]
    StartingDeadline(String),
}

impl Schedule {
    /// Validates the parts and puts them together.
    ///
    /// # Errors
    /// The first part that is wrong, what is wrong with it and what to do.
    pub fn new(
        rule: Rule,
        time_zone: &str,
        jitter: Duration,
        starting_deadline: Option<Duration>,
    ) -> Result<Self, ScheduleError> {
        let zone = TimeZone::get(time_zone)
            .map_err(|_| ScheduleError::TimeZone(format!("there is no time zone `{time_zone}`")))?;
        if let Rule::Cron(text) = &rule {
            text.parse::<croner::Cron>().map_err(|e| ScheduleError::Cron(e.to_string()))?;
        }
        Ok(Self { rule, time_zone: time_zone.to_owned(), jitter, starting_deadline, zone })
    }

    /// What the schedule says at `now` about a source whose slots up to and including `accounted` are accounted for.
    /// `seed` is `policy/source`.
    #[must_use]
    pub fn due(&self, accounted: Timestamp, now: Timestamp, seed: &str) -> Due {
        let (_, _) = (now, seed);
        Due { latest: None, missed: 0, next: self.slot_after(accounted) }
    }

    /// How long after its slots the runs of this source start: uniform over `[0, jitter)`, the same for an equal seed
    /// on every host and after every restart. `seed` is `policy/source`.
    #[must_use]
    pub fn jitter_for(&self, seed: &str) -> Duration {
        let _ = seed;
        self.jitter.min(Duration::ZERO)
    }

    /// The first slot after `t`, without jitter. `None` when the rule names no further instant.
    #[must_use]
    pub fn slot_after(&self, t: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Cron(text) => {
                let cron: croner::Cron = text.parse().ok()?;
                cron.find_next_occurrence(&t.to_zoned(self.zone.clone()), false).ok().map(|z| z.timestamp())
            }
            Rule::Every(every) => {
                let every = i128::try_from(every.as_nanos()).ok().filter(|n| *n > 0)?;
                Timestamp::from_nanosecond((t.as_nanosecond().div_euclid(every) + 1).checked_mul(every)?).ok()
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Cron(text) => write!(f, "{text} {}", self.time_zone),
            Rule::Every(every) => write!(f, "every {every:?}"),
        }
    }
}
