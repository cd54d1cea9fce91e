//! What went in comes out: wholly, in part, from restic's snapshots too, and never silently wrong.

use crate::lab::{Lab, Mounted, differences, noise, run, wait_until};
use seawall::adapters::repository::{
    Control, EntryKind, Reason, RepositoryAdapter, RestoreReport, Sample, Size, Verified,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

type Change = fn(&Path);

const ROOT: &str = "";

fn target(lab: &Lab) -> PathBuf {
    let into = lab.dir.path().join("target");
    fs::create_dir(&into).unwrap();
    into
}

fn restore(repository: &RepositoryAdapter, id: &str, path: &str, into: &Path) -> RestoreReport {
    repository.restore(id, Path::new(path), into, &Control::default()).unwrap()
}

fn verify(repository: &RepositoryAdapter, id: &str, path: &str, at: &Path) -> Verified {
    repository.verify(id, Path::new(path), at, Sample::default(), &Control::default()).unwrap()
}

fn different(verified: &Verified) -> Vec<String> {
    assert_eq!(verified.difference_count, verified.differences.len() as u64);
    verified.differences.iter().map(|d| format!("{}: {}", d.path, d.problem)).collect()
}

#[test]
fn a_hard_tree_comes_back_as_it_was() {
    let lab = Lab::hard();
    lab.write("sparse", "begins");
    fs::OpenOptions::new().write(true).open(lab.volume().join("sparse")).unwrap().set_len(2 << 30).unwrap();
    let repository = lab.open();
    let snapshot = lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    let into = target(&lab);
    let report = restore(&repository, &snapshot.id, ROOT, &into);
    assert_eq!((report.problems, report.problem_count), (Vec::new(), 0));
    assert_eq!(report.files, snapshot.files);
    assert_eq!(differences(&lab.volume(), &into), Vec::<String>::new());
    assert!(fs::metadata(into.join("sparse")).unwrap().blocks() < 64, "holes are holes again");
    let verified = verify(&repository, &snapshot.id, ROOT, &into);
    assert_eq!(different(&verified), Vec::<String>::new());
    assert!(verified.files > 5 && verified.entries > verified.files, "{verified:?}");
}

#[test]
fn many_small_files_come_back() {
    let lab = Lab::new();
    for nth in 0..5000 {
        lab.write(&format!("{}/{}/{nth}", nth % 7, nth % 61), noise(nth % 300));
    }
    let repository = lab.open();
    let snapshot = lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    let into = target(&lab);
    assert_eq!(restore(&repository, &snapshot.id, ROOT, &into).files, 5000);
    assert_eq!(differences(&lab.volume(), &into), Vec::<String>::new());
}

#[test]
fn a_part_is_restored_alone() {
    let lab = Lab::new();
    lab.write("a/b/one", "1");
    lab.write("a/b/two", "2");
    lab.write("a/three", "3");
    lab.write("four", "4");
    fs::set_permissions(lab.volume().join("a/b"), fs::Permissions::from_mode(0o2751)).unwrap();
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let into = target(&lab);
    assert_eq!(restore(&repository, &id, "a/b", &into).files, 2);
    assert_eq!(differences(&lab.volume().join("a/b"), &into), Vec::<String>::new());
    assert_eq!(different(&verify(&repository, &id, "a/b", &into)), Vec::<String>::new());
    fs::remove_dir_all(&into).unwrap();
    fs::create_dir(&into).unwrap();
    assert_eq!(restore(&repository, &id, "a/three", &into).files, 1);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(into.join("three")).unwrap(), "3");
    assert_eq!(different(&verify(&repository, &id, "a/three", &into)), Vec::<String>::new());
    for (path, reason, says) in [
        ("a/four", Reason::NotFound, "There is no a/four in this snapshot"),
        ("four/x", Reason::NotFound, "There is no four/x in this snapshot"),
        ("a/../four", Reason::Refused, "it leads out of it"),
    ] {
        let error = repository.restore(&id, Path::new(path), &into, &Control::default()).unwrap_err();
        assert_eq!(error.kind(), reason, "{path}: {}", error.told());
        assert!(error.told().contains(says), "{}", error.told());
    }
}

