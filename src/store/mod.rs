//! Reading the policies directory: load, watch, last known good. Publishes [`crate::controller::ports::Loaded`].
//!
//! What it promises: a file with an error changes nothing that is in force; a file that vanished withdraws its
//! policies and nothing more; a directory that is missing, unreadable or emptied withdraws nothing. Every change is
//! seen at the next periodic look at the latest, whatever the watcher does.

mod document;
mod hints;
mod last_known_good;
mod listing;
mod load;
mod look;
mod places;
mod read;
mod resolve;
mod revision;
mod service;
mod stamp;
mod watch;

use crate::clock::Clock;
use crate::controller::ports::{Accepted, Loaded};
use hints::Hints;
use jiff::Timestamp;
use last_known_good::LastKnownGood;
use load::Loader;
use service::{Store, Why};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch as channel};
use tokio_util::sync::CancellationToken;
use watch::{MakeWatcher, Watch};

#[cfg(test)]
mod tests;

/// How the store works.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The policies directory, or a link to it.
    pub directory: PathBuf,
    /// How often the directory is read whatever the watcher says.
    pub rescan: Duration,
    /// After a change, how long nothing more must change before the files are read (at most four times that).
    pub debounce: Duration,
}

impl StoreOptions {
    /// The usual: read again every 30 s, and 40 ms after a change.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, rescan: Duration::from_secs(30), debounce: Duration::from_millis(40) }
    }
}

/// Why the store cannot start. Trouble with the policies directory is not among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Without the documents that were in force before, a bad edit made while Seawall was down would change things.
    #[error("the policies that were in force before cannot be read from the state directory: {0}")]
    Accepted(String),
    /// The working directory, from which a relative path begins, is gone.
    #[error("cannot tell where the policies directory {0} is")]
    Directory(PathBuf, #[source] std::io::Error),
    /// Called from outside a tokio runtime.
    #[error("the store needs a tokio runtime to run in")]
    Runtime(#[source] tokio::runtime::TryCurrentError),
}

/// The running store.
#[derive(Debug, Clone)]
pub struct Handle {
    asked: Arc<Notify>,
}

impl Handle {
    /// Has the directory read again now, and a failed watcher set up anew. Returns at once; publishes if something
    /// changed.
    pub fn reload(&self) {
        self.asked.notify_one();
    }
}

/// Looks at the directory once, as the running store would when it starts. Only reads.
pub fn load_once(directory: &Path, accepted: &dyn Accepted, now: Timestamp) -> Loaded {
    let (records, trouble) = match accepted.load() {
        Ok(records) => (records, None),
        Err(why) => (Vec::new(), Some(format!("what was in force before is not known ({why})"))),
    };
    // A relative path without a working directory leads nowhere, which the look will tell.
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut loader = Loader::new(absolute, LastKnownGood::restore(records));
    let look = loader.look();
    let mut view = loader.decide(&look);
    let problem = service::problem(view.problem.take(), trouble);
    let mut seen = service::loaded(directory, view, problem);
    seen.config.last_reload_success = seen.config.last_reload_successful.then_some(now);
    seen
}

/// Reads the directory, then follows it until `cancel` ends. The first look is over when this returns, so it blocks
/// for as long as that takes. Must be called in a tokio runtime.
///
/// # Errors
/// See [`StoreError`].
pub fn start(
    options: StoreOptions,
    accepted: Arc<dyn Accepted>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> Result<(Handle, channel::Receiver<Arc<Loaded>>), StoreError> {
    start_with(options, accepted, clock, cancel, watch::native())
}

fn start_with(
    options: StoreOptions,
    accepted: Arc<dyn Accepted>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    make: MakeWatcher,
) -> Result<(Handle, channel::Receiver<Arc<Loaded>>), StoreError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(StoreError::Runtime)?;
    let directory = std::path::absolute(&options.directory)
        .map_err(|error| StoreError::Directory(options.directory.clone(), error))?;
    let records = accepted.load().map_err(StoreError::Accepted)?;
    let (published, receiver) = channel::channel(Arc::default());
    let hints = Arc::new(Hints::default());
    let mut store = Store {
        options,
        loader: Loader::new(directory, LastKnownGood::restore(records)),
        watch: Watch::new(make, Arc::clone(&hints)),
        accepted,
        clock,
        unsaved: None,
        published,
    };
    store.refresh(Why::Due);
    let asked = Arc::new(Notify::new());
    runtime.spawn(service::run(store, hints, Arc::clone(&asked), cancel));
    Ok((Handle { asked }, receiver))
}
