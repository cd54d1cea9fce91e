//! What the watcher's thread leaves for the store: that it should look, and what it can no longer trust.

use super::listing::is_policy_name;
use notify::event::{AccessKind, AccessMode, EventKind, Flag, ModifyKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bounded however many events come: what is kept are sets of paths that are watched.
#[derive(Default)]
pub(super) struct Hints {
    state: Mutex<State>,
    /// Notified when the store should look.
    pub wake: Notify,
}

#[derive(Default)]
struct State {
    directories: BTreeSet<PathBuf>,
    places: BTreeSet<PathBuf>,
    armed: BTreeSet<PathBuf>,
    gone: BTreeSet<PathBuf>,
    lost: Option<String>,
}

impl Hints {
    /// Says what matters: directories with policy files, places where a path may change its meaning, and all that is
    /// watched for their sake.
    pub fn interest(&self, directories: BTreeSet<PathBuf>, places: BTreeSet<PathBuf>, armed: BTreeSet<PathBuf>) {
        let mut state = self.state();
        (state.directories, state.places, state.armed) = (directories, places, armed);
    }

    /// Watched directories that went or were renamed, and why events were lost, since the last call.
    pub fn take(&self) -> (BTreeSet<PathBuf>, Option<String>) {
        let mut state = self.state();
        (std::mem::take(&mut state.gone), state.lost.take())
    }

    /// Takes what the watcher says. Called from its thread; returns at once.
    pub fn event(&self, event: notify::Result<notify::Event>) {
        let mut state = self.state();
        let wake = match event {
            Err(error) => {
                state.lost = Some(format!("the watcher failed: {error}"));
                true
            }
            Ok(event) if event.attrs.flag() == Some(Flag::Rescan) => {
                state.lost = Some("the kernel's queue of events overflowed, so that some were lost".to_owned());
                true
            }
            Ok(event) => state.take_in(&event),
        };
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes what went; returns whether one should look.
    fn take_in(&mut self, event: &notify::Event) -> bool {
        match event.kind {
            // Our own reading is an access, too.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return false,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                self.gone.extend(event.paths.iter().filter(|path| self.armed.contains(*path)).cloned());
            }
            _ => {}
        }
        let content = matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)));
        event.paths.iter().any(|path| self.matters(path, content))
    }

    /// `content`: only what a file holds changed, not which files there are.
    fn matters(&self, path: &Path, content: bool) -> bool {
        self.places.contains(path)
            || self.directories.contains(path)
            || (path.parent().is_some_and(|parent| self.directories.contains(parent))
                && (!content || is_policy_name(path)))
    }
}
