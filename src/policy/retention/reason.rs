//! Why one snapshot stays or goes: a few numbers, and a sentence only when somebody reads it.

use crate::policy::quantity;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Why a snapshot stays or goes. Written as a short text, which can be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Reason {
    /// There is no rule.
    Everything,
    /// It is of a later time than now.
    Future,
    /// It is the newest complete one.
    NewestComplete,
    /// It is partial, and no complete one is newer.
    NewerThanComplete,
    /// It is less than this older than the newest complete one.
    Within(Duration),
    /// It is one of the newest.
    Last {
        /// Which, from 1.
        nth: u32,
        /// Of how many that stay.
        of: u32,
    },
    /// It is the newest of an hour.
    Hourly {
        /// The day.
        date: Date,
        /// The hour of its clock.
        hour: i8,
    },
    /// … of a day.
    Daily(Date),
    /// … of an ISO week.
    Weekly {
        /// The year that the week belongs to.
        year: i16,
        /// The week.
        week: i8,
    },
    /// … of a month.
    Monthly {
        /// The year.
        year: i16,
        /// The month.
        month: i8,
    },
    /// … of a year.
    Yearly(i16),
    /// Nothing speaks for it.
    NoRule,
    /// It is partial, and a complete one is newer.
    Superseded,
}

/// The reasons that are the same for all.
const FIXED: [(Reason, &str); 6] = [
    (Reason::Everything, "keep everything"),
    (Reason::Future, "in the future"),
    (Reason::NewestComplete, "newest complete"),
    (Reason::NewerThanComplete, "partial, newer than any complete one"),
    (Reason::NoRule, "no rule keeps it"),
    (Reason::Superseded, "partial, superseded by a complete one"),
];

impl Reason {
    /// The newest of the ISO week that this day is in.
    pub(super) fn weekly(shown: DateTime) -> Self {
        let week = shown.date().iso_week_date();
        Self::Weekly { year: week.year(), week: week.week() }
    }

    fn read(text: &str) -> Option<Self> {
        if let Some((fixed, _)) = FIXED.into_iter().find(|(_, written)| *written == text) {
            return Some(fixed);
        }
        let (word, rest) = text.split_once(' ')?;
        Some(match word {
            "within" => Self::Within(quantity::parse(rest).ok()?),
            "last" => {
                let (nth, of) = rest.split_once(" of ")?;
                Self::Last { nth: nth.parse().ok()?, of: of.parse().ok()? }
            }
            "hourly" => {
                let (date, hour) = rest.split_once('T')?;
                Self::Hourly { date: date.parse().ok()?, hour: hour.parse().ok()? }
            }
            "daily" => Self::Daily(rest.parse().ok()?),
            "weekly" => {
                let (year, week) = rest.rsplit_once("-W")?;
                Self::Weekly { year: year.parse().ok()?, week: week.parse().ok()? }
            }
            "monthly" => {
                let (year, month) = rest.rsplit_once('-')?;
                Self::Monthly { year: year.parse().ok()?, month: month.parse().ok()? }
            }
            "yearly" => Self::Yearly(rest.parse().ok()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Within(within) => write!(f, "within {}", quantity::display(within)),
            Self::Last { nth, of } => write!(f, "last {nth} of {of}"),
            Self::Hourly { date, hour } => write!(f, "hourly {date}T{hour:02}"),
            Self::Daily(date) => write!(f, "daily {date}"),
            Self::Weekly { year, week } => write!(f, "weekly {year:04}-W{week:02}"),
            Self::Monthly { year, month } => write!(f, "monthly {year:04}-{month:02}"),
            Self::Yearly(year) => write!(f, "yearly {year:04}"),
            fixed => f.write_str(FIXED.into_iter().find(|(reason, _)| *reason == fixed).map_or("", |(_, text)| text)),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text).ok_or_else(|| format!("`{text}` is no reason to keep or remove a snapshot"))
    }
}
