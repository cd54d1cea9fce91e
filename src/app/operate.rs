//! The running operator: every edge started, handed to the loop, and ended again.

use super::{BUILD, Options};
use crate::adapters::docker::Docker;
use crate::adapters::repository::Registry;
use crate::clock::{Clock, SystemClock};
use crate::controller::ports::{Record, Refresh, StatusReceiver, Views};
use crate::controller::{Controller, Parts};
use crate::execute::Executor;
use crate::execute::journal::Journal;
use crate::execute::quiesce::Quiescer;
use crate::execute::restore::{Restores, Shelf, expire as expire_now};
use crate::http::socket::{Backstage, Socket};
use crate::http::{Render, Text};
use crate::metrics::encode::Exposition;
use crate::observe::docker::DockerHandle;
use crate::observe::repositories::RepositoriesHandle;
use crate::status::persist::StateDir;
use crate::store::{self, StoreOptions};
use crate::{http, observe};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often everything is looked at whatever the events say.
const RESYNC: Duration = Duration::from_mins(5);

/// Series are written ahead no more often than this: what runs changes some of them every second, and few are read.
const AHEAD: Duration = Duration::from_secs(10);

/// How often it is looked whether the time of what a restore replaced is over.
const EXPIRY: Duration = Duration::from_mins(10);

/// How long threads that still read or write are waited for at the end. With the farewell of the loop and the grace
/// of the endpoints this stays below the 10 s that Docker grants.
const THREADS: Duration = Duration::from_secs(1);

/// Be the operator until SIGTERM or SIGINT ends it. SIGHUP reads the policies again.
///
/// # Errors
/// It cannot start: another operator holds the state directory, an address is taken, a directory cannot be used.
pub fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(operate(options));
    runtime.shutdown_timeout(THREADS);
    result
}

/// The edges that can be asked to look again.
struct Edges {
    store: store::Handle,
    docker: DockerHandle,
    repositories: RepositoriesHandle,
}

impl Refresh for Edges {
    fn repository(&self, name: &str) {
        self.repositories.refresh(name);
    }

    fn docker(&self) {
        self.docker.refresh();
    }

    fn policies(&self) {
        self.store.reload();
    }
}

async fn operate(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(StateDir::open(&options.state, "seawall run")?);
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let journal = Arc::new(Journal::open(&options.state.join("journal"))?);
    let still = journal.view();
    let record: Arc<dyn Record> = state.clone();
    // Before what stands still for a restore is brought back: it must not come back on neither the old nor the new.
    let shelf = super::shelf(&options, &record, clock.now())?;
    let undos = shelf.view();
    let quiescer = Quiescer::new(docker.clone(), journal, clock.clone());
    // Before anything else begins: what an earlier process left standing still is brought back.
    if !signals.unless_ended(Box::pin(quiescer.recover(&record))).await {
        return Ok(());
    }
    let drills = super::drills(&options, docker.clone());
    // An engine that does not answer yet keeps what an earlier drill left; the next drill looks for it again.
    for trouble in drills.sweep().await {
        tracing::warn!("{trouble}");
    }
    let listener = http::bind(options.listen).await?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let socket = http::socket::bind(&options.state.join("seawall.sock")).await?;
    let interrupted = state.interrupted()?;

    // The edges outlive the loop: what it does last, it does with their help.
    let edges_end = CancellationToken::new();
    let stop = CancellationToken::new();
    let registry = Arc::new(Registry::new(&options.state));
    let store_options = StoreOptions { rescan: options.rescan, ..StoreOptions::new(options.policies.clone()) };
    let (store, loaded) = store::start(store_options, state.clone(), clock.clone(), edges_end.clone())?;
    let restores = Restores::new(docker.clone(), shelf.clone());
    let (docker, docker_view) = observe::docker::start(docker, clock.clone(), edges_end.clone(), RESYNC);
    let (repositories, repository_view) = observe::repositories::start(
        registry.clone(),
        loaded.clone(),
        options.host.clone(),
        clock.clone(),
        edges_end.clone(),
        RESYNC,
    );
    let probes = observe::outside::start(loaded.clone(), clock.clone(), edges_end.clone());
    let edges: Arc<dyn Refresh> = Arc::new(Edges { store, docker, repositories });
    let executor = Executor::new(registry, options.host.clone(), clock.clone())
        .with_quiescer(quiescer.clone())
        .with_staging(super::staging(&options)?)
        .with_clones(super::clones(&options)?)
        .with_drills(drills)
        .with_restores(restores);
    let (controller, status) = Controller::new(Parts {
        views: Views {
            loaded,
            docker: docker_view,
            repositories: repository_view.clone(),
            probes,
            quiesced: still,
            undos,
        },
        execute: Arc::new(executor),
        refresh: edges.clone(),
        record: state.clone(),
        clock,
        host: options.host.clone(),
        max_runs: options.max_runs,
        facts: state.load_facts(),
        interrupted,
        build: BUILD,
    });
    let (commands, receiver) = mpsc::channel(64);
    let backstage = Backstage { commands, history: state.clone(), repositories: repository_view };
    let series = series();
    let tcp = tokio::spawn(http::serve(listener, status.clone(), Arc::clone(&series), edges_end.clone()));
    tokio::spawn(write_ahead(Arc::clone(&series), status.clone()));
    let local = tokio::spawn(serve_locally(socket, status, series, backstage, edges_end.clone()));
    let expiry = tokio::spawn(expire(shelf, edges_end.clone()));
    let watchdog = tokio::spawn(quiescer.watch(record, edges_end.clone()));
    let signals = tokio::spawn(signals.obey(edges, stop.clone()));
    tracing::info!(
        policies = %options.policies.display(),
        state = %options.state.display(),
        listen = %address,
        host = %options.host,
        "Seawall {} is running",
        BUILD.0
    );

    controller.run(receiver, stop.clone()).await;
    edges_end.cancel();
    stop.cancel();
    signals.abort();
    watchdog.abort();
    expiry.abort();
    for server in [tcp, local] {
        server.await.context("a server of the endpoints ended badly")?;
    }
    tracing::info!("Seawall has ended");
    Ok(())
}

