//! A tree made to be hard, and large: equal by every attribute, wherever it is brought back and whoever reads it.

use crate::scene::{Scene, differences, hard_tree_of};
use crate::support::operator::run;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// What restic 0.14 itself does not restore: its own limits, not the snapshot's.
const LIMITS_OF_RESTIC: [&str; 4] = [
    "links/symlink-one\tnames",
    "links/symlink-two\tnames",
    "links/target-not-utf8\ttarget",
    "special/socket\tonly in the first",
];

/// 20,000 small files by default; `SEAWALL_TEST_FILES=200000` for as many as the promise was made for.
#[test]
fn in_place_into_another_volume_and_by_restic() {
    let files = std::env::var("SEAWALL_TEST_FILES").map_or(20_000, |n| n.parse().unwrap());
    let scene = Scene::new();
    let began = Instant::now();
    let told = |what: &str| println!("{:>6.1} s: {what}", began.elapsed().as_secs_f64());
    hard_tree_of(&scene.root().join("tree"), files);
    told("made");
    let snapshot = scene.backup();
    told("backed up");

    let other = scene.engine.volume("other", &[], &[]);
    let into = scene.restore(&["--to", &other]);
    assert_eq!(into.code, 0, "{into:#?}");
    told("restored into another volume");
    let other = scene.engine.mountpoint(&other);
    let allocated = |root: &Path| fs::metadata(root.join("tree/sizes/hole")).unwrap().blocks() * 512;
    assert!(allocated(&other) < 1 << 20, "a hole stays one: {}", allocated(&other));

    let place = scene.restore(&[]);
    assert_eq!(place.code, 0, "{place:#?}");
    told("restored in place");
    // What was there before lies beside it now, untouched: the measure for all three.
    let original = scene.beside().pop().unwrap().join("data");
    assert_ne!(fs::metadata(&original).unwrap().ino(), fs::metadata(scene.root()).unwrap().ino());
    assert_eq!(differences(&original, &scene.root()), "");
    assert!(allocated(&scene.root()) < 1 << 20);
    told("compared");
    assert_eq!(differences(&original, &other), "");
    told("compared");

    let target = scene.host.path("by-restic");
    scene.host.restic(&["restore", &snapshot, "--target", target.to_str().unwrap()]);
    told("restored by restic");
    let found = differences(&original, &target.join(&scene.volume));
    let found: Vec<&str> = found.lines().filter_map(|line| line.strip_prefix("tree/")).collect();
    let what: Vec<&str> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(what, LIMITS_OF_RESTIC, "{found:#?}");
    told("compared");
    // Docker would hold up all other tests that work with volumes, for as long as it removes so many files.
    run(Command::new("rm").arg("-rf").arg(&target).arg(other).arg(scene.root()).args(scene.beside())).ok();
}
