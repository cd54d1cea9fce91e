//! Volumes on file systems that clone: real btrfs and XFS, in files.

use crate::databases::{App, problems, restored, rows_in};
use crate::lab::{Lab, Mounted, differences, meta, noise, run};
use rustix::process::{Pid, Signal, kill_process};
use seawall::adapters::clone::Clones;
use seawall::adapters::repository::{
    Around, BackupReport, Cloned, Control, Databases, RepositoryAdapter, RepositoryError, VolumeTree,
};
use seawall::adapters::sqlite::Staging;
use seawall::controller::ports::Progress;
use seawall::policy::Sqlite;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// What an application does before it stands still and as soon as it goes on.
struct Window {
    before: Box<dyn Fn() + Send + Sync>,
    after: Box<dyn Fn() + Send + Sync>,
    progress: Arc<Progress>,
    /// Bytes and files that were read when the window was over.
    read: Mutex<Option<(u64, u64)>>,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Window")
    }
}

impl Around for Window {
    fn before(&self) -> Result<(), RepositoryError> {
        (self.before)();
        Ok(())
    }

    fn after(&self) {
        *self.read.lock().unwrap() = Some(self.progress.get());
        (self.after)();
    }

    fn verdict(&self) -> Result<(), RepositoryError> {
        Ok(())
    }
}

struct Disk {
    lab: Lab,
    root: PathBuf,
    repository: RepositoryAdapter,
    clones: Arc<Clones>,
    _mounted: Mounted,
}

impl Disk {
    /// A volume on a disk of its own, in a directory of it or as a whole.
    fn new(system: &str, whole: bool) -> Self {
        let lab = Lab::new();
        let at = lab.dir.path().join("disk");
        let mounted = Mounted::image(&at, system);
        let root = if whole { at } else { at.join("name/_data") };
        fs::create_dir_all(&root).unwrap();
        let clones = Arc::new(Clones::open(&lab.dir.path().join("clones")).unwrap());
        Self { repository: lab.open(), lab, root, clones, _mounted: mounted }
    }

    fn backup(
        &self,
        second: i64,
        control: Control,
        before: impl Fn() + Send + Sync + 'static,
        after: impl Fn() + Send + Sync + 'static,
    ) -> (BackupReport, (u64, u64)) {
        let (before, after) = (Box::new(before), Box::new(after));
        let window =
            Arc::new(Window { before, after, progress: Arc::clone(&control.progress), read: Mutex::default() });
        let around: Arc<dyn Around> = window.clone();
        let control = Control { around: Some(around), clones: Some(Arc::clone(&self.clones)), ..control };
        let tree = VolumeTree { root: self.root.clone(), ..self.lab.tree() };
        let report = self.repository.backup(&tree, &meta(second), &control).unwrap();
        assert_eq!(fs::read_dir(self.lab.dir.path().join("clones")).unwrap().count(), 0);
        assert_eq!(scratches(&self.lab.dir.path().join("disk")), Vec::<PathBuf>::new());
        let read = *window.read.lock().unwrap();
        (report, read.expect("the window was over"))
    }
}

/// What is left of clones, at any depth.
fn scratches(under: &Path) -> Vec<PathBuf> {
    let found = run(Command::new("find").arg(under).args(["-name", ".seawall-clone-*"]));
    found.lines().map(PathBuf::from).collect()
}

/// Leaves nothing of what was there.
fn ruin(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".seawall-clone-") {
            continue;
        }
        // Written to as well as removed: the blocks must not be shared any more.
        if path.symlink_metadata().unwrap().is_file() {
            fs::write(&path, "ruined").unwrap();
        }
        run(Command::new("rm").arg("-rf").arg(&path));
    }
    fs::write(root.join("new"), "after the window").unwrap();
}

fn the_application_is_back_before_anything_is_read(system: &str, whole: bool) {
    let disk = Disk::new(system, whole);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hard_tree.py");
    let tree = disk.root.join("tree");
    run(Command::new("python3").arg(script).arg(&tree));
    fs::write(disk.root.join("large"), noise(8 << 20)).unwrap();
    let kept = disk.lab.dir.path().join("kept");
    run(Command::new("cp").arg("-a").arg(&disk.root).arg(&kept));
    let (still, next) = (disk.root.clone(), disk.root.clone());
    let ready = move || assert!(still.join("large").exists());
    let (report, read) = disk.backup(0, Control::default(), ready, move || ruin(&next));
    assert_eq!((&report.cloned, read), (&Cloned::Yes, (0, 0)));
    assert_eq!(problems(&report), [""; 0]);
    // What restic does not restore from any snapshot; and the directory that the clones were in has another time.
    let known = ["tree/links/symlink-", "tree/links/target-not-utf8\t", "tree/special/socket\t"];
    let mut differences = differences(&kept, &restored(&disk.lab, &report, ""));
    if whole {
        differences.retain(|line| !line.starts_with(".\tmtime"));
    }
    differences.retain(|line| !known.iter().any(|known| line.starts_with(known)));
    assert_eq!(differences, [""; 0]);
    disk.lab.check();
}

