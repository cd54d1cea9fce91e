//! What is written of a reason is read back as the same.

use super::*;
use jiff::civil::date;
use rstest::rstest;

#[rstest]
#[case(Reason::Everything, "keep everything")]
#[case(Reason::Future, "in the future")]
#[case(Reason::NewestComplete, "newest complete")]
#[case(Reason::NewerThanComplete, "partial, newer than any complete one")]
#[case(Reason::Within(Duration::from_mins(90)), "within 1h30m")]
#[case(Reason::Last { nth: 2, of: 4 }, "last 2 of 4")]
#[case(Reason::Hourly { date: date(2026, 11, 1), hour: 2 }, "hourly 2026-11-01T02")]
#[case(Reason::Daily(date(2026, 11, 22)), "daily 2026-11-22")]
#[case(Reason::Weekly { year: 2026, week: 4 }, "weekly 2026-W04")]
#[case(Reason::Monthly { year: 2026, month: 2 }, "monthly 2026-02")]
#[case(Reason::Yearly(2026), "yearly 2026")]
#[case(Reason::NoRule, "no rule keeps it")]
#[case(Reason::Superseded, "partial, superseded by a complete one")]
fn a_reason_is_read_back_as_it_was_written(#[case] reason: Reason, #[case] text: &str) {
    let written = serde_json::to_value(reason).unwrap();
    assert_eq!(written, text);
    assert_eq!(serde_json::from_value::<Reason>(written).unwrap(), reason);
}

#[rstest]
#[case("")]
#[case("last 2")]
#[case("weekly 2026-04")]
#[case("fortnightly 2026-11-22")]
fn what_is_no_reason_is_refused(#[case] text: &str) {
    let refused = serde_json::from_value::<Reason>(text.into()).unwrap_err();
    assert_eq!(refused.to_string(), format!("`{text}` is no reason to keep or remove a snapshot"));
}
