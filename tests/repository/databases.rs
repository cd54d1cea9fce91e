//! SQLite databases whose applications go on writing: real processes that are not root, write and are killed.

use crate::lab::{Lab, Mounted, child, differences, given_lab, meta, noise, run, wait_until};
use rusqlite::Connection;
use seawall::adapters::repository::{BackupReport, Control, Databases, RepositoryAdapter};
use seawall::adapters::sqlite::Staging;
use seawall::policy::Sqlite;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Whom the application runs as.
const APP: u32 = 1000;

/// A running application (`tests/support/sqlite_writer.py`), killed with the value.
pub struct App {
    pub process: Child,
    stdin: Option<ChildStdin>,
    rows: Arc<AtomicU64>,
    said: Arc<Mutex<Vec<String>>>,
}

impl App {
    pub fn start(lab: &Lab, name: &str, mode: &str, how: &str, megabytes: u32) -> Self {
        Self::start_at(lab, &lab.volume().join(name), mode, how, megabytes)
    }

    pub fn start_at(lab: &Lab, path: &Path, mode: &str, how: &str, megabytes: u32) -> Self {
        fs::set_permissions(lab.dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        chown(path.parent().unwrap(), Some(APP), Some(APP)).unwrap();
        let mut process = Command::new("python3")
            .args(["-c", include_str!("../support/sqlite_writer.py"), &APP.to_string()])
            .arg(path)
            .args([mode, how, &megabytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (rows, said) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let output = BufReader::new(process.stdout.take().unwrap());
        let (count, words) = (Arc::clone(&rows), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                match line.parse() {
                    Ok(row) => count.store(row, Ordering::SeqCst),
                    Err(_) => words.lock().unwrap().push(line),
                }
            }
        });
        let app = Self { stdin: process.stdin.take(), process, rows, said };
        app.until("ready");
        app
    }

    fn until(&self, word: &str) {
        wait_until(word, || self.said.lock().unwrap().iter().any(|said| said == word));
    }

    /// Rows that are committed.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::SeqCst)
    }

    fn write_a_row(&mut self) {
        let next = self.rows() + 1;
        self.stdin.as_mut().unwrap().write_all(b"row\n").unwrap();
        wait_until("the row is committed", || self.rows() == next);
    }

    /// It closes its database and must have had no trouble.
    pub fn end(mut self) -> u64 {
        drop(self.stdin.take());
        assert!(self.process.wait().unwrap().success());
        self.until("closed");
        self.rows()
    }

    fn kill(mut self) -> u64 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.rows()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended.
        if self.process.kill().is_ok() {
            self.process.wait().unwrap();
        }
    }
}

fn databases(lab: &Lab, sqlite: &Sqlite) -> Control {
    let staging = Staging::open(&lab.dir.path().join("staging")).unwrap();
    Control { databases: Some(Databases::new(sqlite, Arc::new(staging)).unwrap()), ..Control::default() }
}

fn named(names: &[&str]) -> Sqlite {
    Sqlite::Files(names.iter().map(ToString::to_string).collect())
}

fn backup(lab: &Lab, repository: &RepositoryAdapter, second: i64, control: &Control) -> BackupReport {
    let report = repository.backup(&lab.tree(), &meta(second), control).unwrap();
    assert_eq!(fs::read_dir(lab.dir.path().join("staging")).unwrap().count(), 0, "a copy stayed behind");
    report
}

pub fn problems(report: &BackupReport) -> Vec<String> {
    report.problems.iter().map(|p| format!("{}: {}", p.path, p.problem)).collect()
}

/// A file of a snapshot, restored.
pub fn restored(lab: &Lab, report: &BackupReport, name: &str) -> PathBuf {
    let target = lab.dir.path().join("restored");
    if target.exists() {
        fs::remove_dir_all(&target).unwrap();
    }
    lab.restic(&["restore", &report.snapshot.as_ref().unwrap().id, "--target", target.to_str().unwrap()]);
    target.join("data").join(name)
}

