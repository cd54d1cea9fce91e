//! The table: what a schedule does where the clock of its zone jumps.

use super::{at, cron, every, slots};
use jiff::{SignedDuration, ToSpan};
use rstest::rstest;

/// The slots of one local date and the next, as that zone's clock shows them, with the offset where it matters.
#[rstest]
// New York, set forward 2026-03-08 02:00 -> 03:00.
#[case("30 2 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "09T02:30-04"])]
#[case("0 3 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "09T03:00-04"])]
#[case("0,30 2 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "09T02:00-04", "09T02:30-04"])]
#[case("*/20 2 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "09T02:00-04", "09T02:20-04", "09T02:40-04"])]
#[case("30 2,3 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "08T03:30-04", "09T02:30-04", "09T03:30-04"])]
#[case("0 2,3 * * *", "America/New_York", "2026-03-08", &["08T03:00-04", "09T02:00-04", "09T03:00-04"])]
#[case("30 2 * * SUN", "America/New_York", "2026-03-08", &["08T03:00-04"])]
#[case("30 2 8 3 *", "America/New_York", "2026-03-08", &["08T03:00-04"])]
#[case("30 1 * * *", "America/New_York", "2026-03-08", &["08T01:30-05", "09T01:30-04"])]
// New York, set back 2026-11-01 02:00 -> 01:00.
#[case("30 1 * * *", "America/New_York", "2026-11-01", &["01T01:30-04", "02T01:30-05"])]
#[case("0,30 1 * * *", "America/New_York", "2026-11-01", &["01T01:00-04", "01T01:30-04", "02T01:00-05", "02T01:30-05"])]
#[case("0 1,2 * * *", "America/New_York", "2026-11-01", &["01T01:00-04", "01T02:00-05", "02T01:00-05", "02T02:00-05"])]
#[case("30 2 * * *", "America/New_York", "2026-11-01", &["01T02:30-05", "02T02:30-05"])]
// Jerusalem, set forward 2026-03-27 02:00 -> 03:00, and back 2026-10-25 02:00 -> 01:00.
#[case("30 2 * * *", "Asia/Jerusalem", "2026-03-27", &["27T03:00+03", "28T02:30+03"])]
#[case("0,30 2 * * *", "Asia/Jerusalem", "2026-03-27", &["27T03:00+03", "28T02:00+03", "28T02:30+03"])]
#[case("30 1 * * *", "Asia/Jerusalem", "2026-10-25", &["25T01:30+03", "26T01:30+02"])]
#[case("0 2 * * 0", "Asia/Jerusalem", "2026-10-25", &["25T02:00+02"])]
// Lord Howe, set back half an hour 2026-04-05 02:00 -> 01:30, and forward 2026-10-04 02:00 -> 02:30.
#[case("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", &["05T01:45+11", "06T01:45+10:30"])]
#[case("0 2 * * *", "Australia/Lord_Howe", "2026-04-05", &["05T02:00+10:30", "06T02:00+10:30"])]
#[case("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", &["04T02:30+11", "05T02:15+11"])]
#[case("0,15,30,45 2 * * *", "Australia/Lord_Howe", "2026-10-04",
    &["04T02:30+11", "04T02:45+11", "05T02:00+11", "05T02:15+11", "05T02:30+11", "05T02:45+11"])]
