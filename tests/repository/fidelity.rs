//! What goes in comes out, also without Seawall.

use crate::lab::{HOST, Lab, child, given_lab, key, meta, noise, open, run};
use rustix::fs::inotify;
use seawall::adapters::repository::{Control, VolumeTree};
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What restic 0.14 itself does not restore: its own limits, not the snapshot's.
const LIMITS_OF_RESTIC: [&str; 4] = [
    "links/symlink-one\tnames",
    "links/symlink-two\tnames",
    "links/target-not-utf8\ttarget",
    "special/socket\tonly in the first",
];

#[test]
fn restic_restores_a_hard_tree_as_it_was() {
    let lab = Lab::hard();
    let repository = lab.open();
    let report = lab.backup(&repository, 0).unwrap();
    assert_eq!(report.problems, []);
    let again = lab.backup(&repository, 1).unwrap();
    assert_eq!((again.read_bytes, again.added_bytes), (0, 0), "every name is found again in the parent");
    let snapshot = report.snapshot.unwrap();
    assert!(snapshot.complete);
    lab.check();
    let differences = lab.restored_differences(&snapshot.id);
    let found: Vec<&str> = differences.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(found, LIMITS_OF_RESTIC, "{differences:#?}");
    let manifest = std::fs::read(lab.dir.path().join("restored/.seawall.json")).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&manifest).unwrap(), meta(0).manifest);
}

#[test]
fn what_restic_cannot_restore_is_in_the_snapshot_all_the_same() {
    let lab = Lab::hard();
    let snapshot = lab.backup(&lab.open(), 0).unwrap().snapshot.unwrap();
    let listed = lab.restic(&["ls", "--json", &snapshot.id, "/data/special", "/data/links"]);
    assert!(listed.lines().any(|line| line.contains("\"/data/special/socket\"") && line.contains("\"socket\"")));
    assert!(listed.contains("/data/links/symlink-two"));
}

#[test]
fn a_snapshot_says_the_same_to_everyone() {
    let lab = Lab::new();
    lab.write("a", "abc");
    lab.write("d/b", "defg");
    let written = lab.backup(&lab.open(), 5).unwrap().snapshot.unwrap();
    assert_eq!(lab.open().snapshots().unwrap(), std::slice::from_ref(&written));
    assert_eq!((written.files, written.bytes, written.host.as_str()), (2, 7, HOST));
    assert_eq!((written.source.clone(), written.slot), (Some(key()), meta(5).slot));
    let json: serde_json::Value = serde_json::from_str(&lab.restic(&["snapshots", "--json"])).unwrap();
    assert_eq!(json[0]["hostname"], HOST);
    assert_eq!(json[0]["paths"], serde_json::json!(["/data"]));
    let tags = json[0]["tags"].as_array().unwrap();
    for tag in ["seawall", "policy=data-policy", "source=data", "slot=2027-01-15T08:00:05Z", "run=run-5", "complete"] {
        assert!(tags.iter().any(|t| t == tag), "{tag} in {tags:?}");
    }
}

#[test]
fn an_unchanged_volume_is_not_read_again_and_adds_nothing() {
    let lab = Lab::new();
    lab.write("big", noise(5 << 20));
    for nth in 0..50 {
        lab.write(&format!("dir/{nth}"), format!("file {nth}"));
    }
    let repository = lab.open();
    let first = lab.backup(&repository, 0).unwrap();
    assert!(first.read_bytes > 5 << 20);
    let again = lab.backup(&repository, 1).unwrap();
    assert_eq!((again.read_bytes, again.added_bytes, again.files), (0, 0, first.files));
    let reopened = lab.backup(&lab.open(), 2).unwrap();
    assert_eq!((reopened.read_bytes, reopened.added_bytes), (0, 0));
    lab.write("dir/7", "changed");
    let changed = lab.backup(&repository, 3).unwrap();
    assert_eq!(changed.read_bytes, "changed".len() as u64);
    lab.check();
}

#[test]
fn holes_are_passed_over_and_cut_as_if_they_were_read() {
    let lab = Lab::new();
    lab.write("sparse", noise(700_001));
    let file = OpenOptions::new().write(true).open(lab.volume().join("sparse")).unwrap();
    file.set_len((96 << 20) + 5).unwrap();
    file.write_all_at(&noise(5000), (40 << 20) + 77).unwrap();
    let repository = lab.open();
    let sparse = lab.backup(&repository, 0).unwrap();
    assert_eq!((sparse.problems, sparse.bytes), (vec![], (96 << 20) + 5));
    assert!(sparse.read_bytes < 8 << 20, "{}", sparse.read_bytes);
    // The same, with every zero written.
    lab.write("whole", std::fs::read(lab.volume().join("sparse")).unwrap());
    let whole = lab.backup(&repository, 1).unwrap();
    assert!(whole.read_bytes > 96 << 20, "{}", whole.read_bytes);
    assert!(whole.added_bytes < 64 << 10, "{} bytes are stored twice", whole.added_bytes);
    lab.check();
    assert_eq!(lab.restored_differences(&whole.snapshot.unwrap().id), Vec::<String>::new());
}

