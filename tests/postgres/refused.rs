//! Backups that do not come about: each leaves no snapshot, and says what to do.

use crate::server::{PASSWORD, Scene, Server};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_wrong_password_a_wrong_address_and_no_server() {
    let mut scene = Scene::new(&[]);
    let right = scene.server.url("postgres", "app");
    scene.point_at(&right.replace("needle", "needle1"));
    scene.is_refused(&["failure", "password authentication failed"]);
    scene.point_at(&scene.server.url("postgres", "nowhere"));
    scene.is_refused(&["database \"nowhere\" does not exist"]);
    scene.point_at(PASSWORD);
    scene.is_refused(&["cannot be read", "postgresql://USER:PASSWORD@HOST"]);
    scene.point_at(&right);
    scene.server.stop(Signal::INT);
    scene.is_refused(&["Connection refused"]);
}

#[test]
fn what_may_not_be_read_is_told_before_anything_is_read() {
    let scene = Scene::new(&[]);
    scene.server.role("reader");
    scene.point_at(&scene.server.url("reader", "app"));
    scene.is_refused(&["may not read", "log.calls", "public.users", "GRANT pg_read_all_data TO \"reader\""]);
    scene.server.sql("app", "GRANT pg_read_all_data TO reader; ALTER TABLE users ENABLE ROW LEVEL SECURITY");
    scene.is_refused(&["row-level security hides rows of public.users", "BYPASSRLS"]);
}

#[test]
fn a_server_that_is_newer_than_all_programs_is_named_with_what_it_needs() {
    let scene = Scene::new(&[]);
    let old = scene.host.path("old");
    fs::create_dir(&old).unwrap();
    for program in ["psql", "pg_restore"] {
        std::os::unix::fs::symlink(crate::server::binaries().join(program), old.join(program)).unwrap();
    }
    let fake = old.join("pg_dump");
    fs::write(&fake, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    scene.ask(&format!("binaries: {}", old.display()), &[]);
    let told = scene.is_refused(&["The server is PostgreSQL 15", "are of 14"]);
    assert!(told.contains(old.to_str().unwrap()), "{told}");
    scene.ask("binaries: /nowhere", &[]);
    scene.is_refused(&["are not in /nowhere", "postgresql-client"]);
}

#[test]
fn a_dump_that_says_it_failed_or_is_none_is_no_snapshot() {
    let scene = Scene::new(&[]);
    let bad = scene.host.path("bad");
    fs::create_dir(&bad).unwrap();
    for program in ["psql", "pg_restore", "pg_dumpall"] {
        std::os::unix::fs::symlink(crate::server::binaries().join(program), bad.join(program)).unwrap();
    }
    let real = crate::server::binaries().join("pg_dump");
    scene.ask(&format!("binaries: {}", bad.display()), &[]);
    for (ends, told) in [
        ("\"$real\" \"$@\" | head -c 5000", "no dump that pg_restore can read"),
        ("\"$real\" \"$@\"; exit 3", "pg_dump ended with 3"),
        ("exit 0", "no dump that pg_restore can read"),
        ("yes | head -c 100000", "no dump that pg_restore can read"),
    ] {
        let script = format!(
            "#!/bin/sh\nreal={}\ncase $1 in --version) exec \"$real\" --version;; esac\n{ends}\n",
            real.display()
        );
        let fake = bad.join("pg_dump");
        fs::write(&fake, script).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        scene.is_refused(&["failure", told]);
    }
}

#[test]
fn a_database_that_holds_nothing_is_no_success() {
    let server = Server::new(&[]);
    let host = crate::support::operator::Host::on("unix:///nowhere/docker.sock");
    let scene = Scene { server, host };
    scene.point_at(&scene.server.url("postgres", "app"));
    scene.ask("", &[]);
    scene.is_refused(&["failure", "is empty"]);
}

/// A session that has a table for itself, so that `pg_dump` waits for it.
struct Holder<'a>(&'a Scene, Child);

impl<'a> Holder<'a> {
    fn new(scene: &'a Scene) -> Self {
        let mut psql = Command::new(crate::server::binaries().join("psql"));
        psql.env_clear().env("PGPASSWORD", PASSWORD).args([
            "-X",
            "-q",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            "app",
        ]);
        psql.args(["-p", &scene.server.port.to_string(), "-c", "BEGIN; LOCK TABLE log.calls; SELECT pg_sleep(600)"]);
        let child = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'";
        wait("the lock", || scene.server.sql("app", locks) != "0");
        Self(scene, child)
    }

    fn dump_waits(&self) -> bool {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE%' AND wait_event_type = 'Lock'";
        self.0.server.sql("postgres", waiting) != "0"
    }

    fn release(mut self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'";
        self.0.server.sql("postgres", end);
        self.1.wait().unwrap();
    }
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_that_ends_the_dump_in_the_middle() {
    let scene = Scene::new(&[]);
    let holder = Holder::new(&scene);
    let mut backup =
        scene.host.command(&["backup", "db"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait("a dump that waits", || holder.dump_waits());
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE%' AND wait_event_type = 'Lock'";
    wait("a killed dump", || scene.server.sql("postgres", kill) != "0");
    assert!(!backup.wait().unwrap().success());
    let said = scene.host.seawall(&["get", "runs", "-o", "json"]).json();
    let message = said[0]["message"].as_str().unwrap();
    assert!(message.contains("pg_dump ended with 1") && message.contains("No snapshot was made"), "{message}");
    assert_eq!(scene.host.snapshots().len(), 0);
    assert_eq!(scene.programs_left(), Vec::<String>::new());
    holder.release();
    scene.backup().ok();
}

#[test]
fn the_operator_ends_in_time_in_the_middle_of_a_dump_and_leaves_no_program() {
    let scene = Scene::new(&[]);
    let holder = Holder::new(&scene);
    let operator = scene.host.start();
    operator.until("a dump", |_| holder.dump_waits());
    let begun = Instant::now();
    operator.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    wait("no program is left", || scene.programs_left().is_empty());
    holder.release();
    let operator = scene.host.start();
    operator.until_saved("db");
    assert_eq!(operator.runs("db", "interrupted"), 1);
    operator.stop();
}

#[test]
fn a_dump_that_takes_too_long_is_ended() {
    let scene = Scene::new(&["timeout: 2s"]);
    let holder = Holder::new(&scene);
    scene.is_refused(&["took longer than its timeout of 2 s"]);
    assert_eq!(scene.programs_left(), Vec::<String>::new());
    holder.release();
}
