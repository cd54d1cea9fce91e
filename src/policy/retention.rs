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
#[cfg(test)]
mod tests;

pub use guard::{Guard, HeldBack, guard};

use super::{quantity, zone};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
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
    pub id: String,
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
    pub id: String,
    /// Its time.
    pub time: Timestamp,
    /// Whether it stays.
    pub keep: bool,
    /// Why: `newest complete`, `last 2 of 4`, `daily 2026-11-22`, `no rule keeps it`, …; at least one.
    pub reasons: Vec<String>,
}

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
pub fn evaluate(rule: Option<&Retention>, snapshots: &[Candidate], time_zone: &str, now: Timestamp) -> Evaluation {
    let mut newest_first: Vec<&Candidate> = snapshots.iter().collect();
    newest_first.sort_unstable_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
    let Some(rule) = rule else {
        let keep = |c| decision(c, vec!["keep everything".to_owned()], true);
        return Evaluation { snapshots: newest_first.into_iter().map(keep).collect(), partial_removed: 0 };
    };
    let newest = newest_first.iter().position(|c| c.complete && c.time <= now);
    let mut pass = Pass {
        rule,
        zone: zone::find(time_zone).unwrap_or(TimeZone::UTC),
        within: newest.zip(rule.within).map(|(newest, within)| {
            let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
            newest_first[newest].time.saturating_sub(within).unwrap_or(Timestamp::MIN)
        }),
        complete: 0,
        periods: Period::ALL.map(|period| Taken { left: period.wanted(rule), last: None }),
    };
    let mut partial_removed = 0;
    let mut decide = |(index, candidate): (usize, &Candidate)| {
        if candidate.time > now {
            return decision(candidate, vec!["in the future".to_owned()], true);
        }
        let mut reasons = Vec::new();
        if candidate.complete {
            pass.complete(candidate.time, &mut reasons);
        } else {
            if newest.is_none_or(|newest| index < newest) {
                reasons.push("partial, newer than any complete one".to_owned());
            }
            reasons.extend(pass.within(candidate.time));
        }
        if !reasons.is_empty() {
            return decision(candidate, reasons, true);
        }
        partial_removed += usize::from(!candidate.complete);
        let why = if candidate.complete { "no rule keeps it" } else { "partial, superseded by a complete one" };
        decision(candidate, vec![why.to_owned()], false)
    };
    let snapshots = newest_first.into_iter().enumerate().map(&mut decide).collect();
    Evaluation { snapshots, partial_removed }
}

fn decision(candidate: &Candidate, reasons: Vec<String>, keep: bool) -> SnapshotDecision {
    SnapshotDecision { id: candidate.id.clone(), time: candidate.time, keep, reasons }
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
    fn complete(&mut self, time: Timestamp, reasons: &mut Vec<String>) {
        self.complete = self.complete.saturating_add(1);
        if self.complete == 1 {
            reasons.push("newest complete".to_owned());
        }
        reasons.extend(self.within(time));
        if self.complete <= self.rule.last {
            reasons.push(format!("last {} of {}", self.complete, self.rule.last));
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

    fn within(&self, time: Timestamp) -> Option<String> {
        let within = self.rule.within.filter(|_| self.within.is_some_and(|from| time > from))?;
        Some(format!("within {}", quantity::display(within)))
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

    fn reason(self, shown: DateTime) -> String {
        let date = shown.date();
        match self {
            Self::Hour => format!("hourly {date}T{:02}", shown.hour()),
            Self::Day => format!("daily {date}"),
            Self::Week => {
                let week = date.iso_week_date();
                format!("weekly {:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("monthly {:04}-{:02}", shown.year(), shown.month()),
            Self::Year => format!("yearly {:04}", shown.year()),
        }
    }
}
