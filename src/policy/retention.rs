//! What is kept: rules, and the reason for every snapshot that stays or goes.
//!
//! Every rule that is set keeps snapshots, and what no rule keeps, goes; so another rule never removes more. Rules
//! count complete snapshots only. Beside them three things hold, whatever the rules say:
//!
//! - The newest complete snapshot stays.
//! - A partial snapshot stays as long as no complete one is newer; after that only `keepWithin` keeps it.
//! - A snapshot of a later time than now stays, and counts for nothing: some clock was wrong, and which is not known.
//!
//! Nothing goes because time passes: `keepWithin` counts back from the newest complete snapshot, so that old snapshots
//! stay while new ones fail to come.

mod guard;
mod reason;
#[cfg(test)]
mod tests;

pub use guard::{Guard, HeldBack, guard};
pub use reason::Reason;

use super::zone;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;
use std::time::Duration;

/// A validated retention rule. Every rule that is set keeps snapshots; what no rule keeps, goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Keep everything that was begun less than this before the newest complete snapshot.
    pub within: Option<Duration>,
    /// Keep this many newest; at least 1.
    pub last: u32,
    /// Keep the newest of this many hours that have one. An hour that the clock shows twice is two hours.
    pub hourly: u32,
    /// … of days, in the schedule's time zone.
    pub daily: u32,
    /// … of ISO weeks.
    pub weekly: u32,
    /// … of months.
    pub monthly: u32,
    /// … of years.
    pub yearly: u32,
    /// When a plan is held back.
    pub guard: Guard,
}

/// One own snapshot of a source in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: Arc<str>,
    /// When it was begun.
    pub time: Timestamp,
    /// Whether everything in the source could be read.
    pub complete: bool,
}

/// What happens to one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDecision {
    /// Its id.
    pub id: Arc<str>,
    /// Its time.
    pub time: Timestamp,
    /// Whether it stays.
    pub keep: bool,
    /// Why: `newest complete`, `last 2 of 4`, `daily 2026-11-22`, `no rule keeps it`, …; at least one.
    pub reasons: Reasons,
}

impl SnapshotDecision {
    /// All its reasons in one line.
    #[must_use]
    pub fn why(&self) -> String {
        self.reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Why one snapshot stays or goes. Most have one reason, and a host can have a hundred thousand snapshots.
pub type Reasons = SmallVec<[Reason; 2]>;

/// What the rules conclude about all snapshots of one source in one repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Every snapshot, newest first.
    pub snapshots: Vec<SnapshotDecision>,
    /// How many of those that go are partial.
    partial_removed: usize,
}

/// Applies the rules; without a rule everything stays. `time_zone` is the IANA name in which days are counted.
///
/// The order of `snapshots` does not matter. Those of equal time count in the order of their ids.
#[must_use]
pub fn evaluate(
    rule: Option<&Retention>,
    mut snapshots: Vec<Candidate>,
    time_zone: &str,
    now: Timestamp,
) -> Evaluation {
    snapshots.sort_unstable_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
    let Some(rule) = rule else {
        let keep = |c| decision(c, smallvec![Reason::Everything], true);
        return Evaluation { snapshots: snapshots.into_iter().map(keep).collect(), partial_removed: 0 };
    };
    let newest = snapshots.iter().position(|c| c.complete && c.time <= now);
    let mut pass = Pass {
        rule,
        zone: zone::find(time_zone).unwrap_or(TimeZone::UTC),
        within: newest.zip(rule.within).map(|(newest, within)| {
            let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
            snapshots[newest].time.saturating_sub(within).unwrap_or(Timestamp::MIN)
        }),
        complete: 0,
        periods: Period::ALL.map(|period| Taken { left: period.wanted(rule), last: None }),
    };
    let mut partial_removed = 0;
    let mut decide = |(index, candidate): (usize, Candidate)| {
        if candidate.time > now {
            return decision(candidate, smallvec![Reason::Future], true);
        }
        let mut reasons = Reasons::new();
        if candidate.complete {
            pass.complete(candidate.time, &mut reasons);
        } else {
            if newest.is_none_or(|newest| index < newest) {
                reasons.push(Reason::NewerThanComplete);
            }
            reasons.extend(pass.within(candidate.time));
        }
        if !reasons.is_empty() {
            return decision(candidate, reasons, true);
        }
        partial_removed += usize::from(!candidate.complete);
        let why = if candidate.complete { Reason::NoRule } else { Reason::Superseded };
        decision(candidate, smallvec![why], false)
    };
    let snapshots = snapshots.into_iter().enumerate().map(&mut decide).collect();
    Evaluation { snapshots, partial_removed }
}

fn decision(candidate: Candidate, reasons: Reasons, keep: bool) -> SnapshotDecision {
    SnapshotDecision { id: candidate.id, time: candidate.time, keep, reasons }
}

/// One walk over the snapshots, from the newest to the oldest.
struct Pass<'a> {
    rule: &'a Retention,
    zone: TimeZone,
    /// What is newer than this is within `keepWithin`.
    within: Option<Timestamp>,
    /// How many complete ones have been seen.
    complete: u32,
    periods: [Taken; 5],
}

