//! A server that is started for one drill and goes away with it.
//!
//! It listens on a socket in its own directory and on nothing else. It runs as `nobody`: what is restored into it may
//! bring code along, and `postgres` may own databases that somebody needs.

use super::address::Address;
use super::ask::Asker;
use super::child::Start;
use super::client::Programs;
use super::error::PostgresError;
use super::identifier;
use super::locale::Locale;
use super::preflight::ServerFacts;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Where scratch directories are: on a disk, and with a name that leaves room for that of a socket.
const PLACE: &str = "/var/tmp";
/// How long a server may take to begin, or to end.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);
const PORT: u16 = 5432;
const USER: &str = "seawall";

/// What `initdb` is told beside where. No locale: a database has its own.
pub const INITDB: [&str; 5] = ["--username=seawall", "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync"];

/// Nothing is kept, so nothing has to be safe; little is needed; and nothing is compiled at run time.
pub const SETTINGS: [&str; 14] = [
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=1GB",
    "shared_buffers=64MB",
    "max_connections=10",
    "autovacuum=off",
    "jit=off",
    "max_parallel_maintenance_workers=0",
    "max_parallel_workers_per_gather=0",
    "shared_preload_libraries=",
];

/// A server that runs. Ended, and its directory removed, with the value.
pub struct Scratch {
    directory: PathBuf,
    server: Option<Child>,
    asker: Asker,
}

/// Where scratch directories are made.
#[must_use]
pub fn place() -> &'static Path {
    Path::new(PLACE)
}

impl Scratch {
    /// Makes a server. `owner` tells this Seawall's scratch from that of others, `run` this one from all.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn start(
        (owner, run): (&str, &str),
        programs: &Programs,
        cancel: &CancellationToken,
    ) -> Result<Self, PostgresError> {
        let directory = place().join(format!("{}{run}", prefix(owner)));
        let failed = |error: &io::Error| {
            PostgresError::refused(format!("A scratch directory cannot be made at {}: {error}", directory.display()))
        };
        DirBuilder::new().mode(0o700).create(&directory).map_err(|error| failed(&error))?;
        let socket = directory.to_string_lossy().into_owned();
        let address = Address::socket(&socket, PORT, USER, "postgres");
        let asker = Asker { programs: programs.clone(), address, cancel: cancel.clone() };
        // From here on whatever is left is removed.
        let mut scratch = Self { directory: directory.clone(), server: None, asker };
        let user = rustix::process::geteuid().is_root().then(nobody);
        if let Some((uid, gid)) = user {
            chown(&directory, Some(uid), Some(gid)).map_err(|error| failed(&error))?;
        }
        scratch.initialize(user, cancel)?;
        scratch.serve(user, cancel)?;
        Ok(scratch)
    }

    /// Asks the server.
    #[must_use]
    pub const fn asker(&self) -> &Asker {
        &self.asker
    }

    fn initialize(&self, user: Option<(u32, u32)>, cancel: &CancellationToken) -> Result<(), PostgresError> {
        let program = self.asker.programs.path("initdb");
        let start = Start { program: &program, address: None, user, cancel };
        let data = format!("--pgdata={}", self.directory.join("data").display());
        start.answer(std::iter::once(data.as_str()).chain(INITDB), "").map(drop)
    }

    fn serve(&mut self, user: Option<(u32, u32)>, cancel: &CancellationToken) -> Result<(), PostgresError> {
        let program = self.asker.programs.path("postgres");
        let start = Start { program: &program, address: None, user, cancel };
        let log = self.directory.join("log");
        let failed =
            |error: &io::Error| PostgresError::refused(format!("{} cannot be started: {error}", program.display()));
        let data = self.directory.join("data");
        let (data, socket) = (data.to_string_lossy(), self.directory.to_string_lossy());
        let own = ["-D".to_owned(), data.into_owned(), "-k".to_owned(), socket.into_owned()];
        let settings = SETTINGS.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
        let mut command = start.command(own.into_iter().chain(settings));
        let file = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = file.map_err(|error| failed(&error))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        self.server = Some(command.spawn().map_err(|error| failed(&error))?);
        let begun = Instant::now();
        loop {
            if cancel.is_cancelled() {
                return Err(PostgresError::interrupted());
            }
            let Err(error) = self.asker.run("SELECT 1;") else { return Ok(()) };
            let ended = self.server.as_mut().is_none_or(|server| !matches!(server.try_wait(), Ok(None)));
            if ended || begun.elapsed() > PATIENCE {
                let words = fs::read_to_string(&log).unwrap_or_default();
                let last = words.lines().last().unwrap_or_default();
                return Err(PostgresError::server(format!("The scratch server does not begin ({error}): {last}")));
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Gives a server that was made for a drill all roles that there were, and an empty database that is as the one of `facts`
/// was. Asks that one from then on; what it could not be told, in words.
///
/// # Errors
/// The server gave up.
pub fn prepare(asker: &Asker, facts: &ServerFacts) -> Result<(Asker, Option<String>), PostgresError> {
    for role in facts.roles.iter().filter(|role| *role != USER) {
        asker.run(&format!("CREATE ROLE {} SUPERUSER;", identifier(role)))?;
    }
    let name = if facts.database.is_empty() || facts.database == "postgres" { "restored" } else { &facts.database };
    let major = ServerFacts::ask(asker)?.major();
    let make = |locale: &Locale| {
        let options = locale.options(major)?;
        asker.run(&format!("CREATE DATABASE {} TEMPLATE template0 {options};", identifier(name)))
    };
    // Another host may not have the server's locale. What is sorted otherwise is there all the same.
    let otherwise = match make(&facts.locale) {
        Ok(_) => None,
        Err(error) => {
            make(&facts.locale.by_bytes())?;
            Some(format!("the drill's server cannot sort as the database does, and sorted by bytes instead: {error}"))
        }
    };
    Ok((asker.of(name), otherwise))
}

/// The way to the socket of a server that runs elsewhere on this host: the name of a socket may be no longer than 107
/// bytes, and the path of a volume may. Removed with the value.
pub struct Link {
    path: PathBuf,
}

impl Link {
    /// Leads to a directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn to(directory: &Path, (owner, run): (&str, &str)) -> Result<Self, PostgresError> {
        let path = place().join(format!("{}{run}", prefix(owner)));
        symlink(directory, &path)
            .map_err(|error| PostgresError::refused(format!("The link {} cannot be made: {error}", path.display())))?;
        Ok(Self { path })
    }

    /// How the server there is reached.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::socket(&self.path.to_string_lossy(), PORT, USER, "postgres")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(link = %self.path.display(), %error, "a drill's link stays until the next one");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // As if the machine had crashed: nobody needs what is in it.
            end(server.id(), || !matches!(server.try_wait(), Ok(None)));
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(directory = %self.directory.display(), %error, "a drill's scratch stays until the next one");
        }
    }
}

