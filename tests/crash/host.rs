//! A host with one application, and Seawall on it.

use crate::support::engine::Engine;
use crate::support::long_file::{ENDLESS, long_file};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Host {
    pub engine: Engine,
    pub volume: String,
    scratch: tempfile::TempDir,
}

/// The running operator, killed with the value.
pub struct Operator(Child);

impl Host {
    pub fn new() -> Self {
        Self::on(Engine::shared())
    }

    pub fn on(engine: Engine) -> Self {
        let volume = engine.volume("crash", &[], &[]);
        fs::write(engine.mountpoint(&volume).join("file"), "precious").unwrap();
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("policies")).unwrap();
        Self { engine, volume, scratch }
    }

    pub fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    /// A container that runs and writes to the volume.
    pub fn app(&self, args: &[&str]) -> String {
        self.app_with(args, &["sleep", "1000000"])
    }

    pub fn app_with(&self, args: &[&str], command: &[&str]) -> String {
        let mount = format!("--volume={}:/data", self.volume);
        let all: Vec<&str> = [mount.as_str()].iter().chain(args).copied().collect();
        self.engine.run("app", &all, command)
    }

    /// Writes a policy for the volume. `quiesce` is what stands in its braces.
    pub fn policy(&self, name: &str, quiesce: &str, suspend: bool) {
        self.policy_of(name, &self.volume, quiesce, suspend);
    }

    /// Writes a policy with these fields of the volume.
    pub fn policy_with(&self, name: &str, fields: &str) {
        self.policy_text(name, &self.volume, fields, "suspend: false");
    }

    /// Writes a policy for any volume.
    pub fn policy_of(&self, name: &str, volume: &str, quiesce: &str, suspend: bool) {
        self.policy_text(name, volume, &format!("quiesce: {{{quiesce}}}"), &format!("suspend: {suspend}"));
    }

    /// Writes a policy with these fields of the volume, and `rest` for any more of its `spec`.
    pub fn policy_text(&self, name: &str, volume: &str, fields: &str, rest: &str) {
        let text = format!(
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  source:\n    \
             volume:\n      name: {volume}\n      {fields}\n  schedule: {{cron: \"0 0 1 1 *\"}}\n  {rest}\n"
        );
        self.document(name, &text);
    }

    /// Writes a file into the policies directory, all at once.
    pub fn document(&self, name: &str, text: &str) {
        let directory = self.scratch.path().join("policies");
        let new = directory.join(format!(".{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, directory.join(format!("{name}.yaml"))).unwrap();
    }

    /// A place beside the state directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn seawall(&self, args: &[&str], fail_point: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(args).args(["--docker-host", self.engine.host()]);
        command.arg("--policies").arg(self.scratch.path().join("policies")).arg("--state").arg(self.state());
        if let Some(name) = fail_point {
            command.env("SEAWALL_FAIL_POINT", name);
        }
        command
    }

    /// One backup without an operator.
    pub fn backup(&self, policy: &str) -> Output {
        self.seawall(&["backup", policy], None).output().unwrap()
    }

    /// One backup that is ended by a kill at a place in it.
    pub fn killed_at(&self, policy: &str, fail_point: &str) {
        let output = self.seawall(&["backup", policy], Some(fail_point)).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{fail_point} was not reached: {}", text(&output));
    }

    pub fn begin_backup(&self, policy: &str) -> Child {
        let log = fs::File::create(self.scratch.path().join("backup.log")).unwrap();
        let mut command = self.seawall(&["backup", policy], None);
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    pub fn operator(&self) -> Operator {
        self.operator_at(None)
    }

    /// The operator, with something happening to it at a place in a run.
    pub fn operator_at(&self, fail_point: Option<&str>) -> Operator {
        let log = fs::File::create(self.scratch.path().join("run.log")).unwrap();
        let mut command = self.seawall(&["run", "--listen", "127.0.0.1:0"], fail_point);
        Operator(command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap())
    }

    /// What the operator answers, or a look of its own.
    pub fn get(&self, args: &[&str]) -> serde_json::Value {
        let output = self.seawall(args, None).args(["--output", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
    }

    /// The container's state, in Docker's word.
    pub fn status(&self, container: &str) -> String {
        self.engine.try_docker(&["inspect", "--format={{.State.Status}}", container]).unwrap_or_else(|_| "gone".into())
    }

    /// A file that takes long to read and no space: the window is as long as a test needs it.
    pub fn big_file(&self) {
        long_file(&self.engine.mountpoint(&self.volume).join("big"), ENDLESS);
    }

    pub fn remove_big_file(&self) {
        fs::remove_file(self.engine.mountpoint(&self.volume).join("big")).unwrap();
    }

    /// The journal's file.
    pub fn journal(&self) -> String {
        fs::read_to_string(self.state().join("journal/intents")).unwrap_or_default()
    }

    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default();
        format!("{}\n{}", read("run.log"), read("backup.log"))
    }

    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < PATIENCE, "never: {what}\n{}\n{}", self.journal(), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new process makes all well: the container as it was before, nothing in the journal.
    pub fn recovers(&self, container: &str, when: &str) {
        let operator = self.operator();
        self.until(&format!("{container} runs again, and the journal is empty, after {when}"), || {
            self.status(container) == "running" && self.journal().is_empty()
        });
        // Before that, a signal ends it before what was interrupted is counted; the next start would do it.
        self.until("the operator runs", || self.log().contains("is running"));
        operator.end();
    }

    /// How runs ended, newest first.
    pub fn results(&self) -> Vec<String> {
        let runs = self.get(&["get", "runs"]);
        runs.as_array().unwrap().iter().map(|run| run["result"].as_str().unwrap().to_owned()).collect()
    }

    pub fn restic(&self, args: &[&str]) -> Output {
        let mut command = Command::new("restic");
        command.arg("--repo").arg(self.state().join("repository"));
        command.arg("--password-file").arg(self.state().join("keys/default.key"));
        command.args(["--no-cache", "--no-lock"]).args(args).output().unwrap()
    }

    pub fn repository_is_clean(&self) {
        let output = self.restic(&["check", "--read-data"]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

impl Operator {
    /// SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and how long it took to be gone.
    pub fn end(mut self) -> Duration {
        let since = Instant::now();
        signal(&self.0, rustix::process::Signal::TERM);
        while self.0.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        since.elapsed()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
