//! What deciding costs, counted in instructions: seconds say nothing on a machine that others use too.

use crate::world::{World, daily, key, volume};
use seawall::reconcile::decide;
use std::process::Command;

/// As many policies, each of a volume of its own, backed up for three days, with nothing due.
fn world(policies: usize) -> World {
    let name = |nth: usize| format!("policy-{nth:05}");
    let documents: Vec<String> = (0..policies)
        .map(|nth| {
            daily(&name(nth), "retention: {keepDaily: 7}").replace("name: data}", &format!("name: data-{nth:05}}}"))
        })
        .collect();
    let mut world = World::new(&documents);
    for nth in 0..policies {
        let data = format!("data-{nth:05}");
        world.docker.volumes.insert(data.clone(), volume(&data));
        let slots = ["2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"];
        world = world.backed_up(&key(&name(nth), &data), &slots);
    }
    world
}

/// Instructions within `decide`, by callgrind.
fn instructions(policies: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=seawall::reconcile::decide::decide")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "growth::child_decides", "--ignored", "--test-threads=1"])
        .env("POLICIES", policies.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().to_owned());
    collected.unwrap().parse().unwrap()
}

#[test]
fn deciding_grows_as_the_policies() {
    let [few, some, many] = [50, 100, 200].map(instructions);
    assert!(few > 50_000, "{few} instructions for 50 policies: was anything counted?");
    // Fifty more, and a hundred more. Were each held against each other, the second were three times the first.
    let (first, second) = (some - few, many - some);
    assert!(second * 10 < first * 23, "50 policies {few}, 100 {some}, 200 {many} instructions");
}

#[test]
#[ignore = "run by its parent"]
fn child_decides() {
    let policies = std::env::var("POLICIES").expect("only run by its parent").parse().unwrap();
    let world = world(policies);
    let observed = world.observed();
    let plan = decide(&world.desired, &observed, world.now);
    assert_eq!((plan.decisions.len(), plan.actions.len()), (policies, 0));
}
