//! The whole of it: an application that is healthy on its data again.

use crate::scene::Lost;
use crate::support::engine::Engine;
use crate::support::operator::Host;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

fn labels(engine: &Engine, volume: &str) -> String {
    engine.docker(&["volume", "inspect", "--format={{.Driver}} {{json .Labels}} {{json .Options}}", volume])
}

/// Everything is as it was, and Seawall goes on with it.
fn is_back(lost: &Lost, engine: &Engine, host: &Host) {
    assert_eq!(lost.differences(engine), "");
    assert_eq!(fs::read_to_string(lost.env()).unwrap(), "SECRET=s3cr3t-of-the-shop\n");
    // Compose takes the volumes as its own, and the application is well on them and on its `.env`.
    engine.image();
    let said = lost.compose(engine, &["up", "-d"]);
    assert!(!format!("{said:?}").contains("Creating volume"), "{said:#?}");
    lost.wait_until_healthy(engine);
    assert_eq!(lost.differences(engine), "");
    // The first start adopts the snapshots: all is fresh, and nothing is due.
    let operator = host.start();
    for policy in ["db", "files", "env"] {
        operator.until_saved(policy);
        assert_eq!(operator.runs(policy, "success"), 0, "{policy} is not backed up again");
        let fresh = operator.status()["policies"][policy]["conditions"].to_string();
        assert!(fresh.contains(r#""type":"BackupFresh","status":"True""#), "{fresh}");
    }
    assert_eq!(operator.status()["host"], "testhost");
    assert_eq!(operator.metric("seawall_repository_key_exported", &[("repository", "default")]), Some(1.0));
    assert_eq!(host.seawall(&["plan"]).code, 0);
    assert_eq!(host.seawall(&["get", "snapshots", "-o", "json"]).json().as_array().unwrap().len(), 3);
    // And it goes on under the same name.
    host.seawall(&["backup", "db"]).ok();
    let listed = host.seawall(&["get", "snapshots", "-o", "json"]).json();
    let hosts: Vec<&str> = listed.as_array().unwrap().iter().map(|s| s["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["testhost"; 4]);
    operator.stop();
}

#[test]
fn an_application_is_healthy_on_another_engine() {
    let lost = Lost::new();
    let before = lost.volumes().map(|name| labels(&lost.engine, &name));
    lost.lose();
    let engine = Engine::private();
    let host = Host::unnamed(&engine);
    fs::remove_dir(host.policies()).unwrap();

    // Looking writes nothing.
    let plan = lost.recover(&host, &["--dry-run"]).ok();
    assert!(!host.state().exists() && !host.policies().exists() && !lost.env().exists());
    let order: Vec<&str> = ["env ", "db ", "files "].to_vec();
    let lines: Vec<&str> = plan.lines().filter(|line| order.iter().any(|name| line.starts_with(name))).collect();
    assert!(lines.len() == 3 && lines.iter().zip(&order).all(|(line, name)| line.starts_with(name)), "{plan}");
    assert!(plan.contains("host testhost: 3 policies, 3 snapshots"), "{plan}");
    for wanted in
        ["made and restored", "goes on under the name testhost", "seawall-test-busybox:sh", "docker compose -p shop"]
    {
        assert!(plan.contains(wanted), "{wanted} in:\n{plan}");
    }
    assert!(!plan.contains("Bring the `.env`"), "a policy covered it: {plan}");
    // Without a terminal and without a yes, nothing either.
    let asked = lost.recover(&host, &[]);
    assert!(asked.code == 1 && asked.err.contains("--yes") && !host.state().exists(), "{asked:#?}");

    let done = lost.recover(&host, &["--yes"]);
    assert_eq!(done.code, 0, "{done:#?}");
    for wanted in ["1 of 3 env/", "2 of 3 db/", "3 of 3 files/", "to go", "Move the DNS names"] {
        assert!(done.out.contains(wanted), "{wanted} in:\n{}", done.out);
    }
    assert_eq!(lost.volumes().map(|name| labels(&engine, &name)), before);
    let redis = fs::read_to_string(host.policies().join("redis.yaml")).unwrap();
    assert!(redis.contains("# as in git"), "a policy without snapshots is back, as it was written: {redis}");

    // Again, nothing is left to do, and no key is asked for.
    let repository = lost.repository();
    let again = host.seawall(&["recover", "--repository", repository.to_str().unwrap(), "--yes", "-o", "json"]).json();
    let results = again["results"].as_array().unwrap();
    assert!(results.iter().all(|one| one["result"] == "alreadyThere"), "{again:#}");
    is_back(&lost, &engine, &host);
}

#[test]
fn a_recovery_that_is_killed_goes_on() {
    let lost = Lost::new();
    lost.lose();
    let engine = Engine::private();
    let host = Host::unnamed(&engine);
    // The path comes first, then a volume that is made, then another.
    for point in ["laying", "made", "laying", "laid", "exchanged", "made", "laid", "exchanged"] {
        let mut command = lost.recover_command(&host, &["--yes"]);
        let output = command.env("SEAWALL_FAIL_POINT", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point} was not reached: {output:?}");
    }
    let done = lost.recover(&host, &["--yes"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert_eq!(done.out.matches("already there").count(), 3, "what was back is not brought again: {}", done.out);
    is_back(&lost, &engine, &host);
}

#[test]
fn a_recovery_that_is_killed_at_random_goes_on() {
    let lost = Lost::new();
    lost.lose();
    let engine = Engine::private();
    let host = Host::unnamed(&engine);
    let mut kills = 0;
    loop {
        let mut child = lost.recover_command(&host, &["--yes"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(fastrand::u64(100..400 + kills * 250)));
        child.kill().unwrap();
        if child.wait().unwrap().code() == Some(0) {
            break;
        }
        kills += 1;
        assert!(kills < 40, "it gets nowhere");
    }
    println!("killed {kills} times");
    is_back(&lost, &engine, &host);
}
