//! When a source is due.
//!
//! A *slot* is an instant that the schedule names. Its run starts `jitter` later: a fixed share of
//! `schedule.jitter`, a hash of policy and source, the same after every restart.
//!
//! # Where the clock is changed
//! A cron expression names readings of a local clock. Two rules say what becomes of them where that clock jumps, so that
//! no slot vanishes and none comes twice:
//!
//! - An expression that names certain hours (`30 2 * * *`, `0 */2 * * *`) has one slot for each reading that it names.
//!   A reading that the clock shows twice counts the first time. Readings that it never shows, because it was set
//!   forward past them, count at the first instant after the jump: once, however many they are. So do those of a date
//!   that a zone left out as a whole (Apia had no 30 December 2011): its slots become one at the start of the next date.
//! - An expression that names every hour (`*/15 * * * *`, `@hourly`) is about the minutes of real time: its slots are all
//!   instants at which the clock shows such a minute, so that a change of the clock neither stretches nor repeats a
//!   quarter of an hour. (Where the clock moves by half an hour, as on Lord Howe, one distance of `@hourly` is 90 or 30
//!   minutes.)
//!
//! `every` counts real time and knows no clock.

mod cron;
mod pattern;
mod slots;
#[cfg(test)]
mod tests;

use super::{quantity, zone};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use slots::Slots;
use std::fmt;
use std::time::Duration;

/// A validated schedule. Made by [`Schedule::new`] alone: what its fields say is also there in parsed form.
///
/// Equality is about meaning: `@daily` equals `0 0 * * *`.
#[derive(Debug, Clone)]
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
    slots: Slots,
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
    /// The slot that becomes due next: the first after `accounted` whose start lies after now. `None` when the rule names
    /// no further instant.
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
    /// `schedule.jitter` is too long.
    #[error("{0}")]
    Jitter(String),
    /// `schedule.every` is too short or too long.
    #[error("{0}")]
    Every(String),
    /// `schedule.startingDeadline` is too short.
    #[error("{0}")]
    StartingDeadline(String),
}

/// The shortest interval: a snapshot of anything takes its seconds, and runs of one source never overlap.
const SHORTEST: Duration = Duration::from_mins(1);
/// The longest: what is due later than that is a mistake in the unit.
const LONGEST: Duration = Duration::from_hours(24 * 3660);
/// The jitter of a cron rule is shorter than this: what is shifted further runs on another date than the one written.
const LONGEST_JITTER: Duration = Duration::from_hours(24);
/// Where counting missed slots stops.
const MOST_MISSED: u32 = 100_000;

impl Schedule {
    /// The time zone in which it is read.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        zone::find(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Validates the parts and puts them together. `time_zone` is an IANA name in any case.
    ///
    /// # Errors
    /// Every part that is wrong, what is wrong with it and what to do; at least one.
    pub fn new(
        rule: Rule,
        time_zone: &str,
        jitter: Duration,
        starting_deadline: Option<Duration>,
    ) -> Result<Self, Vec<ScheduleError>> {
        let mut errors = Vec::new();
        let zone = zone::find(time_zone).map_err(|e| errors.push(ScheduleError::TimeZone(e))).unwrap_or(TimeZone::UTC);
        let slots = match &rule {
            Rule::Cron(text) => {
                cron::parse(text).map(|pattern| Slots::Cron(pattern, zone.clone())).map_err(ScheduleError::Cron)
            }
            Rule::Every(every) => interval(*every).map(Slots::Every).map_err(ScheduleError::Every),
        }
        .map_err(|e| errors.push(e));
        let longest = match rule {
            Rule::Cron(_) => LONGEST_JITTER,
            Rule::Every(every) => every,
        };
        if jitter >= longest && !jitter.is_zero() {
            let (jitter, longest) = (quantity::display(jitter), quantity::display(longest));
            errors.push(ScheduleError::Jitter(format!(
                "a jitter of {jitter} would move a run past the next slot or date; it has to be less than {longest}"
            )));
        }
        if let Some(deadline) = starting_deadline.filter(|d| *d < SHORTEST) {
            errors.push(ScheduleError::StartingDeadline(format!(
                "a starting deadline of {} would miss slots whenever the host is busy; the least is 1m",
                quantity::display(deadline)
            )));
        }
        match slots {
            Ok(slots) if errors.is_empty() => {
                let time_zone = zone.iana_name().unwrap_or(time_zone).to_owned();
                Ok(Self { rule, time_zone, jitter, starting_deadline, slots })
            }
            _ => Err(errors),
        }
    }

    /// What the schedule says at `now` about a source whose slots up to and including `accounted` are accounted for.
    /// `seed` is `policy/source`.
    ///
    /// Asked again and again, with `accounted` set to `latest` each time there is one, it names every slot exactly once,
    /// as `latest` or in `missed`. A clock that went back before `accounted` makes nothing due.
    #[must_use]
    pub fn due(&self, accounted: Timestamp, now: Timestamp, seed: &str) -> Due {
        // A slot has started when it is not after this instant.
        let started = now.saturating_sub(signed(self.jitter_for(seed))).unwrap_or(Timestamp::MIN);
        let first = self.slots.after(accounted);
        if first.is_none_or(|slot| slot > started) {
            return Due { latest: None, missed: 0, next: first };
        }
        let latest = self.slots.last(accounted, started);
        let missed = latest.map_or(0, |latest| self.slots.between(accounted, latest, MOST_MISSED));
        Due { latest, missed, next: self.slots.after(started) }
    }

    /// How long after its slots the runs of this source start: whole seconds, uniform over `[0, jitter)`, the same for
    /// an equal seed on every host and after every restart. `seed` is `policy/source`.
    #[must_use]
    pub fn jitter_for(&self, seed: &str) -> Duration {
        let range = self.jitter.as_secs();
        if range == 0 {
            return Duration::ZERO;
        }
        let digest = Sha256::digest(seed.as_bytes());
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u128::from(*byte));
        // A share of 2^64 of the range; less than the range, so it fits.
        Duration::from_secs(u64::try_from((u128::from(range) * hash) >> 64).unwrap_or(0))
    }

    /// The first slot after `t`, without jitter. `None` when the rule names no further instant.
    #[must_use]
    pub fn slot_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.slots.after(t)
    }
}

/// An interval in nanoseconds.
fn interval(every: Duration) -> Result<i128, String> {
    if every < SHORTEST {
        return Err(format!("`{}` is too short; the least is 1m", quantity::display(every)));
    }
    if every > LONGEST {
        return Err(format!("`{}` is too long; the most is 3660d", quantity::display(every)));
    }
    Ok(signed(every).as_nanos())
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots
            && self.time_zone == other.time_zone
            && self.jitter == other.jitter
            && self.starting_deadline == other.starting_deadline
    }
}

/// `0 2 * * 0 Asia/Jerusalem, jitter 5m` or `every 15m`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Cron(text) => write!(f, "{text} {}", self.time_zone)?,
            Rule::Every(every) => write!(f, "every {}", quantity::display(*every))?,
        }
        if self.jitter.is_zero() { Ok(()) } else { write!(f, ", jitter {}", quantity::display(self.jitter)) }
    }
}
