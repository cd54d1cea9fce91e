//! A volume as it was when it was cloned.

use super::Scratch;
use crate::adapters::sqlite::{self, Files};
use crate::adapters::volume_walk::{CloneFailed, Entry, Kind, Meta, Notes, Opener, Walk};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The entries of a walk that is over: metadata of the originals, contents of the clones. About 300 bytes per file are
/// held in memory.
#[derive(Debug)]
pub struct ClonedWalk {
    directory: Arc<OwnedFd>,
    entries: std::vec::IntoIter<Record>,
    notes: Arc<Notes>,
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Record {
    path: PathBuf,
    meta: Meta,
    kind: Cloned,
}

#[derive(Debug)]
enum Cloned {
    File(OsString, Option<Box<Files>>),
    Other(Kind),
}

impl ClonedWalk {
    /// Clones everything that a walk meets. Trouble with single files is noted, as by the walk itself.
    ///
    /// # Errors
    /// The file system clones nothing from there, or has no room: why, as the end of a sentence.
    pub fn take(walk: Walk, scratch: &Scratch, cancel: &CancellationToken) -> Result<Self, String> {
        let told = |error: Errno| format!("a clone could not be made: {}", io::Error::from(error));
        let directory = Arc::clone(scratch.directory().ok_or_else(|| told(Errno::BADF))?);
        let notes = walk.notes();
        let (mut entries, mut cloned) = (Vec::new(), false);
        for Entry { path, meta, kind } in walk {
            let kind = match kind {
                Kind::File(opener) => {
                    let name = name_of(&path);
                    let (beside, original) = opener.place();
                    // What makes a database another one is what its originals say. No page is smaller.
                    let candidate = meta.size > 0 && meta.size.is_multiple_of(512);
                    let files = candidate.then(|| Files::look(beside, original).ok().map(Box::new)).flatten();
                    match opener.clone_into(&directory, &name, cloned) {
                        Ok(()) => cloned = true,
                        Err(CloneFailed::Source) => continue,
                        Err(CloneFailed::Target(error)) => return Err(told(error)),
                    }
                    Cloned::File(name, files)
                }
                other => Cloned::Other(other),
            };
            entries.push(Record { path, meta, kind });
        }
        Ok(Self { directory, entries: entries.into_iter(), notes, cancel: cancel.clone() })
    }
}

/// A name that a database and its companions have in common.
fn name_of(path: &Path) -> OsString {
    let database = sqlite::database_of(path);
    let base = database.as_deref().unwrap_or(path).as_os_str().as_bytes();
    let mut name = OsString::from(hex::encode(Sha256::digest(base)));
    if database.is_some() {
        let whole = path.as_os_str().as_bytes();
        name.push(std::ffi::OsStr::from_bytes(whole.strip_prefix(base).unwrap_or_default()));
    }
    name
}

impl Iterator for ClonedWalk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.cancel.is_cancelled() {
            let Record { path, meta, kind } = self.entries.next()?;
            let kind = match kind {
                Cloned::Other(kind) => kind,
                Cloned::File(name, files) => {
                    let opener =
                        Opener::of_clone(&self.directory, name, files, (&path, &meta), &self.notes, &self.cancel);
                    match opener {
                        Ok(opener) => Kind::File(opener),
                        Err(error) => {
                            self.notes.problem(&path, format!("its clone is gone: {}", io::Error::from(error)));
                            continue;
                        }
                    }
                }
            };
            return Some(Entry { path, meta, kind });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_and_its_companions_stay_together() {
        let [plain, log, other] = ["a/b.db", "a/b.db-wal", "b.db"].map(|path| name_of(Path::new(path)));
        let mut expected = plain.clone();
        expected.push("-wal");
        assert_eq!(log, expected);
        assert_ne!(plain, other);
    }
}
