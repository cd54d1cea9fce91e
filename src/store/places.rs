//! Where a path leads, and what would have to change for it to lead elsewhere.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// What tells one directory from another that took its name. An inode number alone is soon used again, so the time
/// of birth is part of it where the file system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    /// Of the directory at `path`; anything else there is an error.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        if !found.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self { device: found.dev(), inode: found.ino(), born: found.created().ok() })
    }
}

/// The canonical path of the directory that a path leads to, and which one that is.
pub(super) fn locate(path: &Path) -> io::Result<(PathBuf, Identity)> {
    let path = std::fs::canonicalize(path)?;
    let identity = Identity::of(&path)?;
    Ok((path, identity))
}

/// Follows an absolute path by hand and adds every symbolic link on the way, where it ends, and, where something is
/// missing, the place at which that would appear. The parents of all of them are canonical directories.
pub(super) fn trace(path: &Path, places: &mut BTreeSet<PathBuf>) {
    let mut at = PathBuf::from("/");
    let mut rest: Vec<OsString> = reversed(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match next.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                places.insert(next.clone());
                links += 1;
                let Ok(target) = std::fs::read_link(&next) else { return };
                if links > MAX_LINKS {
                    return;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(reversed(&target));
            }
            Ok(_) => {
                if rest.is_empty() {
                    places.insert(next.clone());
                }
                at = next;
            }
            Err(_) => {
                places.insert(next);
                return;
            }
        }
    }
}

/// The parts of a path, the first one last.
fn reversed(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    parts.map(OsStr::to_owned).collect()
}