/// The series, of which thousands of policies have millions of bytes: whoever scrapes where, they are kept once.
fn series() -> Render {
    let exposition = Exposition::default();
    Arc::new(move |status| {
        let series = exposition.of(status)?;
        Ok(Text { length: series.length(), pieces: Box::new(series.unpacked()) })
    })
}

/// Writes the series of what is new before anybody asks for them: a scrape then waits for nothing but its own transport.
async fn write_ahead(series: Render, mut status: StatusReceiver) {
    if status.wait_for(|status| status.at.is_some()).await.is_err() {
        return;
    }
    loop {
        let (series, newest) = (Arc::clone(&series), Arc::clone(&status.borrow_and_update()));
        let written = tokio::task::spawn_blocking(move || series(&newest).map(drop)).await;
        if let Ok(Err(error)) = written {
            tracing::error!("{error}");
        }
        tokio::time::sleep(AHEAD).await;
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Removes what restores replaced once its time is over.
async fn expire(shelf: Arc<Shelf>, end: CancellationToken) {
    while !end.is_cancelled() {
        let (shelf, cancel) = (shelf.clone(), end.clone());
        if tokio::task::spawn_blocking(move || expire_now(&shelf, SystemClock.now(), &cancel)).await.is_err() {
            tracing::error!("removing what restores replaced ended badly; it is tried again");
        }
        end.run_until_cancelled(tokio::time::sleep(EXPIRY)).await;
    }
}

/// Whoever asks before the first pass waits for it in the socket's queue: until then no policy is known.
async fn serve_locally(
    socket: Socket,
    mut status: StatusReceiver,
    series: Render,
    backstage: Backstage,
    end: CancellationToken,
) {
    let first_pass = status.wait_for(|status| status.at.is_some());
    if end.run_until_cancelled(first_pass).await.is_some_and(|seen| seen.is_ok()) {
        http::socket::serve(socket, status, series, backstage, end).await;
    }
}

/// What the system is asked to tell. Listened for from the start and to the end: between two listeners a signal would
/// be lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(|kind| signal(kind).context("cannot listen for signals"));
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hangup: hangup? })
    }

    /// Whether the work was done before a signal asked for the end.
    async fn unless_ended(&mut self, work: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = work => true,
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
        }
    }

    async fn obey(mut self, edges: Arc<dyn Refresh>, stop: CancellationToken) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => edges.policies(),
            }
        }
        tracing::info!("a signal ends Seawall");
        stop.cancel();
    }
}
