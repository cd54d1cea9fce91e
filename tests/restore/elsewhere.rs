//! Into another volume, and into a directory.

use crate::scene::{Scene, differences, hard_tree};
use crate::support::engine::unique;
use crate::support::operator::{Tmpfs, run};
use std::fs;

#[test]
fn another_volume_is_made_or_has_to_be_empty() {
    let scene = Scene::new();
    hard_tree(&scene.root().join("tree"));
    scene.fill("d/file", "x");
    scene.backup();
    let before = scene.app(&[]);
    let started = scene.started_at(&before);
    let (new, empty) = (unique("made"), scene.engine.volume("empty", &[], &[]));
    for name in [&new, &empty] {
        let done = scene.host.seawall(&["restore", "p", "--to", name]);
        assert_eq!(done.code, 0, "{done:#?}");
        assert!(done.err.contains("nothing is replaced"), "{}", done.err);
        assert_eq!(differences(&scene.root(), &scene.engine.mountpoint(name)), "");
        let full = scene.host.seawall(&["restore", "p", "--to", name]);
        assert_eq!(full.code, 1);
        assert!(full.out.contains("holds files; name one that is empty"), "{full:#?}");
    }
    assert_eq!(scene.started_at(&before), started, "the application goes on");
    let part = unique("part");
    scene.host.seawall(&["restore", "p", "--to", &part, "--path", "d"]).ok();
    assert_eq!(fs::read_to_string(scene.engine.mountpoint(&part).join("file")).unwrap(), "x");
    // A name is a volume's, also where a directory has it.
    let beside = scene.host.path("beside");
    fs::create_dir_all(beside.join(&part)).unwrap();
    let said = run(scene.host.command(&["restore", "p", "--to", &part]).current_dir(&beside));
    assert!(said.err.contains(&format!("(not the directory: that is `./{part}`)")), "{said:#?}");
    let file = scene.host.seawall(&["restore", "p", "--to", &unique("file"), "--path", "d/file"]);
    assert!(file.out.contains("goes a whole directory"), "{file:#?}");
    assert!(scene.host.seawall(&["restore", "--undo", "--yes"]).err.contains("nothing is kept"));
    for name in [&new, &part] {
        scene.engine.docker(&["volume", "rm", name]);
    }
}

#[test]
fn a_directory_is_made_or_has_to_be_empty() {
    let scene = Scene::new();
    hard_tree(&scene.root().join("tree"));
    scene.fill("d/file", "x");
    let id = scene.backup();
    scene.fill("d/file", "y");
    scene.backup();
    let target = scene.host.path("target");
    let to = target.to_str().unwrap();
    let done = scene.host.seawall(&["restore", "p", "--to", to]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert_eq!(differences(&scene.root(), &target), "");
    let refused = scene.host.seawall(&["restore", "p", "--to", to]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("is not empty"), "{refused:#?}");
    let one = scene.host.path("one");
    scene.host.seawall(&["restore", "p", "--to", one.to_str().unwrap(), "--path", "d/file", "--snapshot", &id]).ok();
    assert_eq!(fs::read_to_string(one.join("file")).unwrap(), "x");
    let deep = scene.host.path("not/there");
    assert!(scene.host.seawall(&["restore", "p", "--to", deep.to_str().unwrap()]).err.contains("cannot make"));
}

/// A file system with whole seconds holds no others, and says nothing of it.
#[test]
fn what_a_directory_cannot_hold_is_told_and_not_called_verified() {
    let scene = Scene::new();
    scene.fill("file", "x");
    scene.backup();
    let target = scene.host.path("target");
    let _disk = Tmpfs::disk(&target, &scene.host.path("image"), "mkfs.ext4", &["-q", "-I", "128"]);
    fs::remove_dir(target.join("lost+found")).unwrap();
    let done = scene.host.seawall(&["restore", "p", "--to", target.to_str().unwrap()]);
    assert_eq!(done.code, 3, "{done:#?}");
    assert!(done.err.contains("file: has another time than in the snapshot"), "{done:#?}");
    assert!(done.out.contains("not as in the snapshot") && !done.out.contains("verified"), "{done:#?}");
    assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "x");
}
