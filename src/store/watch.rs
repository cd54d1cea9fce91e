//! Being told early that something changed.
//!
//! What the kernel says is a hint and never a fact: it only makes the store look sooner than it would anyway. So
//! nothing is lost when events are lost, and this file can be simple: a set of directories, none of them watched
//! recursively, brought up to date after every look. The kernel's ways are known to be these: a watch follows a
//! directory that is renamed; it dies with the directory and says nothing of the one that takes its place; exchanging a
//! symbolic link in the path says nothing at all to a watch beyond the link; unmounting says nothing; the queue
//! overflows; and the number of watches is limited per user.

use super::hints::Hints;
use super::listing::Listing;
use super::places::Identity;
use notify::{RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes a watcher that reports to the given hints. Tests put one that fails in its place.
pub(super) type MakeWatcher = Box<dyn FnMut(&Arc<Hints>) -> notify::Result<Box<dyn Watcher + Send>> + Send>;

/// The kernel's watcher.
pub(super) fn native() -> MakeWatcher {
    Box::new(|hints| {
        let hints = Arc::clone(hints);
        let watcher = notify::recommended_watcher(move |event| hints.event(event))?;
        Ok(Box::new(watcher))
    })
}

/// The watched directories.
pub(super) struct Watch {
    make: MakeWatcher,
    hints: Arc<Hints>,
    watcher: Option<Box<dyn Watcher + Send>>,
    armed: BTreeMap<PathBuf, Identity>,
    /// Why not everything is watched.
    limited: Option<String>,
    /// Why events were lost.
    lost: Option<String>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new(make: MakeWatcher, hints: Arc<Hints>) -> Self {
        Self { make, hints, watcher: None, armed: BTreeMap::new(), limited: None, lost: None }
    }

    /// Why a change may have gone, or may go, unnoticed until the next periodic look.
    pub fn problem(&self) -> Option<&str> {
        self.limited.as_deref().or(self.lost.as_deref())
    }

    /// Begins anew if something is wrong.
    pub fn retry(&mut self) {
        if self.problem().is_some() {
            self.reset();
            self.lost = None;
        }
    }

    fn reset(&mut self) {
        self.watcher = None;
        self.armed.clear();
    }

    /// Watches what a look has found. Returns whether something is newly watched: what changed there before that
    /// moment was not noticed, so one has to look again.
    pub fn arm(&mut self, listing: &Listing, sources: &BTreeSet<PathBuf>) -> bool {
        let (gone, lost) = self.hints.take();
        if lost.is_some() {
            self.reset();
            self.lost = lost;
        }
        // The watcher forgets everything below a directory that goes.
        self.armed.retain(|path, _| !gone.iter().any(|gone| path.starts_with(gone)));

        let mut wanted = listing.directories.clone();
        let places: BTreeSet<PathBuf> = listing.places.union(sources).cloned().collect();
        for parent in places.iter().filter_map(|place| place.parent()) {
            if let (false, Ok(identity)) = (wanted.contains_key(parent), Identity::of(parent)) {
                wanted.insert(parent.to_owned(), identity);
            }
        }
        // First the filter, then the watches: an event of a new watch must not meet the old filter.
        self.hints.interest(listing.directories.keys().cloned().collect(), places, wanted.keys().cloned().collect());
        let (news, error) = match self.bring_up_to_date(&wanted) {
            Ok(done) => done,
            Err(error) => (false, Some(error)),
        };
        self.limited = error.as_ref().map(explain);
        news
    }

    /// Whether something is newly watched, and the last error of those that could not be.
    fn bring_up_to_date(
        &mut self,
        wanted: &BTreeMap<PathBuf, Identity>,
    ) -> notify::Result<(bool, Option<notify::Error>)> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => self.watcher.insert((self.make)(&self.hints)?),
        };
        self.armed.retain(|path, identity| {
            let keep = wanted.get(path) == Some(identity);
            if !keep {
                forget(watcher.as_mut(), path);
            }
            keep
        });
        let (mut news, mut failed) = (false, None);
        for (path, identity) in wanted {
            if self.armed.contains_key(path) {
                continue;
            }
            // The watcher may still have the name, for a directory that had it before.
            forget(watcher.as_mut(), path);
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.armed.insert(path.clone(), *identity);
                    news = true;
                }
                // It went while we looked. Its parent is watched, so the next look comes soon.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => failed = Some(error),
            }
        }
        Ok((news, failed))
    }
}

/// Failing is the usual case: there was nothing to forget.
fn forget(watcher: &mut dyn Watcher, path: &Path) {
    if let Err(error) = watcher.unwatch(path) {
        tracing::trace!(path = %path.display(), %error, "nothing to forget");
    }
}

fn explain(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "the kernel's limit of watches is reached: raise \
             fs.inotify.max_user_watches; until then changes are seen by the periodic rescan"
            .to_owned(),
        notify::ErrorKind::Io(io) if io.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "the kernel's limit of watchers is reached: raise fs.inotify.max_user_instances; until then changes are \
             seen by the periodic rescan"
                .to_owned()
        }
        _ => format!("the directory cannot be watched ({error}); changes are seen by the periodic rescan"),
    }
}
