//! Docker away, and Docker's volumes.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, Operator, policy};
use std::fs;

fn up(operator: &Operator) -> bool {
    operator.metric("seawall_docker_up", &[]) == Some(1.0)
}

#[test]
fn docker_may_be_away_at_the_start_and_later() {
    let engine = Engine::private();
    let host = Host::new(&engine);
    let volume = engine.volume("away", &[], &[]);
    let file = engine.mountpoint(&volume).join("file");
    fs::write(&file, "1").unwrap();
    engine.stop();
    host.write("away.yaml", &policy("away", &volume, RARELY, &[]));
    let operator = host.start();
    assert!(!up(&operator));
    let labels = [("policy", "away")];
    let last = "seawall_backup_last_success_timestamp_seconds";
    assert_eq!(operator.metric(last, &labels), Some(0.0), "the series is there from the start");
    assert!(operator.series("seawall_volume_coverage", &[]).len() == 3);
    assert_eq!(host.seawall(&["get", "policies"]).code, 0);

    engine.start();
    operator.until("it connects", up);
    operator.until_saved("away");

    engine.stop();
    operator.until("away is seen", |o| !up(o));
    assert!(operator.metric(last, &labels).unwrap() > 0.0, "what is known stays");
    let volumes = host.seawall(&["get", "volumes", "-o", "json"]).json();
    assert!(volumes.to_string().contains(&volume), "{volumes:#}");
    host.seawall(&["backup", "away", "--no-wait"]).ok();
    operator.until("it waits", |o| o.status()["policies"]["away"]["sources"][0]["verdict"] == "waiting");
    let why = operator.status()["policies"]["away"]["sources"][0]["why"].to_string();
    assert!(why.contains("Docker does not answer"), "{why}");
    assert_eq!(operator.runs("away", "success"), 1);

    engine.start();
    operator.until("the backup that was asked for", |o| o.runs("away", "success") == 2);
    assert!(up(&operator));
    operator.stop();
}

#[test]
fn every_volume_is_protected_exempt_with_its_reason_or_unprotected() {
    let engine = Engine::private();
    let host = Host::new(&engine);
    let [safe, cache, nobodys] = ["safe", "cache", "nobodys"].map(|hint| engine.volume(hint, &[], &[]));
    fs::write(engine.mountpoint(&safe).join("file"), "1").unwrap();
    host.write("safe.yaml", &policy("safe", &safe, RARELY, &[]));
    let exempt = format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: cache}}\nspec:\n  \
         source: {{volume: {{name: {cache}}}}}\n  exempt: {{reason: rebuilt at every start}}\n"
    );
    host.write("cache.yaml", &exempt);
    let operator = host.start();
    let count = |o: &Operator, state: &str| o.metric("seawall_volume_coverage", &[("state", state)]);
    for state in ["protected", "exempt", "unprotected"] {
        operator.until(state, |o| count(o, state) == Some(1.0));
    }
    let volumes = host.seawall(&["get", "volumes", "-o", "json"]).json();
    let of = |name: &str| volumes.as_array().unwrap().iter().find(|v| v["name"] == name).unwrap().clone();
    assert_eq!((&of(&safe)["coverage"], &of(&safe)["policies"][0]), (&"protected".into(), &"safe".into()));
    assert_eq!((&of(&cache)["coverage"], &of(&cache)["reason"]), (&"exempt".into(), &"rebuilt at every start".into()));
    assert_eq!(of(&nobodys)["coverage"], "unprotected");

    let fresh = engine.volume("fresh", &[], &[]);
    operator.until("the new volume", |o| count(o, "unprotected") == Some(2.0));
    host.write("fresh.yaml", &policy("fresh", &fresh, RARELY, &[]));
    operator.until("it is protected", |o| count(o, "protected") == Some(2.0));
    engine.remove_volume(&fresh);
    operator.until("it is gone", |o| count(o, "protected") == Some(1.0));
    assert_eq!(
        operator.metric("seawall_selector_unmatched", &[("policy", "fresh")]),
        Some(1.0),
        "a policy that protects nothing is seen"
    );
    assert_eq!(operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "fresh")]), Some(0.0));
    operator.stop();
}
