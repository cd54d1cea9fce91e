//! Plans carried out, and repositories watched.

use crate::lab::{HOST, Lab, meta, noise, wait_until};
use seawall::adapters::repository::Registry;
use seawall::clock::SystemClock;
use seawall::controller::ports::{Execute, Loaded, Progress, RunControl, Work};
use seawall::execute::Executor;
use seawall::observe::repositories;
use seawall::policy::{
    BackupSpec, Criticality, Desired, Objectives, Policy, Repository, RepositoryLocation, Resources, Schedule, Source,
    Treatment, VolumeSelect, VolumeSource, schedule::Rule,
};
use seawall::reconcile::{
    Action, BackupAction, Cause, DockerState, ForgetAction, Outcome, PruneAction, Readable, RepositoryHealth, RunId,
    RunResult, SourceKey, Volume,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct World {
    lab: Lab,
    registry: Arc<Registry>,
    executor: Executor,
    desired: Desired,
    docker: DockerState,
}

fn world() -> World {
    let lab = Lab::new();
    let registry = Arc::new(Registry::new(lab.dir.path().join("state")));
    let executor = Executor::new(Arc::clone(&registry), HOST.to_owned(), Arc::new(SystemClock));
    let mut desired = Desired::default();
    for name in ["default", "offsite"] {
        let path = Some(lab.dir.path().join(name));
        let repository = Repository {
            name: name.to_owned(),
            location: RepositoryLocation::Local { path },
            password_from: None,
            check: None,
            file: PathBuf::new(),
            text: "".into(),
            digest: String::new(),
        };
        desired.repositories.insert(name.to_owned(), Arc::new(repository));
    }
    desired.policies.insert("data-policy".to_owned(), Arc::new(policy(Duration::from_hours(6))));
    let volume = Volume {
        name: "data".to_owned(),
        driver: "local".to_owned(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        anonymous: false,
        readable: Readable::At(lab.volume()),
        used_by: Vec::new(),
    };
    let docker = DockerState { volumes: BTreeMap::from([("data".to_owned(), volume)]), ..DockerState::default() };
    World { lab, registry, executor, desired, docker }
}

fn policy(timeout: Duration) -> Policy {
    let schedule = Schedule::new(Rule::Every(Duration::from_hours(1)), "UTC", Duration::ZERO, None).unwrap();
    let spec = BackupSpec {
        schedule,
        repositories: vec!["default".to_owned(), "offsite".to_owned()],
        retention: None,
        timeout,
        resources: Resources::default(),
        drill: None,
    };
    Policy {
        name: "data-policy".to_owned(),
        labels: BTreeMap::new(),
        description: String::new(),
        criticality: Criticality::Medium,
        source: Source::Volume(VolumeSource {
            select: VolumeSelect::Name("data".to_owned()),
            exclude: Vec::new(),
            quiesce: None,
            sqlite: None,
            clone: false,
        }),
        treatment: Treatment::Backup(Box::new(spec)),
        objectives: Objectives::default(),
        suspend: false,
        file: PathBuf::new(),
        line: 1,
        text: "kind: BackupPolicy".into(),
        digest: String::new(),
        generation: 1,
    }
}

fn key() -> SourceKey {
    SourceKey { policy: "data-policy".to_owned(), source: "data".to_owned() }
}

impl World {
    fn control() -> RunControl {
        RunControl {
            run: RunId("20270115T080000Z-abc123".to_owned()),
            started: meta(0).time,
            cancel: CancellationToken::new(),
            progress: Arc::new(Progress::default()),
        }
    }

    async fn run(&self, action: Action, control: RunControl) -> Vec<Outcome> {
        let work = Work { action, desired: Arc::new(self.desired.clone()), docker: Arc::new(self.docker.clone()) };
        self.executor.execute(work, control).await
    }

    async fn backup(&self, repositories: &[&str], control: RunControl) -> Vec<Outcome> {
        let action = BackupAction {
            source: key(),
            repositories: repositories.iter().map(ToString::to_string).collect(),
            slot: meta(0).time,
            cause: Cause::Scheduled,
        };
        self.run(Action::Backup(action), control).await
    }

    async fn results(&self) -> Vec<(RunResult, String)> {
        let outcomes = self.backup(&["default"], Self::control()).await;
        outcomes.into_iter().map(|outcome| (outcome.result, outcome.message)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_outcome_per_repository_and_the_manifest_travels() {
    let world = world();
    world.lab.write("a", "abc");
    let outcomes = world.backup(&["default", "offsite", "nowhere"], World::control()).await;
    let runs: Vec<_> = outcomes.iter().map(|o| (o.run.0.as_str(), o.repository.as_str(), o.result)).collect();
    assert_eq!(
        runs,
        [
            ("20270115T080000Z-abc123", "default", RunResult::Success),
            ("20270115T080000Z-abc123-2", "offsite", RunResult::Success),
            ("20270115T080000Z-abc123-3", "nowhere", RunResult::Failure),
        ]
    );
    assert_eq!(outcomes[0].snapshot.as_ref().unwrap().time, meta(0).time);
    assert!(outcomes[0].message.starts_with("1 file, 3 B, added "), "{}", outcomes[0].message);
    let repository = &world.desired.repositories["offsite"];
    let key = world.registry.key(repository).unwrap();
    let manifest = std::process::Command::new("restic")
        .args(["--no-cache", "dump", "latest", "/.seawall.json", "--repo"])
        .arg(world.registry.location(repository))
        .env("RESTIC_PASSWORD", key.reveal())
        .output()
        .unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.stdout).unwrap();
    assert_eq!(manifest["policy"]["text"], "kind: BackupPolicy");
    assert_eq!(manifest["volume"]["driver"], "local");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_unreadable_volume_is_no_success() {
    let mut world = world();
    assert_eq!(world.results().await[0].0, RunResult::Empty);
    world.docker.volumes.get_mut("data").unwrap().readable =
        Readable::No { reason: "NotMounted".to_owned(), message: "Mount it".to_owned() };
    assert_eq!(world.results().await, [(RunResult::Failure, "Mount it (NotMounted)".to_owned())]);
    world.docker.volumes.clear();
    assert_eq!(world.results().await, [(RunResult::Failure, "Docker has no volume data".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_interrupts_and_a_timeout_fails() {
    let mut world = world();
    world.lab.endless_file("endless");
    let control = World::control();
    let (cancel, progress) = (control.cancel.clone(), Arc::clone(&control.progress));
    let canceller = std::thread::spawn(move || {
        wait_until("contents are read", || progress.get().0 > 0);
        cancel.cancel();
    });
    let outcome = world.backup(&["default"], RunControl { started: jiff_now(), ..control }).await.remove(0);
    canceller.join().unwrap();
    assert_eq!((outcome.result, outcome.snapshot), (RunResult::Interrupted, None), "{}", outcome.message);

    world.desired.policies.insert("data-policy".to_owned(), Arc::new(policy(Duration::from_secs(1))));
    let control = RunControl { started: jiff_now(), ..World::control() };
    let outcome = world.backup(&["default"], control).await.remove(0);
    assert_eq!((outcome.result, outcome.snapshot), (RunResult::Failure, None));
    assert!(outcome.message.contains("timeout of 1 s"), "{}", outcome.message);
}

fn jiff_now() -> jiff::Timestamp {
    use seawall::clock::Clock;
    SystemClock.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_and_pruning_have_outcomes_of_their_own() {
    let world = world();
    world.lab.write("a", noise(1000));
    let first = world.backup(&["default"], World::control()).await.remove(0).snapshot.unwrap();
    let later = RunControl { started: meta(60).time, ..World::control() };
    let second = world.backup(&["default"], later).await.remove(0).snapshot.unwrap();
    let forget =
        |id: &str| Action::Forget(ForgetAction { target: key().target("default"), remove: vec![id.to_owned()] });
    let outcome = world.run(forget(&second.id), World::control()).await.remove(0);
    assert_eq!(outcome.result, RunResult::Failure, "the newest complete one stays: {}", outcome.message);
    let outcome = world.run(forget(&first.id), World::control()).await.remove(0);
    assert_eq!((outcome.result, outcome.forgotten), (RunResult::Success, vec![first.id.to_string()]));
    let prune = Action::Prune(PruneAction { repository: "default".to_owned() });
    let outcome = world.run(prune, World::control()).await.remove(0);
    assert_eq!((outcome.result, outcome.source), (RunResult::Success, None), "{}", outcome.message);
}

fn watch(
    world: &World,
    documents: tokio::sync::watch::Receiver<Arc<Loaded>>,
    cancel: &CancellationToken,
    relist: Duration,
) -> (repositories::RepositoriesHandle, tokio::sync::watch::Receiver<Arc<repositories::Repositories>>) {
    let (registry, host) = (Arc::clone(&world.registry), HOST.to_owned());
    repositories::start(registry, documents, host, Arc::new(SystemClock), cancel.clone(), relist)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_sees_new_snapshots_on_request_and_lost_documents_at_once() {
    let world = world();
    world.lab.write("a", "abc");
    let loaded = |desired: &Desired| Arc::new(Loaded { desired: Arc::new(desired.clone()), ..Loaded::default() });
    let (documents, receiver) = tokio::sync::watch::channel(loaded(&world.desired));
    let cancel = CancellationToken::new();
    let (handle, mut view) = watch(&world, receiver, &cancel, Duration::from_mins(5));
    view.wait_for(|view| view.len() == 2).await.unwrap();
    world.backup(&["default"], World::control()).await;
    handle.refresh("default");
    let seen = view.wait_for(|view| !view["default"].own.is_empty()).await.unwrap().clone();
    assert_eq!((seen["default"].own[&key()].len(), seen["offsite"].own.len()), (1, 0));

    std::fs::rename(world.lab.dir.path().join("default"), world.lab.dir.path().join("gone")).unwrap();
    handle.refresh("default");
    let seen = view.wait_for(|view| view["default"].health != RepositoryHealth::Healthy).await.unwrap().clone();
    assert_eq!(seen["default"].own[&key()].len(), 1, "what was known stays, marked as not being known now");

    // A policy that changes says nothing about a repository; another document of it does.
    let mut other = world.desired.clone();
    let listed =
        |view: &tokio::sync::watch::Receiver<Arc<repositories::Repositories>>| view.borrow()["offsite"].listed_at;
    let before = listed(&view);
    Arc::make_mut(other.policies.get_mut("data-policy").unwrap()).description = "another".to_owned();
    documents.send(loaded(&other)).unwrap();
    Arc::make_mut(other.repositories.get_mut("default").unwrap()).digest = "another".to_owned();
    documents.send(loaded(&other)).unwrap();
    std::fs::rename(world.lab.dir.path().join("gone"), world.lab.dir.path().join("default")).unwrap();
    handle.refresh("default");
    view.wait_for(|view| view["default"].health == RepositoryHealth::Healthy).await.unwrap();
    assert_eq!(listed(&view), before, "nobody asked about this one");

    let mut fewer = world.desired.clone();
    fewer.repositories.remove("default");
    documents.send(loaded(&fewer)).unwrap();
    view.wait_for(|view| !view.contains_key("default")).await.unwrap();
    cancel.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_as_it_was_wakes_only_those_who_asked() {
    let world = world();
    let (_documents, receiver) =
        tokio::sync::watch::channel(Arc::new(Loaded { desired: Arc::new(world.desired.clone()), ..Loaded::default() }));
    let cancel = CancellationToken::new();
    let (handle, mut view) = watch(&world, receiver, &cancel, Duration::from_millis(300));
    view.wait_for(|view| view.len() == 2).await.unwrap();
    let seen = view.borrow_and_update()["default"].listed_at;
    wait_until("a later listing", || view.borrow()["default"].listed_at != seen);
    assert!(!view.has_changed().unwrap(), "the time alone is no news");
    handle.refresh("default");
    wait_until("the listing that was asked for", || view.has_changed().unwrap());
    cancel.cancel();
}