#[test]
fn what_is_in_a_snapshot_is_shown_without_restoring_it() {
    let lab = Lab::new();
    lab.write("a/b/one", "1");
    lab.write("a/three", noise(3 << 20));
    lab.write(".env", "A=1\n");
    symlink("three", lab.volume().join("a/link")).unwrap();
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let list = |path: &str, deep: bool| {
        let mut found = Vec::new();
        repository
            .list(&id, Path::new(path), deep, &mut |entry| {
                found.push(entry);
                Ok(())
            })
            .unwrap();
        found
    };
    let paths = |path: &str, deep: bool| -> Vec<String> {
        list(path, deep).iter().map(|entry| entry.path.display().to_string()).collect()
    };
    assert_eq!(paths("", false), [".env", "a"]);
    assert_eq!(paths("a", false), ["a/b", "a/link", "a/three"]);
    assert_eq!(paths("a", true), ["a/b", "a/b/one", "a/link", "a/three"]);
    assert_eq!(paths("a/three", true), ["a/three"]);
    let entries = list("a", false);
    assert_eq!((entries[1].kind, entries[1].target.as_deref()), (EntryKind::Symlink, Some(Path::new("three"))));
    assert_eq!((entries[2].kind, entries[2].size, entries[2].mode), (EntryKind::File, 3 << 20, 0o644));
    let cat = |path: &str| {
        let mut bytes = Vec::new();
        repository.cat(&id, Path::new(path), &mut bytes).map(|()| bytes)
    };
    assert_eq!(cat("a/three").unwrap(), noise(3 << 20));
    assert_eq!(cat("/.env").unwrap(), b"A=1\n");
    assert!(cat("a").unwrap_err().told().contains("a is not a file in this snapshot"));
    let bytes = (3 << 20) + 1 + 4;
    assert_eq!(repository.size_of(&id, Path::new("")).unwrap(), Size { files: 4, bytes, written: bytes });
    assert_eq!(repository.manifest(&id).unwrap().unwrap()["volume"]["name"], "data");
    assert_eq!(repository.snapshot(&id[..8]).unwrap().id, id);
    assert_eq!(repository.snapshot("0000").unwrap_err().told(), "The repository test has no snapshot 0000");
    lab.write("another", "x");
    lab.backup(&repository, 1).unwrap();
    assert!(repository.snapshot("").unwrap_err().told().contains("can be several snapshots"));
}

/// What is below a directory, in the order in which a snapshot has it.
fn below(directory: &Path, name: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let with_its_own = |entry: std::ffi::OsString| {
        let (path, own) = (name.join(&entry), directory.join(&entry));
        let more = if own.is_dir() { below(&own, &path) } else { Vec::new() };
        [path].into_iter().chain(more)
    };
    names.into_iter().flat_map(with_its_own).collect()
}

#[test]
fn directories_come_in_their_order_however_many_are_read_ahead() {
    let lab = Lab::new();
    for nth in 0..1500 {
        // Of the deeper ones many are the same.
        lab.write(&format!("{}/{}/{}/leaf", nth % 3, nth % 50, nth), "same");
        lab.write(&format!("wide/{nth}/{}", nth % 2), "same");
    }
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let list = |most: usize| {
        let mut found = Vec::new();
        let listed = repository.list(&id, Path::new(ROOT), true, &mut |entry| {
            found.push(entry.path);
            if found.len() < most { Ok(()) } else { Err(repository.snapshot("0000").unwrap_err()) }
        });
        (found, listed)
    };
    let (found, listed) = list(usize::MAX);
    listed.unwrap();
    assert_eq!(found, below(&lab.volume(), Path::new("")));
    let (found, listed) = list(100);
    assert_eq!((found.len(), listed.unwrap_err().kind()), (100, Reason::NotFound), "who has seen enough ends it");
    for pack in packs(&lab) {
        fs::remove_file(pack).unwrap();
    }
    assert_eq!(list(usize::MAX).1.unwrap_err().kind(), Reason::Damaged);
}

