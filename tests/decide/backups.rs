//! When a backup is due, and what stands in its way.

use crate::world::{World, at, backups, daily, key, volume};
use seawall::reconcile::plan::{Cause, Coverage, Verdict};
use seawall::reconcile::{Operation, Readable, RepositoryHealth, Request, RunResult};

fn data() -> seawall::reconcile::SourceKey {
    key("p", "data")
}

#[test]
fn a_new_source_is_backed_up_at_once() {
    let world = World::new(&[daily("p", "")]);
    let plan = world.plan();
    assert_eq!(backups(&plan)[0].cause, Cause::Initial);
    assert_eq!(backups(&plan)[0].repositories, ["default"]);
    // Overdue only after its first slot and the grace: a new policy must not page anybody.
    assert_eq!(plan.decisions[0].deadline, Some(at("2026-11-24T03:00:00Z")));
}

#[test]
fn a_fresh_source_waits_for_its_slot() {
    let world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    let plan = world.plan();
    assert_eq!(plan.actions, []);
    assert_eq!(plan.decisions[0].verdict, Verdict::UpToDate);
    assert_eq!(plan.decisions[0].next_run, Some(at("2026-11-24T02:00:00Z")));
    assert_eq!(plan.wake_at, Some(at("2026-11-24T02:00:00Z")));
    assert_eq!(plan.decisions[0].deadline, Some(at("2026-11-24T03:00:00Z")));
}

#[test]
fn the_second_in_which_a_promise_is_broken_is_one_to_wake_at() {
    let promising = World::new(&[daily("p", "objectives: {rpo: 12h}")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    assert_eq!(promising.plan().wake_at, Some(at("2026-11-23T14:00:01Z")));
    let broken = promising.at("2026-11-23T14:00:02Z");
    assert_eq!(broken.plan().wake_at, Some(at("2026-11-24T02:00:00Z")));
}

#[test]
fn a_slot_that_has_come_is_answered_once() {
    let world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-22T02:00:00Z"]).at("2026-11-23T02:00:01Z");
    let plan = world.plan();
    assert_eq!((backups(&plan)[0].cause, backups(&plan)[0].slot), (Cause::Scheduled, at("2026-11-23T02:00:00Z")));
    let answered = world.backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    assert_eq!(answered.plan().actions, []);
}

#[test]
fn a_listing_that_began_while_the_run_was_under_way_does_not_hide_its_success() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    let repository = world.repositories.get_mut("default").unwrap();
    repository.own.clear();
    for (listed_at, known) in [("2026-11-23T02:00:30Z", true), ("2026-11-23T02:01:01Z", false)] {
        world.repositories.get_mut("default").unwrap().listed_at = Some(at(listed_at));
        assert_eq!(world.decision("p").last_success.is_some(), known, "listed at {listed_at}");
    }
}

#[test]
fn missed_slots_are_one_run_and_a_count() {
    let world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-18T02:00:00Z"]);
    let plan = world.plan();
    assert_eq!(backups(&plan).len(), 1);
    assert_eq!((backups(&plan)[0].cause, backups(&plan)[0].slot), (Cause::CatchUp, at("2026-11-23T02:00:00Z")));
    assert_eq!(plan.missed[0].count, 4, "19, 20, 21, 22");
}

#[test]
fn a_missed_slot_is_counted_once() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-18T02:00:00Z"]);
    let plan = world.plan();
    world.facts = seawall::status::fold::account(&world.facts, &plan);
    assert_eq!(world.facts.missed_slots["p"], 4);
    let again = world.plan();
    assert_eq!(again.missed, []);
    assert_eq!(backups(&again).len(), 1, "the newest slot still wants its run");
}

#[test]
fn a_slot_past_its_starting_deadline_is_missed() {
    let mut policy = daily("p", "");
    policy = policy.replace("\"0 2 * * *\"", "\"0 2 * * *\", startingDeadline: 2h");
    let world = World::new(&[policy]).backed_up(&data(), &["2026-11-22T02:00:00Z"]);
    let plan = world.plan();
    assert_eq!(plan.actions, []);
    assert_eq!((plan.missed[0].count, plan.missed[0].accounted), (1, at("2026-11-23T02:00:00Z")));
    // Once begun, a slot stays due until it succeeds.
    let tried = world.failed(&data(), "2026-11-23T02:00:00Z", RunResult::Failure, "2026-11-23T03:00:00Z");
    assert_eq!(backups(&tried.plan())[0].cause, Cause::Retry);
}

#[test]
fn a_failed_run_is_retried_after_its_delay() {
    let slot = "2026-11-23T02:00:00Z";
    let world = || World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-22T02:00:00Z"]);
    for result in [RunResult::Failure, RunResult::Interrupted, RunResult::Empty] {
        let waits = world().failed(&data(), slot, result, "2026-11-23T12:00:01Z");
        assert_eq!(waits.plan().actions, [], "{result:?}");
        assert_eq!(waits.plan().decisions[0].verdict, Verdict::Waiting);
        assert_eq!(waits.plan().wake_at, Some(at("2026-11-23T12:00:01Z")));
        let due = world().failed(&data(), slot, result, "2026-11-23T12:00:00Z");
        assert_eq!(backups(&due.plan())[0].cause, Cause::Retry, "{result:?}");
    }
    // A newer slot does not wait for the delay of an older one.
    let newer = world().failed(&data(), "2026-11-22T02:00:00Z", RunResult::Failure, "2026-11-24T00:00:00Z");
    assert_eq!(backups(&newer.plan()).len(), 1);
}

