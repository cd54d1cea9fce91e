//! What may be removed, and when it has to wait.

use crate::world::{World, at, attempt, daily, forgets, key};
use seawall::reconcile::{Action, Operation, Request, RunResult};
use std::sync::Arc;

const SLOTS: [&str; 5] = [
    "2026-11-19T02:00:00Z",
    "2026-11-20T02:00:00Z",
    "2026-11-21T02:00:00Z",
    "2026-11-22T02:00:00Z",
    "2026-11-23T02:00:00Z",
];

fn data() -> seawall::reconcile::SourceKey {
    key("p", "data")
}

fn world(retention: &str) -> World {
    World::new(&[daily("p", &format!("retention: {retention}"))]).backed_up(&data(), &SLOTS)
}

fn held(world: &World) -> Option<String> {
    assert_eq!(forgets(&world.plan()).len(), 0);
    world.decision("p").retention[0].held.clone().map(|h| h.reason)
}

#[test]
fn what_no_rule_keeps_goes_oldest_first() {
    let plan = world("{keepLast: 3}").plan();
    let ids: Vec<&str> = forgets(&plan)[0].remove.iter().map(|id| &id[..8]).collect();
    assert_eq!(ids, ["00000000", "00000001"]);
}

#[test]
fn without_rules_everything_stays() {
    let world = World::new(&[daily("p", "")]).backed_up(&data(), &SLOTS);
    assert_eq!(world.plan().actions, []);
}

#[test]
fn nothing_goes_after_a_run_that_was_no_success() {
    for result in RunResult::ALL.into_iter().filter(|r| *r != RunResult::Success) {
        let mut world = world("{keepLast: 3}");
        world.target(&data()).last_run = Some(attempt(at(SLOTS[4]), result));
        assert_eq!(held(&world).as_deref(), Some("LastRunNotSuccessful"), "{result:?}");
    }
}

#[test]
fn nothing_goes_before_a_run_is_remembered() {
    let mut world = world("{keepLast: 3}");
    world.target(&data()).last_run = None;
    assert_eq!(held(&world).as_deref(), Some("NoRunYet"));
}

#[test]
fn nothing_goes_while_the_source_is_overdue() {
    // Everything is older than the rule says, because backups silently stopped.
    let mut world = world("{keepWithin: 1d}");
    world.docker.up = false;
    let world = world.at("2027-03-01T00:00:00Z");
    assert_eq!(held(&world).as_deref(), Some("Overdue"));
}

#[test]
fn nothing_goes_while_suspended() {
    let world = World::new(&[daily("p", "suspend: true\nretention: {keepLast: 3}")]).backed_up(&data(), &SLOTS);
    assert_eq!(held(&world).as_deref(), Some("Suspended"));
}

#[test]
fn a_large_removal_waits_for_a_word_that_the_message_spells_out() {
    let world = world("{keepLast: 1}");
    assert_eq!(held(&world).as_deref(), Some("ShrinkGuard"));
    let message = world.decision("p").retention[0].held.clone().unwrap().message;
    let acknowledgement =
        message.split(['`', '"', ' ', '\n']).find(|w| w.starts_with("delete-")).expect(&message).to_owned();
    let acknowledged = self::world(&format!("{{keepLast: 1, guard: {{acknowledge: {acknowledgement}}}}}"));
    assert_eq!(forgets(&acknowledged.plan())[0].remove.len(), 4);
}

#[test]
fn the_newest_complete_one_stays_whatever_comes_after() {
    let mut world = world("{keepLast: 1, guard: {maxDeletePercent: 100}}");
    for day in ["24", "25", "26"] {
        world.snapshot(&data(), &format!("2026-11-{day}T02:00:00Z"), false);
    }
    let newest = world.repositories["default"].own[&data()][4].id.clone();
    for snapshot in world.plan().decisions[0].retention[0].snapshots.iter().filter(|s| s.id == newest) {
        assert!(snapshot.keep);
    }
}

#[test]
fn what_was_forgotten_after_the_listing_is_not_forgotten_again() {
    let mut world = world("{keepLast: 3}");
    let mut forgot = attempt(at(SLOTS[4]), RunResult::Success);
    Arc::make_mut(&mut forgot).finished = world.now;
    world.target(&data()).last_forget = Some(forgot);
    assert_eq!(forgets(&world.plan()).len(), 0);
}

#[test]
fn a_removal_waits_for_every_run_in_its_repository() {
    // It needs the repository for itself, and would fail beside a backup of hours.
    for source in [Some(key("q", "other")), None] {
        assert_eq!(forgets(&world("{keepLast: 3}").running(Operation::Backup, source).plan()).len(), 0);
    }
    let mut world = world("{keepLast: 3}").running(Operation::Backup, Some(key("q", "other")));
    world.running[0].repositories = vec!["elsewhere".into()];
    assert_eq!(forgets(&world.plan()).len(), 1);
}

#[test]
fn a_failed_removal_is_not_hammered() {
    let mut world = world("{keepLast: 3}");
    let mut forgot = attempt(at(SLOTS[4]), RunResult::Failure);
    Arc::make_mut(&mut forgot).finished = at("2026-11-23T11:30:00Z");
    world.target(&data()).last_forget = Some(forgot);
    assert_eq!(held(&world).as_deref(), Some("LastForgetFailed"));
    assert_eq!(forgets(&world.at("2026-11-23T12:31:00Z").plan()).len(), 1);
}

#[test]
fn an_interrupted_removal_goes_on_at_once() {
    let mut world = world("{keepLast: 3}");
    let mut forgot = attempt(at(SLOTS[4]), RunResult::Interrupted);
    Arc::make_mut(&mut forgot).finished = at("2026-11-23T11:30:00Z");
    world.target(&data()).last_forget = Some(forgot);
    assert_eq!(forgets(&world.plan()).len(), 1);
}

#[test]
fn space_is_freed_a_day_apart_and_then_no_more() {
    let prunes = |w: &World| w.plan().actions.iter().filter(|a| matches!(a, Action::Prune(_))).count();
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &SLOTS);
    assert_eq!(prunes(&world), 0, "nothing was ever forgotten");
    let facts = world.facts.repositories.entry("default".into()).or_default();
    facts.last_forget = Some(at("2026-11-23T03:00:00Z"));
    assert_eq!(prunes(&world), 1);
    assert_eq!(prunes(&world.running(Operation::Backup, Some(key("q", "other")))), 0, "alone on its repository");

    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &SLOTS);
    let facts = world.facts.repositories.entry("default".into()).or_default();
    facts.last_forget = Some(at("2026-11-20T03:00:00Z"));
    facts.last_prune = Some(attempt(at("2026-11-20T04:00:00Z"), RunResult::Success));
    assert_eq!(prunes(&world), 1, "what the first one marked is freed by a later one");
    let facts = world.facts.repositories.get_mut("default").unwrap();
    facts.last_prune = Some(attempt(at("2026-11-22T04:00:00Z"), RunResult::Success));
    assert_eq!(prunes(&world), 0);
}

#[test]
fn what_a_person_asked_for_goes_before_a_removal_that_is_due() {
    let repository = "default".to_owned();
    for asked in [Request::Drill(data()), Request::Check { repository, read_percent: None, repair: None }] {
        let mut world = world("{keepLast: 3}");
        assert_eq!(forgets(&world.plan()).len(), 1);
        world.requested.push(asked.clone());
        let plan = world.plan();
        assert!(plan.actions.iter().any(|action| asked.is_answered_by(action)), "{:?}", plan.actions);
        assert_eq!(forgets(&plan).len(), 0, "not beside it");
    }
}
