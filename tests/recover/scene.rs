//! An application in Compose with its policies, backed up; and a host that has nothing.

use crate::support::engine::{Engine, unique};
use crate::support::operator::{Host, Said, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A schedule that no test lives to see a slot of.
const RARELY: &str = "schedule: {every: 52w}";

/// Healthy on its data and its `.env` alone.
const COMPOSE: &str = r#"
version: "2.4"
services:
  db:
    image: seawall-test-busybox:sh
    network_mode: none
    init: true
    stop_grace_period: 1s
    command: ["sleep", "100000"]
    volumes: ["db:/db"]
    healthcheck: {test: ["CMD", "/bin/busybox", "grep", "-q", "orders", "/db/database"], interval: 1s, retries: 60}
  web:
    image: seawall-test-busybox:sh
    network_mode: none
    init: true
    stop_grace_period: 1s
    command: ["sleep", "100000"]
    environment: {SECRET: "${SECRET}"}
    volumes: ["files:/files"]
    healthcheck: {test: ["CMD", "/bin/sh", "-c", "/bin/busybox grep -q \"$$SECRET\" /files/signed"], interval: 1s, retries: 60}
volumes: {db: {}, files: {}}
"#;

/// The host that will be gone.
pub struct Lost {
    pub engine: Engine,
    pub host: Host,
    pub project: String,
    dir: tempfile::TempDir,
}

impl Lost {
    /// The application runs, and everything is backed up.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::shared();
        engine.image();
        let host = Host::new(&engine);
        let this = Self { host, project: unique("shop"), dir, engine };
        fs::create_dir(this.directory()).unwrap();
        fs::write(this.directory().join("docker-compose.yml"), COMPOSE).unwrap();
        fs::write(this.env(), "SECRET=s3cr3t-of-the-shop\n").unwrap();
        this.compose(&this.engine, &["up", "-d"]);
        let [db, files] = this.volumes().map(|name| this.engine.mountpoint(&name));
        fs::write(db.join("database"), "orders\n".repeat(100_000)).unwrap();
        fs::write(files.join("signed"), "by s3cr3t-of-the-shop\n").unwrap();
        for nth in 0..200 {
            fs::write(files.join(format!("{nth}")), fastrand::u64(..).to_string().repeat(5_000)).unwrap();
        }
        this.wait_until_healthy(&this.engine);
        this.host.write("all.yaml", &this.policies());
        for policy in ["db", "files", "env"] {
            this.host.seawall(&["backup", policy]).ok();
        }
        this.host.seawall(&["key", "export", "--output", this.key().to_str().unwrap()]).ok();
        this
    }

    fn policies(&self) -> String {
        let [db, files] = self.volumes();
        let policy = |name: &str, source: &str, criticality: &str, rest: &str| {
            format!(
                "---\napiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}} # as in git\nspec:\n  \
                 source: {source}\n  criticality: {criticality}\n  {rest}\n"
            )
        };
        policy("files", &format!("{{volume: {{name: {files}}}}}"), "high", RARELY)
            + &policy("db", &format!("{{volume: {{name: {db}}}}}"), "critical", RARELY)
            + &policy("env", &format!("{{path: {{path: {}}}}}", self.env().display()), "critical", RARELY)
            + &policy("redis", "{volume: {name: no-such-volume}}", "low", "exempt: {reason: a cache}")
    }

    pub fn volumes(&self) -> [String; 2] {
        ["db", "files"].map(|name| format!("{}_{name}", self.project))
    }

    pub fn directory(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    pub fn env(&self) -> PathBuf {
        self.directory().join(".env")
    }

    /// What a person has kept.
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// The disk that the repository was on, as it is mounted on another host.
    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("rescued")
    }

    /// The host is lost: its volumes, its `.env`, its policies and its state. The repository's disk is saved.
    pub fn lose(&self) {
        let copy = self.dir.path().join("copy");
        fs::create_dir_all(&copy).unwrap();
        for name in self.volumes() {
            run(Command::new("cp").arg("-a").arg(self.engine.mountpoint(&name)).arg(copy.join(&name))).ok();
        }
        self.compose(&self.engine, &["down", "--volumes"]);
        run(Command::new("mv").arg(self.host.state().join("repository")).arg(self.repository())).ok();
        fs::remove_dir_all(self.host.state()).unwrap();
        fs::remove_file(self.env()).unwrap();
    }

    /// What the volumes on an engine do not have as the lost ones had it.
    pub fn differences(&self, engine: &Engine) -> String {
        let compare = |name: &String| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare_trees.py");
            let copy = self.dir.path().join("copy").join(name);
            run(Command::new("python3").arg(script).arg(copy).arg(engine.mountpoint(name))).ok()
        };
        self.volumes().iter().map(compare).collect()
    }

    pub fn compose(&self, engine: &Engine, args: &[&str]) -> Said {
        let mut command = Command::new("docker-compose");
        command.current_dir(self.directory()).env("DOCKER_HOST", engine.host());
        // A busy disk makes an engine slow, and nobody here is in a hurry.
        command.env("COMPOSE_HTTP_TIMEOUT", "600");
        let said = run(command.args(["-p", &self.project]).args(args));
        assert_eq!(said.code, 0, "{said:#?}");
        said
    }

    pub fn wait_until_healthy(&self, engine: &Engine) {
        let label = format!("label=com.docker.compose.project={}", self.project);
        crate::support::operator::until("both are healthy", Path::new("/dev/null"), || {
            let args = ["ps", "--filter", &label, "--filter", "health=healthy", "--quiet"];
            engine.docker(&args).lines().count() == 2
        });
    }

    /// `recover` on another host.
    pub fn recover(&self, host: &Host, args: &[&str]) -> Said {
        run(&mut self.recover_command(host, args))
    }

    pub fn recover_command(&self, host: &Host, args: &[&str]) -> Command {
        let (repository, key) = (self.repository(), self.key());
        let own = ["recover", "--repository", repository.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
        host.command(&[&own, args].concat())
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        let mut command = Command::new("docker-compose");
        command.current_dir(self.directory()).env("DOCKER_HOST", self.engine.host());
        let _gone = command.args(["-p", &self.project, "down", "--volumes"]).output();
    }
}