#[test]
fn the_index_is_read_once() {
    let lab = Lab::new();
    lab.write("d/file", noise(3 << 20));
    let id = lab.backup(&lab.open(), 0).unwrap().snapshot.unwrap().id.clone();
    let repository = lab.open();
    repository.size_of(&id, Path::new(ROOT)).unwrap();
    let index = fs::read_dir(lab.repository().join("index")).unwrap();
    index.for_each(|file| fs::write(file.unwrap().path(), "no more than a name").unwrap());

    let into = target(&lab);
    restore(&repository, &id, ROOT, &into);
    assert_eq!(different(&verify(&repository, &id, ROOT, &into)), Vec::<String>::new());
    let (mut whole, file) = (Vec::new(), Path::new("d/file"));
    repository.cat(&id, file, &mut whole).unwrap();
    assert_eq!(whole, fs::read(into.join(file)).unwrap());
    assert_eq!(repository.view(&id, file).unwrap().size(), 3 << 20);
    assert!(lab.open().size_of(&id, Path::new(ROOT)).is_err(), "whoever has not read it cannot");
}

#[test]
fn snapshots_of_restic_are_restored_too() {
    let lab = Lab::hard();
    // Its own limit: it does not take this as it is.
    fs::remove_file(lab.volume().join("links/target-not-utf8")).unwrap();
    let repository = lab.open();
    run(lab.restic_command().current_dir(lab.dir.path()).args(["backup", "volume"]));
    let snapshot = repository.snapshots().unwrap().remove(0);
    let into = target(&lab);
    restore(&repository, &snapshot.id, "/volume", &into);
    assert_eq!(differences(&lab.volume(), &into), ["special/socket\tonly in the first"], "restic takes no sockets");
    assert_eq!(repository.manifest(&snapshot.id).unwrap(), None);
}

fn packs(lab: &Lab) -> Vec<PathBuf> {
    let found = run(Command::new("find").arg(lab.repository().join("data")).args(["-type", "f"]));
    found.lines().map(PathBuf::from).collect()
}

#[test]
fn a_damaged_pack_is_named_with_the_file_that_needs_it() {
    let lab = Lab::new();
    lab.write("whole", noise(100));
    lab.write("media/film", noise(40 << 20));
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let into = target(&lab);
    let largest = packs(&lab).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let sound = fs::read(&largest).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    let name = largest.file_name().unwrap().to_str().unwrap();
    for (content, says) in [
        (Some(flipped), "is damaged"),
        (Some(sound[..sound.len() / 2].to_vec()), "is cut short"),
        (None, "lacks the file"),
    ] {
        match content {
            Some(content) => fs::write(&largest, content).unwrap(),
            None => fs::remove_file(&largest).unwrap(),
        }
        fs::remove_dir_all(&into).unwrap();
        fs::create_dir(&into).unwrap();
        let error = repository.restore(&id, Path::new(ROOT), &into, &Control::default()).unwrap_err();
        assert_eq!(error.kind(), Reason::Damaged, "{}", error.told());
        assert!(error.told().contains(says) && error.told().contains(name), "{}", error.told());
        let mut sink = Vec::new();
        let error = repository.cat(&id, Path::new("media/film"), &mut sink).unwrap_err();
        assert_eq!(error.kind(), Reason::Damaged, "{}", error.told());
    }
    fs::write(&largest, sound).unwrap();
    fs::remove_dir_all(&into).unwrap();
    fs::create_dir(&into).unwrap();
    restore(&repository, &id, ROOT, &into);
    assert_eq!(differences(&lab.volume(), &into), Vec::<String>::new());
}

#[test]
fn a_full_disk_and_a_signal_end_a_restore() {
    let lab = Lab::new();
    lab.write("film", noise(30 << 20));
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let small = lab.dir.path().join("small");
    let _disk = Mounted::tmpfs(&small, "size=8m");
    let error = repository.restore(&id, Path::new(ROOT), &small, &Control::default()).unwrap_err();
    assert!(error.told().contains("No space left on device"), "{}", error.told());
    assert_eq!(lab.lock_files(), 0);
    let into = target(&lab);
    let control = Control::default();
    control.cancel.cancel();
    let error = repository.restore(&id, Path::new(ROOT), &into, &control).unwrap_err();
    assert_eq!(error.kind(), Reason::Interrupted);
    let control = Control::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| repository.restore(&id, Path::new(ROOT), &into, &control));
        wait_until("something is written", || control.progress.get().0 > 0 || running.is_finished());
        control.cancel.cancel();
        let ended = running.join().unwrap();
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == Reason::Interrupted));
    });
}

