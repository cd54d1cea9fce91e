//! A volume with an application on it, and Seawall.

use crate::support::engine::Engine;
use crate::support::operator::{Host, Said, policy, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A schedule that no test lives to see a slot of.
pub const RARELY: &str = "every: 52w";

pub struct Scene {
    pub engine: Engine,
    pub host: Host,
    pub volume: String,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(labels: &[(&str, &str)]) -> Self {
        let engine = Engine::shared();
        let host = Host::new(&engine);
        let volume = engine.volume("restore", &[], labels);
        host.write("p.yaml", &policy("p", &volume, RARELY, &[]));
        Self { engine, host, volume }
    }

    pub fn root(&self) -> PathBuf {
        self.engine.mountpoint(&self.volume)
    }

    pub fn fill(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.root().join(file)).ok()
    }

    /// A container that has the volume at `/data`.
    pub fn app(&self, args: &[&str]) -> String {
        let mount = format!("--volume={}:/data", self.volume);
        let all: Vec<&str> = [mount.as_str(), "--stop-timeout=1"].iter().chain(args).copied().collect();
        self.engine.sleeper("app", &all)
    }

    /// A file as an application sees it.
    pub fn seen_by(&self, app: &str, file: &str) -> Result<String, String> {
        self.engine.try_docker(&["exec", app, "/bin/busybox", "cat", file])
    }

    pub fn started_at(&self, app: &str) -> String {
        self.engine.docker(&["inspect", "--format={{.State.StartedAt}} {{.State.Status}}", app])
    }

    pub fn is_running(&self, app: &str) -> bool {
        self.engine.docker(&["inspect", "--format={{.State.Status}}", app]) == "running"
    }

    pub fn backup(&self) -> String {
        self.host.seawall(&["backup", "p"]).ok();
        self.host.snapshots().last().unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub fn restore(&self, args: &[&str]) -> Said {
        let all: Vec<&str> = ["restore", "p", "--yes"].iter().chain(args).copied().collect();
        self.host.seawall(&all)
    }

    /// What lies beside the volume's directory and is Seawall's.
    pub fn beside(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".seawall")).collect()
    }
}

/// Every attribute of two trees, compared by other means than Seawall's.
pub fn differences(a: &Path, b: &Path) -> String {
    run(support("compare_trees.py").arg(a).arg(b)).ok()
}

/// The same with so many small files, and a large hole.
pub fn hard_tree_of(at: &Path, files: u32) {
    run(support("hard_tree.py").arg(at).arg(files.to_string())).ok();
}

pub fn hard_tree(at: &Path) {
    run(support("hard_tree.py").arg(at)).ok();
}

fn support(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(script));
    command
}
