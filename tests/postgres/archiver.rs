//! A server's own view of its archiver, from a server that has one.

use crate::server::{Scene, Server};
use jiff::Timestamp;
use rustix::process::Signal;
use seawall::adapters::postgres::archiver::look;
use seawall::policy::SecretRef;
use seawall::reconcile::watch::archiver::{Archiver, State};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

struct Asked {
    server: Server,
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Asked {
    fn new(settings: &[&str]) -> Self {
        let (server, directory) = (Server::new(settings), tempfile::tempdir().unwrap());
        server.role("plain");
        let file = directory.path().join("url");
        fs::write(&file, server.url("plain", "app")).unwrap();
        Self { server, file, _directory: directory }
    }

    fn look(&self) -> Archiver {
        let now: Timestamp = self
            .server
            .sql("app", "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            .parse()
            .unwrap();
        look(&SecretRef::File(self.file.clone()), now, &CancellationToken::new()).unwrap()
    }

    fn until(&self, what: &str, holds: impl Fn(&Archiver) -> bool) -> Archiver {
        let begun = Instant::now();
        loop {
            let archiver = self.look();
            if holds(&archiver) {
                return archiver;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}: {archiver:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn set(&self, command: &str) {
        self.server.sql("postgres", &format!("ALTER SYSTEM SET archive_command = '{command}'"));
        self.server.sql("postgres", "SELECT pg_reload_conf()");
    }

    fn write(&self) {
        self.server.sql("app", "CREATE TABLE IF NOT EXISTS t (a int)");
        self.server.sql("app", "INSERT INTO t VALUES (1)");
        self.server.sql("postgres", "SELECT pg_switch_wal()");
    }
}

#[test]
fn a_server_that_does_not_archive_says_nothing() {
    let asked = Asked::new(&[]);
    assert!(matches!(asked.look().state(None), State::Silent(why) if why.contains("archive_mode is off")));
}

#[test]
fn one_that_fails_and_is_mended_and_crashes() {
    let mut asked = Asked::new(&["archive_mode=on", "archive_timeout=300"]);
    asked.set("false");
    let fresh = asked.look();
    assert!(fresh.on && !fresh.standby && fresh.at_least_every == Some(Duration::from_mins(5)), "{fresh:?}");
    asked.write();
    // Nothing was ever archived: by itself that compares with nothing.
    let failing = asked.until("a failure", |archiver| archiver.failed.is_some());
    assert_eq!(failing.archived, None);
    assert!(matches!(failing.state(None), State::Broken(why) if why.contains("no success is on record")));

    asked.set("true");
    asked.write();
    let mended = asked.until("a success", |archiver| archiver.archived > archiver.failed);
    assert!(mended.failed.is_some());
    assert_eq!(mended.state(Some(&failing)), State::Works);
    assert_eq!(mended.system, failing.system);
    // At rest, whatever the time.
    let later = Archiver { at: mended.at + jiff::SignedDuration::from_hours(48), ..mended.clone() };
    assert_eq!(later.state(Some(&mended)), State::Works);

    asked.set("false");
    asked.write();
    let again = asked.until("another failure", |archiver| archiver.failed > archiver.archived);
    assert!(matches!(again.state(Some(&mended)), State::Broken(why) if why.contains("last succeeded at")));

    // As if the machine had crashed: what was on record is gone, which is neither good nor bad.
    asked.set("true");
    asked.server.stop(Signal::QUIT);
    asked.server.start(&["archive_mode=on", "archive_command=/bin/sleep 600"]);
    let crashed = asked.look();
    assert_eq!((crashed.archived, crashed.failed), (None, None));
    assert!(matches!(crashed.state(Some(&mended)), State::Silent(why) if why.contains("a crash empties the record")));
}

#[test]
fn the_heartbeat_gives_an_archiver_something_to_do() {
    let scene = Scene::new(&[]);
    scene.server.sql(
        "app",
        "CREATE SCHEMA seawall; CREATE TABLE seawall.heartbeat (id text PRIMARY KEY, at timestamptz NOT NULL)",
    );
    scene.ask("heartbeat: true", &[]);
    let written = || scene.server.sql("app", "SELECT pg_current_wal_lsn()");
    let before = written();
    scene.backup().ok();
    assert_ne!(written(), before);
    let beat = scene.server.sql("app", "SELECT id || ' ' || (now() - at < interval '1 minute') FROM seawall.heartbeat");
    assert_eq!(beat, "testhost/db true");
}
