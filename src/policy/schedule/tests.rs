//! Slots over changes of the clock, and what holds for every schedule.

mod dialect;
mod jumps;
mod laws;

use super::*;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub(super) fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule::new(Rule::Cron(expression.to_owned()), zone, Duration::ZERO, None)
        .unwrap_or_else(|e| panic!("{expression} {zone}: {e:?}"))
}

pub(super) fn every(minutes: u64) -> Schedule {
    Schedule::new(Rule::Every(Duration::from_mins(minutes)), "UTC", Duration::ZERO, None).unwrap()
}

/// The slots in `from..until`.
pub(super) fn slots(schedule: &Schedule, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let before = from.saturating_sub(SignedDuration::from_nanos(1)).unwrap();
    std::iter::successors(schedule.slot_after(before), |slot| schedule.slot_after(*slot))
        .take_while(|slot| *slot < until)
        .collect()
}
