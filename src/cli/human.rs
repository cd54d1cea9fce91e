//! Times, spans and sizes as people say them.

pub use crate::policy::quantity::{bytes, count};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// `3h ago`, `in 2d`, `now`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let span = at.duration_since(now);
    if span.abs() < SignedDuration::from_secs(1) {
        return "now".to_owned();
    }
    let words = span_words(span.unsigned_abs());
    if span.is_negative() { format!("{words} ago") } else { format!("in {words}") }
}

/// [`relative`], or the given word where there is no time.
#[must_use]
pub fn relative_or(at: Option<Timestamp>, now: Timestamp, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), |at| relative(at, now))
}

/// `2026-11-22T00:03:00Z (3h ago)`, or the given word where there is no time.
#[must_use]
pub fn absolute_or(at: Option<Timestamp>, now: Timestamp, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), |at| format!("{} ({})", seconds(at), relative(at, now)))
}

/// RFC 3339 in UTC, to the second.
#[must_use]
pub fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// One number and one unit: `45s`, `12m`, `36h`, `9d`, `3y`. Rounded down, so that nothing looks older than it is.
#[must_use]
pub fn span_words(span: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match span.as_secs() {
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 2 * HOUR => format!("{}m", s / MINUTE),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 730 * DAY => format!("{}d", s / DAY),
        s => format!("{}y", s / (365 * DAY)),
    }
}

/// The part of an id that is enough for people.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "now")]
    #[case(-59, "59s ago")]
    #[case(-3 * 3600, "3h ago")]
    #[case(119, "in 119s")]
    #[case(120, "in 2m")]
    #[case(2 * 86_400, "in 2d")]
    #[case(-1_764_000_000, "55y ago")]
    fn says_times_relative_to_now(#[case] offset: i64, #[case] words: &str) {
        let now = Timestamp::from_second(1_795_439_112).unwrap();
        assert_eq!(relative(now + SignedDuration::from_secs(offset), now), words);
    }

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1024, "1.0 KiB")]
    #[case(1024 * 1024 - 1, "1.0 MiB")]
    #[case(1_288_490_189, "1.2 GiB")]
    #[case(u64::MAX, "16.0 EiB")]
    fn says_sizes_in_binary_units(#[case] n: u64, #[case] words: &str) {
        assert_eq!(bytes(n), words);
    }

    #[test]
    fn cuts_no_id_in_the_middle_of_a_character() {
        assert_eq!(short_id("0123456789"), "01234567");
        assert_eq!(short_id("abc"), "abc");
        assert_eq!(short_id("äöüäöüäöü"), "äöüä");
    }
}
