//! When drills and checks are due, and what stands in their way.

use crate::world::{NOW, World, at, daily, desired, empty, key};
use seawall::policy::quantity;
use seawall::reconcile::plan::{Cause, Verdict};
use seawall::reconcile::verification::{Damage, Duty, DutyDecision, DutyFacts};
use seawall::reconcile::{
    Action, CheckAction, CheckReport, DrillAction, Operation, Plan, Portion, Request, RunResult, duties,
};
use seawall::status::fold;

const DRILL: &str = "verification: {drill: {schedule: {cron: \"0 4 1 * *\"}, timeout: 2h}}";
const REPOSITORY: &str = "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {name: default}\n\
                          spec: {local: {}, check: {schedule: {cron: \"0 5 * * 6\"}, readDataPercent: 30}}\n";

fn data() -> seawall::reconcile::SourceKey {
    key("p", "data")
}

/// Backed up today; drilled, and checked, since the summer.
fn world() -> World {
    let mut world = World::new(&[daily("p", DRILL), REPOSITORY.to_owned()])
        .seen(&data(), "2026-06-01T00:00:00Z")
        .backed_up(&data(), &["2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"]);
    world.facts.drills.entry(data()).or_default().duty = done("2026-11-01T04:00:00Z");
    world.facts.repositories.entry("default".into()).or_default().check.duty = done("2026-11-21T05:00:00Z");
    world
}

fn done(slot: &str) -> DutyFacts {
    DutyFacts {
        since: Some(at("2026-06-01T00:00:00Z")),
        accounted: Some(at(slot)),
        last_run: Some(crate::world::attempt(at(slot), RunResult::Success)),
        last_success: Some(at(slot)),
        last_success_slot: Some(at(slot)),
        ..DutyFacts::default()
    }
}

fn drills(plan: &Plan) -> Vec<&DrillAction> {
    plan.actions.iter().filter_map(|a| if let Action::Drill(d) = a { Some(d) } else { None }).collect()
}

fn checks(plan: &Plan) -> Vec<&CheckAction> {
    plan.actions.iter().filter_map(|a| if let Action::Check(c) = a { Some(c) } else { None }).collect()
}

fn drill(world: &World) -> DutyDecision {
    world.decision("p").drill.unwrap()
}

#[test]
fn a_drill_is_due_with_its_slot_and_overdue_when_it_could_have_been_made() {
    let world = world();
    let decided = drill(&world);
    assert_eq!((decided.verdict, decided.next_run), (Verdict::UpToDate, Some(at("2026-12-01T04:00:00Z"))));
    // An hour to begin in, and two to take.
    assert_eq!(decided.deadline, Some(at("2026-12-01T07:00:00Z")));
    assert_eq!(decided.last_success, Some(at("2026-11-01T04:00:00Z")));
    assert_eq!(world.plan().actions, []);
    for (now, cause) in [("2026-12-01T04:00:01Z", Cause::Scheduled), ("2026-12-09T00:00:00Z", Cause::CatchUp)] {
        let world = crate::world::World { ..self::world() }.at(now);
        let plan = world.plan();
        let action = drills(&plan)[0];
        assert_eq!((action.slot, action.cause), (at("2026-12-01T04:00:00Z"), cause), "{now}");
        assert_eq!(Some(&*action.snapshot), world.repositories["default"].own[&data()].last().map(|s| &*s.id));
    }
    assert_eq!(quantity::display(duties::CHECK_TIMEOUT), "6h");
}

#[test]
fn a_schedule_that_is_new_waits_for_its_first_slot() {
    let mut world = world();
    world.facts.drills.clear();
    let observed = world.observed();
    let facts = fold::settle_in(&observed.facts, &world.desired, &world.plan(), true, world.now);
    assert_eq!(facts.drills[&data()].duty.since, Some(at(NOW)));
    world.facts = facts;
    assert_eq!(drills(&world.plan()).len(), 0);
    assert_eq!(drill(&world).deadline, Some(at("2026-12-01T07:00:00Z")), "it is known from the start");
    let world = world.at("2026-12-01T04:00:00Z");
    assert_eq!(drills(&world.plan()).len(), 1);
    // Taken out of the policy, it is nobody's; what was found before stays.
    let without = desired(&[daily("p", ""), REPOSITORY.to_owned()]);
    let facts = fold::settle_in(&world.facts, &without, &world.plan(), true, world.now);
    assert_eq!(facts.drills[&data()].duty.since, None);
}

