//! What restores have replaced, each on record before its scratch directory is made.

use crate::adapters::exchange::{Identity, Place};
use crate::reconcile::{RunId, SourceKey, Undo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The records. Only one process writes them.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    records: Mutex<BTreeMap<RunId, Kept>>,
    view: watch::Sender<Arc<Vec<Undo>>>,
}

/// One restore, from before anything is laid down until what it replaced is removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub undo: Undo,
    pub place: Place,
    /// What was laid down; `None`: that is not over yet.
    pub laid: Option<Identity>,
    /// Whether the exchange was made once. Known afterwards by what lies in the scratch.
    pub exchanged: bool,
}

impl Kept {
    /// Whether what was laid down is in use now.
    fn is_in_use(&self) -> io::Result<bool> {
        Ok(match (self.laid, self.place.identity()?) {
            (None, _) => false,
            (Some(laid), held) => held != Some(laid),
        })
    }
}

/// What came of a restore that its process did not see the end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The restore.
    pub restore: RunId,
    /// Whose source.
    pub source: SourceKey,
    /// A sentence.
    pub message: String,
}

impl Shelf {
    /// Reads the records and puts right what an earlier process left: what it had not exchanged is removed, what it had
    /// is kept as any other. To be called before anything is brought back that stands still for a restore.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(directory: &Path) -> io::Result<(Self, Vec<Mended>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let shelf = Self { directory: directory.to_owned(), records: Mutex::default(), view: watch::Sender::default() };
        let mut mended = Vec::new();
        for kept in read(directory)? {
            match shelf.settle(kept.clone()) {
                Ok(told) => mended.extend(told),
                Err(error) => {
                    tracing::warn!(restore = %kept.undo.restore, %error, "what a restore left could not be put right yet");
                    shelf.lock().insert(kept.undo.restore.clone(), kept);
                }
            }
        }
        shelf.publish();
        Ok((shelf, mended))
    }

    /// What is kept, newest first, for the commands that only show.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn look(directory: &Path) -> io::Result<Vec<Undo>> {
        let kept = match read(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        Ok(shown(kept.iter()))
    }

    /// What is kept, newest first.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<Vec<Undo>>> {
        self.view.subscribe()
    }

    /// Removes what has been kept for long enough.
    pub fn expire(&self, now: Timestamp) {
        let expired = |kept: &&Kept| kept.exchanged && kept.undo.expires <= now;
        let all: Vec<Kept> = self.lock().values().filter(expired).cloned().collect();
        for kept in all {
            match self.remove(&kept) {
                Ok(()) => {
                    tracing::info!(restore = %kept.undo.restore, "removed what it had replaced; its time was over");
                }
                Err(error) => {
                    tracing::warn!(restore = %kept.undo.restore, %error, "what it replaced could not be removed");
                }
            }
        }
    }

    pub(super) fn get(&self, restore: &RunId) -> Option<Kept> {
        self.lock().get(restore).filter(|kept| kept.exchanged).cloned()
    }

    /// Writes a record, durable on return.
    pub(super) fn put(&self, kept: &Kept) -> io::Result<()> {
        let path = self.path(&kept.undo.restore);
        let fresh = path.with_extension("new");
        let text = serde_json::to_vec(kept)?;
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.directory)?.sync_all()?;
        self.lock().insert(kept.undo.restore.clone(), kept.clone());
        self.publish();
        Ok(())
    }

    /// Removes the scratch and then the record.
    pub(super) fn remove(&self, kept: &Kept) -> io::Result<()> {
        kept.place.remove()?;
        match fs::remove_file(self.path(&kept.undo.restore)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.lock().remove(&kept.undo.restore);
        self.publish();
        Ok(())
    }

    fn settle(&self, mut kept: Kept) -> io::Result<Option<Mended>> {
        let Undo { restore, source, target, .. } = kept.undo.clone();
        let mended = |message: String| Some(Mended { restore, source, message });
        if !kept.place.is_there() {
            // Its volume is gone, or its disk is not mounted yet.
            if kept.exchanged {
                self.lock().insert(kept.undo.restore.clone(), kept);
                return Ok(None);
            }
            self.remove(&kept)?;
            return Ok(None);
        }
        let in_use = kept.is_in_use()?;
        if !kept.exchanged && !in_use {
            self.remove(&kept)?;
            return Ok(mended(format!(
                "A restore into {target} was cut off before anything was exchanged; what it had laid down is removed"
            )));
        }
        let done = kept.exchanged && kept.undo.undone != in_use;
        if !done {
            kept.undo.bytes = kept.place.held_bytes();
            (kept.exchanged, kept.undo.undone) = (true, !in_use);
        }
        self.put(&kept)?;
        let what = if in_use { "it is done, and what it replaced is kept" } else { "it is undone" };
        Ok(if done { None } else { mended(format!("A restore into {target} was cut off after the exchange: {what}")) })
    }

    fn path(&self, restore: &RunId) -> PathBuf {
        self.directory.join(format!("{restore}.json"))
    }

    fn publish(&self) {
        let shown = shown(self.lock().values());
        self.view.send_replace(Arc::new(shown));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Kept>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown<'a>(kept: impl DoubleEndedIterator<Item = &'a Kept>) -> Vec<Undo> {
    kept.rev().filter(|kept| kept.exchanged).map(|kept| kept.undo.clone()).collect()
}

fn read(directory: &Path) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            match fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Kept>(&text)?)) {
                Ok(kept) => all.push(kept),
                Err(error) => tracing::error!(path = %path.display(), %error, "a record of a restore cannot be read"),
            }
        }
    }
    all.sort_by(|a, b| a.undo.restore.cmp(&b.undo.restore));
    Ok(all)
}
