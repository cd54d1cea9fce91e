//! What holds for every rule and every set of snapshots.

use super::*;
use proptest::prelude::*;

fn rule() -> impl Strategy<Value = Retention> {
    let within = proptest::option::of((1u64..2000).prop_map(Duration::from_hours));
    (within, 0u32..6, 0u32..6, 0u32..6, 0u32..6, 0u32..6, 0u32..4).prop_map(
        |(within, last, hourly, daily, weekly, monthly, yearly)| Retention {
            within,
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            ..NONE
        },
    )
}

/// Dense or sparse sets around some instant, so that every rule has something to choose from; some of equal time.
fn snapshots() -> impl Strategy<Value = Vec<Candidate>> {
    let one = |span: i64| (0..=span, proptest::bool::weighted(0.8));
    (0i64..40).prop_flat_map(move |scale| proptest::collection::vec(one(40 << (scale / 2)), 0..40)).prop_map(|list| {
        let candidate = |(n, (minutes, complete)): (usize, (i64, bool))| Candidate {
            id: format!("{n:016x}").into(),
            time: now() + SignedDuration::from_hours(24) - SignedDuration::from_mins(minutes),
            complete,
        };
        list.into_iter().enumerate().map(candidate).collect()
    })
}

fn zone() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&["UTC", "Asia/Jerusalem", "America/New_York", "Pacific/Apia"][..])
}

fn survivors(rule: &Retention, snapshots: &[Candidate], zone: &str) -> Vec<Candidate> {
    let evaluation = evaluate(Some(rule), snapshots.to_vec(), zone, now());
    snapshots.iter().filter(|c| evaluation.snapshots.iter().any(|s| s.id == c.id && s.keep)).cloned().collect()
}

fn added(one: &Retention, other: &Retention) -> Retention {
    Retention {
        within: one.within.max(other.within),
        last: one.last.max(other.last),
        hourly: one.hourly.max(other.hourly),
        daily: one.daily.max(other.daily),
        weekly: one.weekly.max(other.weekly),
        monthly: one.monthly.max(other.monthly),
        yearly: one.yearly.max(other.yearly),
        ..NONE
    }
}

proptest! {
    #[test]
    fn another_rule_never_removes_more(one in rule(), other in rule(), snapshots in snapshots(), zone in zone()) {
        let fewer = survivors(&one, &snapshots, zone);
        let more = survivors(&added(&one, &other), &snapshots, zone);
        prop_assert!(fewer.iter().all(|c| more.contains(c)));
    }

    #[test]
    fn what_survived_survives_again(rule in rule(), snapshots in snapshots(), zone in zone()) {
        let once = survivors(&rule, &snapshots, zone);
        prop_assert_eq!(survivors(&rule, &once, zone), once);
    }

    #[test]
    fn the_newest_complete_one_stays(rule in rule(), snapshots in snapshots(), zone in zone()) {
        let kept = survivors(&rule, &snapshots, zone);
        for known in [now(), Timestamp::MAX] {
            let complete = snapshots.iter().filter(|c| c.complete && c.time <= known);
            if let Some(newest) = complete.max_by_key(|c| (c.time, &c.id)) {
                prop_assert!(kept.contains(newest));
            }
        }
    }

    #[test]
    fn order_does_not_matter((one, other) in snapshots().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())), rule in rule()) {
        prop_assert_eq!(evaluate(Some(&rule), one, "UTC", now()), evaluate(Some(&rule), other, "UTC", now()));
    }

    #[test]
    fn every_snapshot_is_decided_once_newest_first_with_a_reason(rule in rule(), snapshots in snapshots(), zone in zone()) {
        let decided = evaluate(Some(&rule), snapshots.clone(), zone, now()).snapshots;
        prop_assert_eq!(decided.len(), snapshots.len());
        prop_assert!(decided.windows(2).all(|pair| (pair[0].time, &pair[0].id) > (pair[1].time, &pair[1].id)));
        prop_assert!(decided.iter().all(|s| !s.reasons.is_empty() && snapshots.iter().any(|c| c.id == s.id && c.time == s.time)));
    }

    #[test]
    fn time_alone_removes_nothing(rule in rule(), snapshots in snapshots(), zone in zone(), days in 2i64..5000) {
        let past: Vec<_> = snapshots.into_iter().filter(|c| c.time <= now()).collect();
        let later = now() + SignedDuration::from_hours(24 * days);
        prop_assert_eq!(evaluate(Some(&rule), past.clone(), zone, now()), evaluate(Some(&rule), past, zone, later));
    }

    #[test]
    fn no_more_stay_than_the_rules_name(rule in rule(), snapshots in snapshots(), zone in zone()) {
        let rule = Retention { within: None, ..rule };
        let kept = survivors(&rule, &snapshots, zone);
        let complete = kept.iter().filter(|c| c.complete && c.time <= now()).count();
        let named = rule.last + rule.hourly + rule.daily + rule.weekly + rule.monthly + rule.yearly;
        prop_assert!(complete <= named.max(1) as usize);
    }

    /// What a person saw and let go is gone, and the same words let nothing else go, whatever the rules become.
    #[test]
    fn an_acknowledgement_is_spent_with_its_removal(
        first in rule(), second in rule(), snapshots in snapshots(), percent in 0u8..100,
    ) {
        let rule = |rule: &Retention, acknowledge: Option<String>| {
            Retention { guard: Guard { max_delete_percent: percent, acknowledge }, ..rule.clone() }
        };
        let held = |rule: &Retention, snapshots: &[Candidate]| {
            guard(&evaluate(Some(rule), snapshots.to_vec(), "UTC", now()), &rule.guard, "t").map(|h| h.message)
        };
        let message = held(&rule(&first, None), &snapshots);
        prop_assume!(message.is_some());
        let message = message.unwrap();
        let acknowledge = message.split("`acknowledge: ").nth(1).unwrap().split('`').next().unwrap().to_owned();
        prop_assert_eq!(held(&rule(&first, Some(acknowledge.clone())), &snapshots), None);
        let left = survivors(&first, &snapshots, "UTC");
        let (with, without) = (held(&rule(&second, Some(acknowledge)), &left), held(&rule(&second, None), &left));
        prop_assert_eq!(with.is_some(), without.is_some());
    }
}
