//! Drills of sources and checks of repositories: the binary, a Docker engine, images made here, nothing faked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; the lint's own exception misses its helpers")]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod drills;
mod endings;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::engine::Engine;
use support::operator::{Host, policy};

/// A schedule that no test lives to see a slot of.
const RARELY: &str = "every: 52w";

/// A host with one policy `app` on one volume, drilled as asked.
struct Drilled {
    engine: Engine,
    host: Host,
    volume: String,
}

impl Drilled {
    fn new(checks: &str, more: &[&str]) -> Self {
        let engine = Engine::shared();
        let host = Host::new(&engine);
        let volume = engine.volume("drilled", &[], &[]);
        let drilled = Self { engine, host, volume };
        drilled.fill();
        drilled.ask(checks, more);
        drilled
    }

    fn root(&self) -> std::path::PathBuf {
        self.engine.mountpoint(&self.volume)
    }

    /// Files of several kinds, and a database.
    fn fill(&self) {
        let root = self.root();
        fs::create_dir_all(root.join("conf/deep")).unwrap();
        fs::write(root.join("conf/deep/app.ini"), "key = value\n").unwrap();
        fs::write(root.join("health"), "ok\n").unwrap();
        fs::write(root.join("noise"), noise(600_000)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let database = rusqlite::Connection::open(root.join("app.sqlite")).unwrap();
        database.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);").unwrap();
    }

    fn ask(&self, checks: &str, more: &[&str]) {
        let drill = format!("verification: {{drill: {{schedule: {{{RARELY}}}, checks: [{checks}]}}}}");
        let lines: Vec<&str> = std::iter::once(drill.as_str()).chain(more.iter().copied()).collect();
        self.host.write("app.yaml", &policy("app", &self.volume, RARELY, &lines));
    }

    /// What there is of this host's drills on the engine: volumes, containers and networks.
    fn leftovers(&self) -> Vec<String> {
        let owner = format!("label=dev.seawall.owner={}", self.owner());
        let list = |args: &[&str]| {
            let args: Vec<&str> = args.iter().copied().chain(["--quiet", "--filter", &owner]).collect();
            self.engine.docker(&args).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        [list(&["volume", "ls"]), list(&["ps", "--all"]), list(&["network", "ls"])].concat()
    }

    /// How this host's drills are told from those of other tests on the same engine.
    fn owner(&self) -> String {
        use sha2::{Digest, Sha256};
        let state = fs::canonicalize(self.host.state()).unwrap();
        let hash = Sha256::new().chain_update(state.as_os_str().as_encoded_bytes()).chain_update("testhost").finalize();
        hex::encode(&hash[..8])
    }

    /// The newest ended run of an operation.
    fn last(&self, operation: &str) -> Value {
        let runs = self.host.seawall(&["get", "runs", "-o", "json"]).json();
        let found = runs.as_array().unwrap().iter().find(|run| run["operation"] == operation);
        found.unwrap_or_else(|| panic!("no {operation}: {runs:#}")).clone()
    }

    /// A condition of the policy, by kind: status and reason.
    fn condition(&self, kind: &str) -> (String, String) {
        let described = self.host.seawall(&["describe", "policy", "app", "-o", "json"]).json();
        let policy = described.get("policy").unwrap_or(&described);
        let conditions = policy["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|c| c["type"] == kind).unwrap();
        (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
    }

    fn packs(&self) -> Vec<std::path::PathBuf> {
        let mut packs = Vec::new();
        for directory in fs::read_dir(self.host.state().join("repository/data")).unwrap() {
            packs.extend(fs::read_dir(directory.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
        }
        packs.sort();
        packs
    }
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Changes one byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(path, bytes).unwrap();
}
