//! What is accepted, what is refused, and in which words.

use super::{at, cron, slots};
use crate::policy::schedule::{Rule, Schedule, ScheduleError};
use rstest::rstest;
use std::time::Duration;

#[rstest]
#[case("0 2 * * SUN", "0 2 * * 0")]
#[case("0 2 * * 7", "0 2 * * 0")]
#[case("0 2 * * sat-sun", "0 2 * * 6,0")]
#[case("0 2 * * FRI-SUN", "0 2 * * 0,5,6")]
#[case("0 2 * * 5-7", "0 2 * * 0,5,6")]
#[case("0 2 * * SUN-TUE", "0 2 * * 0-2")]
#[case("0 2 1 jan,JUL *", "0 2 1 1,7 *")]
#[case("  5   4 * * *  ", "05 04 * * *")]
#[case("*/15 * * * *", "0,15,30,45 0-23 * * *")]
#[case("10-59/20 * * * *", "10,30,50 * * * *")]
#[case("@hourly", "0 * * * *")]
#[case("@Daily", "0 0 * * *")]
#[case("@midnight", "0 0 * * *")]
#[case("@weekly", "0 0 * * 0")]
#[case("@monthly", "0 0 1 * *")]
#[case("@yearly", "0 0 1 1 *")]
#[case("@annually", "0 0 1 1 *")]
fn two_ways_to_say_it(#[case] one: &str, #[case] other: &str) {
    assert_eq!(cron(one, "UTC"), cron(other, "UTC"));
}

#[rstest]
#[case("0 2 * * *", "0 3 * * *", "UTC", "UTC")]
#[case("0 2 * * *", "0 2 * * *", "UTC", "Europe/Berlin")]
fn what_means_something_else_is_unequal(#[case] a: &str, #[case] b: &str, #[case] zone_a: &str, #[case] zone_b: &str) {
    assert_ne!(cron(a, zone_a), cron(b, zone_b));
}

#[rstest]
// Both restricted: either is enough.
#[case("0 0 13 * FRI", &["2026-11-06", "2026-11-13", "2026-11-20", "2026-11-27", "2026-12-04"])]
// One starts with a star: both have to be met.
#[case("0 0 */2 * FRI", &["2026-11-13", "2026-11-27"])]
#[case("0 0 30 * */3", &["2026-12-30"])]
#[case("0 0 31 * *", &["2026-12-31"])]
fn the_two_day_fields(#[case] expression: &str, #[case] dates: &[&str]) {
    let found = slots(&cron(expression, "UTC"), at("2026-11-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let found: Vec<_> = found.iter().map(|slot| slot.strftime("%F").to_string()).collect();
    assert_eq!(found[..dates.len()], *dates);
}

#[test]
fn a_leap_day_is_found_over_the_year_that_is_none() {
    let schedule = cron("0 0 29 2 *", "Europe/Berlin");
    assert_eq!(schedule.slot_after(at("2096-03-01T00:00:00Z")), Some(at("2104-02-28T23:00:00Z")));
    // The longest wait there is: a weekday as well. 2096-02-29 is a Wednesday, 2104-02-29 a Friday.
    let schedule = cron("0 0 29 2 */6", "UTC");
    assert_eq!(schedule.slot_after(at("2092-03-01T00:00:00Z")), Some(at("2116-02-29T00:00:00Z")));
}

#[rstest]
#[case("", "the expression is empty; write five fields: minute, hour, day of the month, month, day of the week")]
#[case("0 2 * *", "five fields are needed (minute, hour, day of the month, month, day of the week), not 4")]
#[case(
    "0 0 2 * * 0",
    "6 fields are one or two too many: there are neither seconds nor years here; with seconds first, leave them out: `0 2 * * 0`"
)]
#[case(
    "0 0 2 * * 0 2026",
    "7 fields are one or two too many: there are neither seconds nor years here; with seconds first, leave them out: `0 2 * * 0`"
)]
#[case("TZ=UTC 0 2 * * 0", "`TZ=UTC` does not belong here; the time zone has a field of its own, `timeZone`")]
#[case("0 2 31 2 *", "`0 2 31 2 *` never comes: there is no such date as 31 February")]
#[case("0 2 31 4,6,NOV *", "`0 2 31 4,6,NOV *` never comes: there is no such date as 31 April or June or November")]
#[case("0 2 30,31 2 */2", "`0 2 30,31 2 */2` never comes: there is no such date as 30 February")]
#[case("60 * * * *", "the minute `60` is not 0 to 59")]
#[case("0 24 * * *", "the hour `24` is not 0 to 23")]
#[case("0 -1 * * *", "the hour `` is not 0 to 23")]
#[case("0 +1 * * *", "the hour `+1` is not 0 to 23")]
#[case("0 2 0 * *", "the day of the month `0` is not 1 to 31")]
#[case("0 2 L * *", "the day of the month `L` is not 1 to 31; `L`, `W`, `#` and `H` belong to other dialects of cron")]
#[case(
    "0 2 15W * *",
    "the day of the month `15W` is not 1 to 31; `L`, `W`, `#` and `H` belong to other dialects of cron"
)]
#[case(
    "0 2 * * 5#2",
    "the day of the week `5#2` is not 0 to 7 or SUN to SAT; `L`, `W`, `#` and `H` belong to other dialects of cron"
)]
#[case("H 2 * * *", "the minute `H` is not 0 to 59; `L`, `W`, `#` and `H` belong to other dialects of cron")]
#[case("0 2 * 13 *", "the month `13` is not 1 to 12 or JAN to DEC")]
#[case("0 2 * * Thurs", "the day of the week `Thurs` is not 0 to 7 or SUN to SAT")]
#[case("0 2 * * 8", "the day of the week `8` is not 0 to 7 or SUN to SAT")]
#[case("SUN 2 * * *", "the minute `SUN` is not 0 to 59")]
#[case("0 2 ? * *", "`?` in the day of the month is another dialect; write `*`")]
#[case("0 20-4 * * *", "the range `20-4` in the hour runs backwards; write it as two with a comma between them")]
#[case("5/10 * * * *", "`5/10` in the minute: a step needs a range; write `5-59/10`")]
#[case("*/0 * * * *", "the step of `*/0` in the minute is 0; it has to be 1 or more")]
#[case(
    "*/90 * * * *",
    "the step of `*/90` in the minute is larger than the range, so that it would do nothing; for an interval write `every:` in place of `cron`"
)]
#[case("*/x * * * *", "the step of `*/x` in the minute is not a number")]
#[case("0,,5 * * * *", "the minute `` is not 0 to 59")]
#[case("@reboot", "`@reboot` names no instant; write a schedule, and a missed slot is caught up after a restart")]
#[case("@every 5m", "`@every 5m` is written `every: 5m` in place of `cron`")]
#[case(
    "@dayly",
    "`@dayly` is not known; the short forms are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
)]
fn a_wrong_expression_is_explained(#[case] expression: &str, #[case] message: &str) {
    let error = Schedule::new(Rule::Cron(expression.to_owned()), "UTC", Duration::ZERO, None).unwrap_err();
    assert_eq!(error, [ScheduleError::Cron(message.to_owned())]);
    assert_eq!(error[0].to_string(), message);
}

