//! How far a recovery is, and how long the rest of it takes at the pace so far.

use crate::cli::human::bytes;
use crate::controller::once::Watcher;
use crate::controller::ports::Progress;
use crate::reconcile::SourceKey;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const LOOK: Duration = Duration::from_millis(200);

/// The whole of a recovery.
pub(super) struct Meter {
    expected: u64,
    done: u64,
    busy: Duration,
    since: Instant,
    shown: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Meter {
    pub fn new(expected: u64) -> Self {
        Self { expected, done: 0, busy: Duration::ZERO, since: Instant::now(), shown: None }
    }

    /// One source begins. On a terminal a bar is drawn until its end.
    pub fn begin(&mut self, source: &SourceKey, size: u64) -> Watcher {
        self.since = Instant::now();
        let run: Arc<Mutex<Option<Arc<Progress>>>> = Arc::default();
        if std::io::stderr().is_terminal() {
            let over = Arc::new(AtomicBool::new(false));
            let (run, flag, prefix, left) = (Arc::clone(&run), Arc::clone(&over), source.to_string(), self.left());
            let draw = move || draw(&run, &flag, prefix, size, left);
            self.shown = Some((over, std::thread::spawn(draw)));
        }
        Arc::new(move |progress| *run.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(progress)))
    }

    /// It has ended, and so many of the expected bytes are dealt with.
    pub fn end(&mut self, size: u64) {
        if let Some((over, thread)) = self.shown.take() {
            over.store(true, Ordering::Release);
            // A bar that could not be drawn is no matter.
            drop(thread.join());
        }
        self.done += size;
        if size > 0 {
            self.busy += self.since.elapsed();
        }
    }

    /// How long the rest takes; `None`: nothing is left, or nothing is known yet.
    pub fn left(&self) -> Option<Duration> {
        let rest = self.expected.saturating_sub(self.done);
        if self.done == 0 || rest == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a guess")]
        Duration::try_from_secs_f64(self.busy.as_secs_f64() * rest as f64 / self.done as f64).ok()
    }
}

fn draw(run: &Mutex<Option<Arc<Progress>>>, over: &AtomicBool, prefix: String, size: u64, left: Option<Duration>) {
    // It is written once and read once.
    let bar = ProgressBar::with_draw_target(Some((size * 2).max(1)), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg} {elapsed_precise}, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(prefix);
    while !over.load(Ordering::Acquire) {
        let now = run.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |progress| progress.get().0);
        bar.set_position(now.min(size * 2));
        let all = left.map_or_else(String::new, |left| format!(" (all: {}s)", left.as_secs()));
        bar.set_message(format!("{}{all}", bytes(now)));
        std::thread::sleep(LOOK);
    }
    bar.finish_and_clear();
}
