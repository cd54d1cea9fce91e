//! What is lost with the state directory, and what is not; and a state directory that takes nothing any more.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, Tmpfs, policy, run};
use std::fs;
use std::process::Command;

/// Removes what Seawall remembers: everything but keys and repository.
fn forget_all(host: &Host) {
    for entry in fs::read_dir(host.state()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn freshness_is_rebuilt_from_the_snapshots() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("rebuilt", &[], &[]);
    let file = engine.mountpoint(&volume).join("file");
    fs::write(&file, "1").unwrap();
    host.write("r.yaml", &policy("r", &volume, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("r");
    let labels = [("policy", "r")];
    let at = operator.metric("seawall_backup_last_success_timestamp_seconds", &labels);
    host.seawall(&["backup", "r"]).ok();
    host.write("other.yaml", &policy("other", "no-such-volume", RARELY, &[]));
    let later = operator.metric("seawall_backup_last_success_timestamp_seconds", &labels);
    assert!(later > at);
    operator.stop();
    forget_all(&host);

    // One may go of two without a person, but not before a run has shown that new ones come.
    host.write("r.yaml", &policy("r", &volume, RARELY, &["retention: {keepLast: 1}"]));
    let operator = host.start();
    operator.until("what is there is known", |o| {
        o.metric("seawall_backup_last_success_timestamp_seconds", &labels) == later
    });
    operator.until("held back", |o| o.metric("seawall_retention_held", &labels) == Some(1.0));
    let described = host.seawall(&["describe", "policy", "r"]).ok();
    assert!(described.contains("NoRunYet"), "{described}");
    assert_eq!(operator.runs("r", "success"), 0, "nothing is backed up twice");
    assert_eq!(host.snapshots().len(), 2, "nothing is removed");
    assert_eq!(host.seawall(&["plan", "r"]).code, 0, "nothing is due");
    operator.stop();
}

#[test]
fn a_lost_key_is_loud_and_nothing_is_overwritten() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("keyless", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("k.yaml", &policy("k", &volume, "every: 1m", &[]));
    let operator = host.start();
    operator.until_saved("k");
    operator.stop();
    forget_all(&host);
    let key = fs::read(host.state().join("keys/default.key")).unwrap();
    fs::remove_dir_all(host.state().join("keys")).unwrap();
    let tree = || run(Command::new("find").arg(host.state().join("repository")).args(["-type", "f"])).ok();
    let before = tree();

    let operator = host.start();
    let repository = [("repository", "default")];
    operator.until("unhealthy", |o| o.status()["repositories"]["default"]["health"].to_string().contains("KeyLost"));
    assert_eq!(operator.metric("seawall_repository_healthy", &repository), Some(0.0));
    assert_eq!(operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "k")]), Some(0.0));
    operator.until("the condition", |o| o.status()["policies"]["k"]["conditions"].to_string().contains("KEY IS LOST"));
    assert!(operator.log().contains("KEY IS LOST"), "{}", operator.log());
    assert!(host.seawall(&["describe", "policy", "k"]).ok().contains("KEY IS LOST"));
    assert_eq!(tree(), before, "nothing is written");
    assert!(!host.state().join("keys/default.key").exists(), "no new key is made");

    // A person brings the copy back; nobody has to be restarted for it.
    fs::create_dir_all(host.state().join("keys")).unwrap();
    fs::write(host.state().join("keys/default.key"), key).unwrap();
    host.write("other.yaml", &policy("other", "no-such-volume", RARELY, &[]));
    operator.until("healthy", |o| o.metric("seawall_repository_healthy", &repository) == Some(1.0));
    operator.until_saved("k");
    operator.stop();
}

#[test]
fn a_full_state_directory_is_told_and_backups_go_on() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("full", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    let tmpfs = Tmpfs::over(&host.state(), "8m");
    let repository = format!(
        "---\napiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: elsewhere}}\nspec: {{local: {{path: {}}}}}\n",
        host.path("elsewhere").display()
    );
    let text = policy("full", &volume, RARELY, &["repositories: [elsewhere]"]) + &repository;
    host.write("full.yaml", &text);
    let operator = host.start();
    operator.until_saved("full");
    let ok = |o: &crate::support::operator::Operator| o.metric("seawall_state_write_ok", &[]);
    assert_eq!(ok(&operator), Some(1.0));

    tmpfs.fill();
    fs::write(engine.mountpoint(&volume).join("file"), "2").unwrap();
    let asked = host.seawall(&["backup", "full"]);
    assert_eq!(asked.code, 0, "a snapshot was made: {asked:#?}");
    operator.until("the trouble in the metrics", |o| ok(o) == Some(0.0));
    assert_eq!(operator.runs("full", "success"), 2);
    assert_eq!(operator.get("/healthz").0, 200);

    tmpfs.empty();
    host.write("other.yaml", &policy("other", "no-such-volume", RARELY, &[]));
    operator.until("written in the end", |o| ok(o) == Some(1.0));
    operator.stop();
    let runs = host.seawall(&["get", "runs", "-o", "json"]).json();
    assert_eq!(runs.as_array().unwrap().len(), 2, "nothing is lost of what happened meanwhile: {runs:#}");
    host.seawall(&["audit", "verify"]).ok();
}
