//! Commands without an operator: one look at everything, and what a person asks for.

use super::{BUILD, Look, Options};
use crate::adapters::docker::Docker;
use crate::adapters::repository::Registry;
use crate::clock::{Clock, SystemClock};
use crate::controller::ports::{EventFilter, Execute, History, Loaded, Record, RunFilter};
use crate::controller::{once, requests};
use crate::execute::Executor;
use crate::execute::journal::Journal;
use crate::execute::quiesce::Quiescer;
use crate::execute::restore::{Restores, Shelf};
use crate::observe;
use crate::reconcile::plan::Plan;
use crate::reconcile::{Observed, Outcome, Quiesced, Undo, Wish, decide};
use crate::status::fold::{self, Inputs};
use crate::status::model::{StatusSnapshot, StoredSnapshot};
use crate::status::persist::StateDir;
use crate::store;
use anyhow::Context;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Looks at everything once, as the operator would, and changes nothing.
///
/// # Errors
/// The state directory cannot be read. Docker or a repository that does not answer is part of the look, not an error.
pub fn look_once(options: &Options) -> anyhow::Result<Look> {
    let runtime = runtime()?;
    let state = StateDir::open_read_only(&options.state)?;
    let view = runtime.block_on(look(options, &state, Arc::new(Registry::new(&options.state)), false))?;
    runtime.shutdown_background();
    let events = state.events(&EventFilter::default()).map_err(anyhow::Error::msg)?;
    let runs = state.runs(&RunFilter::default()).map_err(anyhow::Error::msg)?;
    let mut snapshots: Vec<StoredSnapshot> = view
        .observed
        .repositories
        .iter()
        .flat_map(|(name, state)| state.own.values().map(move |list| (name, list)))
        .flat_map(|(name, list)| list.iter().map(move |s| (name, s)))
        .map(|(repository, snapshot)| StoredSnapshot { repository: repository.clone(), snapshot: snapshot.clone() })
        .collect();
    snapshots.sort_by_key(|s| std::cmp::Reverse(s.snapshot.time));
    let status = view.status();
    Ok(Look { status, snapshots, runs, events })
}

/// Does what a person asks for, without an operator. One outcome per source and repository.
///
/// # Errors
/// Nothing could be begun: an operator runs, the policy or the source is unknown or in no state for it.
pub fn carry_out_once(options: &Options, wish: &Wish) -> anyhow::Result<Vec<Outcome>> {
    Hands::new(options, wish.command())?.carry_out(wish, None)
}

/// What it takes to act without an operator: the state directory, held, and everything put right that an earlier process left.
pub struct Hands {
    options: Options,
    runtime: Option<Runtime>,
    state: Arc<StateDir>,
    registry: Arc<Registry>,
    execute: Arc<dyn Execute>,
    cancel: CancellationToken,
}

