//! What holds for every schedule, in every zone, however it is polled.

use super::{at, cron, every, slots};
use crate::policy::schedule::{Rule, Schedule};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ZONES: [&str; 10] = [
    "UTC",
    "America/New_York",
    "Asia/Jerusalem",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Europe/Berlin",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Antarctica/Troll",
];

fn zone() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&ZONES[..])
}

/// A list of values, sometimes as a range with a step, or `*`.
fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => proptest::collection::btree_set(min..=max, 1..4)
            .prop_map(|s| s.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        1 => (1..=5u32).prop_map(|step| format!("*/{step}")),
        1 => (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
    ]
}

/// Any expression that names a date at least in each year, so that a test does not only look at emptiness.
fn expression() -> impl Strategy<Value = String> {
    let days = prop_oneof![4 => Just("*".to_owned()), 1 => field(1, 28)];
    (field(0, 59), field(0, 23), days, field(1, 12), field(0, 6))
        .prop_map(|(m, h, d, o, w)| format!("{m} {h} {d} {o} {w}"))
}

/// Seconds within 2005..2037, which holds Apia's missing day and years of Casablanca's two changes around Ramadan.
fn instant() -> impl Strategy<Value = Timestamp> {
    (1_104_537_600i64..2_114_380_800).prop_map(|s| Timestamp::from_second(s).unwrap())
}

fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        6 => (expression(), zone()).prop_map(|(e, z)| cron(&e, z)),
        1 => (1u64..10_000).prop_map(every),
    ]
}

/// The slots by the definition in the module's words and nothing else: minute by minute through real time.
fn by_definition(expression: &str, zone: &str, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let pattern = crate::policy::schedule::cron::parse(expression).unwrap();
    let tz = crate::policy::zone::find(zone).unwrap();
    let shown = |t: Timestamp| tz.to_datetime(t);
    let reading = |dt: jiff::civil::DateTime| dt.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    let named = |r: i64| pattern.first(r, r + 1).is_some();
    let minute = SignedDuration::from_mins(1);
    // Far enough before, so that what the clock has already shown is known.
    let mut t = Timestamp::from_second(from.as_second().div_euclid(60) * 60).unwrap() - SignedDuration::from_hours(48);
    let mut highest = reading(shown(t));
    let mut found = Vec::new();
    while t < until {
        let now = reading(shown(t));
        let slot = if pattern.names_every_hour() {
            named(now)
        } else {
            // What the clock has come to for the first time.
            (highest + 60..=now).step_by(60).any(named)
        };
        if slot && t >= from {
            found.push(t);
        }
        highest = highest.max(now);
        t += minute;
    }
    found
}

