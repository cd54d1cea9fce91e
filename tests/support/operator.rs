//! The real binary on directories of its own: as the operator, and as the commands beside it.
//!
//! The operator listens on a port that the kernel chooses and says which in its log, so that tests never meet.

use super::engine::Engine;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// The directories of one host: policies and state.
pub struct Host {
    dir: tempfile::TempDir,
    docker: String,
    name: Option<&'static str>,
    env: Vec<(String, String)>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its standard output, when it ended as it should.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Host {
    pub fn new(engine: &Engine) -> Self {
        Self::on(engine.host())
    }

    pub fn on(docker: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        Self { dir, docker: docker.to_owned(), name: Some("testhost"), env: Vec::new() }
    }

    /// A host that is not told its name.
    pub fn unnamed(engine: &Engine) -> Self {
        Self { name: None, ..Self::new(engine) }
    }

    /// With a variable that every command of it has.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn policies(&self) -> PathBuf {
        self.path("policies")
    }

    /// Writes a policy file as an editor would: beside, then moved.
    pub fn write(&self, file: &str, text: &str) {
        let beside = self.path("beside");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.policies().join(file)).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.policies().join(file)).unwrap();
    }

    /// The binary with the directories of this host; `args` come first.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_on(&self.policies(), args)
    }

    /// The same with other policies.
    pub fn command_on(&self, policies: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).args(args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.args(["--docker-host", &self.docker]);
        command.args(self.name.iter().flat_map(|name| ["--host", name]));
        command.arg("--policies").arg(policies).arg("--state").arg(self.state()).stdin(Stdio::null());
        command
    }

    pub fn seawall(&self, args: &[&str]) -> Said {
        run(&mut self.command(args))
    }

    /// The operator, not yet ready.
    pub fn launch(&self, args: &[&str]) -> Operator {
        let log = self.path("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let since = file.metadata().unwrap().len();
        let mut all = vec!["run", "--listen", "127.0.0.1:0"];
        all.extend(args);
        let child = self.command(&all).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Operator { child, log, since, address: String::new() }
    }

    /// The operator, ready.
    pub fn start(&self) -> Operator {
        self.start_with(&[])
    }

    pub fn start_with(&self, args: &[&str]) -> Operator {
        let mut operator = self.launch(args);
        operator.ready();
        operator
    }

    /// `restic` on the default repository with the key that Seawall made.
    pub fn restic(&self, args: &[&str]) -> String {
        self.restic_on(&self.state().join("repository"), args)
    }

    pub fn restic_on(&self, repository: &Path, args: &[&str]) -> String {
        let mut command = Command::new("restic");
        command.arg("--no-cache").arg("--repo").arg(repository);
        command.arg("--password-file").arg(self.state().join("keys/default.key"));
        run(command.args(args)).ok()
    }

    /// What a restore of a snapshot by `restic` gives, compared with the volume's directory as it is now.
    pub fn differences(&self, snapshot: &str, volume: &str, mountpoint: &Path) -> String {
        let target = tempfile::tempdir().unwrap();
        self.restic(&["restore", snapshot, "--target", target.path().to_str().unwrap()]);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare_trees.py");
        run(Command::new("python3").arg(script).arg(mountpoint).arg(target.path().join(volume))).ok()
    }

    /// Every snapshot in the default repository, as `restic` lists them, oldest first.
    pub fn snapshots(&self) -> Vec<Value> {
        serde_json::from_str(&self.restic(&["snapshots", "--json"])).unwrap()
    }
}

pub fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A policy that backs one volume up; `more` are further lines of its spec, such as `suspend: true`.
pub fn policy(name: &str, volume: &str, schedule: &str, more: &[&str]) -> String {
    let more: String = more.iter().flat_map(|line| ["  ", line, "\n"]).collect();
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{volume: {{name: {volume}}}}}\n  schedule: {{{schedule}}}\n{more}"
    )
}