/// The rows of a database, which has to be whole without a gap.
pub fn rows_in(path: &Path) -> u64 {
    let db = Connection::open(path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut query = db.prepare("SELECT n, sum FROM rows ORDER BY n").unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut count = 0_u32;
    for row in rows {
        let (number, sum) = row.unwrap();
        count += 1;
        assert_eq!((number, sum), (count, hex::encode(Sha256::digest(count.to_string()))));
    }
    count.into()
}

/// Everything in the volume, with owners, times and contents.
fn state_of(lab: &Lab) -> BTreeMap<PathBuf, (u32, u32, i64, i64, Vec<u8>)> {
    let mut state = BTreeMap::new();
    let entries = fs::read_dir(lab.volume()).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.chain([lab.volume()]) {
        let meta = fs::metadata(&path).unwrap();
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        state.insert(path, (meta.uid(), meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
    }
    state
}

fn names(lab: &Lab) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(lab.volume()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn a_writer_never_notices(mode: &str, sqlite: &Sqlite) {
    let lab = Lab::new();
    lab.write("other", "x");
    let app = App::start(&lab, "app.db", mode, "write", 24);
    let (repository, control) = (lab.open(), databases(&lab, sqlite));
    for second in 0..3 {
        let before = app.rows();
        let report = backup(&lab, &repository, second, &control);
        assert_eq!(problems(&report), [""; 0]);
        let after = app.rows();
        assert!(after > before, "the application went on writing meanwhile");
        let database = restored(&lab, &report, "app.db");
        let rows = rows_in(&database);
        assert!((before..=after + 1).contains(&rows), "{before} <= {rows} <= {after}");
        let taken = fs::metadata(&database).unwrap();
        assert_eq!((taken.uid(), taken.gid(), taken.mode() & 0o777), (APP, APP, 0o644));
        for companion in ["app.db-wal", "app.db-shm", "app.db-journal"] {
            assert!(!database.with_file_name(companion).exists(), "{companion}");
        }
        assert_eq!(fs::read_to_string(database.with_file_name("other")).unwrap(), "x");
    }
    lab.check();
    let last = app.end();
    assert_eq!(names(&lab), ["app.db", "other"], "nothing was left in the volume");
    assert_eq!(fs::metadata(lab.volume().join("app.db")).unwrap().uid(), APP);
    assert_eq!(rows_in(&lab.volume().join("app.db")), last);
}

#[test]
fn a_writer_with_a_log_goes_on() {
    a_writer_never_notices("wal", &named(&["app.db"]));
}

#[test]
fn a_writer_with_a_journal_goes_on() {
    a_writer_never_notices("delete", &Sqlite::Auto);
}

#[test]
fn a_volume_that_is_mounted_read_only_will_do() {
    let lab = Lab::new();
    let app = App::start(&lab, "app.db", "wal", "write", 1);
    let view = lab.dir.path().join("view");
    fs::create_dir(&view).unwrap();
    let _mounted = Mounted::bind(&lab.volume(), &view);
    run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&view));
    let before = app.rows();
    let tree = seawall::adapters::repository::VolumeTree { root: view, ..lab.tree() };
    let report = lab.open().backup(&tree, &meta(0), &databases(&lab, &Sqlite::Auto)).unwrap();
    assert_eq!(problems(&report), [""; 0]);
    assert!(rows_in(&restored(&lab, &report, "app.db")) >= before);
}

#[test]
fn what_did_not_change_is_not_copied_again_and_a_log_that_grew_is_a_change() {
    let lab = Lab::new();
    let (repository, control) = (lab.open(), databases(&lab, &Sqlite::Auto));
    let mut app = App::start(&lab, "app.db", "wal", "idle", 2);
    let report = backup(&lab, &repository, 0, &Control::default());
    assert!(report.files > 1, "as it is, with its log: {report:?}");
    let report = backup(&lab, &repository, 1, &control);
    assert!(report.read_bytes > 2 << 20, "what was taken as it was is no copy");
    let report = backup(&lab, &repository, 2, &control);
    assert_eq!((report.read_bytes, report.files), (0, 1));
    assert_eq!(rows_in(&restored(&lab, &report, "app.db")), 1);

    let main = |lab: &Lab| fs::metadata(lab.volume().join("app.db")).unwrap().mtime_nsec();
    let unchanged = main(&lab);
    app.write_a_row();
    assert_eq!(main(&lab), unchanged, "only the log was written to");
    let report = backup(&lab, &repository, 3, &control);
    assert!(report.read_bytes > 2 << 20);
    assert_eq!(rows_in(&restored(&lab, &report, "app.db")), 2);
    app.end();
}

/// SQLite gives a log that root opens to the database's owner. Whose it was may need it.
#[test]
fn a_log_and_a_shared_memory_keep_their_owner() {
    let lab = Lab::new();
    let mut app = App::start(&lab, "app.db", "wal", "idle", 1);
    let companions = ["app.db-wal", "app.db-shm"].map(|name| lab.volume().join(name));
    for path in &companions {
        chown(path, Some(APP + 1), Some(APP + 1)).unwrap();
    }
    let before = state_of(&lab);
    let report = backup(&lab, &lab.open(), 0, &databases(&lab, &Sqlite::Auto));
    assert_eq!(problems(&report), [""; 0]);
    assert!(state_of(&lab) == before, "{:?}", names(&lab));
    assert_eq!(fs::metadata(&companions[0]).unwrap().uid(), APP + 1);
    app.write_a_row();
    app.end();
}

#[test]
fn what_a_crash_left_is_put_right_in_the_copy_alone() {
    for (mode, how, beside) in [("wal", "idle", "app.db-wal"), ("delete", "half", "app.db-journal")] {
        let lab = Lab::new();
        let app = App::start(&lab, "app.db", mode, how, 4);
        if how == "half" {
            app.until("half");
        }
        let rows = app.kill();
        assert!(fs::metadata(lab.volume().join(beside)).unwrap().len() > 0);
        let before = state_of(&lab);
        let report = backup(&lab, &lab.open(), 0, &databases(&lab, &named(&["*.db"])));
        assert_eq!(problems(&report), [""; 0], "{mode}");
        assert_eq!(rows_in(&restored(&lab, &report, "app.db")), rows, "{mode}");
        assert!(state_of(&lab) == before, "{mode}: the volume is as it was: {:?}", names(&lab));
    }
}

#[test]
fn a_database_that_nobody_has_open_stays_alone() {
    let lab = Lab::new();
    for mode in ["wal", "delete"] {
        App::start(&lab, &format!("{mode}.db"), mode, "idle", 1).end();
    }
    let before = state_of(&lab);
    let report = backup(&lab, &lab.open(), 0, &databases(&lab, &Sqlite::Auto));
    assert_eq!((problems(&report), report.files), (vec![], 2));
    assert!(state_of(&lab) == before, "{:?}", names(&lab));
    assert_eq!(rows_in(&restored(&lab, &report, "wal.db")), 1);
}

#[test]
fn one_that_is_kept_locked_is_copied_as_long_as_nothing_is_written() {
    let lab = Lab::new();
    let app = App::start(&lab, "app.db", "delete", "locked", 1);
    app.until("locked");
    let report = backup(&lab, &lab.open(), 0, &databases(&lab, &Sqlite::Auto));
    assert_eq!(problems(&report), [""; 0]);
    assert_eq!(rows_in(&restored(&lab, &report, "app.db")), app.end());
}

#[test]
fn what_cannot_be_copied_is_taken_as_it_is_and_told() {
    let lab = Lab::new();
    App::start(&lab, "broken.db", "delete", "idle", 4).end();
    let mut broken = fs::read(lab.volume().join("broken.db")).unwrap();
    broken[5 * 4096..200 * 4096].fill(0x5a);
    lab.write("broken.db", &broken);
    lab.write("encrypted.db", noise(8192));
    lab.write("header.db", [b"SQLite format 3\0".as_slice(), &noise(4080)].concat());
    lab.write("empty.db", "");
    lab.write("text.db", "none");
    lab.write("text.db-wal", "nobody's companion");
    std::os::unix::fs::symlink("/etc/hostname", lab.volume().join("link.db")).unwrap();
    let control = databases(&lab, &named(&["*.db", "absent.db", "sub/absent.db"]));
    let report = backup(&lab, &lab.open(), 0, &control);
    let mut told = problems(&report);
    let broken = told.remove(0);
    // Where it is damaged depends on the version that wrote it.
    assert!(broken.starts_with("broken.db: could not be copied as a database: it is damaged: Tree "), "{broken}");
    assert!(broken.ends_with("; it was taken as it is, which may not be a whole state"), "{broken}");
    insta::assert_snapshot!(told.join("\n"));
    assert!(!report.snapshot.as_ref().unwrap().complete);
    let target = restored(&lab, &report, "");
    assert_eq!(differences(&lab.volume(), &target), [""; 0]);
}

#[test]
fn without_room_for_a_copy_it_is_taken_as_it_is() {
    let lab = Lab::new();
    App::start(&lab, "app.db", "delete", "idle", 1).end();
    let _small = Mounted::tmpfs(&lab.dir.path().join("staging"), "size=1m");
    let report = backup(&lab, &lab.open(), 0, &databases(&lab, &Sqlite::Auto));
    let [problem] = &problems(&report)[..] else { panic!("{report:?}") };
    assert!(problem.starts_with("app.db: could not be copied as a database: no copy could be made: "), "{problem}");
    assert!(problem.contains(" free, and it needs 1.0 MiB"), "{problem}");
    assert_eq!(rows_in(&restored(&lab, &report, "app.db")), 1);
}

#[test]
fn a_kill_in_mid_copy_leaves_nothing_after_the_next_start() {
    let lab = Lab::new();
    let app = App::start(&lab, "app.db", "wal", "write", 96);
    let mut process = child("databases::backs_up_until_it_is_killed", &lab).spawn().unwrap();
    let staging = lab.dir.path().join("staging");
    let copies = || fs::read_dir(&staging).map_or(0, Iterator::count);
    wait_until("a copy is being made", || copies() > 0);
    process.kill().unwrap();
    process.wait().unwrap();
    let before = app.rows();
    let report = backup(&lab, &lab.open(), 0, &databases(&lab, &Sqlite::Auto));
    assert_eq!(problems(&report), [""; 0]);
    assert!(rows_in(&restored(&lab, &report, "app.db")) >= before);
    app.end();
    assert_eq!(names(&lab), ["app.db"]);
}

#[test]
#[ignore = "run by its parent"]
fn backs_up_until_it_is_killed() {
    let dir = given_lab();
    let staging = Arc::new(Staging::open(&dir.join("staging")).unwrap());
    let control = Control { databases: Some(Databases::new(&Sqlite::Auto, staging).unwrap()), ..Control::default() };
    let tree = seawall::adapters::repository::VolumeTree {
        only: None,
        root: dir.join("volume"),
        name: "data".to_owned(),
        exclude: Vec::new(),
    };
    let repository = crate::lab::open(&dir.join("repository"));
    // Until it is killed.
    for second in 0..1000 {
        repository.backup(&tree, &meta(second), &control).unwrap();
    }
}
