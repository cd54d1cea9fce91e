//! The running store: looks when it is told or when it is time, and publishes what changed.

use super::StoreOptions;
use super::hints::Hints;
use super::load::{Loader, View};
use super::watch::Watch;
use crate::clock::Clock;
use crate::controller::ports::{Accepted, Loaded};
use crate::status::model::ConfigStatus;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// While changes keep coming, the store waits for quiet at most this many times the debounce.
const MAX_DEBOUNCES: u32 = 4;
/// Rounds of watching what was found and looking again at what is newly watched.
const MAX_ROUNDS: usize = 4;

/// Why the store looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The watcher says that something changed.
    Hint,
    /// It is time.
    Due,
    /// A person asked.
    Asked,
}

/// All that is needed for one look after another. Blocking.
pub(super) struct Store {
    pub options: StoreOptions,
    pub loader: Loader,
    pub watch: Watch,
    pub accepted: Arc<dyn Accepted>,
    pub clock: Arc<dyn Clock>,
    /// Why the newest accepted documents could not be kept; tried again at every look.
    pub unsaved: Option<String>,
    pub published: watch::Sender<Arc<Loaded>>,
}

impl Store {
    /// Looks, decides, keeps, publishes.
    pub fn refresh(&mut self, why: Why) {
        if why != Why::Hint {
            self.watch.retry();
        }
        if why == Why::Asked {
            self.loader.looker.forget_readings();
        }
        let mut look = self.loader.look();
        let mut decided = self.loader.has_decided(&look);
        let mut second = false;
        for _ in 0..MAX_ROUNDS {
            let sources: BTreeSet<_> = look.revision.sources.iter().cloned().collect();
            let again = self.watch.arm(&look.listing, &sources);
            // What is in force is given up only when it is missing twice.
            let missing = !second && !decided && self.loader.misses_something(&look);
            if missing {
                second = true;
                std::thread::sleep(self.options.debounce);
            }
            if !again && !missing {
                break;
            }
            look = self.loader.look();
            decided = self.loader.has_decided(&look);
        }
        let watched_as_before = self.published.borrow().config.watch_problem.as_deref() == self.watch.problem();
        if self.unsaved.is_none() && watched_as_before && decided {
            return;
        }
        let view = self.loader.decide(&look);
        if view.changed || self.unsaved.is_some() {
            self.unsaved = self.accepted.save(&self.loader.good.records()).err();
        }
        self.publish(view);
    }

    fn publish(&self, view: View) {
        let before = Arc::clone(&self.published.borrow());
        let problem = problem(view.problem.clone(), self.unsaved.as_deref().map(not_kept));
        let mut next = loaded(&self.options.directory, view, problem);
        next.config.watch_problem = self.watch.problem().map(str::to_owned);
        next.config.last_reload_success = before.config.last_reload_success;
        next.config.reloads = before.config.reloads;
        if before.config == next.config && before.desired == next.desired {
            return;
        }
        self.log(&before.config, &next.config);
        let first = before.config.directory.as_os_str().is_empty();
        if first || !same_content(&before, &next) {
            let counts = &mut next.config.reloads;
            *(if next.config.last_reload_successful { &mut counts.success } else { &mut counts.failure }) += 1;
        }
        if next.config.last_reload_successful {
            next.config.last_reload_success = Some(self.clock.now());
        }
        self.published.send_replace(Arc::new(next));
    }

    fn log(&self, before: &ConfigStatus, now: &ConfigStatus) {
        if let Some(problem) = now.problem.as_ref().filter(|problem| before.problem.as_ref() != Some(problem)) {
            tracing::error!("{problem}");
        }
        if let Some(problem) =
            now.watch_problem.as_ref().filter(|problem| before.watch_problem.as_ref() != Some(problem))
        {
            tracing::warn!(rescan = ?self.options.rescan, "{problem}");
        }
        for file in now.files.iter().filter(|file| !file.errors.is_empty() && !before.files.contains(file)) {
            for error in &file.errors {
                tracing::warn!("{error}");
            }
        }
        let documents = now.files.iter().map(|file| file.documents.len()).sum::<usize>();
        let revision = now.revision.as_deref().unwrap_or("none");
        tracing::info!(documents, revision, successful = now.last_reload_successful, "policies are in force");
    }
}

/// What was seen, as it is published, without what counts and times.
pub(super) fn loaded(directory: &Path, view: View, problem: Option<String>) -> Loaded {
    let config = ConfigStatus {
        directory: directory.to_owned(),
        revision: view.desired.revision.clone(),
        last_reload_successful: problem.is_none() && view.files.iter().all(|file| file.valid),
        files: view.files,
        problem,
        ..ConfigStatus::default()
    };
    Loaded { desired: Arc::new(view.desired), config }
}

/// Two problems as one.
pub(super) fn problem(of_directory: Option<String>, of_state: Option<String>) -> Option<String> {
    let both: Vec<String> = of_directory.into_iter().chain(of_state).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

fn not_kept(why: &str) -> String {
    format!("what is in force could not be kept for the next start ({why})")
}

/// Whether what people wrote, and what is wrong with it, is the same. The commit and the watcher are neither.
fn same_content(a: &Loaded, b: &Loaded) -> bool {
    let (before, now) = (&a.desired, &b.desired);
    (&a.config.files, &a.config.problem) == (&b.config.files, &b.config.problem)
        && (&before.policies, &before.repositories) == (&now.policies, &now.repositories)
}

/// Looks until it is cancelled. The file work is done on threads that may block.
pub(super) async fn run(store: Store, hints: Arc<Hints>, asked: Arc<Notify>, cancel: CancellationToken) {
    let (rescan, debounce) = (store.options.rescan, store.options.debounce);
    let store = Arc::new(Mutex::new(store));
    let mut due = Instant::now() + rescan;
    loop {
        let why = tokio::select! {
            () = cancel.cancelled() => return,
            () = asked.notified() => Why::Asked,
            () = tokio::time::sleep_until(due) => Why::Due,
            () = hints.wake.notified() => {
                quiet(&hints, debounce).await;
                Why::Hint
            }
        };
        if why != Why::Hint {
            due = Instant::now() + rescan;
        }
        let store = Arc::clone(&store);
        // A look that panicked leaves nothing behind that the next one would not make anew.
        let look = move || store.lock().unwrap_or_else(PoisonError::into_inner).refresh(why);
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "a look at the policies directory failed; what is in force stays");
        }
    }
}

/// Returns when no hint came for one debounce, or after some of them.
async fn quiet(hints: &Hints, debounce: Duration) {
    let latest = Instant::now() + debounce * MAX_DEBOUNCES;
    loop {
        let until = (Instant::now() + debounce).min(latest);
        if tokio::time::timeout_at(until, hints.wake.notified()).await.is_err() {
            return;
        }
        if Instant::now() >= latest {
            return;
        }
    }
}
