//! Rules by example.

use super::*;

fn conclude(rule: &Retention, snapshots: &[Candidate], zone: &str) -> Vec<String> {
    told(&evaluate(Some(rule), snapshots.to_vec(), zone, now()))
}

#[test]
fn without_a_rule_everything_stays() {
    let snapshots = [complete("a", "2020-01-01T00:00:00Z"), partial("b", "2019-01-01T00:00:00Z")];
    let evaluation = evaluate(None, snapshots.to_vec(), "UTC", now());
    assert_eq!(told(&evaluation), ["a: keep everything", "b: keep everything"]);
    assert_eq!(evaluate(Some(&NONE), Vec::new(), "UTC", now()).snapshots, []);
}

#[test]
fn every_rule_names_what_it_keeps() {
    let rule = Retention {
        within: Some(Duration::from_hours(5)),
        last: 2,
        hourly: 3,
        daily: 2,
        weekly: 2,
        monthly: 2,
        yearly: 2,
        ..NONE
    };
    let snapshots = [
        complete("a", "2026-11-22T03:40:00Z"),
        complete("b", "2026-11-22T03:10:00Z"),
        complete("c", "2026-11-22T02:10:00Z"),
        complete("d", "2026-11-21T22:50:00Z"),
        complete("e", "2026-11-21T20:00:00Z"),
        complete("f", "2026-11-15T23:00:00Z"),
        complete("g", "2026-10-31T02:00:00Z"),
        complete("h", "2025-12-31T02:00:00Z"),
        complete("i", "2024-12-31T02:00:00Z"),
    ];
    assert_eq!(
        conclude(&rule, &snapshots, "UTC"),
        [
            "a: newest complete, within 5h, last 1 of 2, hourly 2026-11-22T03, daily 2026-11-22, weekly 2026-W47, \
             monthly 2026-11, yearly 2026",
            "b: within 5h, last 2 of 2",
            "c: within 5h, hourly 2026-11-22T02",
            "d: within 5h, hourly 2026-11-21T22, daily 2026-11-21",
            "e- no rule keeps it",
            "f: weekly 2026-W46",
            "g: monthly 2026-10",
            "h: yearly 2025",
            "i- no rule keeps it",
        ]
    );
}

#[test]
fn a_week_belongs_to_the_iso_year_of_its_thursday() {
    let rule = Retention { weekly: 2, yearly: 2, ..NONE };
    let snapshots = [
        complete("a", "2026-01-04T23:00:00Z"),
        complete("b", "2025-12-29T00:00:00Z"),
        complete("c", "2025-12-28T23:00:00Z"),
    ];
    assert_eq!(
        conclude(&rule, &snapshots, "UTC"),
        ["a: newest complete, last 1 of 1, weekly 2026-W01, yearly 2026", "b: yearly 2025", "c: weekly 2025-W52",]
    );
}

#[test]
fn days_are_those_of_the_time_zone() {
    let rule = Retention { daily: 2, ..NONE };
    let snapshots = [complete("a", "2026-11-22T01:00:00Z"), complete("b", "2026-11-21T22:30:00Z")];
    assert_eq!(conclude(&rule, &snapshots, "UTC")[1], "b: daily 2026-11-21");
    assert_eq!(conclude(&rule, &snapshots, "Asia/Jerusalem")[1], "b- no rule keeps it");
}

#[test]
fn an_hour_that_the_clock_shows_twice_is_two_hours() {
    let rule = Retention { hourly: 2, ..NONE };
    let snapshots = [complete("a", "2026-11-01T06:30:00Z"), complete("b", "2026-11-01T05:30:00Z")];
    let told = conclude(&rule, &snapshots, "America/New_York");
    assert_eq!(told[1], "b: hourly 2026-11-01T01");
    assert!(told[0].ends_with("hourly 2026-11-01T01"));
}

#[test]
fn within_counts_back_from_the_newest_complete_one() {
    let rule = Retention { within: Some(Duration::from_hours(48)), ..NONE };
    let snapshots = [
        partial("a", "2026-11-05T02:00:00Z"),
        complete("b", "2026-11-04T02:00:00Z"),
        partial("c", "2026-11-03T02:00:00Z"),
        complete("d", "2026-11-02T02:00:01Z"),
        complete("e", "2026-11-02T02:00:00Z"),
        partial("f", "2026-11-01T02:00:00Z"),
    ];
    assert_eq!(
        conclude(&rule, &snapshots, "UTC"),
        [
            "a: partial, newer than any complete one, within 2d",
            "b: newest complete, within 2d, last 1 of 1",
            "c: within 2d",
            "d: within 2d",
            "e- no rule keeps it",
            "f- partial, superseded by a complete one",
        ]
    );
}

#[test]
fn a_partial_one_counts_for_no_rule() {
    let rule = Retention { last: 2, daily: 2, ..NONE };
    let snapshots = [
        partial("a", "2026-11-04T02:00:00Z"),
        complete("b", "2026-11-03T02:00:00Z"),
        partial("c", "2026-11-02T02:00:00Z"),
        complete("d", "2026-11-01T02:00:00Z"),
        complete("e", "2026-10-31T02:00:00Z"),
    ];
    assert_eq!(
        conclude(&rule, &snapshots, "UTC"),
        [
            "a: partial, newer than any complete one",
            "b: newest complete, last 1 of 2, daily 2026-11-03",
            "c- partial, superseded by a complete one",
            "d: last 2 of 2, daily 2026-11-01",
            "e- no rule keeps it",
        ]
    );
    let without_complete = [partial("a", "2026-11-04T02:00:00Z"), partial("b", "2026-11-01T02:00:00Z")];
    assert!(evaluate(Some(&rule), without_complete.to_vec(), "UTC", now()).snapshots.iter().all(|s| s.keep));
}

#[test]
fn what_is_in_the_future_stays_and_counts_for_nothing() {
    let snapshots = [
        complete("a", "2036-11-04T02:00:00Z"),
        partial("b", "2036-11-03T02:00:00Z"),
        complete("c", "2026-11-02T02:00:00Z"),
        complete("d", "2026-11-01T02:00:00Z"),
    ];
    assert_eq!(
        conclude(&NONE, &snapshots, "UTC"),
        ["a: in the future", "b: in the future", "c: newest complete, last 1 of 1", "d- no rule keeps it"]
    );
}

#[test]
fn the_newest_complete_one_stays_even_without_keep_last() {
    let rule = Retention { last: 0, ..NONE };
    assert_eq!(conclude(&rule, &november(2), "UTC"), ["02aaaaaaaa: newest complete", "01aaaaaaaa- no rule keeps it"]);
}
