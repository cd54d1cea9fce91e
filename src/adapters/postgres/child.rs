//! One program that runs: killed when its run is cancelled, reaped whatever happens, and its last words kept.

use super::address::Address;
use super::error::PostgresError;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether a run was cancelled, and whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How much of what a program says to its standard error is kept: the end.
const LAST_WORDS: usize = 4096;
/// The longest answer that is taken from a program.
const ANSWER: u64 = 64 << 20;

/// A program of PostgreSQL that was started.
pub(super) struct Running {
    name: String,
    child: Arc<Mutex<Child>>,
    ended: Arc<AtomicBool>,
    cancel: CancellationToken,
    words: Option<JoinHandle<Vec<u8>>>,
    address: Option<Address>,
}

/// What a program is started with, beside its arguments.
pub(super) struct Start<'a> {
    pub program: &'a Path,
    pub address: Option<&'a Address>,
    /// As whom; `None`: as this process.
    pub user: Option<(u32, u32)>,
    pub cancel: &'a CancellationToken,
}

impl Start<'_> {
    /// The program with nothing in its environment but what it needs.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).env_clear().current_dir("/");
        for name in ["PATH", "HOME", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("LC_ALL", "C").env("PGCLIENTENCODING", "UTF8");
        if let Some(address) = self.address {
            command.envs(address.variables());
        }
        if let Some((uid, gid)) = self.user {
            use std::os::unix::process::CommandExt;
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts it with its standard output at hand, and its input if asked for.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: bool,
    ) -> Result<(Running, Option<ChildStdin>, ChildStdout), PostgresError> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if self.cancel.is_cancelled() {
            return Err(PostgresError::interrupted());
        }
        let failed = |error: &io::Error| {
            PostgresError::refused(format!("{} cannot be started: {error}", self.program.display()))
        };
        let mut command = self.command(arguments);
        command.stdin(if input { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let running = Running {
            name,
            child: Arc::new(Mutex::new(child)),
            ended: Arc::default(),
            cancel: self.cancel.clone(),
            words: stderr.map(|stderr| thread::spawn(move || last_words(stderr))),
            address: self.address.cloned(),
        };
        running.watch();
        let stdout = stdout.ok_or_else(|| failed(&io::Error::other("it has no output")))?;
        Ok((running, stdin, stdout))
    }

    /// Runs it to its end, with this as its input; what it wrote.
    pub fn answer<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<String, PostgresError> {
        let (running, stdin, stdout) = self.run(arguments, true)?;
        if let Some(mut stdin) = stdin {
            // A program that does not want it all says why when it ends.
            drop(stdin.write_all(input.as_bytes()));
        }
        let mut text = Vec::new();
        let read = stdout.take(ANSWER).read_to_end(&mut text);
        running.end()?;
        read.map_err(|error| PostgresError::server(error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Running {
    /// Kills it as soon as the run is cancelled.
    fn watch(&self) {
        let (child, ended, cancel) = (Arc::clone(&self.child), Arc::clone(&self.ended), self.cancel.clone());
        thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                if cancel.is_cancelled() {
                    kill(&child);
                    return;
                }
                thread::sleep(LOOK);
            }
        });
    }

    /// Waits for its end; an error unless that was a good one.
    pub fn end(mut self) -> Result<(), PostgresError> {
        let status = loop {
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(error) => return Err(PostgresError::server(format!("{}: {error}", self.name))),
            }
            thread::sleep(LOOK);
        };
        self.ended.store(true, Ordering::Release);
        let words = self.words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        if self.cancel.is_cancelled() {
            return Err(PostgresError::interrupted());
        }
        let words = String::from_utf8_lossy(&words).into_owned();
        let words = self.address.as_ref().map_or(words.clone(), |address| address.without_password(&words));
        Err(PostgresError::server(format!("{} {}{}", self.name, told(status), said(&words))))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            kill(&self.child);
            drop(lock(&self.child).wait());
        }
    }
}

fn kill(child: &Mutex<Child>) {
    if let Err(error) = lock(child).kill() {
        tracing::warn!(%error, "a program could not be killed");
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended badly".to_owned(),
    }
}

/// What it said, in one line.
fn said(words: &str) -> String {
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join(" | ")) }
}

fn last_words(mut stderr: ChildStderr) -> Vec<u8> {
    let (mut words, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        words.extend_from_slice(&buffer[..length]);
        let surplus = words.len().saturating_sub(LAST_WORDS);
        words.drain(..surplus);
    }
    words
}
