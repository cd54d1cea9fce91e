//! What is in the repositories: listed on start, on request, when their documents change, and every few minutes.

use crate::adapters::repository::{Registry, RepositoryAdapter, RepositoryError};
use crate::clock::Clock;
use crate::controller::ports::Loaded;
use crate::policy::{Desired, Repository};
use crate::reconcile::{RepositoryHealth, RepositoryState, SnapshotRecord, SourceKey};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Every repository in force, by name.
pub type Repositories = BTreeMap<String, RepositoryState>;

/// Asks the observer to look again.
#[derive(Debug, Clone)]
pub struct RepositoriesHandle(mpsc::UnboundedSender<String>);

impl RepositoriesHandle {
    /// Asks for a new listing of one repository; the result arrives in the published view.
    pub fn refresh(&self, name: &str) {
        if self.0.send(name.to_owned()).is_err() {
            tracing::debug!(repository = name, "not listed again: the observer has ended");
        }
    }
}

/// Starts to look, until `cancel`. A repository that does not answer delays no other. One that is found as it was when
/// nothing was done to it has a new time in the view, which wakes nobody.
///
/// Repositories that a policy uses are made where they do not exist, so that trouble shows before the first run.
pub fn start(
    registry: Arc<Registry>,
    loaded: watch::Receiver<Arc<Loaded>>,
    host: String,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    relist: Duration,
) -> (RepositoriesHandle, watch::Receiver<Arc<Repositories>>) {
    let (ask, asked) = mpsc::unbounded_channel();
    let (publish, view) = watch::channel(Arc::new(Repositories::new()));
    let (done, results) = mpsc::unbounded_channel();
    let observer = Observer {
        registry,
        host,
        clock,
        publish,
        done,
        looking: BTreeSet::new(),
        again: BTreeSet::new(),
        awaited: BTreeSet::new(),
        asked_for: BTreeMap::new(),
    };
    tokio::spawn(observer.run(loaded, asked, results, cancel, relist));
    (RepositoriesHandle(ask), view)
}

/// Looks once, one repository after the other. With `create` false nothing is written: a repository that does not
/// exist yet is healthy, empty, and its location says that it will be created. Blocking.
#[must_use]
pub fn observe_once(registry: &Registry, desired: &Desired, host: &str, now: Timestamp, create: bool) -> Repositories {
    desired
        .repositories
        .iter()
        .map(|(name, repository)| {
            let create = create && is_used(desired, name);
            (name.clone(), look(registry, repository, host, now, create, None))
        })
        .collect()
}

struct Observer {
    registry: Arc<Registry>,
    host: String,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Arc<Repositories>>,
    done: mpsc::UnboundedSender<(String, RepositoryState)>,
    looking: BTreeSet<String>,
    again: BTreeSet<String>,
    /// What was done to these, or what was asked of them, gives their next listing a meaning even if it is as before.
    awaited: BTreeSet<String>,
    /// What documents say of each repository, as it was last looked at for their sake, and whether a policy uses it.
    asked_for: AskedFor,
}

type AskedFor = BTreeMap<String, (Arc<Repository>, bool)>;

impl Observer {
    async fn run(
        mut self,
        mut loaded: watch::Receiver<Arc<Loaded>>,
        mut asked: mpsc::UnboundedReceiver<String>,
        mut results: mpsc::UnboundedReceiver<(String, RepositoryState)>,
        cancel: CancellationToken,
        relist: Duration,
    ) {
        let mut tick = tokio::time::interval(relist);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut documents_end = false;
        // Looked at with the first tick.
        self.asked_for = asked_for(&loaded.borrow_and_update().desired);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => self.look_at_all(&loaded),
                change = loaded.changed(), if !documents_end => match change {
                    Ok(()) => self.look_at_changed(&loaded),
                    Err(_) => documents_end = true,
                },
                Some(name) = asked.recv() => self.look_at(&loaded, &name),
                Some((name, state)) = results.recv() => self.arrived(&loaded, &name, state),
            }
        }
    }

    fn look_at_all(&mut self, loaded: &watch::Receiver<Arc<Loaded>>) {
        let desired = Arc::clone(&loaded.borrow().desired);
        for name in desired.repositories.keys() {
            self.begin(loaded, name);
        }
    }

    /// A policy that changed changes nothing about a repository, unless it is the first or the last one to use it. One
    /// that cannot be used is looked at all the same: somebody is at work, who may have put it right.
    fn look_at_changed(&mut self, loaded: &watch::Receiver<Arc<Loaded>>) {
        let desired = Arc::clone(&loaded.borrow().desired);
        self.publish.send_if_modified(|view| {
            let gone = view.keys().any(|name| !desired.repositories.contains_key(name));
            if gone {
                Arc::make_mut(view).retain(|name, _| desired.repositories.contains_key(name));
            }
            gone
        });
        let asked_for = asked_for(&desired);
        let before = std::mem::replace(&mut self.asked_for, asked_for.clone());
        let view = Arc::clone(&self.publish.borrow());
        let is_well = |name| view.get(name).is_some_and(|state| state.health == RepositoryHealth::Healthy);
        for (name, now) in &asked_for {
            if before.get(name) != Some(now) || !is_well(name) {
                self.look_at(loaded, name);
            }
        }
    }

    /// For somebody who waits for it.
    fn look_at(&mut self, loaded: &watch::Receiver<Arc<Loaded>>, name: &str) {
        self.awaited.insert(name.to_owned());
        self.begin(loaded, name);
    }

    /// Begins one listing; one that is under way is followed by another, because it may have begun too early.
    fn begin(&mut self, loaded: &watch::Receiver<Arc<Loaded>>, name: &str) {
        let desired = Arc::clone(&loaded.borrow().desired);
        let Some(repository) = desired.repositories.get(name).cloned() else { return };
        if !self.looking.insert(name.to_owned()) {
            self.again.insert(name.to_owned());
            return;
        }
        let create = is_used(&desired, name);
        let before = self.publish.borrow().get(name).cloned();
        let (registry, host, clock, done) =
            (Arc::clone(&self.registry), self.host.clone(), Arc::clone(&self.clock), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let state = look(&registry, &repository, &host, clock.now(), create, before);
            if done.send((repository.name.clone(), state)).is_err() {
                tracing::debug!(repository = %repository.name, "listed after the observer ended");
            }
        });
    }

    fn arrived(&mut self, loaded: &watch::Receiver<Arc<Loaded>>, name: &str, state: RepositoryState) {
        self.looking.remove(name);
        let awaited = self.awaited.contains(name);
        if loaded.borrow().desired.repositories.contains_key(name) {
            self.publish.send_if_modified(|view| {
                let news = awaited || view.get(name).is_none_or(|before| differ(before, &state));
                Arc::make_mut(view).insert(name.to_owned(), state);
                news
            });
        }
        if self.again.remove(name) {
            self.begin(loaded, name);
        } else {
            self.awaited.remove(name);
        }
    }
}