/// Counts how often regular files in some directories are opened, whoever opens them.
struct Opens(rustix::fd::OwnedFd);

impl Opens {
    fn of(directories: &[PathBuf]) -> Self {
        let fd = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for directory in directories {
            inotify::add_watch(&fd, directory, inotify::WatchFlags::OPEN).unwrap();
        }
        Self(fd)
    }

    fn count(&self) -> usize {
        let mut room = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut room);
        let is_file = |event: &inotify::Event<'_>| !event.events().contains(inotify::ReadFlags::ISDIR);
        std::iter::from_fn(|| events.next().ok().map(|event| is_file(&event))).filter(|is_file| *is_file).count()
    }
}

#[test]
fn a_run_opens_as_many_files_as_changed() {
    let lab = Lab::new();
    for nth in 0..40 {
        lab.write(&format!("d{}/{nth}", nth % 4), format!("file {nth}"));
    }
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    let opens = Opens::of(&(0..4).map(|nth| lab.volume().join(format!("d{nth}"))).collect::<Vec<_>>());
    lab.backup(&repository, 1).unwrap();
    assert_eq!(opens.count(), 0, "by the process that took it the last time");
    lab.backup(&lab.open(), 2).unwrap();
    assert_eq!(opens.count(), 0, "by another");
    for nth in [3, 7] {
        std::fs::set_permissions(lab.volume().join(format!("d3/{nth}")), Permissions::from_mode(0o600)).unwrap();
    }
    lab.backup(&repository, 3).unwrap();
    assert_eq!(opens.count(), 2);
    lab.check();
}

#[test]
fn a_manifest_that_changed_is_stored_although_nothing_else_did() {
    let lab = Lab::new();
    lab.write("a", "abc");
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    let mut changed = meta(1);
    changed.manifest["volume"]["driver"] = "lacol".into();
    let id = repository.backup(&lab.tree(), &changed, &Control::default()).unwrap().snapshot.unwrap().id.clone();
    let stored = lab.restic(&["dump", &id, "/.seawall.json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stored).unwrap(), changed.manifest);
}

#[test]
fn what_restic_wrote_meanwhile_is_seen() {
    let lab = Lab::new();
    lab.write("a", noise(100_000));
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    let other = lab.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("b"), noise(200_000)).unwrap();
    lab.restic(&["backup", other.to_str().unwrap()]);
    let snapshots = repository.snapshots().unwrap();
    assert_eq!(snapshots.iter().filter(|s| s.source.is_none()).count(), 1, "restic's own is foreign");
    lab.write("b", noise(200_000));
    let report = lab.backup(&repository, 1).unwrap();
    assert!(report.added_bytes < 50_000, "restic had stored the content already: {}", report.added_bytes);
    lab.check();
}

#[test]
fn excludes_leave_out_and_access_times_stay() {
    let lab = Lab::new();
    lab.write("keep/file", "kept");
    lab.write("keep/x.log", "no");
    lab.write("cache/deep/file", "no");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for path in ["keep/file", "keep", ""] {
        let file = std::fs::File::open(lab.volume().join(path)).unwrap();
        file.set_times(std::fs::FileTimes::new().set_accessed(old)).unwrap();
    }
    let tree = VolumeTree { exclude: vec!["*.log".to_owned(), "cache/**".to_owned()], ..lab.tree() };
    let report = lab.open().backup(&tree, &meta(0), &Control::default()).unwrap();
    for path in ["keep/file", "keep", ""] {
        let atime = std::fs::metadata(lab.volume().join(path)).unwrap().atime();
        assert_eq!(atime, 1_000_000_000, "{path:?} was read without a trace");
    }
    let listed = lab.restic(&["ls", &report.snapshot.unwrap().id]);
    assert!(listed.contains("/data/keep/file") && listed.contains("/data/cache"));
    assert!(!listed.contains("x.log") && !listed.contains("deep"));
}

#[test]
fn memory_does_not_grow_with_the_data() {
    let lab = Lab::new();
    for nth in 0..12 {
        lab.write(&format!("{nth}"), noise((32 << 20) + nth));
    }
    let said = run(&mut child("fidelity::child_measures_its_memory", &lab));
    let peak: u64 = said.lines().find_map(|line| line.strip_prefix("peak-kib=")).unwrap().trim().parse().unwrap();
    assert!(peak < 256 << 10, "{peak} KiB for 384 MiB of data");
}

#[test]
#[ignore = "run by its parent"]
fn child_measures_its_memory() {
    let dir = given_lab();
    let tree = VolumeTree { root: dir.join("volume"), only: None, name: "data".to_owned(), exclude: Vec::new() };
    open(&dir.join("repository")).backup(&tree, &meta(0), &Control::default()).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("\npeak-kib={}", peak.trim().trim_end_matches("kB"));
}
