//! The drill of a database: its newest dump, restored into a server that is started for it, looked at, and measured.

use super::repository_error;
use crate::adapters::postgres::scratch;
use crate::adapters::postgres::{Asker, Clients, Leaving, PostgresError, Scratch, ServerFacts, identifier, literal};
use crate::adapters::repository::{Control, Reason, RepositoryAdapter, RepositoryError};
use crate::clock::Clock;
use crate::execute::drill::{check_room, seconds};
use crate::execute::fail_point::fail_point;
use crate::execute::taken::heartbeat;
use crate::policy::quantity::count;
use crate::policy::{DrillCheck, PostgresSource};
use crate::reconcile::verification::Evidence;
use crate::reconcile::{DrillReport, RunId, SnapshotRecord};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a drill is made with.
#[derive(Clone)]
pub(in crate::execute) struct Drilled {
    pub source: PostgresSource,
    pub checks: Vec<DrillCheck>,
    /// Tells this Seawall's scratch from that of others.
    pub owner: String,
    pub run: RunId,
    pub started: Timestamp,
    pub snapshot: String,
    pub clock: Arc<dyn Clock>,
}

/// A server that was started for a drill, and goes away with the drill.
pub(in crate::execute) struct Served {
    /// How it is reached.
    pub link: scratch::Link,
    /// Where it keeps what is restored.
    pub room: PathBuf,
    /// What it was started from.
    pub image: String,
}

/// Restores and looks; what a person should know of beside the report. Blocking; nothing of it stays. `elsewhere`: the server
/// that it is restored into; `None`: one is started from the programs of this host.
pub(in crate::execute) fn attempt(
    repository: &RepositoryAdapter,
    drilled: &Drilled,
    elsewhere: Option<&Served>,
    control: &Control,
) -> Result<(DrillReport, Vec<String>), RepositoryError> {
    let snapshot = repository.snapshot(&drilled.snapshot)?;
    let stored = Stored::of(repository, &snapshot)?;
    let failed = |error: PostgresError| repository_error(&error);
    let room = elsewhere.map_or(scratch::place(), |served| &served.room);
    check_room(room, stored.facts.bytes.max(snapshot.bytes))?;
    let clients = Clients::find(elsewhere.and(drilled.source.binaries.as_deref()), &control.cancel).map_err(failed)?;
    let server = match elsewhere {
        Some(served) => Begun::there(served, &clients, &stored, control),
        None => Begun::here(drilled, &clients, &stored, control),
    };
    let server = server.map_err(failed)?;
    let (asker, otherwise) = scratch::prepare(&server.asker, &stored.facts).map_err(failed)?;
    fail_point("drill-scratch-made");
    let began = drilled.clock.now();
    load(repository, &snapshot.id, &stored.dump, &asker, Leaving::default(), control)?;
    let restore_seconds = seconds(began, drilled.clock.now());
    fail_point("drill-restored");
    let looker = Looker { asker: &asker, clock: &*drilled.clock };
    let mut checks: Vec<Evidence> = drilled.checks.iter().map(|check| looker.look(check)).collect();
    if stored.heartbeat {
        let policy = snapshot.source.as_ref().map_or("", |source| source.policy.as_str());
        checks.push(looker.heartbeat(&heartbeat(&snapshot.host, policy), &snapshot));
    }
    if control.cancel.is_cancelled() {
        return Err(repository_error(&PostgresError::interrupted()));
    }
    let report = DrillReport {
        snapshot: snapshot.id.to_string(),
        snapshot_time: snapshot.time,
        files: snapshot.files,
        bytes: snapshot.bytes,
        restore_seconds,
        seconds: seconds(drilled.started, drilled.clock.now()),
        checks,
    };
    Ok((report, otherwise.into_iter().collect()))
}

/// A server that can be restored into.
struct Begun {
    asker: Asker,
    /// Gone with the value, where it was started here.
    _scratch: Option<Scratch>,
}

impl Begun {
    fn here(drilled: &Drilled, clients: &Clients, stored: &Stored, control: &Control) -> Result<Self, PostgresError> {
        let programs = clients.for_scratch(stored.needs(), drilled.source.binaries.as_deref())?;
        let scratch = Scratch::start((&drilled.owner, &drilled.run.0), &programs, &control.cancel)?;
        Ok(Self { asker: scratch.asker().clone(), _scratch: Some(scratch) })
    }

    fn there(served: &Served, clients: &Clients, stored: &Stored, control: &Control) -> Result<Self, PostgresError> {
        let programs = clients.for_server(stored.needs())?.clone();
        let asker = Asker { programs, address: served.link.address(), cancel: control.cancel.clone() };
        let (there, needs) = (ServerFacts::ask(&asker)?.major(), stored.needs());
        if there < needs {
            return Err(PostgresError::refused(format!(
                "The image {} has PostgreSQL {there} and the dump is of {needs}, which it cannot read: name one of {needs} or \
                 newer",
                served.image
            )));
        }
        Ok(Self { asker, _scratch: None })
    }
}

/// What a snapshot of a database says of itself.
pub(in crate::execute) struct Stored {
    pub facts: ServerFacts,
    /// The file of the dump.
    pub dump: String,
    /// The version of the programs that made it.
    pub programs: u32,
    pub heartbeat: bool,
}

