//! A database as files of a snapshot: dumped while they are read, with nothing on this host's disks in between.

use super::address::Address;
use super::ask::Asker;
use super::child::{Running, Start};
use super::client::{Clients, Programs};
use super::error::PostgresError;
use super::preflight::{self, ServerFacts};
use super::proof::Proof;
use crate::adapters::key;
use crate::adapters::repository::Streams;
use crate::policy::PostgresSource;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// The file of roles and tablespaces in a snapshot.
const GLOBALS: &str = "globals.sql";

/// What is to be dumped.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// As the policy says it.
    pub source: PostgresSource,
    /// Under which id the heartbeat is written.
    pub heartbeat: String,
    /// Ends it.
    pub cancel: CancellationToken,
}

/// A database that has been looked at and can be dumped, once.
pub struct Dump {
    wanted: Wanted,
    asker: Asker,
    facts: ServerFacts,
    told: Arc<Told>,
}

/// What came of it, file by file.
#[derive(Debug, Default)]
struct Told {
    ends: Mutex<BTreeMap<String, Result<Dumped, PostgresError>>>,
    notes: Mutex<Vec<String>>,
}

/// What one file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Bytes.
    pub bytes: u64,
    /// Tables with rows; of a dump.
    pub tables: u64,
}

impl Told {
    fn ends(&self) -> MutexGuard<'_, BTreeMap<String, Result<Dumped, PostgresError>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

impl Dump {
    /// Looks whether all that is wanted can be had: a connection, programs of the right version, the right to read all.
    /// Then writes the heartbeat. `at`: the recovery point.
    ///
    /// # Errors
    /// Something is missing; says what to do.
    pub fn prepare(wanted: Wanted, at: Timestamp) -> Result<Self, PostgresError> {
        let source = &wanted.source;
        let secret = key::read(&source.url_from).map_err(|error| PostgresError::refused(error.to_string()))?;
        let address = Address::parse(&secret)?;
        let clients = Clients::find(source.binaries.as_deref(), &wanted.cancel)?;
        let doubts = address.doubts();
        let asker = Asker { programs: clients.newest().clone(), address, cancel: wanted.cancel.clone() };
        let looked = ServerFacts::ask(&asker);
        let facts = looked.map_err(|error| match &doubts {
            Some(doubts) => PostgresError::server(format!("{error}. {doubts}")),
            None => error,
        })?;
        let programs = clients.for_server(facts.major())?.clone();
        preflight::readable(&asker, &facts, &source.exclude)?;
        let told = Told::default();
        if let Some(doubts) = doubts {
            told.note(doubts);
        }
        if source.heartbeat && facts.standby {
            told.note("The server only follows another one, so no heartbeat was written".to_owned());
        } else if source.heartbeat
            && let Err(error) = preflight::beat(&asker, &facts, &wanted.heartbeat, at)
        {
            told.note(error.to_string());
        }
        if source.globals && !facts.superuser {
            told.note(format!("{GLOBALS} has no passwords: only a superuser may read them"));
        }
        let asker = Asker { programs, ..asker.of(&facts.database) };
        Ok(Self { wanted, asker, facts, told: Arc::new(told) })
    }

    /// What the server said of itself.
    #[must_use]
    pub const fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// The programs that are used.
    #[must_use]
    pub const fn programs(&self) -> &Programs {
        &self.asker.programs
    }

    /// What a person should know of, one sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.told.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the dump holds, once it was read to its end.
    #[must_use]
    pub fn dumped(&self) -> Option<Dumped> {
        self.told.ends().get(&self.wanted.source.dump_file())?.clone().ok()
    }

    fn arguments(&self, file: &str) -> Vec<String> {
        if file == GLOBALS {
            let mut arguments = vec!["--globals-only".to_owned(), "--no-password".to_owned()];
            if !self.facts.superuser {
                arguments.push("--no-role-passwords".to_owned());
            }
            return arguments;
        }
        // The repository compresses, and finds again what did not change since the last dump: not so in compressed data.
        let mut arguments: Vec<String> =
            ["--format=custom", "--compress=0", "--no-password"].map(str::to_owned).to_vec();
        let exclude = &self.wanted.source.exclude;
        for (option, patterns) in [
            ("--exclude-schema", &exclude.schemas),
            ("--exclude-table", &exclude.tables),
            ("--exclude-table-data", &exclude.rows),
        ] {
            arguments.extend(patterns.iter().map(|pattern| format!("{option}={}", preflight::pattern(pattern))));
        }
        arguments
    }

    fn begin(&self, file: &str) -> Result<Dumping, PostgresError> {
        let Asker { programs, address, cancel } = &self.asker;
        let globals = file == GLOBALS;
        let program = programs.path(if globals { "pg_dumpall" } else { "pg_dump" });
        let proof = if globals { None } else { Some(Proof::begin(&programs.path("pg_restore"), cancel)?) };
        let start = Start { program: &program, address: Some(address), user: None, cancel };
        let (running, _, output) = start.run(self.arguments(file), false)?;
        let (file, told) = (file.to_owned(), Arc::clone(&self.told));
        Ok(Dumping { file, told, open: Some((running, proof)), output, bytes: 0 })
    }
}

impl Streams for Dump {
    fn name(&self) -> &str {
        self.wanted.source.short_name()
    }

    fn files(&self) -> Vec<String> {
        let globals = self.wanted.source.globals.then(|| GLOBALS.to_owned());
        std::iter::once(self.wanted.source.dump_file()).chain(globals).collect()
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>> {
        match self.begin(file) {
            Ok(dumping) => Ok(Box::new(dumping)),
            Err(error) => {
                self.told.ends().insert(file.to_owned(), Err(error.clone()));
                Err(io::Error::other(error))
            }
        }
    }

    fn verdict(&self) -> Result<(), String> {
        let ends = self.told.ends();
        for file in self.files() {
            match ends.get(&file) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err(format!("{file} was not read to its end")),
            }
        }
        Ok(())
    }
}

/// One file while it is dumped.
struct Dumping {
    file: String,
    told: Arc<Told>,
    /// `None`: it is over.
    open: Option<(Running, Option<Proof>)>,
    output: ChildStdout,
    bytes: u64,
}

impl Dumping {
    fn end(&self, (running, proof): (Running, Option<Proof>)) -> Result<Dumped, PostgresError> {
        running.end()?;
        let listed = proof.map(Proof::end).transpose().map_err(|error| {
            PostgresError::server(format!("What pg_dump wrote is no dump that pg_restore can read ({error})"))
        })?;
        if self.bytes == 0 || listed.is_some_and(|listed| listed.entries == 0) {
            return Err(PostgresError::server(format!("{} is empty: the database was not dumped", self.file)));
        }
        Ok(Dumped { bytes: self.bytes, tables: listed.map_or(0, |listed| listed.tables) })
    }
}

impl Read for Dumping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((_, proof)) = &mut self.open else { return Ok(0) };
        let length = self.output.read(buffer)?;
        if length > 0 {
            self.bytes += length as u64;
            if let Some(proof) = proof {
                proof.show(&buffer[..length]);
            }
            return Ok(length);
        }
        let Some(open) = self.open.take() else { return Ok(0) };
        // Only a good end makes what was read so far a dump.
        let end = self.end(open);
        self.told.ends().insert(self.file.clone(), end.clone());
        end.map(|_| 0).map_err(io::Error::other)
    }
}