/// A mount over a directory, gone with the value: a small file system of its own.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    pub fn over(path: &Path, size: &str) -> Self {
        fs::create_dir_all(path).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(path)).ok();
        Self(path.to_owned())
    }

    /// A disk in a file, made by `mkfs.NAME` with these arguments.
    pub fn disk(path: &Path, image: &Path, mkfs: &str, args: &[&str]) -> Self {
        fs::create_dir_all(path).unwrap();
        File::create(image).unwrap().set_len(16 << 20).unwrap();
        run(Command::new(mkfs).args(args).arg(image)).ok();
        run(Command::new("mount").args(["-o", "loop"]).args([image, path])).ok();
        Self(path.to_owned())
    }

    /// A directory where it is, of which nothing may be written.
    pub fn sealed(path: &Path) -> Self {
        run(Command::new("mount").args(["--bind", "-o", "ro"]).args([path, path])).ok();
        Self(path.to_owned())
    }

    /// Makes it unwritable, or writable again.
    pub fn set(&self, option: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0)).ok();
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("ballast")).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    pub fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A process of `seawall run`. It is killed with the value.
pub struct Operator {
    child: Child,
    log: PathBuf,
    since: u64,
    address: String,
}

impl Operator {
    /// Waits until every first look was taken.
    pub fn ready(&mut self) {
        let (since, log) = (self.since, self.log.clone());
        until("the operator says where it listens", &log, || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", tail(&log));
            self.address = listening(&said_since(&log, since)).unwrap_or_default();
            !self.address.is_empty()
        });
        self.until("it is ready", |o| o.get("/readyz").0 == 200);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        said_since(&self.log, self.since)
    }

    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        until(what, &self.log, || holds(self));
    }

    /// Status and body; 0 when nobody answers.
    pub fn get(&self, path: &str) -> (u16, String) {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let Ok(text) = ask() else { return (0, String::new()) };
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        (head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0), body.to_owned())
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/status").1).unwrap_or_default()
    }

    /// The values of every series of this name that carries all these labels.
    pub fn series(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let text = self.get("/metrics").1;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines
            .filter(|(series, _)| series.split('{').next() == Some(name) && wanted.iter().all(|w| series.contains(w)))
            .map(|(_, value)| value.parse().unwrap())
            .collect()
    }

    /// The value of the one series; `None` when there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.series(name, labels);
        assert!(all.len() < 2, "{name} {labels:?} is more than one series");
        all.first().copied()
    }

    /// How many runs of a policy ended so.
    pub fn runs(&self, policy: &str, result: &str) -> u64 {
        let labels = [("policy", policy), ("operation", "backup"), ("result", result)];
        self.metric("seawall_runs_total", &labels).unwrap_or(0.0).to_string().parse().unwrap()
    }

    pub fn until_saved(&self, policy: &str) {
        self.until("a first snapshot", |o| {
            o.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", policy)]).is_some_and(|at| at > 0.0)
        });
    }

    pub fn until_running(&self, policy: &str) {
        let labels = [("policy", policy), ("operation", "backup")];
        self.until("a run under way", |o| o.metric("seawall_run_in_progress", &labels) == Some(1.0));
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; its exit code, -1 after a signal.
    pub fn ended(&mut self) -> i32 {
        let (log, mut code) = (self.log.clone(), None);
        until("the operator has ended", &log, || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code()).unwrap_or(-1)
    }

    /// SIGTERM, to the end.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.ended(), 0, "{}", self.log());
    }

    /// SIGKILL, to the end.
    pub fn kill(mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.ended();
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Asks again and again until the answer is yes.
pub fn until(what: &str, log: &Path, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}; the log ends:\n{}", tail(log));
        std::thread::sleep(LOOK);
    }
}

fn listening(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("is running"))?;
    line.split_whitespace().find_map(|word| word.strip_prefix("listen=")).map(str::to_owned)
}

fn said_since(log: &Path, since: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(usize::try_from(since).unwrap()..).unwrap_or_default()).into_owned()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().take(25).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
}
