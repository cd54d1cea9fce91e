//! Runs that do not go well.

use crate::lab::{Lab, Mounted, child, given_lab, meta, noise, open, wait_until};
use seawall::adapters::repository::{BackupReport, Control, Reason, RepositoryAdapter, RepositoryError, VolumeTree};
use seawall::reconcile::Portion;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Backs up in another thread, and does something once contents are being read.
fn backup_while(
    lab: &Lab,
    repository: &RepositoryAdapter,
    control: &Control,
    meanwhile: impl FnOnce(),
) -> Result<BackupReport, RepositoryError> {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| repository.backup(&lab.tree(), &meta(0), control));
        wait_until("contents are read", || control.progress.get().0 > 0 || running.is_finished());
        meanwhile();
        running.join().unwrap()
    })
}

#[test]
fn files_that_vanish_make_a_partial_snapshot_and_the_run_goes_on() {
    let lab = Lab::new();
    lab.write("files/0-first", noise(64 << 20));
    for nth in 0..2000 {
        lab.write(&format!("files/{nth:05}"), "x");
    }
    let repository = lab.open();
    let gone = lab.volume().join("files/01999");
    let report = backup_while(&lab, &repository, &Control::default(), || fs::remove_file(&gone).unwrap()).unwrap();
    assert_eq!(report.problem_count, 1);
    assert_eq!((report.problems[0].path.as_str(), report.problems[0].problem.as_str()), ("files/01999", "vanished"));
    let snapshot = report.snapshot.unwrap();
    assert!(!snapshot.complete);
    assert_eq!(repository.snapshots().unwrap(), std::slice::from_ref(&snapshot));
    lab.check();
    let differences = lab.restored_differences(&snapshot.id);
    assert!(differences.iter().all(|line| line.starts_with("files\tmtime")), "the rest was taken: {differences:?}");
}

#[test]
fn files_that_may_not_be_read_are_listed() {
    let lab = Lab::new();
    lab.write("open", "readable");
    lab.write("closed", "not readable");
    lab.write("shut/file", "not reachable");
    for path in ["closed", "shut"] {
        fs::set_permissions(lab.volume().join(path), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    }
    let nobody = 65534;
    for path in ["", "volume", "volume/open", "volume/closed", "volume/shut"] {
        std::os::unix::fs::chown(lab.dir.path().join(path), Some(nobody), Some(nobody)).unwrap();
    }
    // The test program itself may lie where nobody else can reach it.
    let program = lab.dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let said = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "trouble::child_backs_up_as_nobody", "--ignored", "--nocapture"])
        .env("LAB", lab.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("problem: closed: Permission denied"), "{said}");
    assert!(said.contains("problem: shut: Permission denied"), "{said}");
    assert!(said.contains("problems=2 complete=false files=1"), "{said}");
}

#[test]
#[ignore = "run by its parent"]
fn child_backs_up_as_nobody() {
    let dir = given_lab();
    let tree = VolumeTree { root: dir.join("volume"), only: None, name: "data".to_owned(), exclude: Vec::new() };
    let report = open(&dir.join("repository")).backup(&tree, &meta(0), &Control::default()).unwrap();
    for problem in &report.problems {
        println!("\nproblem: {}: {}", problem.path, problem.problem);
    }
    let complete = report.snapshot.unwrap().complete;
    println!("problems={} complete={complete} files={}", report.problem_count, report.files);
}

#[test]
fn a_cancelled_run_leaves_no_snapshot_and_no_lock() {
    let lab = Lab::new();
    lab.write("a", noise(20 << 20));
    lab.endless_file("b");
    let repository = lab.open();
    let control = Control::default();
    let error = backup_while(&lab, &repository, &control, || control.cancel.cancel()).unwrap_err();
    assert_eq!(error.kind(), Reason::Interrupted, "{error}");
    assert_eq!(repository.snapshots().unwrap(), []);
    assert_eq!(lab.lock_files(), 0);
    lab.check();
    fs::remove_file(lab.volume().join("b")).unwrap();
    assert!(lab.backup(&repository, 1).unwrap().snapshot.unwrap().complete);
    lab.check();
}

#[test]
fn a_source_that_breaks_off_leaves_no_snapshot() {
    let lab = Lab::new();
    lab.write("a", noise(64 << 20));
    for nth in 0..2000 {
        lab.write(&format!("files/{nth}"), "x");
    }
    let repository = lab.open();
    let error = backup_while(&lab, &repository, &Control::default(), || {
        fs::rename(lab.volume(), lab.dir.path().join("gone")).unwrap();
    })
    .unwrap_err();
    assert_eq!(error.kind(), Reason::SourceLost, "{error}");
    assert!(error.to_string().contains("broke off"), "{error}");
    assert_eq!((repository.snapshots().unwrap(), lab.lock_files()), (vec![], 0));
    let error = lab.backup(&repository, 1).unwrap_err();
    assert_eq!(error.kind(), Reason::SourceLost, "a root that is not there is no empty volume: {error}");
}