#[test]
fn nothing_is_followed_and_nothing_is_written_over() {
    let lab = Lab::new();
    lab.write("d/file", "restored");
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let into = target(&lab);
    let outside = lab.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, into.join("d")).unwrap();
    let error = repository.restore(&id, Path::new(ROOT), &into, &Control::default()).unwrap_err();
    assert!(error.told().contains("File exists"), "{}", error.told());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn every_difference_is_found() {
    let lab = Lab::hard();
    lab.write("kept/file", noise(2 << 20));
    lab.write("kept/twin", "same");
    fs::hard_link(lab.volume().join("kept/twin"), lab.volume().join("kept/twin-too")).unwrap();
    lab.write("kept/last", "");
    symlink("file", lab.volume().join("kept/link")).unwrap();
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let changes: [(Change, &str); 9] = [
        (|at| fs::remove_file(at.join("file")).unwrap(), "kept/file: is in the snapshot and not here"),
        (|at| fs::write(at.join("added"), "").unwrap(), "kept/added: is not in the snapshot"),
        (|at| fs::write(at.join("zz"), "").unwrap(), "kept/zz: is not in the snapshot"),
        (
            |at| fs::set_permissions(at.join("file"), fs::Permissions::from_mode(0o600)).unwrap(),
            "kept/file: has another mode than in the snapshot",
        ),
        (
            |at| std::os::unix::fs::lchown(at.join("link"), Some(4), None).unwrap(),
            "kept/link: has another owner than in the snapshot",
        ),
        (
            |at| drop(run(Command::new("setfattr").args(["-n", "user.x", "-v", "y"]).arg(at.join("last")))),
            "kept/last: has another set of attributes than in the snapshot",
        ),
        (
            |at| drop(run(Command::new("touch").args(["-d", "2001-01-01"]).arg(at.join("last")))),
            "kept/last: has another time than in the snapshot",
        ),
        (
            |at| {
                let path = at.join("file");
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                let mut content = fs::read(&path).unwrap();
                *content.last_mut().unwrap() ^= 1;
                fs::write(&path, content).unwrap();
                fs::File::open(&path).unwrap().set_modified(time).unwrap();
            },
            "kept/file: has another content, from byte ",
        ),
        (
            |at| {
                fs::remove_file(at.join("twin-too")).unwrap();
                run(Command::new("cp").arg("-p").arg(at.join("twin")).arg(at.join("twin-too")));
            },
            "kept/twin-too: is no longer another name of kept/twin",
        ),
    ];
    for (change, expected) in changes {
        let into = target(&lab);
        restore(&repository, &id, ROOT, &into);
        let at = into.join("kept");
        let time = fs::metadata(&at).unwrap().modified().unwrap();
        change(&at);
        fs::File::open(&at).unwrap().set_modified(time).unwrap();
        let found = different(&verify(&repository, &id, ROOT, &into));
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{expected}: {found:?}");
        fs::remove_dir_all(&into).unwrap();
    }
}

#[test]
fn a_sample_reads_a_part() {
    let lab = Lab::new();
    for nth in 0..400 {
        lab.write(&format!("{nth}"), nth.to_string());
    }
    let repository = lab.open();
    let id = lab.backup(&repository, 0).unwrap().snapshot.unwrap().id.clone();
    let read = |percent, seed| {
        let sample = Sample { percent, seed };
        let verified = repository.verify(&id, Path::new(ROOT), &lab.volume(), sample, &Control::default()).unwrap();
        assert_eq!((different(&verified), verified.entries), (Vec::new(), 401));
        verified.files
    };
    assert_eq!(read(100.0, 0), 400);
    assert_eq!(read(0.0, 0), 0);
    assert!((10..90).contains(&read(10.0, 1)));
    assert_eq!(read(10.0, 1), read(10.0, 1));
}