#[test]
fn the_other_parts_are_explained() {
    let new = |rule, zone, jitter, deadline: Option<u64>| {
        let deadline = deadline.map(Duration::from_secs);
        Schedule::new(rule, zone, Duration::from_secs(jitter), deadline)
            .map_err(|e| e.iter().map(ToString::to_string).collect())
    };
    let every = |seconds| Rule::Every(Duration::from_secs(seconds));
    let daily = || Rule::Cron("@daily".to_owned());
    let wrong = |result: Result<Schedule, Vec<String>>| result.unwrap_err();
    assert_eq!(wrong(new(every(59), "UTC", 0, None)), ["`59s` is too short; the least is 1m"]);
    assert_eq!(wrong(new(every(400_000_000), "UTC", 0, None)), ["`4629d15h6m40s` is too long; the most is 3660d"]);
    assert_eq!(
        wrong(new(every(60), "UTC", 60, None)),
        ["a jitter of 1m would move a run past the next slot or date; it has to be less than 1m"]
    );
    assert_eq!(
        wrong(new(daily(), "UTC", 86_400, None)),
        ["a jitter of 1d would move a run past the next slot or date; it has to be less than 1d"]
    );
    assert_eq!(
        wrong(new(daily(), "UTC", 0, Some(59))),
        ["a starting deadline of 59s would miss slots whenever the host is busy; the least is 1m"]
    );
    assert_eq!(
        wrong(new(daily(), "Jerusalem", 0, None)),
        ["there is no time zone `Jerusalem`; did you mean `Asia/Jerusalem`?"]
    );
    assert!(new(every(60), "UTC", 59, Some(60)).is_ok());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let day = Duration::from_hours(24);
    let errors = Schedule::new(Rule::Cron("x".to_owned()), "x", day, Some(Duration::ZERO)).unwrap_err();
    let parts: Vec<_> = errors
        .iter()
        .map(|error| match error {
            ScheduleError::Cron(_) => "cron",
            ScheduleError::TimeZone(_) => "timeZone",
            ScheduleError::Jitter(_) => "jitter",
            ScheduleError::Every(_) => "every",
            ScheduleError::StartingDeadline(_) => "startingDeadline",
        })
        .collect();
    assert_eq!(parts, ["timeZone", "cron", "jitter", "startingDeadline"]);
}

#[test]
fn a_schedule_prints_as_a_person_would_write_it() {
    let new =
        |rule, jitter| Schedule::new(rule, "asia/jerusalem", Duration::from_mins(jitter), None).unwrap().to_string();
    assert_eq!(new(Rule::Cron("0 2 * * 0".into()), 5), "0 2 * * 0 Asia/Jerusalem, jitter 5m");
    assert_eq!(new(Rule::Every(Duration::from_mins(15)), 0), "every 15m");
}