impl Stored {
    pub fn of(repository: &RepositoryAdapter, snapshot: &SnapshotRecord) -> Result<Self, RepositoryError> {
        let manifest = repository.manifest(&snapshot.id)?.unwrap_or_default();
        let postgres = &manifest["postgres"];
        let Some(dump) = postgres["dump"].as_str() else {
            let message = format!("The snapshot {} is not of a database", snapshot.id.get(..8).unwrap_or_default());
            return Err(RepositoryError::new(Reason::Refused, message));
        };
        Ok(Self {
            facts: serde_json::from_value(postgres["server"].clone()).unwrap_or_default(),
            dump: dump.to_owned(),
            programs: postgres["programs"].as_u64().and_then(|major| u32::try_from(major).ok()).unwrap_or(0),
            heartbeat: postgres["heartbeat"] == true,
        })
    }

    /// The oldest version that can read the dump and do what its server did.
    pub fn needs(&self) -> u32 {
        self.facts.major().max(self.programs)
    }
}

/// Writes a dump into an empty database.
pub(in crate::execute) fn load(
    repository: &RepositoryAdapter,
    snapshot: &str,
    dump: &str,
    asker: &Asker,
    leaving: Leaving,
    control: &Control,
) -> Result<u64, RepositoryError> {
    let mut load = asker.load(leaving).map_err(|error| repository_error(&error))?;
    let written = repository.stream(snapshot, Path::new(dump), &mut load, control);
    // A program that gave up closes its end first, and says why.
    match (load.end(), written) {
        (Ok(()), written) => written,
        (Err(error), Err(trouble)) if trouble.kind() != Reason::Unavailable => {
            tracing::debug!(%error, "pg_restore ended for want of its dump");
            Err(trouble)
        }
        (Err(error), _) => Err(repository_error(&error)),
    }
}

struct Looker<'a> {
    asker: &'a Asker,
    clock: &'a dyn Clock,
}

/// What was found: in words, whether it is as it should be or not.
type Finding = Result<String, String>;

impl Looker<'_> {
    fn look(&self, check: &DrillCheck) -> Evidence {
        self.evidence(check.to_string(), || match check {
            DrillCheck::MinTables(least) => self.tables(*least),
            DrillCheck::MinRows(tables) => self.rows(tables),
            DrillCheck::Query(statement) => self.query(statement),
            _ => Err("this looks at files, and the source is a database".to_owned()),
        })
    }

    fn evidence(&self, check: String, find: impl FnOnce() -> Finding) -> Evidence {
        let began = self.clock.now();
        let found = find();
        let passed = found.is_ok();
        let message = found.unwrap_or_else(|message| message);
        Evidence { check, passed, message, seconds: seconds(began, self.clock.now()) }
    }

    fn number(&self, statement: &str) -> Result<u64, String> {
        let said = self.asker.value(statement).map_err(|error| error.to_string())?;
        said.parse().map_err(|_| format!("the server answers `{said}`"))
    }

    fn tables(&self, least: u64) -> Finding {
        let found = self.number(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
             AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'seawall')",
        )?;
        if found >= least {
            Ok(count(found, "table"))
        } else {
            Err(format!("there are only {}", count(found, "table")))
        }
    }

    fn rows(&self, tables: &BTreeMap<String, u64>) -> Finding {
        let (mut found, mut lacking) = (Vec::new(), Vec::new());
        for (table, least) in tables {
            let name: Vec<String> = table.split('.').map(identifier).collect();
            match self.number(&format!("SELECT count(*) FROM {}", name.join("."))) {
                Ok(rows) if rows >= *least => found.push(format!("{table} has {}", count(rows, "row"))),
                Ok(rows) => lacking.push(format!("{table} has only {}", count(rows, "row"))),
                Err(error) => lacking.push(format!("{table}: {error}")),
            }
        }
        if lacking.is_empty() { Ok(found.join(", ")) } else { Err(lacking.join(", ")) }
    }

    fn query(&self, statement: &str) -> Finding {
        let said = self.asker.value(statement).map_err(|error| error.to_string())?;
        match said.as_str() {
            "t" => Ok("it is true".to_owned()),
            "" => Err("it answers nothing".to_owned()),
            said => Err(format!("it answers `{}`", said.chars().take(60).collect::<String>())),
        }
    }

    /// That what was restored was written when the snapshot says.
    fn heartbeat(&self, id: &str, snapshot: &SnapshotRecord) -> Evidence {
        self.evidence("heartbeat".to_owned(), || {
            let statement = format!(
                "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM seawall.heartbeat WHERE id = {}",
                literal(id)
            );
            let said = self.asker.value(&statement).map_err(|error| error.to_string())?;
            let at: Timestamp = said.parse().map_err(|_| format!("there is none of {id}"))?;
            // The server counts microseconds.
            if at.as_microsecond() >= snapshot.time.as_microsecond() {
                Ok(format!("the data is of {at}"))
            } else {
                Err(format!("the data is of {at}, and the snapshot says {}", snapshot.time))
            }
        })
    }
}