// Apia left out 2011-12-30. Its slots become one at the start of the next date.
#[case("0 2 * * *", "Pacific/Apia", "2011-12-30", &["31T00:00+14", "31T02:00+14"])]
#[case("0 0 * * *", "Pacific/Apia", "2011-12-30", &["31T00:00+14"])]
#[case("0 2,14 * * *", "Pacific/Apia", "2011-12-30", &["31T00:00+14", "31T02:00+14", "31T14:00+14"])]
#[case("0 2 * * FRI", "Pacific/Apia", "2011-12-30", &["31T00:00+14"])]
#[case("0 2 * * SAT", "Pacific/Apia", "2011-12-30", &["31T02:00+14"])]
// Berlin, set forward 2026-03-29 02:00 -> 03:00, and back 2026-10-25 03:00 -> 02:00.
#[case("0 2 * * *", "Europe/Berlin", "2026-03-29", &["29T03:00+02", "30T02:00+02"])]
#[case("30 2 * * *", "Europe/Berlin", "2026-10-25", &["25T02:30+02", "26T02:30+01"])]
#[case("59 2 * * *", "Europe/Berlin", "2026-10-25", &["25T02:59+02", "26T02:59+01"])]
// Midnight itself does not exist: Cairo, 2026-04-24 00:00 -> 01:00.
#[case("@daily", "Africa/Cairo", "2026-04-24", &["24T01:00+03", "25T00:00+03"])]
#[case("30 2 * * *", "UTC", "2026-03-08", &["08T02:30+00", "09T02:30+00"])]
fn certain_hours(#[case] expression: &str, #[case] zone: &str, #[case] date: &str, #[case] expected: &[&str]) {
    let tz = super::super::zone::find(zone).unwrap();
    let date: jiff::civil::Date = date.parse().unwrap();
    let from = date.to_zoned(tz.clone()).unwrap().timestamp();
    let until = date.checked_add(2.days()).unwrap().to_zoned(tz.clone()).unwrap().timestamp();
    let shown: Vec<String> = slots(&cron(expression, zone), from, until)
        .iter()
        .map(|slot| slot.to_zoned(tz.clone()))
        .map(|z| format!("{}{}", z.strftime("%dT%H:%M"), offset(z.offset().seconds())))
        .collect();
    assert_eq!(shown, expected);
}

fn offset(seconds: i32) -> String {
    let (hours, minutes) = (seconds / 3600, seconds.abs() / 60 % 60);
    if minutes == 0 { format!("{hours:+03}") } else { format!("{hours:+03}:{minutes:02}") }
}

/// An expression that names every hour follows real time through both jumps.
#[rstest]
#[case("America/New_York", "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z")]
#[case("America/New_York", "2026-10-31T00:00:00Z", "2026-11-03T00:00:00Z")]
#[case("Asia/Jerusalem", "2026-03-26T00:00:00Z", "2026-03-29T00:00:00Z")]
#[case("Asia/Jerusalem", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")]
#[case("Australia/Lord_Howe", "2026-04-03T00:00:00Z", "2026-04-06T00:00:00Z")]
#[case("Australia/Lord_Howe", "2026-10-02T00:00:00Z", "2026-10-05T00:00:00Z")]
#[case("Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z")]
#[case("Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")]
#[case("UTC", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")]
fn each_quarter_of_an_hour(#[case] zone: &str, #[case] from: &str, #[case] until: &str) {
    let (from, until) = (at(from), at(until));
    let step = SignedDuration::from_mins(15);
    let expected: Vec<_> =
        std::iter::successors(Some(from), |t| Some(*t + step)).take_while(|slot| *slot < until).collect();
    assert_eq!(slots(&cron("*/15 * * * *", zone), from, until), expected);
    assert_eq!(slots(&every(15), from, until), expected);
}

#[test]
fn an_hourly_job_keeps_its_hour_in_both_directions() {
    for (from, until) in
        [("2026-03-08T03:00:00Z", "2026-03-08T12:00:00Z"), ("2026-11-01T03:00:00Z", "2026-11-01T12:00:00Z")]
    {
        let found = slots(&cron("7 * * * *", "America/New_York"), at(from), at(until));
        assert_eq!(found.len(), 9);
        assert!(found.windows(2).all(|pair| pair[0].duration_until(pair[1]) == SignedDuration::from_hours(1)));
    }
}

#[test]
fn a_week_that_lost_its_friday_still_has_its_weekly_slot() {
    let found = slots(&cron("0 2 * * 5", "Pacific/Apia"), at("2011-12-20T00:00:00Z"), at("2012-01-08T00:00:00Z"));
    let expected = ["2011-12-23T12:00:00Z", "2011-12-30T10:00:00Z", "2012-01-05T12:00:00Z"].map(at);
    assert_eq!(found, expected);
}
