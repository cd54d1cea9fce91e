//! The view of Docker: woken by its events, repaired by looking anyway, kept while it is away.

mod pace;

use crate::adapters::docker::{Docker, DockerError};
use crate::clock::Clock;
use crate::reconcile::observed::DockerState;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use pace::Pace;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The first pause after Docker was lost; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How far back events are asked for, so that none falls between two streams.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

/// A way to ask for a new look.
#[derive(Debug, Clone)]
pub struct DockerHandle {
    wanted: Arc<Notify>,
}

impl DockerHandle {
    /// Asks for a look now, also while Docker is away. Several requests before it happens are one. What was seen is
    /// published only if it differs.
    pub fn refresh(&self) {
        self.wanted.notify_one();
    }
}

/// Watches Docker until cancelled. The view changes when Docker does; every `resync` it has a new time, which wakes
/// nobody. While Docker is away it is `up: false`, says why, and keeps what was last seen.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(
    docker: Docker,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    resync: Duration,
) -> (DockerHandle, watch::Receiver<Arc<DockerState>>) {
    let unseen = DockerState { message: "Docker has not been looked at yet".to_owned(), ..DockerState::default() };
    let (view, receiver) = watch::channel(Arc::new(unseen));
    let wanted = Arc::new(Notify::new());
    let handle = DockerHandle { wanted: Arc::clone(&wanted) };
    let watcher = Watcher { docker, clock, resync, wanted, view, resync_at: Instant::now() };
    tokio::spawn(cancel.run_until_cancelled_owned(Box::pin(watcher.run())));
    (handle, receiver)
}

/// One look, for a command that ends afterwards.
pub async fn observe_once(docker: &Docker, now: Timestamp) -> DockerState {
    docker.look(now).await.unwrap_or_else(|error| down(DockerState::default(), &error))
}

fn down(last: DockerState, error: &DockerError) -> DockerState {
    DockerState { up: false, message: sentence(error), ..last }
}

/// An error with all that caused it.
fn sentence(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

struct Watcher {
    docker: Docker,
    clock: Arc<dyn Clock>,
    resync: Duration,
    wanted: Arc<Notify>,
    view: watch::Sender<Arc<DockerState>>,
    /// When to look and publish whatever happens.
    resync_at: Instant,
}

impl Watcher {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match self.follow().await {
                // The stream of events is opened anew at each resync: one that stalled looks like silence.
                Lost::Nothing => pause = FIRST_PAUSE,
                lost => {
                    if let Lost::Events(why) = lost {
                        // Only a look can tell whether Docker is away or the stream alone came to its end.
                        tracing::debug!(%why, "the stream of Docker events ended");
                        self.look().await;
                    }
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    tokio::select! {
                        () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                        () = self.wanted.notified() => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Looks whenever there is reason to, until the next resync or until something is lost.
    async fn follow(&mut self) -> Lost {
        let now = self.clock.now();
        let mut events = self.docker.events(now.checked_sub(OVERLAP).unwrap_or(now));
        let mut pace = Pace::due(Instant::now());
        loop {
            tokio::select! {
                // A look that is due comes before the reading of more events, and before the resync that it may be for.
                biased;
                () = sleep_until(pace.next(self.resync_at + self.resync)) => {
                    if !self.look().await {
                        return Lost::Docker;
                    }
                    pace.looked(Instant::now());
                }
                () = sleep_until(self.resync_at) => return Lost::Nothing,
                () = self.wanted.notified() => pace.wake(Instant::now()),
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        tracing::debug!(event, "Docker reports a change");
                        pace.wake(Instant::now());
                    }
                    Some(Err(error)) => return Lost::Events(sentence(&error)),
                    None => return Lost::Events("Docker closed it".to_owned()),
                },
            }
        }
    }

    /// Looks and publishes; returns whether Docker answered.
    async fn look(&mut self) -> bool {
        let looked = self.docker.look(self.clock.now()).await;
        let last = Arc::clone(&self.view.borrow());
        let state = match looked {
            Ok(state) => {
                if !last.up {
                    tracing::info!(version = state.version, volumes = state.volumes.len(), "Docker is there");
                }
                state
            }
            Err(error) => {
                let state = down(DockerState::clone(&last), &error);
                if last.up || last.message != state.message {
                    tracing::warn!(why = state.message, "Docker is away; what was last seen stays in view");
                }
                state
            }
        };
        let up = state.up;
        let news = differ(&last, &state);
        if news || Instant::now() >= self.resync_at {
            self.view.send_if_modified(|view| {
                *view = Arc::new(state);
                news
            });
            self.resync_at = Instant::now() + self.resync;
        }
        up
    }
}

/// Why following ended.
enum Lost {
    /// A resync is due.
    Nothing,
    /// Docker did not answer.
    Docker,
    /// The stream of events ended, and why.
    Events(String),
}

/// Whether two views differ in more than when they were seen.
fn differ(last: &DockerState, new: &DockerState) -> bool {
    let DockerState { up, message, version, seen_at: _, volumes, containers } = new;
    (last.up, &last.message, &last.version) != (*up, message, version)
        || last.volumes != *volumes
        || last.containers != *containers
}
