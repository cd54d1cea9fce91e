//! Killed in the middle of a run.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::long_file::{ENDLESS, long_file};
use crate::support::operator::{Host, policy};
use std::fs;

#[test]
fn a_killed_run_is_counted_tried_again_and_leaves_the_repository_whole() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("killed", &[], &[]);
    let files = engine.mountpoint(&volume);
    fs::write(files.join("a-small-one"), "small").unwrap();
    long_file(&files.join("endless"), ENDLESS);
    host.write("killed.yaml", &policy("killed", &volume, RARELY, &[]));
    let operator = host.start();
    operator.until_running("killed");
    let locks = host.state().join("repository/locks");
    operator.until("the run holds its lock", |_| fs::read_dir(&locks).is_ok_and(|all| all.count() > 0));
    operator.kill();
    assert_eq!(fs::read_dir(&locks).unwrap().count(), 1, "the lock of a dead process");

    fs::remove_file(files.join("endless")).unwrap();
    let operator = host.start();
    assert_eq!(operator.runs("killed", "interrupted"), 1);
    operator.until_saved("killed");
    assert_eq!((operator.runs("killed", "interrupted"), operator.runs("killed", "success")), (1, 1));
    let runs = host.seawall(&["get", "runs", "-o", "json"]).json();
    assert_eq!((&runs[0]["result"], &runs[0]["cause"]), (&"success".into(), &"retry".into()), "{runs:#}");
    assert_eq!((&runs[1]["result"], &runs[1]["cause"]), (&"interrupted".into(), &"initial".into()), "{runs:#}");
    let id = host.snapshots()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(host.differences(&id, &volume, &files), "");
    operator.stop();
    assert_eq!(fs::read_dir(&locks).unwrap().count(), 0, "the stale lock is gone");
    host.restic(&["check", "--read-data"]);
}

#[test]
fn a_killed_one_shot_is_counted_by_the_operator_that_starts_next() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("oneshot", &[], &[]);
    let files = engine.mountpoint(&volume);
    long_file(&files.join("endless"), ENDLESS);
    host.write("one.yaml", &policy("one", &volume, RARELY, &[]));
    let mut child = host.command(&["backup", "one"]).spawn().unwrap();
    let locks = host.state().join("repository/locks");
    crate::support::operator::until("it holds its lock", &host.path("log"), || {
        fs::read_dir(&locks).is_ok_and(|all| all.count() > 0)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(files.join("endless")).unwrap();
    fs::write(files.join("small"), "x").unwrap();
    let operator = host.start();
    assert_eq!(operator.runs("one", "interrupted"), 1);
    operator.until_saved("one");
    operator.stop();
}

#[test]
fn a_one_shot_that_is_asked_to_end_records_how_it_ended() {
    let engine = Engine::shared();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let host = Host::new(&engine);
        let volume = engine.volume("asked", &[], &[]);
        long_file(&engine.mountpoint(&volume).join("endless"), ENDLESS);
        host.write("asked.yaml", &policy("asked", &volume, RARELY, &[]));
        let mut child = host.command(&["backup", "asked"]).spawn().unwrap();
        let locks = host.state().join("repository/locks");
        crate::support::operator::until("it holds its lock", &host.path("log"), || {
            fs::read_dir(&locks).is_ok_and(|all| all.count() > 0)
        });
        let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(4), "{signal:?}");
        let runs = host.seawall(&["get", "runs", "-o", "json"]).json();
        assert_eq!(runs[0]["result"], "interrupted", "{runs:#}");
        assert_eq!(fs::read_dir(&locks).unwrap().count(), 0, "no lock stays");
    }
}