#[test]
fn on_btrfs_the_application_is_back_before_anything_is_read() {
    the_application_is_back_before_anything_is_read("btrfs", false);
}

#[test]
fn on_xfs_the_application_is_back_before_anything_is_read() {
    the_application_is_back_before_anything_is_read("xfs", false);
}

#[test]
fn a_volume_that_is_a_whole_file_system_is_cloned_in_itself() {
    the_application_is_back_before_anything_is_read("btrfs", true);
}

#[test]
fn what_did_not_change_is_not_read_from_a_clone_either() {
    let disk = Disk::new("xfs", false);
    fs::write(disk.root.join("large"), noise(8 << 20)).unwrap();
    fs::write(disk.root.join("small"), "1").unwrap();
    let (report, _) = disk.backup(0, Control::default(), || {}, || {});
    assert_eq!(report.read_bytes, (8 << 20) + 1);
    let (report, _) = disk.backup(1, Control::default(), || {}, || {});
    assert_eq!((report.read_bytes, &report.cloned), (0, &Cloned::Yes));
    fs::write(disk.root.join("small"), "22").unwrap();
    let (report, _) = disk.backup(2, Control::default(), || {}, || {});
    assert_eq!(report.read_bytes, 2);
    assert_eq!(fs::read_to_string(restored(&disk.lab, &report, "small")).unwrap(), "22");
}

/// An application that is frozen in mid-write: what its database needs to be whole is in the clone.
#[test]
fn databases_are_copied_from_the_clone() {
    for mode in ["wal", "delete"] {
        let disk = Disk::new("btrfs", false);
        let app = App::start_at(&disk.lab, &disk.root.join("app.db"), mode, "write", 4);
        let pid = Pid::from_child(&app.process);
        let staging = Arc::new(Staging::open(&disk.lab.dir.path().join("staging")).unwrap());
        let databases = Databases::new(&Sqlite::Files(vec!["app.db".to_owned()]), staging).unwrap();
        let control = || Control { databases: Some(databases.clone()), ..Control::default() };
        for second in 0..3 {
            let before = app.rows();
            let freeze = move || {
                kill_process(pid, Signal::STOP).unwrap();
                let state = format!("/proc/{}/stat", pid.as_raw_nonzero());
                while !fs::read_to_string(&state).unwrap().contains(") T ") {}
            };
            let (report, read) =
                disk.backup(second, control(), freeze, move || kill_process(pid, Signal::CONT).unwrap());
            assert_eq!((&report.cloned, problems(&report), read), (&Cloned::Yes, vec![], (0, 0)));
            assert!(rows_in(&restored(&disk.lab, &report, "app.db")) >= before);
            assert_eq!(report.files, 1, "no companions");
        }
        app.end();
        let settled = disk.backup(3, control(), || {}, || {}).0;
        assert!(settled.read_bytes > 0);
        let unchanged = disk.backup(4, control(), || {}, || {}).0;
        assert_eq!((unchanged.read_bytes, unchanged.files), (0, 1), "{mode}");
    }
}

/// The counter-proof: without clones it is over when all was read.
#[test]
fn where_nothing_can_be_cloned_it_is_read_in_the_window_and_told() {
    let disk = Disk::new("ext4", false);
    fs::write(disk.root.join("file"), "content").unwrap();
    let (report, read) = disk.backup(0, Control::default(), || {}, || {});
    assert_eq!(report.cloned, Cloned::No("its file system cannot clone files".to_owned()));
    assert_eq!((problems(&report), read), (vec![], (7, 1)));
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.lab.dir.path().join("disk")));
    let (report, _) = disk.backup(1, Control::default(), || {}, || {});
    let Cloned::No(why) = &report.cloned else { panic!("{report:?}") };
    assert_eq!(why, "no clone can be made beside it: Read-only file system (os error 30)");
}
