//! Retention from the policy's text to the snapshots that are gone, and to those that are not.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, policy, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn ids(snapshots: &Value) -> BTreeSet<String> {
    snapshots.as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_tightened_policy_waits_for_a_person_and_removes_exactly_what_was_shown() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("kept", &[], &[]);
    let file = engine.mountpoint(&volume).join("file");
    fs::write(&file, "0").unwrap();
    host.write("kept.yaml", &policy("kept", &volume, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("kept");
    for n in 1..6 {
        fs::write(&file, n.to_string()).unwrap();
        host.seawall(&["backup", "kept"]).ok();
    }
    // What another program keeps in the same repository, under the same path and host, is nobody's business.
    let repository = host.state().join("repository");
    let mut foreign = Command::new("restic");
    foreign.args(["--no-cache", "backup", "--host", "testhost", "--repo"]).arg(&repository);
    foreign.arg("--password-file").arg(host.state().join("keys/default.key")).arg(&file);
    run(&mut foreign).ok();
    assert_eq!(host.snapshots().len(), 7);
    let own = || host.seawall(&["get", "snapshots", "-o", "json"]).json();
    operator.until("all six are listed", |_| own().as_array().unwrap().len() == 6);
    let before = own();
    let newest = before[0]["id"].as_str().unwrap().to_owned();

    host.write("kept.yaml", &policy("kept", &volume, RARELY, &["retention: {keepLast: 1}"]));
    let labels = [("policy", "kept"), ("repository", "default")];
    operator.until("the removal is held", |o| o.metric("seawall_retention_held", &labels) == Some(1.0));
    let plan = host.seawall(&["plan"]);
    assert_eq!(plan.code, 0, "what is held back is nothing to do: {plan:#?}");
    let acknowledgement = plan.out.split("acknowledge: ").nth(1).unwrap().split('`').next().unwrap();
    assert!(acknowledgement.starts_with("delete-5-until-"), "{acknowledgement}");
    let described = host.seawall(&["describe", "policy", "kept"]).ok();
    assert!(described.contains(acknowledgement) && described.contains("ShrinkGuard"), "{described}");
    assert_eq!(own(), before, "nothing is gone");

    let guarded = format!("retention: {{keepLast: 1, guard: {{acknowledge: {acknowledgement}}}}}");
    host.write("kept.yaml", &policy("kept", &volume, RARELY, &[&guarded]));
    operator.until("the five are gone", |_| own().as_array().unwrap().len() == 1);
    assert_eq!(ids(&own()), BTreeSet::from([newest.clone()]), "the newest stays");
    let left = host.snapshots();
    assert_eq!(left.len(), 2, "and so does what another program made");
    operator.until("the prune has ended", |o| {
        let labels = [("policy", "@default"), ("operation", "prune"), ("result", "success")];
        o.metric("seawall_runs_total", &labels) == Some(1.0)
    });
    assert_eq!(operator.metric("seawall_retention_held", &labels), Some(0.0));
    host.restic(&["check", "--read-data"]);
    assert_eq!(host.differences(&newest, &volume, &engine.mountpoint(&volume)), "");

    let trail = host.seawall(&["audit", "export"]).ok();
    let forget: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let forget: Vec<&Value> = forget.iter().filter(|entry| entry.to_string().contains("forgot ")).collect();
    assert_eq!(forget.len(), 1, "{trail}");
    for id in ids(&before) {
        assert_eq!(forget[0].to_string().contains(&id), id != newest, "{id}: {}", forget[0]);
    }
    host.seawall(&["audit", "verify"]).ok();
    operator.stop();
}

#[test]
fn nothing_is_removed_while_the_newest_run_is_no_success() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("failing", &[], &[]);
    let file = engine.mountpoint(&volume).join("file");
    fs::write(&file, "0").unwrap();
    host.write("f.yaml", &policy("f", &volume, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("f");
    host.seawall(&["backup", "f"]).ok();
    fs::remove_file(&file).unwrap();
    assert_eq!(host.seawall(&["backup", "f"]).code, 4, "an empty volume gives no snapshot");
    host.write("f.yaml", &policy("f", &volume, RARELY, &["retention: {keepLast: 1}"]));
    let labels = [("policy", "f"), ("repository", "default")];
    operator.until("held back", |o| o.metric("seawall_retention_held", &labels) == Some(1.0));
    assert_eq!(host.snapshots().len(), 2);

    fs::write(&file, "1").unwrap();
    host.seawall(&["backup", "f"]).ok();
    operator.until("the old ones go one by one", |o| {
        o.metric("seawall_retention_held", &labels) == Some(0.0) || o.log().contains("ShrinkGuard")
    });
    operator.stop();
}