proptest! {
    #[test]
    fn slots_are_those_of_the_definition((expression, zone) in (expression(), zone()), near in 0usize..40, hours in 0i64..30) {
        // Most changes of the clock are near the end of March and October: start a little before one of this zone's.
        let tz = crate::policy::zone::find(zone).unwrap();
        let change = tz.following(at("2008-01-01T00:00:00Z")).nth(near).map_or(at("2011-12-29T00:00:00Z"), |x| x.timestamp());
        let from = change - SignedDuration::from_hours(hours);
        let until = from + SignedDuration::from_hours(60);
        prop_assert_eq!(slots(&cron(&expression, zone), from, until), by_definition(&expression, zone, from, until));
    }

    #[test]
    fn slots_strictly_increase(schedule in schedule(), from in instant()) {
        let found: Vec<_> = std::iter::successors(schedule.slot_after(from), |s| schedule.slot_after(*s)).take(200).collect();
        prop_assert!(found.first().is_none_or(|first| *first > from));
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_daily_job_has_one_slot_for_each_date(hour in 0u32..24, minute in 0u32..60, zone in zone(), year in 2006i16..2036) {
        let tz = crate::policy::zone::find(zone).unwrap();
        let start = jiff::civil::date(year, 1, 1);
        let from = start.to_zoned(tz.clone()).unwrap().timestamp();
        let until = start.checked_add(1.year()).unwrap().to_zoned(tz.clone()).unwrap().timestamp();
        let mut by_date = BTreeMap::new();
        for slot in slots(&cron(&format!("{minute} {hour} * * *"), zone), from, until) {
            *by_date.entry(slot.to_zoned(tz.clone()).date()).or_insert(0u32) += 1;
        }
        let skipped = jiff::civil::date(2011, 12, 30);
        for date in start.series(1.day()).take_while(|date| date.year() == year) {
            let expected = match (zone, date) {
                ("Pacific/Apia", date) if date == skipped => 0,
                // The skipped date's slot and its own, unless that is the same instant.
                ("Pacific/Apia", date) if date == skipped.tomorrow().unwrap() => 1 + u32::from((hour, minute) != (0, 0)),
                _ => 1,
            };
            prop_assert_eq!(by_date.get(&date).copied().unwrap_or(0), expected, "{}", date);
        }
    }

    #[test]
    fn polling_loses_nothing_and_repeats_nothing(
        schedule in schedule(),
        from in instant(),
        steps in proptest::collection::vec(0i64..200_000, 1..30),
        jitter in 0u64..50,
    ) {
        let schedule = Schedule::new(schedule.rule, &schedule.time_zone, Duration::from_secs(jitter), None).unwrap();
        let shift = SignedDuration::try_from(schedule.jitter_for("a/b")).unwrap();
        let (mut accounted, mut now) = (from, from);
        let (mut runs, mut missed) = (BTreeSet::new(), 0);
        for step in steps {
            now += SignedDuration::from_secs(step);
            let due = schedule.due(accounted, now, "a/b");
            missed += due.missed;
            prop_assert_eq!(due.next, schedule.slot_after(accounted.max(now - shift)));
            if let Some(slot) = due.latest {
                prop_assert!(slot > accounted && slot + shift <= now);
                prop_assert!(runs.insert(slot));
                accounted = slot;
            } else {
                prop_assert_eq!(due.missed, 0);
            }
        }
        let all = slots(&schedule, from + SignedDuration::from_nanos(1), now - shift + SignedDuration::from_nanos(1));
        prop_assert_eq!(runs.len() + missed as usize, all.len());
        prop_assert!(runs.iter().all(|slot| all.contains(slot)));
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_due(schedule in schedule(), accounted in instant(), back in 0i64..100_000_000) {
        let due = schedule.due(accounted, accounted - SignedDuration::from_secs(back), "a/b");
        prop_assert_eq!((due.latest, due.missed), (None, 0));
        prop_assert_eq!(due.next, schedule.slot_after(accounted));
    }

    #[test]
    fn jitter_is_stable_and_in_range(policy in "[a-z]{1,9}", source in "[a-z_]{1,9}", minutes in 1u64..1440) {
        let jitter = Duration::from_mins(minutes);
        let schedule = || Schedule::new(Rule::Cron("@daily".into()), "UTC", jitter, None).unwrap();
        let seed = format!("{policy}/{source}");
        prop_assert!(schedule().jitter_for(&seed) < jitter);
        prop_assert_eq!(schedule().jitter_for(&seed), schedule().jitter_for(&seed));
    }

    /// croner is another hand's reading of crontab(5), with which no slot falls into a jump: in UTC there is none.
    #[test]
    fn another_implementation_names_the_same_slots(expression in expression(), from in instant()) {
        // croner takes `*/2` for a restriction where crontab(5) does not.
        let fields: Vec<_> = expression.split(' ').collect();
        prop_assume!(!fields[2].starts_with("*/") && !fields[4].starts_with("*/"));
        let other: croner::Cron = expression.parse().unwrap();
        let mut t = from;
        for _ in 0..20 {
            let ours = cron(&expression, "UTC").slot_after(t).unwrap();
            let theirs = other.find_next_occurrence(&t.to_zoned(jiff::tz::TimeZone::UTC), false).unwrap().timestamp();
            prop_assert_eq!(ours, theirs, "{}", &expression);
            t = ours;
        }
    }

    #[test]
    fn what_is_accepted_has_slots(text in "[-*/0-9,A-Z@ ]{0,30}", hour in "[-*/0-9,]{1,4}", zone in "[A-Za-z/_]{0,12}") {
        for (cron, zone) in [(text, "UTC"), (format!("0 {hour} * * *"), "UTC"), ("@daily".to_owned(), &zone)] {
            if let Ok(schedule) = Schedule::new(Rule::Cron(cron), zone, Duration::ZERO, None) {
                prop_assert!(schedule.slot_after(at("2026-11-23T00:00:00Z")).is_some());
            }
        }
    }
}

#[test]
fn jitter_is_the_same_in_every_build_and_spread_over_its_range() {
    let schedule = Schedule::new(Rule::Cron("@daily".into()), "UTC", Duration::from_mins(5), None).unwrap();
    assert_eq!(schedule.jitter_for("n8n-data/prosaasil_n8n_data"), Duration::from_secs(247));
    let mut thirds = BTreeMap::new();
    for n in 0..3000 {
        *thirds.entry(schedule.jitter_for(&format!("policy/volume-{n}")).as_secs() / 100).or_insert(0u32) += 1;
    }
    assert_eq!(thirds.len(), 3);
    assert!(thirds.values().all(|n| (900..1100).contains(n)), "{thirds:?}");
}

#[test]
fn the_ends_of_time_are_quiet() {
    let (min, max) = (Timestamp::MIN, Timestamp::MAX);
    for zone in ZONES {
        for expression in ["* * * * *", "30 2 * * *", "0 0 29 2 *", "@yearly"] {
            let schedule = cron(expression, zone);
            assert_eq!(schedule.slot_after(max), None);
            assert!(schedule.slot_after(min).is_some());
            let due = schedule.due(min, max, "a/b");
            assert!(due.latest.is_some() && due.next.is_none(), "{expression} {zone}: {due:?}");
            assert!(due.missed > 1000);
            assert_eq!(schedule.due(max, min, "a/b").latest, None);
        }
    }
    let far =
        Schedule::new(Rule::Every(Duration::from_hours(24 * 3660)), "UTC", Duration::from_hours(24), None).unwrap();
    assert_eq!(far.slot_after(max), None);
    assert_eq!(far.due(max, min, "a/b").latest, None);
    assert!(far.due(min, max, "a/b").missed > 1000);
}

#[test]
fn counting_missed_slots_is_bounded_and_the_newest_is_still_the_newest() {
    let (accounted, now) = (at("2025-11-23T00:00:30Z"), at("2026-11-23T00:00:30Z"));
    for schedule in [cron("* * * * *", "Europe/Berlin"), every(1)] {
        let due = schedule.due(accounted, now, "a/b");
        assert_eq!(due.latest, Some(at("2026-11-23T00:00:00Z")));
        assert_eq!(due.missed, 100_000);
        assert_eq!(due.next, Some(at("2026-11-23T00:01:00Z")));
    }
}
