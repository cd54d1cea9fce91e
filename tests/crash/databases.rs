//! A database that is copied while its application runs: no container is touched.

use crate::host::{Host, text};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whom the application runs as.
const APP: u32 = 1000;

/// A writer in a process of its own, as the application in the container would be; killed with the value. It sees the
/// volume elsewhere, as an application in a container does: the engine's own directories are root's.
struct Writer(Child, tempfile::TempDir);

impl Writer {
    fn start(volume: &Path) -> Self {
        std::os::unix::fs::chown(volume, Some(APP), Some(APP)).unwrap();
        let view = tempfile::tempdir().unwrap();
        fs::set_permissions(view.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data = view.path().join("data");
        fs::create_dir(&data).unwrap();
        let mounted = Command::new("mount").arg("--bind").arg(volume).arg(&data).status();
        assert!(mounted.is_ok_and(|status| status.success()));
        let mut process = Command::new("python3")
            .args(["-c", include_str!("../support/sqlite_writer.py"), &APP.to_string()])
            .arg(data.join("database.sqlite"))
            .args(["wal", "write", "16"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line == "ready"));
        // Whoever writes to a pipe that nobody reads stands still.
        std::thread::spawn(move || lines.count());
        Self(process, view)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let unmounted = Command::new("umount").arg("--lazy").arg(self.1.path().join("data")).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

fn rows(host: &Host) -> i64 {
    let dumped = host.restic(&["dump", "latest", &format!("/{}/database.sqlite", host.volume)]);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &dumped.stdout).unwrap();
    let db = Connection::open(file.path()).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let (count, last): (i64, i64) =
        db.query_row("SELECT count(*), max(n) FROM rows", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(count, last, "no gap");
    count
}

#[test]
fn no_container_is_touched_and_what_a_kill_left_is_swept() {
    let host = Host::new();
    let app = host.app(&[]);
    let _writer = Writer::start(&host.engine.mountpoint(&host.volume));
    host.policy_with("p", "sqlite: [database.sqlite]");
    let output = host.backup("p");
    assert!(output.status.success(), "{}", text(&output));
    let first = rows(&host);
    let run = host.get(&["get", "runs"])[0].clone();
    assert_eq!((run["result"].as_str(), run["quiesceSeconds"].as_f64()), (Some("success"), None), "{run}");

    let staging = host.state().join("staging");
    let copies = || fs::read_dir(&staging).map_or(0, Iterator::count);
    let mut backup = host.begin_backup("p");
    host.until("a copy is being made", || copies() > 0);
    backup.kill().unwrap();
    backup.wait().unwrap();
    assert!(copies() > 0, "there is something to be swept");
    assert!(host.backup("p").status.success());
    assert_eq!(copies(), 0);
    assert!(rows(&host) > first);
    assert_eq!(host.status(&app), "running");
}