#[test]
fn slots_that_nothing_answered_are_counted_once() {
    let mut world = world().at("2027-02-10T00:00:00Z");
    let mut plan = world.plan();
    plan.missed.clear();
    let missed: Vec<_> = plan.missed_duties.iter().map(|m| (m.duty.clone(), m.count)).collect();
    assert_eq!(missed[0], (Duty::Drill(data()), 2), "December and January; February's is made up for");
    assert!(matches!(&missed[1], (Duty::Check(name), 10) if name == "default"), "{missed:?}");
    world.facts = fold::account(&world.facts, &plan);
    assert_eq!((world.facts.missed_slots["p"], world.facts.missed_slots["@default"]), (2, 10));
    let again = world.plan();
    assert_eq!(again.missed_duties, []);
    assert_eq!(drills(&again)[0].slot, at("2027-02-01T04:00:00Z"));
}

#[test]
fn what_stands_in_the_way_of_a_drill_is_told() {
    type Change = fn(&mut World);
    let cases: [(Change, Verdict, &str); 7] = [
        (|w| w.docker.up = false, Verdict::Waiting, "Docker does not answer"),
        (|w| drop(w.repositories.remove("default")), Verdict::Waiting, "has not been looked at yet"),
        (|w| w.repositories.get_mut("default").unwrap().own.clear(), Verdict::Waiting, "no complete snapshot"),
        (
            |w| w.running = World::new(&[]).running(Operation::Drill, Some(key("q", "other"))).running,
            Verdict::Waiting,
            "drill",
        ),
        (
            |w| w.running = World::new(&[]).running(Operation::Prune, None).running,
            Verdict::Waiting,
            "works on repository",
        ),
        (
            |w| w.running = World::new(&[]).running(Operation::Drill, Some(data())).running,
            Verdict::Running,
            "under way",
        ),
        (|w| w.desired = desired(&[daily("p", &format!("{DRILL}\nsuspend: true"))]), Verdict::Suspended, "suspend"),
    ];
    for (change, verdict, why) in cases {
        let mut world = world().at("2026-12-01T04:00:01Z");
        // Only the drill is looked at.
        world.facts.targets.values_mut().for_each(|target| target.accounted = Some(world.now));
        change(&mut world);
        let decided = drill(&world);
        assert!(decided.verdict == verdict && decided.why.contains(why), "{decided:?}, not {why}");
        assert_eq!(drills(&world.plan()).len(), 0, "{why}");
    }
    // A volume that is gone is what a drill is for.
    let mut world = world().at("2026-12-01T04:00:01Z");
    world.docker.volumes.clear();
    assert_eq!(drills(&world.plan()).len(), 1);
}

#[test]
fn drills_do_not_wait_for_backups_nor_backups_for_drills() {
    let world = world().at("2026-12-01T04:00:01Z");
    let plan = world.plan();
    assert_eq!(
        (crate::world::backups(&plan).len(), drills(&plan).len()),
        (1, 1),
        "one reads the volume, one snapshots"
    );
    let busy = self::world().at("2026-12-01T04:00:01Z").running(Operation::Drill, Some(data()));
    assert_eq!(crate::world::backups(&busy.plan()).len(), 1);
    let busy = self::world().at("2026-12-01T04:00:01Z").running(Operation::Backup, Some(data()));
    assert_eq!(drills(&busy.plan()).len(), 1);
}

#[test]
fn one_drill_at_a_time() {
    let mut world = World::new(&[daily("p", DRILL), daily("q", DRILL)]);
    world.docker.volumes.insert("other".into(), crate::world::volume("other"));
    let mut world =
        world.backed_up(&data(), &["2026-11-23T02:00:00Z"]).backed_up(&key("q", "data"), &["2026-11-23T02:00:00Z"]);
    for key in [data(), key("q", "data")] {
        world.facts.drills.entry(key).or_default().duty = done("2026-10-01T04:00:00Z");
    }
    let plan = world.plan();
    assert_eq!(drills(&plan).len(), 1);
    assert_eq!(drills(&plan)[0].source, data(), "the same one every time");
}

