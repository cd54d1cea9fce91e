//! Which slot of a schedule wants a run now, alike for everything that has one.

use super::freshness::later;
use super::plan::Cause;
use crate::policy::Schedule;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A run that starts later than this after its slot is called a catch-up.
const PUNCTUAL: Duration = Duration::from_mins(10);

/// Something with a schedule, and what is remembered of it.
pub(super) struct Turn<'a> {
    pub schedule: &'a Schedule,
    /// What its jitter is drawn from.
    pub seed: &'a str,
    /// A slot before this is nobody's.
    pub since: Timestamp,
    /// Every slot up to this instant is answered.
    pub accounted: Option<Timestamp>,
    /// Whether that is memory. Without it nobody knows whether the slots in between were answered.
    pub remembered: bool,
    /// The slot of the newest run.
    pub attempted: Option<Timestamp>,
    /// No further attempt at that slot is made before this instant.
    pub retry_at: Option<Timestamp>,
    /// Whether the first run does not wait for a slot.
    pub at_once: bool,
    /// Whether a person asked, and so no delay counts.
    pub requested: bool,
}

/// What a schedule says of the present.
#[derive(Default)]
pub(super) struct Turned {
    /// The slot that wants a run now, and why.
    pub want: Option<(Timestamp, Cause)>,
    /// How many slots no run will answer, and up to which instant all are then accounted for.
    pub missed: Option<(u32, Timestamp)>,
    /// When the next slot's run begins.
    pub next_run: Option<Timestamp>,
    /// When the last attempt is repeated.
    pub retry_at: Option<Timestamp>,
}

impl Turn<'_> {
    pub fn at(&self, now: Timestamp) -> Turned {
        let jitter = self.schedule.jitter_for(self.seed);
        // After a clock that was wrong was put right, what was accounted for may lie ahead.
        let accounted = self.accounted.map(|at| at.min(now));
        let due = self.schedule.due(accounted.unwrap_or(self.since), now, self.seed);
        let mut turned = Turned { next_run: due.next.map(|slot| later(slot, jitter)), ..Turned::default() };
        let attempted = |slot: Timestamp| self.attempted == Some(slot);
        let wanted = match due.latest {
            _ if self.at_once => Some((self.since, 0)),
            Some(slot) => Some((slot, due.missed)),
            None => None,
        };
        let Some((slot, skipped)) = wanted else { return turned };
        let initial = slot == self.since;
        let expired = !initial
            && !attempted(slot)
            && self.schedule.starting_deadline.is_some_and(|d| now > later(later(slot, jitter), d));
        let through = if expired { slot } else { slot - SignedDuration::from_nanos(1) };
        let count = if self.remembered { skipped + u32::from(expired) } else { 0 };
        if count > 0 || expired {
            turned.missed = Some((count, through));
        }
        if expired {
            return turned;
        }
        let delayed = self.retry_at.filter(|at| *at > now && attempted(slot));
        if let (Some(at), false) = (delayed, self.requested) {
            turned.retry_at = Some(at);
            return turned;
        }
        let cause = if attempted(slot) {
            Cause::Retry
        } else if initial {
            Cause::Initial
        } else if skipped > 0 || now > later(later(slot, jitter), PUNCTUAL) {
            Cause::CatchUp
        } else {
            Cause::Scheduled
        };
        turned.want = Some((slot, cause));
        turned
    }
}
