//! Why one snapshot stays or goes: a few numbers, and a sentence only when somebody reads it.

use crate::policy::quantity;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
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
const FIXED: [Reason; 6] = [
    Reason::Everything,
    Reason::Future,
    Reason::NewestComplete,
    Reason::NewerThanComplete,
    Reason::NoRule,
    Reason::Superseded,
];

impl Reason {
    fn read(text: &str) -> Option<Self> {
        if let Some(fixed) = FIXED.into_iter().find(|fixed| fixed.to_string() == text) {
            return Some(fixed);
        }
        let (word, rest) = text.split_once(' ')?;
        Some(match word {
            "within" => Self::Within(quantity::parse(rest).ok()?),
            "last" => two(rest, " of ").map(|(nth, of)| Self::Last { nth, of })?,
            "hourly" => two(rest, "T").map(|(date, hour)| Self::Hourly { date, hour })?,
            "daily" => Self::Daily(rest.parse().ok()?),
            "weekly" => two(rest, "-W").map(|(year, week)| Self::Weekly { year, week })?,
            "monthly" => two(rest, "-").map(|(year, month)| Self::Monthly { year, month })?,
            "yearly" => Self::Yearly(rest.parse().ok()?),
            _ => return None,
        })
    }
}

/// What stands before and after the last `between`.
fn two<A: FromStr, B: FromStr>(text: &str, between: &str) -> Option<(A, B)> {
    let (one, other) = text.rsplit_once(between)?;
    Some((one.parse().ok()?, other.parse().ok()?))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Everything => f.write_str("keep everything"),
            Self::Future => f.write_str("in the future"),
            Self::NewestComplete => f.write_str("newest complete"),
            Self::NewerThanComplete => f.write_str("partial, newer than any complete one"),
            Self::Within(within) => write!(f, "within {}", quantity::display(within)),
            Self::Last { nth, of } => write!(f, "last {nth} of {of}"),
            Self::Hourly { date, hour } => write!(f, "hourly {date}T{hour:02}"),
            Self::Daily(date) => write!(f, "daily {date}"),
            Self::Weekly { year, week } => write!(f, "weekly {year:04}-W{week:02}"),
            Self::Monthly { year, month } => write!(f, "monthly {year:04}-{month:02}"),
            Self::Yearly(year) => write!(f, "yearly {year:04}"),
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::Superseded => f.write_str("partial, superseded by a complete one"),
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