#[test]
fn a_person_asks_whatever_the_schedule_says_or_that_there_is_none() {
    let mut world = World::new(&[daily("p", "")]).backed_up(&data(), &["2026-11-23T02:00:00Z"]);
    assert_eq!((drill(&world).scheduled, drill(&world).deadline), (false, None));
    assert!(world.plan().takes(&Request::Drill(data())));
    assert!(!world.plan().takes(&Request::Drill(key("p", "none"))));
    world.requested.push(Request::Drill(data()));
    let check = Request::Check { repository: "default".into(), read_percent: Some(100), repair: None };
    world.requested.push(check.clone());
    let plan = world.plan();
    assert_eq!((drills(&plan)[0].cause, checks(&plan)[0].cause), (Cause::Manual, Cause::Manual));
    assert_eq!(checks(&plan)[0].portion, Some(Portion { nth: 0, of: 1 }));
    assert!(plan.takes(&check) && check.is_answered_by(&plan.actions[1]), "{:?}", plan.actions);
    assert!(!check.is_answered_by(&plan.actions[0]));
}

#[test]
fn a_failed_drill_waits_for_its_next_attempt() {
    let mut world = world().at("2026-12-01T10:00:00Z");
    let slot = at("2026-12-01T04:00:00Z");
    let duty = &mut world.facts.drills.get_mut(&data()).unwrap().duty;
    duty.last_run = Some(crate::world::attempt(slot, RunResult::Failure));
    duty.retry_at = Some(at("2026-12-02T04:00:00Z"));
    assert_eq!(drill(&world).verdict, Verdict::Waiting);
    assert_eq!(drills(&world.plan()).len(), 0);
    assert_eq!(drills(&world.at("2026-12-02T04:00:00Z").plan())[0].cause, Cause::Retry);
}

#[test]
fn a_check_reads_the_share_that_was_read_longest_ago() {
    let mut world = world().at("2026-11-28T05:00:00Z");
    assert_eq!(checks(&world.plan())[0].portion, Some(Portion { nth: 0, of: 4 }), "30 percent: four checks read all");
    let check = &mut world.facts.repositories.get_mut("default").unwrap().check;
    check.portions = 4;
    check.read = [(0, at("2026-11-07T05:00:00Z")), (1, at("2026-11-14T05:00:00Z"))].into();
    let plan = world.plan();
    assert_eq!(checks(&plan)[0].portion, Some(Portion { nth: 2, of: 4 }));
    assert_eq!(plan.checks[0].all_read_by, Some(at("2026-12-05T05:00:00Z")), "now, and a week later");
    let check = &mut world.facts.repositories.get_mut("default").unwrap().check;
    check.read.extend([(2, at("2026-11-21T05:00:00Z")), (3, at("2026-11-22T05:00:00Z"))]);
    assert_eq!(checks(&world.plan())[0].portion, Some(Portion { nth: 0, of: 4 }));
    // Divided otherwise, nothing is known of the shares.
    world.facts.repositories.get_mut("default").unwrap().check.portions = 20;
    assert_eq!(checks(&world.plan())[0].portion, Some(Portion { nth: 0, of: 4 }));
}

#[test]
fn a_check_goes_beside_backups_and_a_repair_does_not() {
    let world = |repair: Option<&str>| {
        let mut world = World::new(&[daily("p", ""), daily("q", "")]).seen(&data(), "2026-06-01T00:00:00Z");
        let repair = repair.map(str::to_owned);
        world.requested.push(Request::Check { repository: "default".into(), read_percent: None, repair });
        world
    };
    let plan = world(None).plan();
    assert!(checks(&plan).len() == 1 && !crate::world::backups(&plan).is_empty());
    let plan = world(Some("1234")).plan();
    assert!(checks(&plan).is_empty() && !crate::world::backups(&plan).is_empty(), "the backup goes first");
    let busy = world(Some("1234")).running(Operation::Backup, Some(data()));
    assert_eq!(checks(&busy.plan()).len(), 0);
    let busy = world(None).running(Operation::Prune, None);
    assert_eq!(checks(&busy.plan()).len(), 0);
}

