//! What people ask, with an operator and without one.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, policy, run};
use std::fs;

#[test]
fn a_plan_tells_by_its_exit_code_whether_there_is_something_to_do() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("planned", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("planned.yaml", &policy("planned", &volume, RARELY, &[]));
    let plan = host.seawall(&["plan"]);
    assert_eq!(plan.code, 2, "{plan:#?}");
    assert!(plan.out.contains("initial"), "{}", plan.out);
    assert!(!host.state().join("repository").exists(), "a plan changes nothing");

    let done = host.seawall(&["backup", "planned"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(done.out.contains("success") && done.err.contains("no operator"), "{done:#?}");
    assert_eq!(host.seawall(&["plan"]).code, 0);

    let operator = host.start();
    assert_eq!(host.seawall(&["plan"]).code, 0);
    fs::write(engine.mountpoint(&volume).join("file"), "2").unwrap();
    let done = host.seawall(&["backup", "planned"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(done.out.contains("success") && !done.err.contains("no operator"), "{done:#?}");
    assert_eq!(host.seawall(&["plan"]).code, 0);
    assert_eq!(host.seawall(&["backup", "planed"]).code, 1);
    assert!(host.seawall(&["backup", "planed"]).err.contains("planned"), "the nearest name is said");
    assert_eq!(host.seawall(&["backup", "planned", "--source", "nowhere"]).code, 1);

    // An edit is looked at in a copy of the directory before it is anybody's.
    let copy = host.path("copy");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("planned.yaml"), policy("planned", &volume, RARELY, &["retention: {keepLast: 1}"])).unwrap();
    let edited = run(&mut host.command_on(&copy, &["plan"]));
    assert_eq!(edited.code, 2, "{edited:#?}");
    assert!(edited.out.contains("1 to remove"), "{}", edited.out);
    assert_eq!(host.seawall(&["plan"]).code, 0, "what is in force is not touched");
    assert_eq!(host.snapshots().len(), 2);
    operator.stop();
}

#[test]
fn two_policies_on_one_volume_take_turns() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("shared", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    for name in ["one", "two", "three"] {
        host.write(&format!("{name}.yaml"), &policy(name, &volume, RARELY, &[]));
    }
    let operator = host.start_with(&["--max-runs", "3"]);
    for name in ["one", "two", "three"] {
        operator.until_saved(name);
    }
    assert_one_at_a_time(&host, 3);
    operator.stop();
}

#[test]
fn no_more_runs_at_once_than_allowed() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    for name in ["a", "b", "c", "d"] {
        let volume = engine.volume(name, &[], &[]);
        fs::write(engine.mountpoint(&volume).join("file"), name).unwrap();
        host.write(&format!("{name}.yaml"), &policy(name, &volume, RARELY, &[]));
    }
    let operator = host.start_with(&["--max-runs", "1"]);
    for name in ["a", "b", "c", "d"] {
        operator.until_saved(name);
    }
    assert_one_at_a_time(&host, 4);
    operator.stop();
}

/// Every run began after the one before it had ended.
fn assert_one_at_a_time(host: &Host, count: usize) {
    let runs = host.seawall(&["get", "runs", "-o", "json"]).json();
    let time = |run: &serde_json::Value, field: &str| run[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let mut spans: Vec<_> =
        runs.as_array().unwrap().iter().map(|run| (time(run, "started"), time(run, "finished"))).collect();
    spans.sort();
    assert_eq!(spans.len(), count, "{runs:#}");
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
}
