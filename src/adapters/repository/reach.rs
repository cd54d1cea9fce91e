//! How the entries of a source are come by: as they are, or from a clone.

use super::RepositoryError;
use super::report::{Cloned, Control};
use super::source::Reading;
use crate::adapters::clone::{ClonedWalk, Scratch};
use crate::adapters::volume_walk::{Entry, Notes, Root, Walk};
use std::path::Path;
use std::sync::Arc;

/// A source that is about to be read.
pub(super) struct Reached {
    pub root: Root,
    pub notes: Arc<Notes>,
    pub entries: Box<dyn Iterator<Item = Entry> + Send>,
    pub reading: Reading,
    pub cloned: Cloned,
}

/// A place for a clone, where one is asked for; made before the application stands still, because it may take time and
/// may not be had.
pub(super) fn prepare(control: &Control, root: &Path) -> Option<Result<Scratch, String>> {
    control.clones.as_ref().map(|clones| clones.prepare(root))
}

/// Reaches a source from the moment on at which it stands still. With a clone, that moment is over on return.
pub(super) fn reach(
    walk: impl Fn() -> Result<Walk, RepositoryError>,
    scratch: Option<&Result<Scratch, String>>,
    control: &Control,
) -> Result<Reached, RepositoryError> {
    let reading = Reading::begin(control)?;
    let mut cloned = Cloned::NotAsked;
    match scratch {
        None => {}
        Some(Err(why)) => cloned = Cloned::No(why.clone()),
        Some(Ok(scratch)) => {
            let walk = walk()?;
            let (root, notes) = (walk.root().clone(), walk.notes());
            match ClonedWalk::take(walk, scratch, &control.cancel) {
                Ok(entries) => {
                    root.look_again();
                    drop(reading);
                    let (entries, reading, cloned) = (Box::new(entries), Reading::over(), Cloned::Yes);
                    return Ok(Reached { root, notes, entries, reading, cloned });
                }
                Err(why) => cloned = Cloned::No(why),
            }
        }
    }
    // Opened only now: what was listed before belongs to another moment than what is read.
    let walk = walk()?.lazily();
    let (root, notes) = (walk.root().clone(), walk.notes());
    Ok(Reached { root, notes, entries: Box::new(walk), reading, cloned })
}
