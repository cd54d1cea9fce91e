//! What restores have replaced, each on record before its scratch directory is made, or its database is set aside.

mod databases;

pub(in crate::execute) use databases::SetAside;

use crate::adapters::exchange::{Identity, Place};
use crate::reconcile::{RunId, SourceKey, Undo};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
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
    databases: Mutex<BTreeMap<RunId, SetAside>>,
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
        let databases: Vec<SetAside> = read(&databases::place(directory))?;
        let databases = databases.into_iter().map(|one| (one.undo.restore.clone(), one)).collect();
        let shelf = Self {
            directory: directory.to_owned(),
            records: Mutex::default(),
            databases: Mutex::new(databases),
            view: watch::Sender::default(),
        };
        let mut mended = Vec::new();
        let mut all: Vec<Kept> = read(directory)?;
        all.sort_by(|a, b| a.undo.restore.cmp(&b.undo.restore));
        for kept in all {
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
        let (kept, databases): (Vec<Kept>, Vec<SetAside>) = (read(directory)?, read(&databases::place(directory))?);
        // Whether one that was cut off was set aside, only its server knows: whoever wants it back, asks there.
        let databases = databases.into_iter().map(|one| SetAside { exchanged: true, ..one }).collect::<Vec<_>>();
        Ok(shown(kept.iter(), databases.iter()))
    }

    /// What is kept, newest first.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<Vec<Undo>>> {
        self.view.subscribe()
    }

    /// Removes what has been kept on this host for long enough.
    pub(super) fn expire(&self, now: Timestamp) {
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

    /// The newest of the restores that since then replaced a directory as a whole in which this one lay.
    pub(super) fn around(&self, kept: &Kept) -> Option<Undo> {
        let live = kept.place.live();
        let records = self.lock();
        let took = |other: &&Kept| other.exchanged && other.undo.at > kept.undo.at && live != other.place.live();
        let around = records.values().filter(took).filter(|other| live.starts_with(other.place.live()));
        around.map(|other| &other.undo).max_by_key(|undo| undo.at).cloned()
    }

    /// Writes a record, durable on return.
    pub(super) fn put(&self, kept: &Kept) -> io::Result<()> {
        write(&self.path(&kept.undo.restore), kept)?;
        self.lock().insert(kept.undo.restore.clone(), kept.clone());
        self.publish();
        Ok(())
    }

    /// Removes the scratch and then the record.
    pub(super) fn remove(&self, kept: &Kept) -> io::Result<()> {
        kept.place.remove()?;
        forget(&self.path(&kept.undo.restore))?;
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
        let shown = shown(self.lock().values(), self.set_aside().values());
        self.view.send_replace(Arc::new(shown));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Kept>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Newest first.
fn shown<'a>(kept: impl Iterator<Item = &'a Kept>, databases: impl Iterator<Item = &'a SetAside>) -> Vec<Undo> {
    let kept = kept.filter(|kept| kept.exchanged).map(|kept| &kept.undo);
    let databases = databases.filter(|database| database.exchanged).map(|database| &database.undo);
    let mut all: Vec<Undo> = kept.chain(databases).cloned().collect();
    // The name of a restore tells only the second in which it began.
    all.sort_by(|a, b| (b.at, &b.restore).cmp(&(a.at, &a.restore)));
    all
}

/// Writes a record, durable on return.
fn write(path: &Path, record: &impl Serialize) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let text = serde_json::to_vec(record)?;
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The records of a directory; none where it is not there.
fn read<T: DeserializeOwned>(directory: &Path) -> io::Result<Vec<T>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            match fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?)) {
                Ok(record) => all.push(record),
                Err(error) => tracing::error!(path = %path.display(), %error, "a record of a restore cannot be read"),
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(restore: &str, at: &str) -> Kept {
        let undo = serde_json::json!({
            "restore": restore, "source": {"policy": "p", "source": "data"}, "target": "data", "snapshot": "ab",
            "path": "", "at": at, "expires": "2026-12-01T00:00:00Z", "place": "/held", "bytes": 0, "undone": false,
        });
        let place = serde_json::json!({"root": "/data", "path": "", "scratch": "/held"});
        let kept = serde_json::json!({"undo": undo, "place": place, "laid": null, "exchanged": true});
        serde_json::from_value(kept).unwrap()
    }

    #[test]
    fn of_two_restores_within_a_second_the_later_one_is_the_newest() {
        let earlier = kept("20261126T100000Z-ffffff", "2026-11-26T10:00:00.2Z");
        let later = kept("20261126T100000Z-000000", "2026-11-26T10:00:00.9Z");
        for both in [[&earlier, &later], [&later, &earlier]] {
            let shown = shown(both.into_iter(), [].into_iter());
            assert_eq!(shown, [later.undo.clone(), earlier.undo.clone()]);
        }
    }
}
