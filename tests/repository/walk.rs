//! The walker in a world that moves.

use crate::lab::{Lab, Mounted, child, given_lab, run, wait_until};
use seawall::adapters::volume_walk::{Entry, Exclude, Kind, Walk};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

fn walk(root: &Path) -> Walk {
    Walk::open(root, Exclude::new(&[]).unwrap(), CancellationToken::new()).unwrap()
}

fn paths(root: &Path) -> Vec<String> {
    walk(root).map(|entry| entry.path.display().to_string()).collect()
}

fn file_at(walk: &mut Walk, path: &str) -> Entry {
    walk.find(|entry| entry.path == Path::new(path)).unwrap()
}

fn read(entry: Entry) -> std::io::Result<Vec<u8>> {
    let Kind::File(opener) = entry.kind else { panic!("{} is no file", entry.path.display()) };
    let mut content = Vec::new();
    opener.open()?.read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn parents_come_first_and_siblings_in_order_of_their_bytes() {
    let lab = Lab::new();
    for name in ["b", "a.b", "a/z", "a/Z", "a-b"] {
        lab.write(name, "");
    }
    assert_eq!(paths(&lab.volume()), ["", "a", "a/Z", "a/z", "a-b", "a.b", "b"]);
}

#[test]
fn what_vanishes_is_noted_wherever_it_happens() {
    let lab = Lab::new();
    lab.write("a", "first");
    lab.write("b", "second");
    lab.write("c/d", "third");
    let mut walk = walk(&lab.volume());
    let notes = walk.notes();
    let a = file_at(&mut walk, "a");
    fs::remove_file(lab.volume().join("a")).unwrap();
    fs::remove_file(lab.volume().join("b")).unwrap();
    fs::remove_dir_all(lab.volume().join("c")).unwrap();
    assert!(read(a).is_err());
    assert_eq!(walk.count(), 0);
    let (listed, count) = notes.problems();
    let told: Vec<_> = listed.iter().map(|p| (p.path.as_str(), p.problem.as_str())).collect();
    assert_eq!(told, [("a", "vanished"), ("b", "vanished"), ("c", "vanished")]);
    assert_eq!((count, notes.lost()), (3, None));
}

#[test]
fn a_file_under_the_same_name_is_not_taken_for_the_one_that_was_seen() {
    let lab = Lab::new();
    lab.write("a", "seen");
    let mut walk = walk(&lab.volume());
    let a = file_at(&mut walk, "a");
    lab.write("new", "other");
    fs::rename(lab.volume().join("new"), lab.volume().join("a")).unwrap();
    assert!(read(a).is_err());
    assert_eq!(walk.notes().problems().1, 1);
}

#[test]
fn a_file_that_grows_or_shrinks_keeps_the_size_that_was_recorded() {
    let lab = Lab::new();
    lab.write("grows", "12345");
    lab.write("shrinks", "12345");
    let mut walk = walk(&lab.volume());
    let notes = walk.notes();
    let (grows, shrinks) = (file_at(&mut walk, "grows"), file_at(&mut walk, "shrinks"));
    lab.write("grows", "1234567");
    lab.write("shrinks", "12");
    assert_eq!(read(grows).unwrap(), b"12345");
    assert_eq!(read(shrinks).unwrap(), b"12\0\0\0");
    let told: Vec<_> = notes.problems().0.into_iter().map(|p| p.problem).collect();
    assert_eq!(told, ["changed size while it was read", "shrank while it was read; its last 3 bytes are zeros"]);
}

#[test]
fn a_fifo_in_the_place_of_a_file_blocks_nobody() {
    let lab = Lab::new();
    lab.write("a", "x");
    let mut walk = walk(&lab.volume());
    let a = file_at(&mut walk, "a");
    fs::remove_file(lab.volume().join("a")).unwrap();
    run(std::process::Command::new("mkfifo").arg(lab.volume().join("a")));
    assert!(read(a).is_err());
}

#[test]
fn a_directory_swapped_for_a_symlink_leads_nowhere() {
    let lab = Lab::new();
    let outside = lab.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "SECRET").unwrap();
    lab.write("dir/file", "fine");
    let (inside, link) = (lab.volume().join("dir"), lab.dir.path().join("link"));
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let attacker = std::thread::spawn({
        let (stop, swaps) = (Arc::clone(&stop), Arc::clone(&swaps));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
                rustix::fs::renameat_with(cwd, &inside, cwd, &link, flags).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    wait_until("the attacker is at work", || swaps.load(Ordering::Relaxed) > 10);
    let mut fine = 0;
    for _ in 0..3000 {
        for entry in walk(&lab.volume()) {
            if matches!(entry.kind, Kind::File(_)) {
                match read(entry) {
                    Ok(content) => assert_eq!(content, b"fine", "a swap led outside"),
                    Err(_) => continue,
                }
                fine += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    assert!(fine > 0, "the directory was never seen in its place, so the test showed nothing");
}

#[test]
fn other_file_systems_are_not_entered() {
    let lab = Lab::new();
    lab.write("own/file", "own");
    lab.write("other/hidden", "below the mount");
    lab.write("bound/hidden", "below the bind mount");
    let elsewhere = lab.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("foreign"), "same file system, other mount").unwrap();
    let _tmpfs = Mounted::tmpfs(&lab.volume().join("other"), "size=1m");
    fs::write(lab.volume().join("other/foreign"), "other file system").unwrap();
    let _bind = Mounted::bind(&elsewhere, &lab.volume().join("bound"));
    assert_eq!(paths(&lab.volume()), ["", "bound", "other", "own", "own/file"]);
}

#[test]
fn a_root_that_goes_away_is_no_empty_volume() {
    let lab = Lab::new();
    lab.write("a/b", "x");
    lab.write("c", "x");
    let walk = walk(&lab.volume());
    let (root, notes) = (walk.root().clone(), walk.notes());
    // Whoever makes a new directory at once is likely to be given the same inode number.
    fs::remove_dir_all(lab.volume()).unwrap();
    fs::create_dir(lab.volume()).unwrap();
    root.look_again();
    assert_eq!(notes.lost().unwrap(), "its directory was replaced by another one");
    assert_eq!(walk.skip(1).count(), 0, "a lost source is not read on");
    fs::remove_dir(lab.volume()).unwrap();
    assert!(Walk::open(&lab.volume(), Exclude::new(&[]).unwrap(), CancellationToken::new()).is_err());
}

#[test]
fn a_symlink_is_no_root() {
    let lab = Lab::new();
    let link = lab.dir.path().join("link");
    std::os::unix::fs::symlink(lab.volume(), &link).unwrap();
    assert!(Walk::open(&link, Exclude::new(&[]).unwrap(), CancellationToken::new()).is_err());
}

#[test]
fn a_tree_may_be_deeper_than_files_may_be_open_and_longer_than_a_path() {
    let lab = Lab::new();
    run(&mut child("walk::child_walks_far_down", &lab));
}

#[test]
#[ignore = "run by its parent"]
fn child_walks_far_down() {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let root = given_lab().join("volume");
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, &root, flags, Mode::empty()).unwrap();
    for _ in 0..1000 {
        for name in ["down-the-well", "other"] {
            mkdirat(&at, name, Mode::RWXU).unwrap();
        }
        at = openat(&at, "down-the-well", flags, Mode::empty()).unwrap();
    }
    let limit = rustix::process::Rlimit { current: Some(100), maximum: Some(100) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let walk = walk(&root);
    let notes = walk.notes();
    assert_eq!(walk.count(), 2001);
    assert_eq!(notes.problems(), (vec![], 0));
}
