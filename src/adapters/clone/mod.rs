//! Volumes cloned by their file system, to be read once their application is back.
//!
//! Where a file system shares blocks between files (btrfs, XFS with reflink), cloning a file takes no longer than
//! making one, so that an application stands still for that alone. Clones lie in a scratch directory on the same file
//! system: beside the volume's directory, or hidden in it where that is a file system of its own.

mod scratch;
mod walk;

pub use scratch::{Clones, Scratch};
pub use walk::ClonedWalk;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// How the name of a scratch directory begins.
const PREFIX: &str = ".seawall-clone-";

/// Whether a directory of this name is a scratch of a run, and so no data.
#[must_use]
pub fn is_scratch(name: &OsStr) -> bool {
    [PREFIX, super::exchange::PREFIX].iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}
