//! Living with restic, and with another Seawall, on one repository.

use crate::lab::{Lab, meta, noise, open, wait_until};
use seawall::adapters::repository::{Control, Reason};
use std::process::Stdio;

#[test]
fn restic_keeps_its_hands_off_while_we_back_up() {
    let lab = Lab::new();
    lab.write("a", noise(1 << 20));
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    lab.endless_file("b");
    let control = Control::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| repository.backup(&lab.tree(), &meta(1), &control));
        wait_until("contents are read", || control.progress.get().0 > 0);
        let pruned = lab.restic_command().arg("prune").output().unwrap();
        // What restic does under a shared lock, it may do.
        lab.restic(&["snapshots"]);
        let other = lab.dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("file"), "by restic, meanwhile").unwrap();
        lab.restic(&["backup", other.to_str().unwrap()]);
        control.cancel.cancel();
        assert_eq!(running.join().unwrap().unwrap_err().kind(), Reason::Interrupted);
        let said = String::from_utf8_lossy(&pruned.stderr).into_owned();
        assert!(!pruned.status.success(), "restic pruned under a running backup");
        assert!(said.contains("already locked") && said.contains("seawall"), "{said}");
    });
    lab.restic(&["prune"]);
    lab.check();
}

#[test]
fn an_exclusive_lock_of_restic_is_respected_and_its_holder_named() {
    let lab = Lab::new();
    lab.write("a", noise(60 << 20));
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    let mut restic = lab.restic_command().args(["check", "--read-data"]).stdout(Stdio::null()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&restic);
    wait_until("restic has its lock", || lab.lock_files() > 0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let backup = lab.backup(&repository, 1);
    let forget = repository.forget(&meta(0).source, crate::lab::HOST, &[], &Control::default());
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(restic.wait().unwrap().success());
    let error = backup.unwrap_err();
    assert_eq!((error.reason(), forget.unwrap_err().reason()), ("Locked", "Locked"));
    assert!(error.to_string().contains(&format!("process {}", restic.id())), "{error}");
    assert!(lab.backup(&repository, 2).unwrap().snapshot.is_some());
}

#[test]
fn a_lock_that_a_killed_restic_left_is_taken_away() {
    let lab = Lab::new();
    lab.write("a", "x");
    let repository = lab.open();
    let mut restic = lab
        .restic_command()
        .args(["backup", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("restic has its lock", || lab.lock_files() > 0);
    assert!(lab.backup(&repository, 0).unwrap().snapshot.is_some(), "two that share go together");
    assert_eq!(lab.lock_files(), 1, "a living one's lock stays");
    assert_eq!(repository.prune(&Control::default()).unwrap_err().kind(), Reason::Locked);
    restic.kill().unwrap();
    restic.wait().unwrap();
    repository.prune(&Control::default()).unwrap();
    assert_eq!(lab.lock_files(), 0);
}

#[test]
fn a_prune_waits_for_the_backups_of_this_process() {
    let lab = Lab::new();
    lab.write("a", noise(1 << 20));
    let repository = lab.open();
    lab.endless_file("b");
    let (backup, prune) = (Control::default(), Control::default());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| repository.backup(&lab.tree(), &meta(0), &backup));
        wait_until("contents are read", || backup.progress.get().0 > 0);
        let pruning = scope.spawn(|| repository.prune(&prune));
        prune.cancel.cancel();
        assert_eq!(pruning.join().unwrap().unwrap_err().kind(), Reason::Interrupted, "it was waiting");
        assert!(!running.is_finished());
        backup.cancel.cancel();
        assert!(running.join().unwrap().is_err());
    });
    repository.prune(&Control::default()).unwrap();
}

#[test]
fn two_sources_go_into_one_repository_at_once() {
    let lab = Lab::new();
    for nth in 0..20 {
        lab.write(&format!("{nth}"), noise((1 << 20) + nth));
    }
    let (here, there) = (lab.open(), open(&lab.repository()));
    std::thread::scope(|scope| {
        for (nth, repository) in [&here, &here, &there, &there].into_iter().enumerate() {
            let lab = &lab;
            scope.spawn(move || {
                let mut meta = meta(i64::try_from(nth).unwrap());
                meta.source.source = format!("data-{nth}");
                assert!(repository.backup(&lab.tree(), &meta, &Control::default()).unwrap().snapshot.is_some());
            });
        }
    });
    assert_eq!(here.snapshots().unwrap().len(), 4);
    assert_eq!(lab.lock_files(), 0);
    lab.check();
}