#[test]
fn nothing_is_removed_from_a_damaged_repository() {
    let build = |repairable: bool| {
        let mut world = World::new(&[daily("p", "retention: {keepLast: 1, guard: {maxDeletePercent: 100}}")])
            .seen(&data(), "2026-06-01T00:00:00Z")
            .backed_up(&data(), &["2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"]);
        assert_eq!(crate::world::forgets(&world.plan()).len(), 1);
        let damage = Damage {
            what: "pack 12 is gone".into(),
            pack: Some("12".into()),
            repairable,
            snapshots: vec![],
            paths: vec![],
        };
        let check = &mut world.facts.repositories.entry("default".into()).or_default().check;
        check.report = Some(CheckReport { damage: vec![damage], damage_count: 1, ..CheckReport::default() });
        world
    };
    let world = build(true);
    assert_eq!(world.plan().actions, []);
    let held = world.decision("p").retention[0].held.clone().unwrap();
    assert!(held.reason == "RepositoryDamaged" && held.message.contains("pack 12 is gone"), "{held:?}");
    let asked = Request::Check { repository: "default".into(), read_percent: Some(0), repair: None };
    let mut world = world;
    world.requested.push(asked);
    assert_eq!(checks(&world.plan())[0].suspects, ["12"], "what was damaged is looked at again");
    // What no repair changes goes as retention says: else nothing ever went again.
    assert_eq!(crate::world::forgets(&build(false).plan()).len(), 1);
}

#[test]
fn shares_are_even_and_complete() {
    use sha2::{Digest, Sha256};
    for of in [1, 4, 20, 100] {
        let mut counts = vec![0; of as usize];
        for n in 0..4000_u32 {
            let name = hex::encode(Sha256::digest(n.to_le_bytes()));
            let nth = duties::portion_of(&name, of);
            assert!(Portion { nth, of }.contains(&name));
            assert_eq!((0..of).filter(|nth| Portion { nth: *nth, of }.contains(&name)).count(), 1);
            counts[nth as usize] += 1;
        }
        let fair = 4000 / of as usize;
        assert!(counts.iter().all(|n| (fair / 2..=fair * 2).contains(n)), "{counts:?}");
    }
    assert_eq!([1, 5, 30, 34, 100].map(duties::portions), [100, 20, 4, 3, 1].map(Some));
    assert_eq!(duties::portions(0), None);
    assert!(empty(at(NOW)).own.is_empty());
}

/// A database that is dumped is no volume, and needs no Docker: neither to be backed up nor to be drilled.
#[test]
fn a_database_is_backed_up_and_drilled_while_docker_is_away() {
    let text =
        daily("p", DRILL).replace("volume: {name: data}", "postgres: {name: data, urlFrom: {env: DATABASE_URL}}");
    assert!(text.contains("postgres"), "{text}");
    let database = key("p", "postgres/data");
    let mut world = World::new(&[text]).seen(&database, "2026-06-01T00:00:00Z");
    world.docker.up = false;
    let backups: Vec<_> = world
        .plan()
        .actions
        .into_iter()
        .filter_map(|a| if let Action::Backup(b) = a { Some(b.source) } else { None })
        .collect();
    assert_eq!(backups, std::slice::from_ref(&database));
    // The volume of the same name is nobody's.
    assert!(world.plan().coverage.iter().all(|volume| volume.policies.is_empty()));

    let mut world = world.backed_up(&database, &["2026-11-23T02:00:00Z"]);
    world.facts.drills.entry(database.clone()).or_default().duty = done("2026-10-01T04:00:00Z");
    let plan = world.plan();
    assert_eq!(drills(&plan).len(), 1, "{plan:#?}");
    assert_eq!(drills(&plan)[0].source, database);
}
