//! What the loop needs from the edges.

use crate::policy::Desired;
use crate::reconcile::observed::{DockerState, Quiesced, RepositoryState};
use crate::reconcile::plan::Action;
use crate::reconcile::watch::Probe;
use crate::reconcile::{Facts, Outcome, Request, RunId, SourceKey, Undo, Wish};
use crate::status::model::{ConfigStatus, StatusSnapshot};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// What the store has in force, with the state of every file.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// What is in force.
    pub desired: Arc<Desired>,
    /// The directory and its files. `last_reload_success` and `reloads` are the store's to keep.
    pub config: ConfigStatus,
}

/// Where the loop looks. Each edge publishes its newest view; the loop reads whatever is newest.
pub struct Views {
    /// Policies.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// Docker.
    pub docker: watch::Receiver<Arc<DockerState>>,
    /// Repositories by name.
    pub repositories: watch::Receiver<Arc<BTreeMap<String, RepositoryState>>>,
    /// Looks at what is outside the host, by policy.
    pub probes: watch::Receiver<Arc<BTreeMap<String, Probe>>>,
    /// What stands still because of Seawall.
    pub quiesced: watch::Receiver<Arc<Vec<Quiesced>>>,
    /// What restores replaced.
    pub undos: watch::Receiver<Arc<Vec<Undo>>>,
}

/// How far a run is. Shared between the executor, which adds, and the loop, which reads.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Progress {
    /// Counts bytes that were read.
    pub fn add_bytes(&self, n: u64) {
        self.bytes.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts files that were dealt with.
    pub fn add_files(&self, n: u64) {
        self.files.fetch_add(n, Ordering::Relaxed);
    }

    /// Bytes and files so far.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.files.load(Ordering::Relaxed))
    }
}

/// What an executor gets beside the action.
#[derive(Debug, Clone)]
pub struct RunControl {
    /// The name of the run.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// Cancelled at shutdown and at the run's timeout; the executor then returns within seconds.
    pub cancel: CancellationToken,
    /// To be advanced by the executor.
    pub progress: Arc<Progress>,
}

/// One action with the views that it was decided on, so that an executor has nothing to look up.
#[derive(Debug, Clone)]
pub struct Work {
    /// What to do.
    pub action: Action,
    /// The policies in force when it was decided.
    pub desired: Arc<Desired>,
    /// Docker as it was seen then.
    pub docker: Arc<DockerState>,
}

/// Does what a plan says.
pub trait Execute: Send + Sync + 'static {
    /// Carries out one action. Returns one outcome per repository; never panics, never writes status.
    fn execute(&self, work: Work, control: RunControl) -> BoxFuture<'static, Vec<Outcome>>;
}

/// Looks again where looking costs something.
pub trait Refresh: Send + Sync + 'static {
    /// Asks for a new listing of a repository; the result arrives in [`Views::repositories`].
    fn repository(&self, name: &str);
    /// Asks for a new look at Docker.
    fn docker(&self);
    /// Asks for the policies directory to be read again.
    fn policies(&self);
}

/// Keeps what must survive the process.
pub trait Record: Send + Sync + 'static {
    /// Writes facts, the runs that ended, events and audit records, all or nothing, durable on return. Blocking.
    ///
    /// # Errors
    /// A sentence that says what could not be written and why.
    fn record(&self, entry: &Entry) -> Result<(), String>;
}

/// One transaction of the state directory.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The facts as they are now; `None`: unchanged.
    pub facts: Option<Arc<Facts>>,
    /// Runs that ended.
    pub runs: Vec<Outcome>,
    /// Runs that begin: id, when, action in words. Still open at the next start, they were interrupted.
    pub begun: Vec<Begun>,
    /// What people should know.
    pub events: Vec<Event>,
    /// Who did what.
    pub audit: Vec<AuditEntry>,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The run.
    pub run: RunId,
    /// When.
    pub started: Timestamp,
    /// What.
    pub action: Action,
}

/// Something that people should know. Repeats are counted, not listed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When (the newest, of repeats).
    pub at: Timestamp,
    /// Whether it is trouble.
    pub warning: bool,
    /// `policy/NAME`, `repository/NAME`, `file/PATH`, `volume/NAME`, `host`.
    pub object: String,
    /// One CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Who did what, on what, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// `seawall` for the operator itself, `user:NAME` (uid by the socket's peer credentials) for a person.
    pub actor: String,
    /// `backup`, `forget`, `prune`, `policy.accept`, `policy.withdraw`, `key.create`, `key.export`, …
    pub action: String,
    /// On what.
    pub object: String,
    /// `success`, `failure`, …
    pub result: String,
    /// More, in words: snapshot ids, digests, the git revision.
    pub detail: String,
}

/// What a person may ask of the running operator.
#[derive(Debug)]
pub enum Command {
    /// Do something now, whatever the schedules say.
    Ask {
        /// What.
        wish: Wish,
        /// Who asked.
        actor: String,
        /// What will be done, or why nothing.
        reply: oneshot::Sender<Result<Vec<Request>, String>>,
    },
    /// Read the policies directory again.
    Reload,
    /// A person exported the key of a repository.
    KeyExported {
        /// The repository.
        repository: String,
        /// Who.
        actor: String,
    },
    /// A person had an archive taken into a repository, which has a snapshot more now.
    Imported {
        /// Of which source.
        source: SourceKey,
        /// Where.
        repository: String,
        /// What was taken, as which snapshot: a sentence.
        message: String,
        /// Who.
        actor: String,
    },
}

/// The newest published status.
pub type StatusReceiver = watch::Receiver<Arc<StatusSnapshot>>;

/// What happened, as the state directory remembers it.
pub trait History: Send + Sync + 'static {
    /// Ended runs, newest first. Blocking.
    ///
    /// # Errors
    /// A sentence that says what could not be read and why.
    fn runs(&self, filter: &RunFilter) -> Result<Vec<Outcome>, String>;
    /// Events, newest first. Blocking.
    ///
    /// # Errors
    /// A sentence that says what could not be read and why.
    fn events(&self, filter: &EventFilter) -> Result<Vec<CountedEvent>, String>;
}

/// Which runs. What is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this policy; `@` and a name: the runs of a repository itself.
    pub policy: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// Which events. What is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// About this object, as [`Event::object`] writes it.
    pub object: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// An event with its repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedEvent {
    /// The event; its `at` is that of the newest repeat.
    #[serde(flatten)]
    pub event: Event,
    /// When it was first seen.
    pub first_at: Timestamp,
    /// How often.
    pub count: u64,
}

/// The documents that were last accepted, kept across restarts.
pub trait Accepted: Send + Sync + 'static {
    /// Everything that was in force when the process last ran.
    ///
    /// # Errors
    /// A sentence that says what could not be read and why.
    fn load(&self) -> Result<Vec<AcceptedDocument>, String>;
    /// Replaces it, all or nothing, durable on return.
    ///
    /// # Errors
    /// A sentence that says what could not be written and why.
    fn save(&self, documents: &[AcceptedDocument]) -> Result<(), String>;
}

/// One document that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedDocument {
    /// `BackupPolicy` or `Repository`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// The file, relative to the policies directory.
    pub file: PathBuf,
    /// Line of the document in the file.
    pub line: usize,
    /// The document as it was written.
    pub text: Arc<str>,
    /// Hash of its meaning.
    pub digest: String,
    /// Changes of meaning since it was first accepted. Goes on counting when a withdrawn name comes back.
    pub generation: u64,
    /// Whether it is in force; `false` for one that was withdrawn and is kept for its generation.
    pub in_force: bool,
}