/// Whether two states differ in more than when they were listed.
fn differ(before: &RepositoryState, now: &RepositoryState) -> bool {
    let RepositoryState { health, listed_at, own, foreign, generated_key, location } = now;
    (&before.health, before.listed_at.is_some(), before.foreign) != (health, listed_at.is_some(), *foreign)
        || (before.generated_key, &before.location, &before.own) != (*generated_key, location, own)
}

/// What documents say of each repository, and whether a policy uses it.
fn asked_for(desired: &Desired) -> AskedFor {
    let used = used(desired);
    let all = desired.repositories.iter();
    all.map(|(name, repository)| (name.clone(), (Arc::clone(repository), used.contains(name.as_str())))).collect()
}

/// The repositories that policies use.
fn used(desired: &Desired) -> BTreeSet<&str> {
    let specs = desired.policies.values().filter_map(|policy| policy.backup());
    specs.flat_map(|spec| &spec.repositories).map(String::as_str).collect()
}

fn is_used(desired: &Desired, repository: &str) -> bool {
    used(desired).contains(repository)
}

/// One look. Never fails: trouble is the state, with what was known `before` kept beside it.
fn look(
    registry: &Registry,
    repository: &Repository,
    host: &str,
    now: Timestamp,
    create: bool,
    before: Option<RepositoryState>,
) -> RepositoryState {
    let location = registry.location(repository).display().to_string();
    let generated_key = repository.password_from.is_none();
    match list(registry, repository, create) {
        Ok(Some(snapshots)) => {
            let (own, foreign) = group(snapshots, host);
            RepositoryState {
                health: RepositoryHealth::Healthy,
                listed_at: Some(now),
                own,
                foreign,
                generated_key,
                location,
            }
        }
        Ok(None) => RepositoryState {
            health: RepositoryHealth::Healthy,
            listed_at: Some(now),
            own: BTreeMap::new(),
            foreign: 0,
            generated_key,
            location: format!("{location} (will be created)"),
        },
        Err(error) => {
            tracing::warn!(repository = %repository.name, reason = error.reason(), "{}", error.told());
            let health = RepositoryHealth::Unhealthy { reason: error.reason().to_owned(), message: error.told() };
            match before {
                Some(before) => RepositoryState { health, generated_key, location, ..before },
                None => RepositoryState {
                    health,
                    listed_at: None,
                    own: BTreeMap::new(),
                    foreign: 0,
                    generated_key,
                    location,
                },
            }
        }
    }
}

fn list(
    registry: &Registry,
    repository: &Repository,
    create: bool,
) -> Result<Option<Vec<Arc<SnapshotRecord>>>, RepositoryError> {
    if create {
        return registry.with(repository, RepositoryAdapter::snapshots).map(Some);
    }
    let Some(adapter) = registry.open_existing(repository)? else { return Ok(None) };
    adapter.snapshots().map(Some).inspect_err(|error| registry.after(repository, error))
}

/// A host's own snapshots by source.
type Own = BTreeMap<SourceKey, Arc<Vec<Arc<SnapshotRecord>>>>;

/// This host's own snapshots by source, oldest first, and the number of all others.
fn group(snapshots: Vec<Arc<SnapshotRecord>>, host: &str) -> (Own, u64) {
    let mut own: BTreeMap<SourceKey, Vec<Arc<SnapshotRecord>>> = BTreeMap::new();
    let mut foreign = 0;
    for snapshot in snapshots {
        match &snapshot.source {
            Some(source) if snapshot.host == host => own.entry(source.clone()).or_default().push(snapshot),
            _ => foreign += 1,
        }
    }
    let sorted = own.into_iter().map(|(source, mut list)| {
        list.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.id.cmp(&b.id)));
        list.shrink_to_fit();
        (source, Arc::new(list))
    });
    (sorted.collect(), foreign)
}
