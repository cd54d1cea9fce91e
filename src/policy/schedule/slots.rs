//! From readings of a local clock to instants: what a time zone makes of a cron expression.
//!
//! Time is cut into *spans* in which the clock's offset does not change. Inside of one, readings and instants go
//! together one to one; where two meet, the clock jumps. The two rules of [`super`] are applied there and nowhere else.

use super::pattern::Pattern;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What names slots, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Slots {
    /// Readings of a zone's clock.
    Cron(Pattern, TimeZone),
    /// Every so many nanoseconds from 1970-01-01T00:00:00Z.
    Every(i128),
}

/// One stretch of time with one offset, in seconds. Instants are `start..end`.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    offset: i64,
    /// What the clock would have shown at `start`, had it not been changed there.
    unchanged: i64,
}

impl Slots {
    /// The first slot after `t`.
    pub fn after(&self, t: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => multiple(t.as_nanosecond().div_euclid(*every) + 1, *every),
            Self::Cron(pattern, zone) => {
                let from = floor(t) + 1;
                let mut span = Span::around(zone, from)?;
                loop {
                    if let Some(slot) = span.first(pattern, from) {
                        return Timestamp::from_second(slot).ok();
                    }
                    span = span.next(zone)?;
                }
            }
        }
    }

    /// The last slot that is not after `t`, if it comes after `after`.
    pub fn last(&self, after: Timestamp, t: Timestamp) -> Option<Timestamp> {
        let slot = match self {
            Self::Every(every) => multiple(t.as_nanosecond().div_euclid(*every), *every),
            Self::Cron(pattern, zone) => {
                let mut span = Span::around(zone, floor(t))?;
                loop {
                    if let Some(slot) = span.last(pattern, floor(t)) {
                        break Timestamp::from_second(slot).ok();
                    }
                    if span.start <= floor(after) {
                        return None;
                    }
                    span = Span::around(zone, span.start - 1)?;
                }
            }
        };
        slot.filter(|slot| *slot > after)
    }

    /// How many slots lie between the two, both excluded. Counting stops at `most`.
    pub fn between(&self, after: Timestamp, before: Timestamp, most: u32) -> u32 {
        let count = match self {
            Self::Every(every) => {
                let whole = |t: Timestamp| t.as_nanosecond().div_euclid(*every);
                // What is not after `before - 1 ns`, less what is not after `after`.
                u64::try_from((before.as_nanosecond() - 1).div_euclid(*every) - whole(after)).unwrap_or(0)
            }
            Self::Cron(pattern, zone) => {
                // The whole seconds that are after the one and before the other.
                let (from, until) = (floor(after) + 1, floor(before) + i64::from(before.subsec_nanosecond() != 0));
                let mut count = 0;
                let mut span = Span::around(zone, from);
                while let Some(here) = span.filter(|s| s.start < until && count < u64::from(most)) {
                    count += here.count(pattern, from, until, u64::from(most) - count);
                    span = here.next(zone);
                }
                count
            }
        };
        u32::try_from(count).map_or(most, |count| count.min(most))
    }
}

impl Span {
    /// The span that an instant lies in; `None` outside of what can be expressed.
    fn around(zone: &TimeZone, instant: i64) -> Option<Self> {
        let t = Timestamp::from_second(instant).ok()?;
        let offset = offset(zone, t);
        // `preceding` excludes its argument, and a span begins with its transition.
        let inclusive = Timestamp::from_second(instant + 1).unwrap_or(t);
        let transition = zone.preceding(inclusive).next().map(|x| x.timestamp().as_second());
        let start = transition.unwrap_or(Timestamp::MIN.as_second());
        let before = Timestamp::from_second(start - 1).map_or(offset, |t| self::offset(zone, t));
        Some(Self { start, end: end(zone, t), offset, unchanged: start + before })
    }

    /// The span after this one.
    fn next(self, zone: &TimeZone) -> Option<Self> {
        let t = Timestamp::from_second(self.end).ok()?;
        let end = end(zone, t);
        Some(Self { start: self.end, end, offset: offset(zone, t), unchanged: self.end + self.offset })
    }

    /// The readings that are slots of their own in this span.
    ///
    /// Where the clock was set back, readings before `unchanged` come a second time: they are slots again only for an
    /// expression that names every hour.
    fn readings(&self, pattern: &Pattern) -> (i64, i64) {
        let start = self.start + self.offset;
        let from = if pattern.names_every_hour() { start } else { start.max(self.unchanged) };
        (from, self.end + self.offset)
    }

    /// The slot of the readings that were left out where the clock was set forward: the first instant after them.
    fn made_up(&self, pattern: &Pattern) -> Option<i64> {
        let from = self.unchanged;
        let until = self.start + self.offset;
        (!pattern.names_every_hour() && from < until && pattern.first(from, until).is_some()).then_some(self.start)
    }

    /// The first slot that is not before `instant`.
    fn first(&self, pattern: &Pattern, instant: i64) -> Option<i64> {
        let (from, until) = self.readings(pattern);
        if instant <= self.start && self.made_up(pattern).is_some() {
            return Some(self.start);
        }
        Some(pattern.first(from.max(instant + self.offset), until)? - self.offset)
    }

    /// The last slot that is not after `instant`.
    fn last(&self, pattern: &Pattern, instant: i64) -> Option<i64> {
        let (from, until) = self.readings(pattern);
        match pattern.last(from, until.min(instant + self.offset + 1)) {
            Some(reading) => Some(reading - self.offset),
            None => self.made_up(pattern).filter(|slot| *slot <= instant),
        }
    }

    /// How many slots lie in `from..until`.
    fn count(&self, pattern: &Pattern, from: i64, until: i64, most: u64) -> u64 {
        let (first, end) = self.readings(pattern);
        let (low, high) = (first.max(from + self.offset), end.min(until + self.offset));
        let made_up = self.made_up(pattern).is_some_and(|slot| (from..until).contains(&slot));
        // A reading at the very start is the same slot as what is made up there.
        let twice = made_up && pattern.first(self.start + self.offset, self.start + self.offset + 1).is_some();
        pattern.count(low, high.max(low), most) + u64::from(made_up) - u64::from(twice)
    }
}

/// The whole second that an instant lies in.
fn floor(t: Timestamp) -> i64 {
    t.as_second() - i64::from(t.subsec_nanosecond() < 0)
}

fn offset(zone: &TimeZone, t: Timestamp) -> i64 {
    i64::from(zone.to_offset(t).seconds())
}

/// When the span that `t` lies in is over.
fn end(zone: &TimeZone, t: Timestamp) -> i64 {
    zone.following(t).next().map_or(Timestamp::MAX.as_second() + 1, |x| x.timestamp().as_second())
}

/// Slot number `n` of an interval.
fn multiple(n: i128, every: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(n.checked_mul(every)?).ok()
}
