//! One window, from the first container touched to the last one back.

use super::Quiescer;
use super::settle::{Severity, settle};
use super::still::{Held, told};
use crate::adapters::repository::{Around, Reason, RepositoryError};
use crate::execute::fail_point::fail_point;
use crate::policy::Quiesce;
use crate::reconcile::{RunId, SourceKey};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often what could not be brought back is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long it is tried when the process is about to end. The next one goes on.
const HURRY: Duration = Duration::from_secs(5);

/// What is said when the task that watches over a window panics.
const BROKEN: &str =
    "Bringing the application back ended in a programming error, which is in the log; it is tried again";

/// What a run asks for.
#[derive(Debug, Clone)]
pub(in crate::execute) struct Ask {
    /// For whom.
    pub source: SourceKey,
    /// The run.
    pub run: RunId,
    /// How.
    pub quiesce: Arc<Quiesce>,
    /// Whether containers that only read the volume are touched too.
    pub readers: bool,
    /// Where the volume is going to be read.
    pub root: PathBuf,
    /// The run's own end; cancelled here too when the application stood still for too long.
    pub cancel: CancellationToken,
    /// The process's end.
    pub shutdown: CancellationToken,
}

/// How a window ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::execute) struct Closed {
    /// How long the application stood still; `None`: nothing was touched.
    pub seconds: Option<f64>,
    /// Why the run is a failure although all may have been read.
    pub failures: Vec<String>,
    /// What people should know of.
    pub warnings: Vec<String>,
    /// Whether it stood still for longer than it may.
    pub overran: bool,
    /// Why what was read does not belong together, where it does not.
    pub moved: Vec<String>,
}

/// One window.
#[derive(Debug)]
pub(in crate::execute) struct Window {
    quiescer: Quiescer,
    ask: Ask,
    runtime: Handle,
    read: CancellationToken,
    begun: AtomicBool,
    closed: watch::Sender<Option<Closed>>,
}

impl Window {
    pub(in crate::execute) fn new(quiescer: Quiescer, ask: Ask) -> Arc<Self> {
        let (read, closed) = (CancellationToken::new(), watch::Sender::new(None));
        Arc::new(Self { quiescer, ask, runtime: Handle::current(), read, begun: AtomicBool::new(false), closed })
    }

    /// How it ended, once everything is back or given up on.
    pub(in crate::execute) async fn closed(&self) -> Closed {
        if !self.begun.load(Ordering::SeqCst) {
            return Closed::default();
        }
        let mut closed = self.closed.subscribe();
        // The sender is in `self`.
        closed.wait_for(Option::is_some).await.ok().and_then(|closed| closed.clone()).unwrap_or_default()
    }

    async fn begin(&self) -> Result<(), String> {
        let mut held = Held::default();
        let begun = {
            let still = self.quiescer.make_still(&self.ask, &mut held);
            tokio::select! {
                begun = still => begun,
                () = self.ask.cancel.cancelled() => Err("The run was ended from outside before anything was read".to_owned()),
            }
        };
        match begun {
            Ok(()) => {
                let (quiescer, ask, read) = (self.quiescer.clone(), self.ask.clone(), self.read.clone());
                let closed = self.closed.clone();
                self.runtime.spawn(async move {
                    let ids: Vec<u64> = held.intents.iter().map(|(id, _)| *id).collect();
                    let ended = AssertUnwindSafe(quiescer.keep(&ask, held, &read)).catch_unwind().await;
                    let ended = ended.unwrap_or_else(|_| {
                        // From now on they are the watchdog's.
                        quiescer.journal.release(&ids);
                        ask.cancel.cancel();
                        Closed { failures: vec![BROKEN.to_owned()], ..Closed::default() }
                    });
                    closed.send_replace(Some(ended));
                });
                Ok(())
            }
            Err(why) => {
                self.closed.send_replace(Some(self.quiescer.bring_back(&self.ask, held, false).await));
                Err(why)
            }
        }
    }
}

impl Around for Window {
    fn before(&self) -> Result<(), RepositoryError> {
        self.begun.store(true, Ordering::SeqCst);
        let begun = self.runtime.block_on(self.begin());
        begun.map_err(|why| {
            let reason = if self.ask.cancel.is_cancelled() { Reason::Interrupted } else { Reason::Refused };
            RepositoryError::new(reason, why)
        })
    }

