//! A loop whose edges are played by the test.

use crate::clock::Clock;
use crate::controller::ports::{Begun, Command, Entry, Execute, Loaded, Record, Refresh, RunControl, Views, Work};
use crate::controller::{Controller, Parts};
use crate::policy::{Desired, link, parse};
use crate::reconcile::{
    Action, DockerState, Facts, Operation, Outcome, Quiesced, Readable, RepositoryHealth, RepositoryState, Request,
    RunResult, SnapshotRecord, SourceKey, Volume, Wish,
};
use crate::status::model::StatusSnapshot;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A wall clock that follows tokio's, and jumps when it is told to.
pub struct FakeClock {
    begun: Instant,
    jumped: Mutex<SignedDuration>,
}

impl FakeClock {
    pub fn jump(&self, by: SignedDuration) {
        *self.jumped.lock().unwrap() += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).unwrap();
        at(0) + passed + *self.jumped.lock().unwrap()
    }
}

/// So many seconds after the beginning.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A run that the test carries out.
pub struct Job {
    pub work: Work,
    pub control: RunControl,
    end: oneshot::Sender<Vec<Outcome>>,
}

impl Job {
    pub fn policy(&self) -> String {
        match &self.work.action {
            Action::Backup(backup) => backup.source.policy.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends it. What is dropped instead panics.
    pub fn end(self, result: RunResult, now: Timestamp) {
        self.end_with(result, now, None);
    }

    /// Ends it, its application having stood still for so many seconds.
    pub fn end_after_window(self, result: RunResult, now: Timestamp, seconds: f64) {
        self.end_with(result, now, Some(seconds));
    }

    fn end_with(self, result: RunResult, now: Timestamp, quiesce_seconds: Option<f64>) {
        let Action::Backup(backup) = &self.work.action else { panic!("{:?}", self.work.action) };
        let snapshot = (result == RunResult::Success).then(|| snapshot(&backup.source, self.control.started));
        let (source, repository) = (backup.source.clone(), &backup.repositories[0]);
        let (run, started) = (self.control.run.clone(), self.control.started);
        let nothing = Outcome::nothing(run, Operation::Backup, Some(source), repository, started);
        let (slot, cause) = (Some(backup.slot), backup.cause.as_str().into());
        let message = "as the test says".into();
        let outcome = Outcome { slot, cause, finished: now, result, message, snapshot, quiesce_seconds, ..nothing };
        self.end.send(vec![outcome]).unwrap();
    }
}

pub fn snapshot(source: &SourceKey, time: Timestamp) -> Arc<SnapshotRecord> {
    Arc::new(SnapshotRecord {
        id: format!("{:064x}", time.as_second()).into(),
        time,
        host: "host".into(),
        source: Some(source.clone()),
        slot: Some(time),
        run: None,
        imported: None,
        complete: true,
        files: 1,
        bytes: 1,
        added_bytes: 1,
    })
}

struct FakeExecute {
    jobs: mpsc::UnboundedSender<Job>,
    broken: bool,
}

impl Execute for FakeExecute {
    fn execute(&self, work: Work, control: RunControl) -> BoxFuture<'static, Vec<Outcome>> {
        assert!(!self.broken, "this executor panics before it has begun");
        let (end, ended) = oneshot::channel();
        self.jobs.send(Job { work, control, end }).ok().unwrap();
        Box::pin(async { ended.await.expect("this run panics") })
    }
}

/// A state directory that may be full.
#[derive(Default)]
pub struct FakeRecord {
    pub written: Mutex<Vec<Entry>>,
    pub full: Mutex<bool>,
}

impl FakeRecord {
    pub fn runs(&self) -> Vec<Outcome> {
        self.written.lock().unwrap().iter().flat_map(|entry| entry.runs.clone()).collect()
    }

