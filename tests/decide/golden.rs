//! One host's plan, whole, so that a change of the decision shows as a change of a page.

use crate::world::{World, daily, key, volume};
use seawall::reconcile::RunResult;

#[test]
fn a_host_in_the_middle_of_its_life() {
    let exempt = "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {name: redis}\nspec:\n  source: {volume: {selector: {names: [\"*_redis\"]}}}\n  exempt: {reason: a cache}\n";
    let failing = daily("failing", "").replace("name: data}", "name: broken}");
    let fresh = daily("fresh", "retention: {keepLast: 1, keepDaily: 2}");
    let new = daily("new", "").replace("name: data}", "name: added}");
    let gone = daily("gone", "").replace("name: data}", "name: vanished}");
    let mut world = World::new(&[exempt.to_owned(), failing, fresh, new, gone])
        .backed_up(&key("fresh", "data"), &["2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"])
        .backed_up(&key("failing", "broken"), &["2026-11-20T02:00:00Z"])
        .failed(&key("failing", "broken"), "2026-11-23T02:00:00Z", RunResult::Failure, "2026-11-23T12:10:00Z");
    for name in ["added", "broken", "x_redis", "stray"] {
        world.docker.volumes.insert(name.into(), volume(name));
    }
    insta::assert_yaml_snapshot!(world.plan());
}

#[test]
fn a_night_of_drills_and_checks() {
    let drill = "verification: {drill: {schedule: {cron: \"0 4 1 * *\"}, checks: [{minFiles: 1}]}}";
    let repository = "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {name: default}\n\
                      spec: {local: {}, check: {schedule: {cron: \"0 3 * * *\"}, readDataPercent: 5}}\n";
    let mut world = World::new(&[daily("drilled", drill), daily("other", ""), repository.to_owned()])
        .backed_up(&key("drilled", "data"), &["2026-12-01T02:00:00Z"])
        .backed_up(&key("other", "data"), &["2026-12-01T02:00:00Z"])
        .at("2026-12-01T04:00:10Z");
    world.facts.drills.entry(key("drilled", "data")).or_default().duty.since =
        Some(crate::world::at("2026-11-02T00:00:00Z"));
    let check = &mut world.facts.repositories.entry("default".into()).or_default().check;
    check.duty.since = Some(crate::world::at("2026-11-29T00:00:00Z"));
    insta::assert_yaml_snapshot!(world.plan());
}
