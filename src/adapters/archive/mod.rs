//! Archives that others made: tar files, plain, packed with gzip or zstd, encrypted by `openssl enc`.
//!
//! They come from anywhere, so nothing in them is believed. What is laid down is laid down below one open directory, with
//! no link followed and nothing written to that was there; what cannot be confined is refused before anything of the
//! archive is used; and what an archive may unpack to is bounded. Blocking.

mod acl;
mod error;
mod header;
mod items;
mod laid;
mod layout;
mod members;
mod openssl;
mod path;
mod pax;
mod peel;
mod scratch;
mod sparse;
mod stamp;
mod survey;
#[cfg(test)]
mod tests;
mod verify;

pub use error::{ArchiveError, Trouble};
pub use laid::Laid;
pub use layout::{Part, Shape, named, part};
pub use scratch::Scratch;
pub use stamp::{NoTime, time_of};
pub use survey::{Content, Survey, survey};

use crate::adapters::key::Secret;
use crate::adapters::lay::{Attributes, Ground};
use crate::controller::ports::Progress;
use items::Items;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// An archive that was looked through, and what of it is wanted.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The file.
    pub file: &'a Path,
    /// What it was encrypted with, where it is.
    pub passphrase: Option<&'a Secret>,
    /// Its SHA-256, in hex, when it was looked through.
    pub digest: &'a str,
    /// What of it is taken.
    pub part: &'a Part,
    /// The name under which that is laid down, where it is a file.
    pub name: &'a OsStr,
    /// What the root is where the archive does not say it.
    pub fallback: Attributes,
}

impl Wanted<'_> {
    /// Where something of the archive is laid down; `None`: nowhere.
    fn place(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.part.root).ok()?;
        if !self.part.content.is_file {
            return Some(below.to_owned());
        }
        below.as_os_str().is_empty().then(|| self.name.into())
    }

    /// The same for what may have another name below what is taken.
    fn place_of_any_name(&self, path: &Path) -> Option<PathBuf> {
        self.place(self.part.borrowed.get(path).map_or(path, PathBuf::as_path))
    }
}

/// Lays what is wanted of an archive down in a directory that exists and is empty.
///
/// # Errors
/// See [`Trouble`]. What has been laid down until then stays, incomplete.
pub fn unpack(
    wanted: &Wanted<'_>,
    into: &Path,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Laid, ArchiveError> {
    let ground = Ground::open(into).map_err(|error| ArchiveError::laying(into, error))?;
    let fallback = (!wanted.part.content.is_file).then(|| wanted.fallback.clone());
    let mut laid = Laid::new(ground, fallback);
    let mut items = Items::open(wanted.file, wanted.passphrase, cancel)?;
    let mut before = 0;
    while let Some(mut item) = items.next()? {
        let is_directory = item.what == items::What::Directory;
        let path = if is_directory { wanted.place(&item.path) } else { wanted.place_of_any_name(&item.path) };
        let Some(path) = path else { continue };
        if let items::What::Hardlink(target) = &mut item.what {
            // Where it is not in what is taken, it is not found there either.
            let Some(below) = wanted.place_of_any_name(target.as_path()) else {
                return Err(ArchiveError::refused(format!(
                    "{} is another name of something that is not taken",
                    error::shown(&item.path)
                )));
            };
            *target = below;
        }
        laid.take(&path, item, &mut items)?;
        progress.add_bytes(laid.bytes.saturating_sub(before));
        before = laid.bytes;
    }
    if items.digest() != wanted.digest {
        return Err(items::changed());
    }
    laid.finish()?;
    Ok(laid)
}