#[test]
fn a_person_overrides_the_delay_but_not_the_obstacles() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-22T02:00:00Z"]).failed(
        &data(),
        "2026-11-23T02:00:00Z",
        RunResult::Failure,
        "2026-11-24T00:00:00Z",
    );
    world.requested.push(Request::Backup(data()));
    assert_eq!(backups(&world.plan())[0].cause, Cause::Manual);
    world.docker.up = false;
    assert_eq!(world.plan().actions, []);
}

#[test]
fn obstacles_are_told() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, Verdict, &str); 7] = [
        ("docker down", |w| w.docker.up = false, Verdict::Waiting, "Docker does not answer"),
        (
            "unreadable",
            |w| {
                let readable = Readable::No { reason: "NotMounted".into(), message: "not mounted".into() };
                w.docker.volumes.get_mut("data").unwrap().readable = readable;
            },
            Verdict::Waiting,
            "not mounted",
        ),
        ("volume gone", |w| w.docker.volumes.clear(), Verdict::NoMatch, "no volume named data"),
        (
            "repository unhealthy",
            |w| {
                w.repositories.get_mut("default").unwrap().health =
                    RepositoryHealth::Unhealthy { reason: "WrongKey".into(), message: "the key is wrong".into() };
            },
            Verdict::Waiting,
            "the key is wrong",
        ),
        ("repository not seen", |w| w.repositories.clear(), Verdict::Waiting, "not been looked at"),
        (
            "pruning",
            |w| w.running = World::new(&[]).running(Operation::Prune, None).running,
            Verdict::Waiting,
            "works on repository",
        ),
        (
            "another policy's run",
            |w| w.running = World::new(&[]).running(Operation::Backup, Some(key("q", "data"))).running,
            Verdict::Waiting,
            "works on the same source",
        ),
    ];
    for (name, change, verdict, why) in cases {
        let mut world = World::new(&[daily("p", "")]);
        change(&mut world);
        let decision = world.decision("p");
        assert_eq!(world.plan().actions, [], "{name}");
        assert_eq!(decision.verdict, verdict, "{name}");
        assert!(decision.why.contains(why), "{name}: {}", decision.why);
    }
}

#[test]
fn a_run_under_way_is_not_doubled() {
    let world = World::new(&[daily("p", "")]).running(Operation::Backup, Some(data()));
    assert_eq!(world.plan().actions, []);
    assert_eq!(world.decision("p").verdict, Verdict::Running);
}

#[test]
fn two_policies_on_one_volume_take_turns() {
    let world = World::new(&[daily("p", ""), daily("q", "")]);
    assert_eq!(backups(&world.plan()).len(), 1);
}

#[test]
fn a_suspended_policy_does_nothing_and_is_not_overdue() {
    let world = World::new(&[daily("p", "suspend: true")]).seen(&data(), "2026-01-01T00:00:00Z");
    let decision = world.decision("p");
    assert_eq!(world.plan().actions, []);
    assert_eq!((decision.verdict, decision.deadline), (Verdict::Suspended, None));
}

#[test]
fn lost_state_is_rebuilt_from_the_snapshots_that_exist() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    world.facts = seawall::reconcile::Facts::default();
    let plan = world.plan();
    assert_eq!(plan.actions, []);
    assert_eq!(plan.decisions[0].last_success, Some(at("2026-11-23T02:00:00Z")));
    // Nobody knows whether the slots in between were answered: one catch-up, nothing counted.
    let later = world.at("2026-11-26T12:00:00Z");
    assert_eq!(backups(&later.plan())[0].cause, Cause::CatchUp);
    assert_eq!(later.plan().missed.iter().map(|m| m.count).sum::<u32>(), 0);
}

#[test]
fn a_partial_snapshot_answers_the_slot_but_is_no_success() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-22T02:00:00Z"]);
    world.snapshot(&data(), "2026-11-23T02:00:00Z", false);
    let slot = at("2026-11-23T02:00:00Z");
    let target = world.target(&data());
    target.accounted = Some(slot);
    target.last_run = Some(crate::world::attempt(slot, RunResult::Partial));
    let plan = world.plan();
    assert_eq!(plan.actions, []);
    assert_eq!(plan.decisions[0].last_success, Some(at("2026-11-22T02:00:00Z")));
    assert_eq!(plan.decisions[0].deadline, Some(at("2026-11-23T03:00:00Z")), "still overdue");
}

#[test]
fn a_clock_that_goes_back_does_nothing() {
    let world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]).at("2026-11-20T12:00:00Z");
    assert_eq!(world.plan().actions, []);
}

#[test]
fn every_volume_is_protected_exempt_or_nobodys() {
    let exempt = "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {name: cache}\nspec:\n  source: {volume: {selector: {names: [\"*_cache\"]}}}\n  exempt: {reason: rebuilt on start}\n";
    let mut world = World::new(&[daily("p", ""), exempt.to_owned()]);
    for name in ["a_cache", "stray"] {
        world.docker.volumes.insert(name.into(), volume(name));
    }
    let coverage: Vec<_> = world.plan().coverage.into_iter().map(|c| (c.volume, c.coverage, c.reason)).collect();
    assert_eq!(coverage[0], ("a_cache".into(), Coverage::Exempt, "rebuilt on start".into()));
    assert_eq!(coverage[1], ("data".into(), Coverage::Protected, "backed up by p".into()));
    assert_eq!((coverage[2].0.as_str(), coverage[2].1), ("stray", Coverage::Unprotected));
}

#[test]
fn each_repository_has_its_own_slots() {
    let second =
        "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {name: second}\nspec: {local: {path: /mnt/second}}\n";
    let world = World::new(&[daily("p", "repositories: [default, second]"), second.to_owned()])
        .backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    let plan = world.plan();
    assert_eq!(backups(&plan)[0].repositories, ["second"], "only the one that lacks it");
    assert_eq!(plan.decisions[0].last_success, None, "a recovery point is what every repository can give back");
}
