//! Drills of databases: restored into a server that goes away again, and looked at.

use crate::server::{RARELY, Scene};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

const HEARTBEAT: &str =
    "CREATE SCHEMA seawall; CREATE TABLE seawall.heartbeat (id text PRIMARY KEY, at timestamptz NOT NULL)";

fn checked(scene: &Scene, checks: &str) {
    scene.ask("heartbeat: true", &[&format!("verification: {{drill: {{schedule: {{{RARELY}}}, checks: {checks}}}}}")]);
}

/// The newest drill, as the history has it.
fn last(scene: &Scene) -> Value {
    let runs = scene.host.seawall(&["get", "runs", "-o", "json"]).json();
    runs.as_array().unwrap().iter().find(|run| run["operation"] == "drill").unwrap().clone()
}

/// What every check found, by its words.
fn found(run: &Value) -> Vec<(String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = run["drill"]["checks"].as_array().unwrap().iter();
    checks.map(|c| (text(&c["check"]), c["passed"].as_bool().unwrap(), text(&c["message"]))).collect()
}

/// Scratch directories and servers that this host's drills have left.
fn left(scene: &Scene) -> Vec<String> {
    use sha2::{Digest, Sha256};
    let state = fs::canonicalize(scene.host.state()).unwrap();
    let hash = Sha256::new().chain_update(state.as_os_str().as_encoded_bytes()).chain_update("testhost").finalize();
    let prefix = format!("seawall-pg-{}", hex::encode(&hash[..8]));
    let names = fs::read_dir("/var/tmp").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

#[test]
fn a_drill_passes_and_proves_the_recovery_point() {
    let scene = Scene::new(&[]);
    scene.server.sql("app", HEARTBEAT);
    // Roles that own things and have rights are there in the scratch, too.
    scene.server.role("owner");
    scene.server.sql(
        "app",
        "ALTER TABLE users OWNER TO owner; ALTER TABLE log.calls ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON log.calls TO owner USING (true); CREATE EXTENSION pgcrypto",
    );
    checked(
        &scene,
        "[{minTables: 3}, {minRows: {public.users: 5000, log.calls: 1000}}, {query: \"SELECT max(id) = 5000 FROM users;\"}]",
    );
    scene.backup().ok();
    scene.host.seawall(&["drill", "db"]).ok();
    let run = last(&scene);
    assert_eq!(run["result"], "success", "{run:#}");
    let found = found(&run);
    assert!(found.iter().all(|(_, passed, _)| *passed), "{found:?}");
    let words: Vec<&str> = found.iter().map(|(check, _, _)| check.as_str()).collect();
    assert_eq!(
        words,
        [
            "minTables 3",
            "minRows log.calls 1000, public.users 5000",
            "query SELECT max(id) = 5000 FROM users;",
            "heartbeat"
        ]
    );
    let time: jiff::Timestamp = run["drill"]["snapshotTime"].as_str().unwrap().parse().unwrap();
    let beat: jiff::Timestamp = found[3].2.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(beat.as_microsecond(), time.as_microsecond(), "{found:?}");
    assert!(run["drill"]["restoreSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(left(&scene), Vec::<String>::new());
    let described = scene.host.seawall(&["describe", "policy", "db"]).ok();
    assert!(described.contains("heartbeat"), "{described}");
    scene.tells_no_secret();
}

#[test]
fn a_drill_fails_for_what_is_not_there() {
    let scene = Scene::new(&[]);
    checked(
        &scene,
        "[{minTables: 4}, {minRows: {public.users: 5001, public.nothing: 1}}, {query: \"SELECT false\"}, {query: \"SELECT nonsense\"}]",
    );
    let said = scene.backup();
    assert!(said.code == 0 && said.out.contains("  note: The heartbeat could not be written"), "{said:#?}");
    let said = scene.host.seawall(&["drill", "db"]);
    assert_ne!(said.code, 0, "{said:#?}");
    let found = found(&last(&scene));
    assert!(found.iter().all(|(_, passed, _)| !passed), "{found:?}");
    for (nth, wanted) in
        ["only 3 tables", "public.users has only 5000 rows", "answers `f`", "does not exist", "does not exist"]
            .iter()
            .enumerate()
    {
        assert!(found[nth].2.contains(wanted), "{wanted}: {found:?}");
    }
    // It had no table to be written into, which the backup has told as well.
    let runs = scene.host.seawall(&["get", "runs", "-o", "json"]).json();
    assert!(runs.to_string().contains("CREATE TABLE seawall.heartbeat"), "{runs:#}");
    assert_eq!(left(&scene), Vec::<String>::new());
}

#[test]
fn a_damaged_repository_fails_the_drill() {
    let scene = Scene::new(&[]);
    scene.backup().ok();
    for directory in fs::read_dir(scene.host.state().join("repository/data")).unwrap() {
        for pack in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = pack.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if bytes.len() > 100_000 {
                bytes[50_000] ^= 1;
                fs::write(&path, bytes).unwrap();
            }
        }
    }
    let said = scene.host.seawall(&["drill", "db"]);
    assert!(said.code != 0 && said.out.contains("damaged"), "{said:#?}");
    assert_eq!(left(&scene), Vec::<String>::new());
}

#[test]
fn what_a_killed_drill_leaves_goes_at_the_next_start() {
    let scene = Scene::new(&[]);
    checked(&scene, "[{query: \"SELECT pg_sleep(600) IS NULL\"}]");
    scene.backup().ok();
    let mut drill = scene.host.command(&["drill", "db"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeps = || {
        let Some(name) = left(&scene).pop() else { return false };
        let pid = fs::read_to_string(format!("/var/tmp/{name}/data/postmaster.pid")).unwrap_or_default();
        pid.lines().next().is_some_and(|pid| {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            children.split_whitespace().any(|child| {
                fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default().contains("SELECT")
            })
        })
    };
    let begun = Instant::now();
    while !sleeps() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never gets so far");
        std::thread::sleep(Duration::from_millis(50));
    }
    let name = left(&scene).pop().unwrap();
    let pid = fs::read_to_string(format!("/var/tmp/{name}/data/postmaster.pid")).unwrap();
    let server = format!("/proc/{}", pid.lines().next().unwrap());
    // It is a server on no network, of a user who owns nothing.
    let status = fs::read_to_string(format!("{server}/status")).unwrap();
    assert!(status.lines().any(|line| line.starts_with("Uid:\t65534\t65534")), "{status}");
    drill.kill().unwrap();
    drill.wait().unwrap();
    assert!(fs::exists(&server).unwrap());
    let operator = scene.host.start();
    assert_eq!(left(&scene), Vec::<String>::new());
    // What nobody reaps is a name and no more.
    assert!(fs::read_link(format!("{server}/cwd")).is_err());
    operator.stop();
}

#[test]
fn the_operator_ends_in_time_in_the_middle_of_a_drill_and_leaves_nothing() {
    let scene = Scene::new(&[]);
    checked(&scene, "[{query: \"SELECT pg_sleep(600) IS NULL\"}]");
    let operator = scene.host.start();
    operator.until_saved("db");
    let mut drill = scene.host.command(&["drill", "db"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    operator.until("a drill", |_| !left(&scene).is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let begun = Instant::now();
    operator.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(left(&scene), Vec::<String>::new());
    drill.wait().unwrap();
}
