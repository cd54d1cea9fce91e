//! What Seawall makes stand still, on disk before it is touched, so that whatever ends this process, the next one brings
//! it back.
//!
//! One file of lines, each with a checksum. A line that is not whole was being written when the process or the host
//! ended: nothing had been touched on its behalf, or all was back already. So reading it never fails for what it
//! holds, and leaving out such a line is always right.

mod record;

pub use record::{Identity, Intent, Prior};

use crate::reconcile::Quiesced;
use record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} could not be {what}", path.display())]
pub struct JournalError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The journal. Methods that write block.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    inner: Mutex<Inner>,
    view: watch::Sender<Arc<Vec<Quiesced>>>,
}

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<u64, Intent>,
    /// Those that a run of this process looks after.
    attended: BTreeSet<u64>,
    next: u64,
    /// The file, when every line of it is whole.
    file: Option<File>,
}

impl Journal {
    /// Reads the journal in a directory, which is made when something is written for the first time.
    ///
    /// # Errors
    /// The system refuses. What the file holds is no reason to fail.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = file(directory);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(JournalError { what: "read", path, source }),
        };
        let mut inner = Inner { next: 1, ..Inner::default() };
        let mut broken = 0_usize;
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match Record::read(line) {
                Some(Record::Open(id, intent)) => {
                    inner.next = inner.next.max(id + 1);
                    inner.open.insert(id, *intent);
                }
                Some(Record::Closed(id)) => {
                    inner.open.remove(&id);
                }
                None => broken += 1,
            }
        }
        if broken > 0 {
            tracing::warn!(path = %path.display(), lines = broken, "lines of the journal are not whole and are left out");
        }
        let view = watch::Sender::new(Arc::new(inner.open.values().map(Intent::quiesced).collect()));
        Ok(Self { directory: directory.to_owned(), inner: Mutex::new(inner), view })
    }

    /// Writes intents down, all or none, durable on return. Until [`Journal::release`] a run looks after them.
    ///
    /// # Errors
    /// They are not durable: nothing may be touched.
    pub fn begin(&self, intents: Vec<Intent>) -> Result<Vec<u64>, JournalError> {
        let mut inner = self.lock();
        let ids: Vec<u64> = (inner.next..).take(intents.len()).collect();
        let new: Vec<(u64, Intent)> = ids.iter().copied().zip(intents).collect();
        let records: Vec<Record> = new.iter().map(|(id, intent)| Record::Open(*id, Box::new(intent.clone()))).collect();
        self.append(&mut inner, &records)?;
        inner.next += new.len() as u64;
        inner.open.extend(new);
        inner.attended.extend(&ids);
        self.publish(&inner);
        Ok(ids)
    }

    /// Closes an intent: what it speaks of was seen to be back, or is not Seawall's business any more.
    ///
    /// # Errors
    /// It is closed here but not on disk: the next process will look at it again, and find nothing to do.
    pub fn close(&self, id: u64) -> Result<(), JournalError> {
        let mut inner = self.lock();
        inner.attended.remove(&id);
        if inner.open.remove(&id).is_none() {
            return Ok(());
        }
        self.publish(&inner);
        if inner.open.is_empty() { self.clear(&mut inner) } else { self.append(&mut inner, &[Record::Closed(id)]) }
    }

    /// No run looks after these any more.
    pub fn release(&self, ids: &[u64]) {
        let mut inner = self.lock();
        inner.attended.retain(|id| !ids.contains(id));
    }

    /// The open intents that no run looks after, and those whose deadline is over, newest first.
    #[must_use]
    pub fn unattended(&self, now: jiff::Timestamp) -> Vec<(u64, Intent)> {
        let inner = self.lock();
        let left = |(id, intent): &(&u64, &Intent)| !inner.attended.contains(*id) || intent.deadline <= now;
        inner.open.iter().rev().filter(left).map(|(id, intent)| (*id, intent.clone())).collect()
    }

    /// What is open, now and from now on.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<Vec<Quiesced>>> {
        self.view.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: &Inner) {
        self.view.send_replace(Arc::new(inner.open.values().map(Intent::quiesced).collect()));
    }

    fn append(&self, inner: &mut Inner, records: &[Record]) -> Result<(), JournalError> {
        let path = file(&self.directory);
        let written = lines(records).and_then(|lines| match &mut inner.file {
            Some(file) => file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()),
            None => Err(io::ErrorKind::NotFound.into()),
        });
        if written.is_ok() {
            return Ok(());
        }
        // There is no file yet, or its end may be half a line: it is written anew.
        inner.file = None;
        let open = inner.open.iter().map(|(id, intent)| Record::Open(*id, Box::new(intent.clone())));
        let all: Vec<Record> = open.chain(records.iter().cloned()).collect();
        let renewed = lines(&all).and_then(|lines| self.renew(&path, &lines));
        inner.file = Some(renewed.map_err(|source| JournalError { what: "written", path, source })?);
        Ok(())
    }

    /// Puts a new file in the place of the old one: after a power cut there is one of the two, whole.
    fn renew(&self, path: &Path, lines: &str) -> io::Result<File> {
        if !self.directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let above = self.directory.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let new = self.directory.join("intents.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(&self.directory)?.sync_all()?;
        Ok(file)
    }

    /// Nothing is open: the file is emptied, which needs no space on a full disk.
    fn clear(&self, inner: &mut Inner) -> Result<(), JournalError> {
        inner.file = None;
        let path = file(&self.directory);
        let emptied = OpenOptions::new().append(true).open(&path).and_then(|file| {
            file.set_len(0)?;
            file.sync_all()?;
            Ok(file)
        });
        inner.file = Some(emptied.map_err(|source| JournalError { what: "emptied", path, source })?);
        Ok(())
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("intents")
}

fn lines(records: &[Record]) -> io::Result<String> {
    records.iter().map(|record| record.line().map_err(io::Error::from)).collect()
}

#[cfg(test)]
mod tests;