fn prefix(owner: &str) -> String {
    format!("seawall-pg-{owner}-")
}

/// Ends and removes what earlier drills left behind when their process died. What could not be removed, in words.
#[must_use]
pub fn sweep(owner: &str) -> Vec<String> {
    let mut troubles = Vec::new();
    for entry in fs::read_dir(place()).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&prefix(owner)) {
            continue;
        }
        let directory = entry.path();
        if let Some(pid) = serving(&directory) {
            end(pid, || serving(&directory).is_none());
        }
        match fs::remove_dir_all(&directory) {
            Ok(()) => tracing::warn!(directory = %directory.display(), "removed what an earlier drill had left behind"),
            Err(error) => {
                troubles.push(format!("what an earlier drill left in {} stays: {error}", directory.display()));
            }
        }
    }
    troubles
}

/// The server that works in a scratch directory, if one does.
fn serving(directory: &Path) -> Option<u32> {
    let data = directory.join("data");
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    // Numbers are given out again: only what works here is meant.
    (fs::read_link(format!("/proc/{pid}/cwd")).ok()? == data).then_some(pid)
}

/// Ends a server at once, whatever it does.
fn end(pid: u32, mut has_ended: impl FnMut() -> bool) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    for (signal, patience) in [(Signal::QUIT, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(2))] {
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(%error, "a scratch server has ended already");
        }
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if has_ended() {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A user who owns nothing.
fn nobody() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().find(|line| line.starts_with("nobody:"));
    let mut fields = line.into_iter().flat_map(|line| line.split(':').skip(2)).map_while(|field| field.parse().ok());
    (fields.next().unwrap_or(65534), fields.next().unwrap_or(65534))
}
