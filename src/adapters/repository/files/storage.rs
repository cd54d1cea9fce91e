//! Where a repository's files lie: what has to be possible there, so that everything else is the same everywhere.

use super::later::Later;
use bytes::Bytes;
use jiff::Timestamp;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::Path;

/// One file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::adapters::repository) struct Listed {
    /// The last part of its name.
    pub name: String,
    pub size: u64,
    /// When it was written, by the clock of whoever keeps it.
    pub written: Timestamp,
}

/// What there is before a repository is opened.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::adapters::repository) enum Found {
    /// A repository.
    Repository,
    /// Nothing, or what an unfinished first start left: one can be made.
    Nothing,
    /// Something else, in words.
    Other(String),
}

/// A file of which parts are read.
pub(in crate::adapters::repository) trait Parts: Send + Sync {
    /// Fills the buffer from an offset on; an `UnexpectedEof` where the file is shorter.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Files by name in restic's layout: `config`, `keys/ID`, `snapshots/ID`, `index/ID`, `data/AB/ID`, `locks/ID`.
///
/// Every call blocks, and may come from any thread.
pub(in crate::adapters::repository) trait Storage: Debug + Send + Sync {
    /// Where it is, for people.
    fn root(&self) -> &Path;

    fn look(&self) -> io::Result<Found>;

    /// The files right in a directory, or, with `deep`, in the directories right in it. A directory that is not there
    /// is an error where directories exist.
    fn list(&self, directory: &str, deep: bool) -> io::Result<Vec<Listed>>;

    fn read(&self, name: &str) -> io::Result<Bytes>;

    /// A file of which parts are wanted.
    fn open(&self, name: &str) -> io::Result<Box<dyn Parts>>;

    /// Reads a part of a file that is wanted once. Where in `room`, which grows as needed, it lies.
    fn read_once(&self, name: &str, offset: u64, length: usize, room: &mut Vec<u8>) -> io::Result<Range<usize>> {
        if room.len() < length {
            room.resize(length, 0);
        }
        self.open(name)?.read_exact_at(&mut room[..length], offset)?;
        Ok(0..length)
    }

    /// Shows a file from begin to end, a part at a time.
    fn read_through(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;

    /// Writes a file that counts only once it is settled; where the disk must not be waited for alone, with others.
    fn put_later(&self, name: &str, parts: &[Bytes]) -> io::Result<Later>;

    /// Removes a file. One that is gone already is as good as removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in a directory that is made where it is missing.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes what an empty repository needs and removes keys that an unfinished attempt left, because they would open
    /// to another master key.
    fn lay_out(&self) -> io::Result<()>;

    /// Removes what a killed writer left a day ago or earlier.
    fn sweep(&self, now: Timestamp) -> io::Result<()>;
}
