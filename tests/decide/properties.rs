//! Whatever the world looks like, no plan breaks the law.

use crate::world::{World, at, attempt, backups, daily, key, volume};
use jiff::SignedDuration;
use proptest::prelude::*;
use seawall::reconcile::{Action, Operation, Request, RunResult};
use seawall::status::fold;

prop_compose! {
    fn worlds()(
        retention in prop::option::of((1_u32..4, 0_u32..4, 1_u8..=100)),
        snapshots in prop::collection::vec((0_i64..60, prop::bool::weighted(0.8)), 0..12),
        last in prop::option::of(prop::sample::select(RunResult::ALL.to_vec())),
        accounted in prop::option::of(0_i64..60),
        up in prop::bool::weighted(0.9),
        suspend in prop::bool::weighted(0.1),
        running in prop::option::of(prop::sample::select(vec![Operation::Backup, Operation::Prune])),
        requested in prop::bool::weighted(0.2),
        day in 30_i64..90,
    ) -> World {
        let mut more = format!("suspend: {suspend}\n");
        if let Some((last, daily, percent)) = retention {
            let rule = format!("retention: {{keepLast: {last}, keepDaily: {daily}, guard: {{maxDeletePercent: {percent}}}}}");
            more.push_str(&rule);
        }
        let source = key("p", "data");
        let mut world = World::new(&[daily("p", &more), daily("q", "")]);
        world.docker.volumes.insert("other".into(), volume("other"));
        let slot = |d: i64| at("2026-10-01T02:00:00Z").saturating_add(SignedDuration::from_hours(24 * d)).unwrap();
        let mut snapshots = snapshots;
        snapshots.sort_unstable();
        for (d, complete) in snapshots {
            world.snapshot(&source, &slot(d).to_string(), complete);
        }
        world.target(&source).last_run = last.map(|r| attempt(slot(day), r));
        world.target(&source).accounted = accounted.map(slot);
        world.docker.up = up;
        if let Some(operation) = running {
            world = world.running(operation, (operation == Operation::Backup).then(|| source.clone()));
        }
        if requested {
            world.requested.push(Request::Backup(source));
        }
        let now = slot(day).saturating_add(SignedDuration::from_hours(5)).unwrap().to_string();
        world.at(&now)
    }
}

proptest! {
    /// `World::plan` holds every plan against the lint.
    #[test]
    fn no_plan_breaks_the_law(world in worlds()) {
        let plan = world.plan();
        for action in &plan.actions {
            if let Action::Forget(forget) = action {
                let left = world.repositories["default"].own[&forget.target.source_key()].len() - forget.remove.len();
                prop_assert!(left >= 1);
            }
        }
    }

    /// After a success nothing is due until the next slot, whatever was before.
    #[test]
    fn a_success_settles_its_slot(world in worlds()) {
        let plan = world.plan();
        let Some(backup) = backups(&plan).into_iter().find(|b| b.source == key("p", "data")) else { return Ok(()) };
        let mut after = world;
        after.facts = fold::account(&after.facts, &plan);
        after.requested.clear();
        let target = after.target(&key("p", "data"));
        target.accounted = target.accounted.max(Some(backup.slot));
        target.last_run = Some(attempt(backup.slot, RunResult::Success));
        let again = after.plan();
        prop_assert!(backups(&again).iter().all(|b| b.source != backup.source), "{:?}", again.actions);
        prop_assert!(again.missed.iter().all(|m| m.target.policy != "p"), "nothing is missed twice");
    }
}