    pub fn begun(&self) -> usize {
        self.written.lock().unwrap().iter().map(|entry| entry.begun.len()).sum()
    }
}

impl Record for FakeRecord {
    fn record(&self, entry: &Entry) -> Result<(), String> {
        if *self.full.lock().unwrap() {
            return Err("no room".into());
        }
        self.written.lock().unwrap().push(entry.clone());
        Ok(())
    }
}

struct Nobody;

impl Refresh for Nobody {
    fn repository(&self, _: &str) {}
    fn docker(&self) {}
    fn policies(&self) {}
}

/// The running loop and everything around it.
pub struct Rig {
    pub clock: Arc<FakeClock>,
    pub record: Arc<FakeRecord>,
    pub jobs: mpsc::UnboundedReceiver<Job>,
    pub commands: mpsc::Sender<Command>,
    pub status: watch::Receiver<Arc<StatusSnapshot>>,
    pub docker: watch::Sender<Arc<DockerState>>,
    pub repositories: watch::Sender<Arc<BTreeMap<String, RepositoryState>>>,
    pub quiesced: watch::Sender<Arc<Vec<Quiesced>>>,
    pub cancel: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
    pub loaded: watch::Sender<Arc<Loaded>>,
}

/// What a rig is made with.
pub struct Plan {
    /// Policies, hourly, each of a volume of its own name; every volume exists.
    pub policies: Vec<&'static str>,
    pub max_runs: usize,
    pub broken: bool,
    pub interrupted: Vec<Begun>,
    /// Whether every policy has a snapshot of this moment.
    pub fresh: bool,
}

impl Plan {
    pub fn of(policies: &[&'static str]) -> Self {
        Self { policies: policies.to_vec(), max_runs: 2, broken: false, interrupted: vec![], fresh: false }
    }

    pub fn start(self) -> Rig {
        let clock = Arc::new(FakeClock { begun: Instant::now(), jumped: Mutex::default() });
        let record = Arc::new(FakeRecord::default());
        let (jobs, receiver) = mpsc::unbounded_channel();
        let loaded = Loaded { desired: Arc::new(desired(&self.policies)), ..Loaded::default() };
        let mut docker = DockerState { up: true, seen_at: Some(at(0)), ..DockerState::default() };
        docker.volumes = self.policies.iter().map(|name| ((*name).to_owned(), volume(name))).collect();
        let mut own = BTreeMap::new();
        if self.fresh {
            for name in &self.policies {
                let key = SourceKey { policy: (*name).into(), source: (*name).into() };
                own.insert(key.clone(), Arc::new(vec![snapshot(&key, at(0))]));
            }
        }
        let repository = RepositoryState {
            health: RepositoryHealth::Healthy,
            listed_at: Some(at(0)),
            own,
            foreign: 0,
            generated_key: false,
            location: "/repository".into(),
        };
        let (loaded, loaded_view) = watch::channel(Arc::new(loaded));
        let (docker, docker_view) = watch::channel(Arc::new(docker));
        let (repositories, repositories_view) =
            watch::channel(Arc::new(BTreeMap::from([("default".into(), repository)])));
        let (_, probes) = watch::channel(Arc::default());
        let (quiesced, quiesced_view) = watch::channel(Arc::default());
        let (controller, status) = Controller::new(Parts {
            views: Views {
                loaded: loaded_view,
                docker: docker_view,
                repositories: repositories_view,
                probes,
                quiesced: quiesced_view,
                undos: watch::channel(Arc::default()).1,
            },
            execute: Arc::new(FakeExecute { jobs, broken: self.broken }),
            refresh: Arc::new(Nobody),
            record: record.clone(),
            clock: clock.clone(),
            host: "host".into(),
            max_runs: self.max_runs,
            facts: Arc::new(Facts::default()),
            interrupted: self.interrupted,
            build: ("0", "unknown"),
        });
        let (commands, asked) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(controller.run(asked, cancel.clone()));
        Rig { clock, record, jobs: receiver, commands, status, docker, repositories, quiesced, cancel, task, loaded }
    }
}

impl Rig {
    /// The next run that the loop begins, within an hour of its time.
    pub async fn job(&mut self) -> Job {
        tokio::time::timeout(Duration::from_hours(1), self.jobs.recv()).await.expect("a run begins").unwrap()
    }

    /// No run begins for so long.
    pub async fn idle(&mut self, long: Duration) {
        assert!(tokio::time::timeout(long, self.jobs.recv()).await.is_err(), "no run was to begin");
    }

    pub async fn until(&mut self, what: &str, holds: impl Fn(&StatusSnapshot) -> bool) -> Arc<StatusSnapshot> {
        let found = tokio::time::timeout(Duration::from_hours(1), self.status.wait_for(|status| holds(status))).await;
        let found = found.map(|view| view.unwrap().clone());
        found.unwrap_or_else(|_| panic!("never: {what}: {:#?}", self.status.borrow()))
    }

    /// How many runs of a policy are counted with a result.
    pub fn count(&self, policy: &str, result: RunResult) -> u64 {
        count(&self.status.borrow(), policy, result)
    }

    pub async fn ask(&self, policy: &str) -> Result<Vec<Request>, String> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish::Backup { policy: policy.into(), source: None };
        let command = Command::Ask { wish, actor: "user:test".into(), reply };
        self.commands.send(command).await.unwrap();
        answer.await.unwrap()
    }
}

pub fn count(status: &StatusSnapshot, policy: &str, result: RunResult) -> u64 {
    let same = |run: &&crate::status::model::RunCount| {
        (run.policy.as_str(), run.operation, run.result) == (policy, Operation::Backup, result)
    };
    status.runs.iter().find(same).map_or(0, |run| run.count)
}

pub fn desired(policies: &[&str]) -> Desired {
    let mut documents = Vec::new();
    for name in policies {
        let file = PathBuf::from(format!("{name}.yaml"));
        let text = format!(
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{volume: {{name: {name}}}}}\n  schedule: {{every: 1h}}\n"
        );
        let parsed = parse(&file, text.as_bytes());
        assert_eq!(parsed.errors, []);
        documents.extend(parsed.documents.into_iter().map(|document| (file.clone(), document)));
    }
    link(documents).0
}

fn volume(name: &str) -> Volume {
    Volume {
        name: name.into(),
        driver: "local".into(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        anonymous: false,
        readable: Readable::At("/volumes".into()),
        used_by: vec![],
    }
}
