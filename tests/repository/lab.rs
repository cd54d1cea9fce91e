//! A directory with a volume and a repository in it, and the programs that look at them from outside.

use crate::long_file::{ENDLESS, long_file};
use seawall::adapters::key::Secret;
use seawall::adapters::repository::{
    BackupReport, Control, RepositoryAdapter, RepositoryError, SnapshotMeta, VolumeTree,
};
use seawall::reconcile::{RunId, SourceKey};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const PASSWORD: &str = "a test's password";
pub const HOST: &str = "testhost";

pub struct Lab {
    pub dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: owners, devices, mounts");
        let lab = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(lab.volume()).unwrap();
        lab
    }

    /// With a volume that is hard to back up.
    pub fn hard() -> Self {
        let lab = Self::new();
        std::fs::remove_dir(lab.volume()).unwrap();
        run(support("hard_tree.py").arg(lab.volume()));
        lab
    }

    pub fn volume(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.volume().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn open(&self) -> RepositoryAdapter {
        open(&self.repository())
    }

    pub fn tree(&self) -> VolumeTree {
        VolumeTree { root: self.volume(), only: None, name: "data".to_owned(), exclude: Vec::new() }
    }

    pub fn backup(&self, repository: &RepositoryAdapter, second: i64) -> Result<BackupReport, RepositoryError> {
        repository.backup(&self.tree(), &meta(second), &Control::default())
    }

    /// `restic`, which must succeed.
    pub fn restic(&self, args: &[&str]) -> String {
        run(self.restic_command().args(args))
    }

    pub fn restic_command(&self) -> Command {
        let mut command = Command::new("restic");
        command.arg("--no-cache").arg("--repo").arg(self.repository()).env("RESTIC_PASSWORD", PASSWORD);
        command
    }

    pub fn check(&self) {
        let said = self.restic(&["check", "--read-data"]);
        assert!(said.contains("no errors were found"), "{said}");
    }

    /// What `restic restore` gives, compared with the volume.
    pub fn restored_differences(&self, snapshot: &str) -> Vec<String> {
        let target = self.dir.path().join("restored");
        self.restic(&["restore", snapshot, "--target", target.to_str().unwrap()]);
        differences(&self.volume(), &target.join("data"))
    }

    pub fn lock_files(&self) -> usize {
        let entries = std::fs::read_dir(self.repository().join("locks")).unwrap();
        // What is still being written has a longer name.
        entries.filter(|entry| entry.as_ref().unwrap().file_name().len() == 64).count()
    }

    /// A file that takes half a minute to read, for runs that are to be caught in the act.
    pub fn endless_file(&self, name: &str) {
        long_file(&self.volume().join(name), ENDLESS);
    }
}

pub fn open(path: &Path) -> RepositoryAdapter {
    RepositoryAdapter::open_or_init("test", path, &Secret::new(PASSWORD.to_owned())).unwrap()
}

pub fn key() -> SourceKey {
    SourceKey { policy: "data-policy".to_owned(), source: "data".to_owned() }
}

pub fn meta(second: i64) -> SnapshotMeta {
    let time = jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
    SnapshotMeta {
        source: key(),
        slot: Some(time),
        run: RunId(format!("run-{second}")),
        host: HOST.to_owned(),
        time,
        manifest: serde_json::json!({"volume": {"name": "data", "driver": "local"}}),
        imported: None,
    }
}

pub fn differences(a: &Path, b: &Path) -> Vec<String> {
    run(support("compare_trees.py").arg(a).arg(b)).lines().map(ToOwned::to_owned).collect()
}

fn support(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(script));
    command
}

/// Runs a program that must succeed; what it printed.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// Noise that does not compress, the same every time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

/// A mount that goes away with the test.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn tmpfs(at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at));
        Self(at.to_owned())
    }

    /// A file system of its own in a file, by `mkfs.NAME`.
    pub fn image(at: &Path, name: &str) -> Self {
        let image = at.with_extension("image");
        // XFS takes no less.
        std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        run(Command::new(format!("mkfs.{name}")).arg("-q").arg(&image));
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at));
        Self(at.to_owned())
    }

    pub fn bind(from: &Path, at: &Path) -> Self {
        run(Command::new("mount").arg("--bind").arg(from).arg(at));
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

/// Waits for something that another thread or process does.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("waited in vain: {what}");
}

/// This test program again, running one of its `#[ignore]`d tests as a process of its own.
pub fn child(test: &str, lab: &Lab) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("LAB", lab.dir.path());
    command
}

/// The lab that a child was given.
pub fn given_lab() -> PathBuf {
    std::env::var_os("LAB").expect("only run by its parent").into()
}
