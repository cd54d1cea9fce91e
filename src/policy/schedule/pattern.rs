//! Which readings of a local clock a cron expression names.
//!
//! A reading is written as the seconds since 1970-01-01T00:00:00 on that same clock: the seconds of the instant plus
//! the clock's offset from UTC. Readings are plain numbers here; what a time zone makes of them is for [`super::slots`].

use jiff::SignedDuration;
use jiff::civil::Date;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
const ALL_HOURS: u64 = (1 << 24) - 1;

/// A parsed expression: one bit for each value that a field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    pub minutes: u64,
    pub hours: u64,
    pub days: u64,
    pub months: u64,
    /// Bit 0 is Sunday.
    pub weekdays: u64,
    /// Whether a date has to meet only one of the two day fields.
    pub either_day: bool,
}

impl Pattern {
    /// Whether every hour is named, so that the expression is about minutes alone.
    pub const fn names_every_hour(&self) -> bool {
        self.hours == ALL_HOURS
    }

    /// Whether any date of the calendar is named. Every date falls on every weekday in some year.
    pub fn has_date(&self) -> bool {
        let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let first = self.days.trailing_zeros();
        self.either_day || (1..).zip(lengths).any(|(month, length)| has(self.months, month) && first <= length)
    }

    /// The first reading that is named in `from..until`.
    pub fn first(&self, from: i64, until: i64) -> Option<i64> {
        let from = ceil(from);
        self.days(from.div_euclid(DAY), last_day(until))
            .find_map(|day| Some(day * DAY + self.minute_from((from - day * DAY).max(0) / MINUTE)? * MINUTE))
            .filter(|reading| *reading < until)
    }

    /// The last reading that is named in `from..until`.
    pub fn last(&self, from: i64, until: i64) -> Option<i64> {
        self.days_back(last_day(until), from.div_euclid(DAY))
            .find_map(|day| Some(day * DAY + self.minute_to((until - 1 - day * DAY).min(DAY - 1) / MINUTE)? * MINUTE))
            .filter(|reading| *reading >= from)
    }

    /// How many readings are named in `from..until`. Counting stops soon after `most`.
    pub fn count(&self, from: i64, until: i64, most: u64) -> u64 {
        let mut count = 0;
        for day in self.days(from.div_euclid(DAY), last_day(until)) {
            let minute = |reading: i64| ceil(reading - day * DAY).clamp(0, DAY) / MINUTE;
            count += self.minutes_before(minute(until)).saturating_sub(self.minutes_before(minute(from)));
            if count >= most {
                break;
            }
        }
        count
    }

    /// The days that are named, counted from 1970-01-01, `from..=to`.
    fn days(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        let (mut day, mut date) = (from, date(from));
        std::iter::from_fn(move || {
            while let Some(today) = date.filter(|_| day <= to) {
                let here = day;
                if has(self.months, today.month()) {
                    (day, date) = (day + 1, today.tomorrow().ok());
                    if self.names(today) {
                        return Some(here);
                    }
                } else {
                    let last = today.last_of_month();
                    (day, date) = (day + i64::from(last.day() - today.day()) + 1, last.tomorrow().ok());
                }
            }
            None
        })
    }

    /// The days that are named, backwards, from `from` down to `to`, both included.
    fn days_back(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        let (mut day, mut date) = (from, date(from));
        std::iter::from_fn(move || {
            while let Some(today) = date.filter(|_| day >= to) {
                let here = day;
                if has(self.months, today.month()) {
                    (day, date) = (day - 1, today.yesterday().ok());
                    if self.names(today) {
                        return Some(here);
                    }
                } else {
                    (day, date) = (day - i64::from(today.day()), today.first_of_month().yesterday().ok());
                }
            }
            None
        })
    }

    /// Whether both day fields, or one where that is enough, name this date. The month is not looked at.
    fn names(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.either_day { day || weekday } else { day && weekday }
    }

    /// The first minute of a day that is named, from this one on.
    fn minute_from(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        let rest = self.minutes >> minute;
        if has(self.hours, hour) && rest != 0 {
            return Some(hour * 60 + minute + i64::from(rest.trailing_zeros()));
        }
        let later = self.hours >> (hour + 1);
        (later != 0)
            .then(|| (hour + 1 + i64::from(later.trailing_zeros())) * 60 + i64::from(self.minutes.trailing_zeros()))
    }

    /// The last minute of a day that is named, up to and with this one.
    fn minute_to(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        let rest = below(self.minutes, minute + 1);
        if has(self.hours, hour) && rest != 0 {
            return Some(hour * 60 + i64::from(rest.ilog2()));
        }
        let earlier = below(self.hours, hour);
        (earlier != 0).then(|| i64::from(earlier.ilog2()) * 60 + i64::from(self.minutes.ilog2()))
    }

    /// How many minutes of a day before this one are named.
    fn minutes_before(&self, minute: i64) -> u64 {
        let (hour, minute) = (minute / 60, minute % 60);
        let full = below(self.hours, hour).count_ones() * self.minutes.count_ones();
        let rest = if has(self.hours, hour) { below(self.minutes, minute).count_ones() } else { 0 };
        u64::from(full + rest)
    }
}

fn has(bits: u64, index: impl Into<i64>) -> bool {
    bits >> index.into() & 1 == 1
}

/// The bits before this index.
const fn below(bits: u64, index: i64) -> u64 {
    bits & ((1 << index) - 1)
}

/// The first full minute that is not before this reading.
const fn ceil(reading: i64) -> i64 {
    (reading + MINUTE - 1).div_euclid(MINUTE) * MINUTE
}

/// The day of the last reading before `until`.
const fn last_day(until: i64) -> i64 {
    (until - 1).div_euclid(DAY)
}

/// The date of a day counted from 1970-01-01; `None` outside of the calendar.
fn date(day: i64) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(day * 24)).ok()
}
