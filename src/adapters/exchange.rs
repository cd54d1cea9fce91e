//! Two entries of one file system that change places in one step, so that there is never neither and never a mix.

use super::lay::Ground;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, RenameFlags, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How the scratch directories of restores begin. No walk enters them.
pub(super) const PREFIX: &str = ".seawall-restore-";

/// One inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// An entry that is in use, and another in a scratch directory beside the tree, on the same file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    root: PathBuf,
    /// Of the entry in use, relative to the root; empty: the root itself.
    path: PathBuf,
    scratch: PathBuf,
}

impl Place {
    /// For the entry at `path` of the tree at `root`, with a scratch that is called after `name`. Changes nothing.
    ///
    /// # Errors
    /// Why nothing can change places with that entry, as a sentence.
    pub fn of(root: &Path, path: &Path, name: &str) -> Result<Self, String> {
        let parent = root.parent().ok_or_else(|| "The root of a system cannot be exchanged".to_owned())?;
        let mount = |at: &Path| mount_of(at).map_err(|error| cannot("look at", at, &error.into()));
        if mount(root)? != mount(parent)? {
            return Err(format!(
                "{} is a mount of its own, so nothing on its file system can be laid down beside it and change places with it",
                root.display()
            ));
        }
        let scratch = parent.join(format!("{PREFIX}{name}"));
        let place = Self { root: root.to_owned(), path: path.to_owned(), scratch };
        place
            .parent()
            .map_err(|error| cannot("find a directory to put it into at", &root.join(place.above()), &error.into()))?;
        Ok(place)
    }

    /// For an entry of its own, which need not be there yet, with a scratch in the directory that it is in.
    ///
    /// # Errors
    /// As for [`Place::of`].
    pub fn beside(live: &Path, name: &str) -> Result<Self, String> {
        let (Some(root), Some(path)) = (live.parent(), live.file_name()) else {
            return Err("The root of a system cannot be exchanged".to_owned());
        };
        let mount = |at: &Path| mount_of(at).map_err(|error| cannot("look at", at, &error.into()));
        if live.exists() && mount(live)? != mount(root)? {
            return Err(format!("{} is a mount of its own, which cannot change places with anything", live.display()));
        }
        mount(root)?;
        let scratch = root.join(format!("{PREFIX}{name}"));
        Ok(Self { root: root.to_owned(), path: path.into(), scratch })
    }

    /// Makes the scratch directory, which nobody else can enter.
    ///
    /// # Errors
    /// Why it cannot be made, as a sentence.
    pub fn prepare(&self) -> Result<(), String> {
        let made = DirBuilder::new().mode(0o700).create(&self.scratch);
        made.map_err(|error| cannot("make", &self.scratch, &error))
    }

    /// Bytes that are free on its file system, to those who may not use the reserve.
    ///
    /// # Errors
    /// The system's.
    pub fn free(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// The directory to lay something down in that is to change places with a directory; made.
    ///
    /// # Errors
    /// Why it cannot be made, as a sentence.
    pub fn directory(&self) -> Result<PathBuf, String> {
        let held = self.held();
        DirBuilder::new().mode(0o700).create(&held).map_err(|error| cannot("make", &held, &error))?;
        Ok(held)
    }

    /// The directory in which something that is no directory is to be laid down, under its own name.
    #[must_use]
    pub fn above_file(&self) -> &Path {
        &self.scratch
    }

    /// The entry in use.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        if self.path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.path) }
    }

    /// The other one.
    #[must_use]
    pub fn held(&self) -> PathBuf {
        self.scratch.join(self.name())
    }

