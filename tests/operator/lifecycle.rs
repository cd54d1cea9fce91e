//! How the operator starts, and how it ends.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::long_file::{ENDLESS, long_file};
use crate::support::operator::{Host, Operator, policy};
use rustix::process::Signal;
use std::fs;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What Docker and systemd users are promised.
const PROMISED: Duration = Duration::from_secs(10);

/// A file that takes far longer to read than any test waits, and no room.
fn endless(engine: &Engine, volume: &str) {
    long_file(&engine.mountpoint(volume).join("endless"), ENDLESS);
}

fn end_by(operator: &mut Operator, signal: Signal) {
    let asked = Instant::now();
    operator.signal(signal);
    assert_eq!(operator.ended(), 0, "{}", operator.log());
    assert!(asked.elapsed() < PROMISED, "{:?}", asked.elapsed());
}

#[test]
fn one_operator_per_state_directory_and_the_second_says_who_holds_it() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let operator = host.start();
    let second = host.seawall(&["run", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1, "{second:#?}");
    assert!(second.err.contains(&format!("process {} (`seawall run`", operator.pid())), "{}", second.err);
    assert!(second.err.contains("--state"), "{}", second.err);
    assert_eq!(operator.get("/readyz").0, 200, "the first goes on");
    operator.stop();
    host.start().stop();
}

#[test]
fn an_address_in_use_is_named_with_what_to_do() {
    let engine = Engine::shared();
    let (host, other) = (Host::new(&engine), Host::new(&engine));
    let operator = host.start();
    let second = other.seawall(&["run", "--listen", operator.address()]);
    assert_eq!(second.code, 1, "{second:#?}");
    assert!(second.err.contains(operator.address()) && second.err.contains("--listen"), "{}", second.err);
}

#[test]
fn a_signal_ends_it_in_the_middle_of_a_backup_and_the_run_is_on_record_as_interrupted() {
    let engine = Engine::shared();
    for signal in [Signal::TERM, Signal::INT] {
        let host = Host::new(&engine);
        let volume = engine.volume("endless", &[], &[]);
        endless(&engine, &volume);
        host.write("big.yaml", &policy("big", &volume, RARELY, &[]));
        let mut operator = host.start();
        operator.until_running("big");
        end_by(&mut operator, signal);

        let runs = host.seawall(&["get", "runs", "-o", "json"]).json();
        assert_eq!(runs[0]["result"], "interrupted", "{runs:#}");
        assert_eq!(runs.as_array().unwrap().len(), 1, "{runs:#}");
        assert_eq!(host.snapshots().len(), 0, "no snapshot was made");
        assert_eq!(fs::read_dir(host.state().join("repository/locks")).unwrap().count(), 0, "no lock stays");
        assert!(!host.state().join("seawall.sock").exists());

        fs::remove_file(engine.mountpoint(&volume).join("endless")).unwrap();
        fs::write(engine.mountpoint(&volume).join("small"), "x").unwrap();
        let operator = host.start();
        assert_eq!(operator.runs("big", "interrupted"), 1, "counted once");
        operator.until_saved("big");
        assert_eq!(host.snapshots().len(), 1, "it was tried again");
        operator.stop();
    }
}

#[test]
fn sighup_reads_the_policies_again() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    host.write("a.yaml", &policy("a", "no-such-volume", RARELY, &[]));
    // What is written through another name of the file, in another directory, no watcher of this one is told.
    let other_name = host.path("other-name.yaml");
    fs::hard_link(host.policies().join("a.yaml"), &other_name).unwrap();
    let operator = host.start_with(&["--rescan", "3600"]);
    assert!(operator.metric("seawall_policy_info", &[("policy", "a")]).is_some());
    fs::write(&other_name, policy("b", "no-such-volume", RARELY, &[])).unwrap();
    operator.signal(Signal::HUP);
    operator.until("the new policy", |o| o.metric("seawall_policy_info", &[("policy", "b")]).is_some());
    operator.stop();
}

#[test]
fn a_backup_can_be_asked_for_as_soon_as_somebody_listens() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("early", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("early.yaml", &policy("early", &volume, RARELY, &[]));
    // A first pass that takes its time.
    let many: String = (0..500).map(|n| policy(&format!("p{n}"), "no-such-volume", RARELY, &[]) + "---\n").collect();
    host.write("many.yaml", &many);
    for _ in 0..3 {
        let operator = host.launch(&[]);
        let socket = host.state().join("seawall.sock");
        operator.until("it listens", |_| UnixStream::connect(&socket).is_ok());
        host.seawall(&["backup", "early", "--no-wait"]).ok();
        operator.stop();
    }
}

#[test]
fn the_socket_of_a_killed_operator_is_in_nobodys_way() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    host.start().kill();
    assert!(host.state().join("seawall.sock").exists());
    host.start().stop();
}