    fn after(&self) {
        self.read.cancel();
    }

    fn verdict(&self) -> Result<(), RepositoryError> {
        let closed = self.runtime.block_on(self.closed());
        let refused = |message: String| Err(RepositoryError::new(Reason::Refused, message));
        if closed.overran {
            return refused(self.too_long());
        }
        if let Some(moved) = closed.moved.first().filter(|_| !self.ask.cancel.is_cancelled()) {
            return refused(format!("{moved}; what was read does not belong together, and no snapshot was made"));
        }
        Ok(())
    }
}

impl Window {
    /// That the application stood still for too long.
    pub(in crate::execute) fn too_long(&self) -> String {
        format!(
            "The application stood still for {} s, its `maxDuration`, before all was read; it was brought back, and no \
             snapshot was made. Raise it, or exclude what need not be kept",
            self.ask.quiesce.max_duration.as_secs()
        )
    }
}

impl Quiescer {
    /// Waits until the application may go on, and brings it back.
    async fn keep(&self, ask: &Ask, held: Held, read: &CancellationToken) -> Closed {
        let began = held.began.unwrap_or_else(Instant::now);
        let left = ask.quiesce.max_duration.saturating_sub(began.elapsed());
        let overran = tokio::select! {
            () = read.cancelled() => false,
            () = ask.cancel.cancelled() => false,
            () = tokio::time::sleep(left), if !held.intents.is_empty() => true,
        };
        if overran {
            // First, so that nothing read from now on gets into a snapshot.
            ask.cancel.cancel();
        }
        fail_point("read");
        self.bring_back(ask, held, overran).await
    }

    async fn bring_back(&self, ask: &Ask, held: Held, overran: bool) -> Closed {
        let Held { mut intents, began, endings, .. } = held;
        let mut closed = Closed { overran, ..Closed::default() };
        let mut all = endings;
        let ids: Vec<u64> = intents.iter().map(|(id, _)| *id).collect();
        let since = Instant::now();
        loop {
            let mut left = Vec::new();
            let mut trouble = Vec::new();
            for (id, intent) in intents.into_iter().rev() {
                fail_point("returning");
                let ended = loop {
                    let hurry = ask.shutdown.is_cancelled();
                    tokio::select! {
                        ended = settle(&self.docker, &intent, self.clock.now(), hurry) => break ended,
                        // From here on in a hurry.
                        () = ask.shutdown.cancelled(), if !hurry => {}
                    }
                };
                match ended {
                    Ok(ending) => {
                        fail_point("returned");
                        self.close(id).await;
                        fail_point("closed");
                        if !ending.still {
                            let how = if ending.message.is_empty() {
                                "was set going by somebody else"
                            } else {
                                &ending.message
                            };
                            closed.moved.push(format!("{} did not stand still: {how}", intent.name));
                        }
                        all.push(ending);
                    }
                    Err(error) => {
                        trouble.push(format!("{} could not be brought back: {}", intent.name, told(error)));
                        left.push((id, intent));
                    }
                }
            }
            left.reverse();
            intents = left;
            let patience = if ask.shutdown.is_cancelled() { HURRY } else { ask.quiesce.timeout };
            if intents.is_empty() || since.elapsed() >= patience {
                closed.failures =
                    trouble.into_iter().map(|what| format!("{what}; it is tried again and again")).collect();
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.journal.release(&ids);
        fail_point("back");
        closed.seconds = began.map(|began| began.elapsed().as_secs_f64());
        for ending in all.into_iter().filter(|ending| !ending.message.is_empty()) {
            match ending.severity {
                Severity::Failure => closed.failures.push(ending.message),
                _ => closed.warnings.push(ending.message),
            }
        }
        closed
    }

    /// Closes an intent off the async threads.
    pub(super) async fn close(&self, id: u64) {
        let journal = Arc::clone(&self.journal);
        let closed = tokio::task::spawn_blocking(move || journal.close(id)).await;
        match closed {
            Ok(Err(error)) => tracing::error!("{}", told(error)),
            Ok(Ok(())) => {}
            Err(error) => tracing::error!("the journal was not written: {error}"),
        }
    }
}