    /// What the other one is; `None`: there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn identity(&self) -> io::Result<Option<Identity>> {
        match fs::symlink_metadata(self.held()) {
            Ok(found) => Ok(Some(Identity { device: found.dev(), inode: found.ino() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Everything that was laid down is on the disk on return.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        let scratch = fs::File::open(&self.scratch)?;
        Ok(rustix::fs::syncfs(scratch)?)
    }

    /// The two change places; where only one is, it goes to the other place. One step, durable on return.
    ///
    /// # Errors
    /// Nothing has changed, and why, as a sentence.
    pub fn exchange(&self) -> Result<(), String> {
        let failed = |error: Errno| cannot("exchange", &self.live(), &error.into());
        let there = self.parent().map_err(failed)?;
        let here = Ground::open(&self.scratch).and_then(|ground| ground.directory(Path::new(""))).map_err(failed)?;
        let (live, held) = (self.live_name(), self.name());
        let is = |at: &OwnedFd, name: &OsStr| match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        };
        match (is(&there, live).map_err(failed)?, is(&here, &held).map_err(failed)?) {
            (true, true) => rustix::fs::renameat_with(&here, &held, &there, live, RenameFlags::EXCHANGE),
            (true, false) => rustix::fs::renameat_with(&there, live, &here, &held, RenameFlags::NOREPLACE),
            (false, true) => rustix::fs::renameat_with(&here, &held, &there, live, RenameFlags::NOREPLACE),
            (false, false) => Err(Errno::NOENT),
        }
        .map_err(failed)?;
        // Both directories, or one of the names could come back with the power.
        rustix::fs::fsync(&there).and_then(|()| rustix::fs::fsync(&here)).map_err(failed)
    }

    /// Bytes on the disk of the other one.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        bytes_below(&self.held())
    }

    /// Removes the scratch with what is in it. That it is not there is fine.
    ///
    /// # Errors
    /// The system's; some of it may be gone.
    pub fn remove(&self) -> io::Result<()> {
        // A record that was tampered with must not remove something else.
        let ours = self.scratch.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if !ours {
            return Err(io::Error::other(format!("{} is no scratch directory", self.scratch.display())));
        }
        match fs::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the scratch is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.scratch.is_dir()
    }

    fn above(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }

    /// The directory that the entry in use is in.
    fn parent(&self) -> Result<OwnedFd, Errno> {
        if self.path.as_os_str().is_empty() {
            return Ground::open(self.root.parent().unwrap_or(&self.root))?.directory(Path::new(""));
        }
        Ground::open(&self.root)?.directory(self.above())
    }

    fn live_name(&self) -> &OsStr {
        self.path.file_name().or_else(|| self.root.file_name()).unwrap_or_default()
    }

    fn name(&self) -> OsString {
        self.path.file_name().unwrap_or_else(|| OsStr::new("data")).to_owned()
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            " (where Seawall runs in a container, or under systemd, it has to be let write there)"
        }
        io::ErrorKind::PermissionDenied => " (run Seawall as root, with the capabilities that a restore needs)",
        _ => "",
    };
    format!("Cannot {what} {}: {error}{advice}", path.display())
}

/// What tells one mount from another.
fn mount_of(path: &Path) -> Result<(u32, u32, u64), Errno> {
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
    let known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    Ok((found.stx_dev_major, found.stx_dev_minor, if known { found.stx_mnt_id } else { 0 }))
}

fn bytes_below(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    let own = found.blocks() * 512;
    if !found.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| bytes_below(&entry.path())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path, path: &str) -> Place {
        let root = dir.join("volume");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/file"), "old").unwrap();
        let place = Place::of(&root, Path::new(path), "1").unwrap();
        place.prepare().unwrap();
        place
    }

    #[test]
    fn a_root_a_file_and_what_is_not_there_yet_change_places_and_back() {
        for path in ["", "a/file", "a/new"] {
            let dir = tempfile::tempdir().unwrap();
            let place = place(dir.path(), path);
            let file = if path.is_empty() {
                let data = place.directory().unwrap();
                fs::create_dir(data.join("a")).unwrap();
                fs::write(data.join("a/file"), "new").unwrap();
                "a/file"
            } else {
                fs::write(place.above_file().join(Path::new(path).file_name().unwrap()), "new").unwrap();
                path
            };
            let laid = place.identity().unwrap();
            let read = || fs::read_to_string(dir.path().join("volume").join(file)).ok();
            let old = read();
            assert_eq!(old.is_some(), path != "a/new");
            place.sync().unwrap();
            place.exchange().unwrap();
            assert_eq!(read().as_deref(), Some("new"), "{path}");
            assert_ne!(place.identity().unwrap(), laid);
            assert!(path == "a/new" || place.held_bytes() > 0);
            place.exchange().unwrap();
            assert_eq!((read(), place.identity().unwrap()), (old, laid), "{path}");
            place.remove().unwrap();
            place.remove().unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_cannot_change_places_is_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("volume");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        for (root, path, why) in [
            (root.as_path(), "gone/x", "find a directory to put it into at"),
            (root.as_path(), "link/passwd", "find a directory to put it into at"),
            (Path::new("/proc"), "x", "is a mount of its own"),
            (Path::new("/"), "x", "cannot be exchanged"),
        ] {
            let refused = Place::of(root, Path::new(path), "1").unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let other = Place { root: root.clone(), path: PathBuf::new(), scratch: root.clone() };
        assert!(other.remove().is_err() && root.exists());
    }
}