#[test]
fn an_empty_volume_makes_no_snapshot() {
    let lab = Lab::new();
    let repository = lab.open();
    let report = lab.backup(&repository, 0).unwrap();
    assert!(report.empty && report.snapshot.is_none());
    lab.write("only.log", "x");
    let tree = VolumeTree { exclude: vec!["*.log".to_owned()], ..lab.tree() };
    assert!(repository.backup(&tree, &meta(1), &Control::default()).unwrap().empty);
    assert_eq!(repository.snapshots().unwrap(), []);
}

#[test]
fn after_a_kill_the_repository_is_whole_and_the_next_run_takes_the_lock_away() {
    let lab = Lab::new();
    for nth in 0..6 {
        lab.write(&format!("{nth}"), noise((24 << 20) + nth));
    }
    lab.endless_file("z");
    let mut killed = child("trouble::child_backs_up_until_killed", &lab).spawn().unwrap();
    let data = lab.repository().join("data");
    let packs = || {
        let Ok(directories) = fs::read_dir(&data) else { return 0 };
        directories.flatten().filter_map(|d| fs::read_dir(d.path()).ok()).flatten().count()
    };
    wait_until("packs are written", || packs() >= 3);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(lab.lock_files(), 1, "a killed process leaves its lock");
    fs::remove_file(lab.volume().join("z")).unwrap();

    let repository = lab.open();
    assert_eq!(repository.snapshots().unwrap(), []);
    // Pruning needs the exclusive lock: only possible once the dead one's is taken away.
    repository.prune(&Control::default()).unwrap();
    assert_eq!(lab.lock_files(), 0);
    lab.check();
    let report = lab.backup(&repository, 1).unwrap();
    assert!(report.snapshot.as_ref().unwrap().complete);
    lab.check();
    assert_eq!(lab.restored_differences(&report.snapshot.unwrap().id), [] as [String; 0]);
}

#[test]
#[ignore = "run by its parent"]
fn child_backs_up_until_killed() {
    let dir = given_lab();
    let tree = VolumeTree { root: dir.join("volume"), only: None, name: "data".to_owned(), exclude: Vec::new() };
    let ended = open(&dir.join("repository")).backup(&tree, &meta(0), &Control::default());
    panic!("was to be killed, and ended: {ended:?}");
}

#[test]
fn a_full_disk_is_a_clean_failure() {
    let lab = Lab::new();
    let _disk = Mounted::tmpfs(&lab.repository(), "size=40m");
    lab.write("a", noise(1 << 20));
    let repository = lab.open();
    let first = lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    lab.write("b", noise(100 << 20));
    let error = lab.backup(&repository, 1).unwrap_err();
    assert_eq!(error.kind(), Reason::NoSpace, "{}", error.told());
    assert_eq!((repository.snapshots().unwrap(), lab.lock_files()), (vec![first.clone()], 0));
    fs::remove_file(lab.volume().join("b")).unwrap();
    let differences = lab.restored_differences(&first.id);
    assert!(differences.iter().all(|line| line.starts_with(".\tmtime")), "{differences:?}");
}

#[test]
fn a_repository_whose_index_was_damaged_says_so() {
    let lab = Lab::new();
    lab.write("a", noise(1 << 20));
    lab.backup(&lab.open(), 0).unwrap();
    let index = fs::read_dir(lab.repository().join("index")).unwrap().next().unwrap().unwrap().path();
    flip_a_byte(&index);
    let error = lab.backup(&lab.open(), 1).unwrap_err();
    assert_eq!(error.kind(), Reason::Damaged, "{}", error.told());
    assert!(!error.told().contains(crate::lab::PASSWORD));
}

#[test]
fn check_finds_a_damaged_pack() {
    let lab = Lab::new();
    lab.write("a", noise(1 << 20));
    lab.backup(&lab.open(), 0).unwrap();
    let all = Some(Portion { nth: 0, of: 1 });
    let look = || lab.open().check(all, &[], &Control::default()).unwrap();
    assert_eq!(look().damage_count, 0);
    let mut packs: Vec<_> = fs::read_dir(lab.repository().join("data"))
        .unwrap()
        .flat_map(|d| fs::read_dir(d.unwrap().path()).unwrap())
        .map(|f| f.unwrap().path())
        .collect();
    packs.sort_by_key(|path| fs::metadata(path).unwrap().len());
    flip_a_byte(packs.last().unwrap());
    assert_eq!(look().damage_count, 1);
}

fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(path, bytes).unwrap();
}
