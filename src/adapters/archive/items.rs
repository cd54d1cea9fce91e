//! The entries of an archive once they have been judged: each stays below the root, is of a kind that is laid down, and
//! all together are no bomb.

use super::error::{ArchiveError, Trouble};
use super::header::Kind;
use super::members::Members;
use super::{path, peel};
use crate::adapters::key::Secret;
use crate::adapters::lay::Attributes;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Most entries: each takes about 200 bytes of memory until all is laid down.
pub(super) const MOST_ENTRIES: u64 = 4_000_000;
/// Most bytes of all names together.
const MOST_NAMES: u64 = 512 << 20;
/// What an archive of any size may unpack to, and how many times its own size beyond. gzip packs zeros a thousand to one;
/// zstd packs them better, but hardly anybody has so many.
const SLACK: u64 = 64 << 30;
const RATIO: u64 = 1000;
/// Largest file, holes among it: that of ext4.
const LARGEST: u64 = 16 << 40;

/// What an entry is, where it leads resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    File,
    Directory,
    /// Where it points, as it is written: it is never followed.
    Symlink(OsString),
    /// Another name of something in the archive.
    Hardlink(PathBuf),
    Fifo,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Item {
    /// Below the root of the archive.
    pub path: PathBuf,
    pub what: What,
    pub attributes: Attributes,
    pub size: u64,
    pub parts: Vec<(u64, u64)>,
    pub troubles: Vec<String>,
}

/// The entries of a file.
pub(super) struct Items {
    members: Members,
    tally: peel::Tally,
    pub form: Vec<&'static str>,
    limit: u64,
    pub(super) entries: u64,
    names: u64,
    unpacked: u64,
}

impl Items {
    pub fn open(file: &Path, passphrase: Option<&Secret>, cancel: &CancellationToken) -> Result<Self, ArchiveError> {
        let length = std::fs::metadata(file).map_or(0, |found| found.len());
        let peel::Peeled { stream, tally, form } = peel::open(file, passphrase, cancel)?;
        let limit = SLACK.saturating_add(length.saturating_mul(RATIO));
        Ok(Self { members: Members::new(stream), tally, form, limit, entries: 0, names: 0, unpacked: 0 })
    }

    /// The next entry. `None`: this was all, and every checksum was right.
    pub fn next(&mut self) -> Result<Option<Item>, ArchiveError> {
        let Some(member) = self.members.next()? else { return Ok(None) };
        self.entries += 1;
        self.names += member.name.len() as u64;
        let stored: u64 = member.parts.iter().fold(0, |sum, (_, length)| sum.saturating_add(*length));
        self.unpacked = self.unpacked.saturating_add(stored);
        if self.unpacked.saturating_add(self.members.headers) > self.limit {
            return Err(ArchiveError::refused(format!(
                "it would unpack to more than {} and {RATIO} times its own size: it is taken for a bomb",
                crate::policy::quantity::bytes(SLACK)
            )));
        }
        if self.entries > MOST_ENTRIES || self.names > MOST_NAMES {
            return Err(ArchiveError::refused(format!(
                "it has more than {MOST_ENTRIES} entries, or their names more than {}: unpack it by hand, and back the \
                 directory up as a `path`",
                crate::policy::quantity::bytes(MOST_NAMES)
            )));
        }
        let path = path::below(&member.name)?;
        if member.size > LARGEST {
            let message = format!("{} is larger than a file can be", super::error::shown(&path));
            return Err(ArchiveError::refused(message));
        }
        let what = match member.kind {
            Kind::File => What::File,
            Kind::Directory => What::Directory,
            Kind::Symlink(target) => What::Symlink(target_of(target, &path)?),
            Kind::Hardlink(target) => What::Hardlink(path::below(&target)?),
            Kind::Fifo => What::Fifo,
        };
        let (attributes, size, parts, troubles) = (member.attributes, member.size, member.parts, member.troubles);
        Ok(Some(Item { path, what, attributes, size, parts, troubles }))
    }

    /// What follows of the current entry's parts, one behind the other; 0 at their end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        self.members.read(buffer)
    }

    /// The SHA-256 of the file, once all entries were read.
    pub fn digest(&self) -> String {
        self.tally.digest()
    }

    /// Bytes of the file that were read.
    pub fn bytes(&self) -> u64 {
        self.tally.bytes()
    }
}

fn target_of(target: Vec<u8>, path: &Path) -> Result<OsString, ArchiveError> {
    if target.is_empty() || target.contains(&0) || target.len() >= 4096 {
        return Err(ArchiveError::damaged(format!("the link {} points nowhere", super::error::shown(path))));
    }
    Ok(OsString::from_vec(target))
}

/// That another file lies under the name than the one that was looked at.
pub(super) fn changed() -> ArchiveError {
    ArchiveError::new(Trouble::Refused, "it is not the file any more that was looked at; nothing was done with it")
}