impl Hands {
    /// Takes the state directory for `who`. SIGINT and SIGTERM end what is under way from then on.
    ///
    /// # Errors
    /// An operator runs, or what an earlier process left cannot be put right.
    pub fn new(options: &Options, who: &str) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let state = Arc::new(StateDir::open(&options.state, who)?);
        let registry = Arc::new(Registry::new(&options.state));
        let cancel = CancellationToken::new();
        let execute = runtime.block_on(executor(options, &state, &registry, &cancel))?;
        Ok(Self { options: options.clone(), runtime: Some(runtime), state, registry, execute, cancel })
    }

    /// The state directory.
    #[must_use]
    pub const fn state(&self) -> &Arc<StateDir> {
        &self.state
    }

    /// What this host is called, and where everything is.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Whether a signal has ended it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Does what a person asks for, and tells `begun` of each run.
    ///
    /// # Errors
    /// Nothing could be begun.
    pub fn carry_out(&self, wish: &Wish, begun: Option<once::Watcher>) -> anyhow::Result<Vec<Outcome>> {
        let Some(runtime) = &self.runtime else { return Ok(Vec::new()) };
        runtime.block_on(async {
            let mut view = look(&self.options, &self.state, self.registry.clone(), true).await?;
            let asked = requests::of(wish, &view.loaded.desired, &view.plan).map_err(anyhow::Error::msg)?;
            view.observed.requested = asked;
            let (clock, cancel) = (Arc::new(SystemClock), self.cancel.clone());
            let job = once::Job { desired: view.loaded.desired.clone(), observed: view.observed, clock, cancel, begun };
            once::carry_out(job, self.execute.clone(), self.state.clone()).await.map_err(anyhow::Error::msg)
        })
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn executor(
    options: &Options,
    state: &Arc<StateDir>,
    registry: &Arc<Registry>,
    cancel: &CancellationToken,
) -> anyhow::Result<Arc<dyn Execute>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let journal = Arc::new(Journal::open(&options.state.join("journal"))?);
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let record: Arc<dyn Record> = state.clone();
    let shelf = super::shelf(options, &record, clock.now())?;
    let quiescer = Quiescer::new(docker.clone(), journal, clock.clone());
    let mut end = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let asked = cancel.clone();
    tokio::spawn(async move {
        // A run that is killed is counted by the operator that starts next; one that is asked to end, here.
        let [Ok(interrupt), Ok(terminate)] = &mut end else { return };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        asked.cancel();
    });
    if cancel.run_until_cancelled(Box::pin(quiescer.recover(&record))).await.is_none() {
        anyhow::bail!("ended by a signal; what an earlier process left standing still is not back yet");
    }
    let executor = Executor::new(registry.clone(), options.host.clone(), clock)
        .with_quiescer(quiescer)
        .with_staging(super::staging(options)?)
        .with_clones(super::clones(options)?)
        .with_drills(super::drills(options, docker.clone()))
        .with_restores(Restores::new(docker, shelf));
    Ok(Arc::new(executor))
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start threads")
}

struct View {
    loaded: Loaded,
    observed: Observed,
    plan: Arc<Plan>,
    quiesced: Arc<Vec<Quiesced>>,
    undos: Vec<Undo>,
}

impl View {
    fn status(self) -> StatusSnapshot {
        let now = SystemClock.now();
        let inputs = Inputs {
            desired: &self.loaded.desired,
            config: &self.loaded.config,
            observed: &self.observed,
            plan: self.plan,
            running: Vec::new(),
            quiesced: self.quiesced,
            undos: Arc::new(self.undos),
            previous: &StatusSnapshot::default(),
            state_error: None,
            reconciles: 0,
            version: BUILD.0,
            revision: BUILD.1,
        };
        fold::view(inputs, now)
    }
}

/// `create`: whether repositories that are not there yet are made.
async fn look(options: &Options, state: &StateDir, registry: Arc<Registry>, create: bool) -> anyhow::Result<View> {
    let now = SystemClock.now();
    let loaded = store::load_once(&options.policies, state, now);
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let docker = Arc::new(observe::docker::observe_once(&docker, now).await);
    let (desired, host) = (loaded.desired.clone(), options.host.clone());
    let repositories = tokio::task::spawn_blocking(move || {
        observe::repositories::observe_once(&registry, &desired, &host, now, create)
    });
    let mut observed = Observed {
        host: options.host.clone(),
        docker,
        repositories: Arc::new(repositories.await.context("looking at the repositories ended badly")?),
        // A backup of something on this host waits for nothing elsewhere.
        probes: if create {
            Arc::default()
        } else {
            Arc::new(observe::outside::observe_once(&loaded.desired, now).await)
        },
        facts: state.load_facts(),
        ..Observed::default()
    };
    if let Some(facts) = fold::found(&observed.facts, &observed.repositories) {
        observed.facts = Arc::new(facts);
    }
    let first = decide(&loaded.desired, &observed, now);
    let known = observed.docker.seen_at.is_some();
    observed.facts = Arc::new(fold::settle_in(&observed.facts, &loaded.desired, &first, known, now));
    let plan = Arc::new(decide(&loaded.desired, &observed, now));
    let quiesced = Journal::open(&options.state.join("journal"))?.view().borrow().clone();
    let undos = Shelf::look(&options.state.join("restores")).context("cannot read what restores left")?;
    Ok(View { loaded, observed, plan, quiesced, undos })
}