/// What a rule about periods has taken so far.
struct Taken {
    left: u32,
    last: Option<i64>,
}

impl Pass<'_> {
    /// The reasons to keep the next complete snapshot.
    fn complete(&mut self, time: Timestamp, reasons: &mut Reasons) {
        self.complete = self.complete.saturating_add(1);
        if self.complete == 1 {
            reasons.push(Reason::NewestComplete);
        }
        reasons.extend(self.within(time));
        if self.complete <= self.rule.last {
            reasons.push(Reason::Last { nth: self.complete, of: self.rule.last });
        }
        if self.periods.iter().all(|taken| taken.left == 0) {
            return;
        }
        let offset = self.zone.to_offset(time);
        let shown = offset.to_datetime(time);
        for (period, taken) in Period::ALL.into_iter().zip(&mut self.periods) {
            if taken.left > 0 {
                let this = period.number(shown, offset.seconds());
                if taken.last != Some(this) {
                    *taken = Taken { left: taken.left - 1, last: Some(this) };
                    reasons.push(period.reason(shown));
                }
            }
        }
    }

    fn within(&self, time: Timestamp) -> Option<Reason> {
        self.rule.within.filter(|_| self.within.is_some_and(|from| time > from)).map(Reason::Within)
    }
}

/// What a rule keeps one snapshot of.
#[derive(Clone, Copy)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    const fn wanted(self, rule: &Retention) -> u32 {
        match self {
            Self::Hour => rule.hourly,
            Self::Day => rule.daily,
            Self::Week => rule.weekly,
            Self::Month => rule.monthly,
            Self::Year => rule.yearly,
        }
    }

    /// A number that all instants of one period share, and none of the next.
    fn number(self, shown: DateTime, offset: i32) -> i64 {
        let month = i64::from(shown.year()) * 12 + i64::from(shown.month());
        let day = month * 31 + i64::from(shown.day());
        match self {
            // No two offsets are 48 hours apart.
            Self::Hour => (day * 24 + i64::from(shown.hour())) * 172_800 + i64::from(offset),
            Self::Day => day,
            Self::Week => {
                let week = shown.date().iso_week_date();
                i64::from(week.year()) * 54 + i64::from(week.week())
            }
            Self::Month => month,
            Self::Year => i64::from(shown.year()),
        }
    }

    fn reason(self, shown: DateTime) -> Reason {
        let (date, year) = (shown.date(), shown.year());
        match self {
            Self::Hour => Reason::Hourly { date, hour: shown.hour() },
            Self::Day => Reason::Daily(date),
            Self::Week => {
                let week = date.iso_week_date();
                Reason::Weekly { year: week.year(), week: week.week() }
            }
            Self::Month => Reason::Monthly { year, month: shown.month() },
            Self::Year => Reason::Yearly(year),
        }
    }
}
