//! A directory to pack things in, and a Seawall to give them to.

use crate::support::engine::Engine;
use crate::support::operator::{Host, Said, policy, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A schedule that no test lives to see a slot of.
pub const RARELY: &str = "every: 52w";
/// A time before every test, as the runbook's script writes it, and what it means in UTC.
pub const STAMP: &str = "20260123_140530";
pub const TIME: &str = "2026-01-23T14:05:30Z";
pub const VOLUME: &str = "shop_n8n_data";

pub struct Desk {
    pub host: Host,
}

impl Desk {
    /// Where no engine answers: an import needs none.
    pub fn new() -> Self {
        let host = Host::on("unix:///nonexistent/docker.sock");
        host.write("p.yaml", &policy("p", VOLUME, RARELY, &[]));
        fs::create_dir(host.path("work")).unwrap();
        Self { host }
    }

    pub fn on(engine: &Engine, volume: &str) -> Self {
        let host = Host::new(engine);
        host.write("p.yaml", &policy("p", volume, RARELY, &[]));
        fs::create_dir(host.path("work")).unwrap();
        Self { host }
    }

    pub fn work(&self, name: &str) -> PathBuf {
        self.host.path("work").join(name)
    }

    /// A small tree at `work/data`.
    pub fn data(&self, config: &str) -> PathBuf {
        let data = self.work("data");
        fs::create_dir_all(data.join("nodes")).unwrap();
        fs::write(data.join("config"), config).unwrap();
        fs::write(data.join("nodes/a"), "a").unwrap();
        run(Command::new("chown").args(["-R", "1000:1001"]).arg(&data)).ok();
        data
    }

    /// A shell in `work/`, where the runbook's commands are typed.
    pub fn shell(&self, script: &str) -> String {
        run(Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(self.work(""))).ok()
    }

    pub fn import(&self, files: &[&str], args: &[&str]) -> Said {
        let files: Vec<String> = files.iter().map(|file| self.work(file).display().to_string()).collect();
        let mut all = vec!["import", "--policy", "p", "--yes"];
        all.extend(files.iter().map(String::as_str));
        all.extend(args);
        self.host.seawall(&all)
    }

    /// What restic restores of the newest snapshot's volume.
    pub fn restored(&self, snapshot: &str) -> PathBuf {
        let target = self.work(&format!("restored-{snapshot}"));
        self.host.restic(&["restore", snapshot, "--target", target.to_str().unwrap()]);
        target.join(VOLUME)
    }
}

/// Every attribute of two trees, compared by other means than Seawall's; hard links of links are restic's limit.
pub fn differences(a: &Path, b: &Path) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/compare_trees.py");
    let said = run(Command::new("python3").arg(script).arg(a).arg(b)).ok();
    said.lines().map(ToOwned::to_owned).collect()
}

/// A tree that is hard, without what no tar holds (sockets) or Seawall takes from none (devices).
pub fn hard_tree(at: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/hard_tree.py");
    run(Command::new("python3").arg(script).arg(at)).ok();
    run(Command::new("find").arg(at).args(["(", "-type", "b", "-o", "-type", "c", "-o", "-type", "s", ")", "-delete"]))
        .ok();
}
