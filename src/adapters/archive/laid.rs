//! What an archive has laid down in a directory, confined to it, and what each thing of it has to be.

use super::error::{ArchiveError, shown};
use super::items::{Item, Items, What};
use super::path::is_own;
use crate::adapters::lay::{self, Attributes, Ground};
use crate::adapters::volume_walk::LISTED_PROBLEMS;
use crate::reconcile::FileProblem;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One thing, which may have several names.
#[derive(Debug)]
pub(super) struct Thing {
    pub kind: ThingKind,
    pub attributes: Attributes,
}

#[derive(Debug)]
pub(super) enum ThingKind {
    Directory,
    File {
        size: u64,
        /// Of what the archive holds of it.
        digest: [u8; 32],
        /// Where that is; `None`: everywhere.
        parts: Option<Vec<(u64, u64)>>,
    },
    Symlink(OsString),
    Fifo,
}

/// What lies in a directory now.
#[derive(Debug)]
pub struct Laid {
    pub(super) ground: Ground,
    pub(super) things: Vec<Thing>,
    /// What each path is a name of.
    pub(super) names: HashMap<PathBuf, u32>,
    /// Whether the root is part of it, and not only where something of it lies.
    pub(super) has_root: bool,
    /// In the order in which they were made: parents first.
    directories: Vec<(PathBuf, u32)>,
    open: Option<(PathBuf, OwnedFd)>,
    /// Entries that are not directories.
    pub files: u64,
    /// Bytes of the files, holes among them.
    pub bytes: u64,
    /// What could not be given to an entry (an owner, an attribute), the first
    /// [`crate::adapters::volume_walk::LISTED_PROBLEMS`].
    pub problems: Vec<FileProblem>,
    /// How much in all.
    pub problem_count: u64,
    /// What the archive itself does not give, the first so many: an ACL that names nobody by number.
    pub notes: Vec<FileProblem>,
}

impl Laid {
    /// `root`: what the root is; `None`: it is no part of what is laid down.
    pub(super) fn new(ground: Ground, root: Option<Attributes>) -> Self {
        let has_root = root.is_some();
        Self {
            ground,
            things: vec![Thing { kind: ThingKind::Directory, attributes: root.unwrap_or_default() }],
            names: HashMap::from([(PathBuf::new(), 0)]),
            has_root,
            directories: if has_root { vec![(PathBuf::new(), 0)] } else { Vec::new() },
            open: None,
            files: 0,
            bytes: 0,
            problems: Vec::new(),
            problem_count: 0,
            notes: Vec::new(),
        }
    }

    /// Lays an entry down. `path` is below the root of what is laid down.
    pub(super) fn take(&mut self, path: &Path, item: Item, items: &mut Items) -> Result<(), ArchiveError> {
        self.lacking(path, item.troubles);
        if is_own(path) {
            self.lacking(path, vec!["is what an earlier run of Seawall left, and left out".to_owned()]);
            return Ok(());
        }
        let mtime = item.attributes.mtime;
        if item.what == What::Directory {
            let number = self.directory(path, mtime)?;
            self.things[number as usize].attributes = item.attributes;
            return Ok(());
        }
        let Some(name) = path.file_name() else {
            return Err(ArchiveError::refused("what was to be its root is no directory"));
        };
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        self.directory(parent, mtime)?;
        let first = match &item.what {
            What::Hardlink(target) => Some(self.target(path, target)?),
            _ => None,
        };
        if first.as_ref().is_some_and(|(target, _)| target == path) {
            return Ok(());
        }
        self.replace(path)?;
        let failed = |error| ArchiveError::laying(path, error);
        if let Some((target, number)) = first {
            let from = self.ground.directory(target.parent().unwrap_or_else(|| Path::new(""))).map_err(failed)?;
            let at = self.enter(parent)?;
            let old = target.file_name().unwrap_or_default();
            rustix::fs::linkat(from, old, at, name, AtFlags::empty()).map_err(failed)?;
            self.names.insert(path.to_owned(), number);
            self.files += 1;
            return Ok(());
        }
        let at = self.enter(parent)?.try_clone().map_err(|_| failed(Errno::MFILE))?;
        let (kind, troubles) = match item.what {
            What::File => {
                let file = lay::open_file(at.as_fd(), name).map_err(failed)?;
                let digest = write(&file, &item.parts, item.size, items, path)?;
                self.bytes += item.size;
                let whole = item.parts.as_slice() == [(0, item.size)] || item.size == 0;
                let parts = (!whole).then_some(item.parts);
                let troubles = lay::dress(file.as_fd(), &item.attributes);
                (ThingKind::File { size: item.size, digest, parts }, troubles)
            }
            What::Symlink(target) => {
                rustix::fs::symlinkat(&*target, &at, name).map_err(failed)?;
                (ThingKind::Symlink(target), lay::dress_at(at.as_fd(), name, true, &item.attributes))
            }
            _ => {
                lay::make_node(at.as_fd(), name, FileType::Fifo, 0).map_err(failed)?;
                (ThingKind::Fifo, lay::dress_at(at.as_fd(), name, false, &item.attributes))
            }
        };
        self.note(path, troubles);
        let number = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        self.things.push(Thing { kind, attributes: item.attributes });
        self.names.insert(path.to_owned(), number);
        self.files += 1;
        Ok(())
    }

    /// Gives directories their attributes, which change when something is made in them.
    pub(super) fn finish(&mut self) -> Result<(), ArchiveError> {
        self.open = None;
        for (path, number) in std::mem::take(&mut self.directories).iter().rev() {
            let directory = self.ground.directory(path).map_err(|error| ArchiveError::laying(path, error))?;
            let troubles = lay::dress(directory.as_fd(), &self.things[*number as usize].attributes);
            self.note(path, troubles);
        }
        Ok(())
    }

    /// Directories, the root among them.
    #[must_use]
    pub fn directory_count(&self) -> u64 {
        self.things.iter().filter(|thing| matches!(thing.kind, ThingKind::Directory)).count() as u64
    }

    /// The directory at a path, made with those above it where they are not there. One that the archive only implies
    /// belongs to root and is as old as what it was implied by.
    fn directory(&mut self, path: &Path, mtime: (i64, u32)) -> Result<u32, ArchiveError> {
        if let Some(number) = self.names.get(path) {
            return match self.things.get(*number as usize).map(|thing| &thing.kind) {
                Some(ThingKind::Directory) => Ok(*number),
                _ => Err(twice(path)),
            };
        }
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        self.directory(parent, mtime)?;
        let at = self.enter(parent)?;
        let name = path.file_name().unwrap_or_default();
        lay::make_directory(at.as_fd(), name).map_err(|error| ArchiveError::laying(path, error))?;
        let number = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        let attributes = Attributes { mode: 0o755, mtime, ..Attributes::default() };
        self.things.push(Thing { kind: ThingKind::Directory, attributes });
        self.names.insert(path.to_owned(), number);
        self.directories.push((path.to_owned(), number));
        Ok(number)
    }

    /// What another name is one of.
    fn target(&self, path: &Path, target: &Path) -> Result<(PathBuf, u32), ArchiveError> {
        let number = self.names.get(target).copied();
        match number.map(|number| (number, &self.things[number as usize].kind)) {
            Some((number, ThingKind::File { .. } | ThingKind::Symlink(_) | ThingKind::Fifo)) => {
                Ok((target.to_owned(), number))
            }
            Some((_, ThingKind::Directory)) => {
                Err(ArchiveError::refused(format!("{} is another name of a directory", shown(path))))
            }
            None => Err(ArchiveError::refused(format!(
                "{} is another name of {}, which is not in it before that, or not in what is taken of it",
                shown(path),
                shown(target)
            ))),
        }
    }

    /// What came before under the same name goes: the last of several counts, as for `tar`.
    fn replace(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let Some(number) = self.names.get(path).copied() else { return Ok(()) };
        match &self.things[number as usize].kind {
            ThingKind::Directory => return Err(twice(path)),
            ThingKind::File { size, .. } => self.bytes -= size,
            ThingKind::Symlink(_) | ThingKind::Fifo => {}
        }
        let at = self.enter(path.parent().unwrap_or_else(|| Path::new("")))?;
        let name = path.file_name().unwrap_or_default();
        rustix::fs::unlinkat(at, name, AtFlags::empty()).map_err(|error| ArchiveError::laying(path, error))?;
        self.names.remove(path);
        self.files -= 1;
        Ok(())
    }

    /// Opens a directory that was made, unless it is the open one.
    fn enter(&mut self, path: &Path) -> Result<&OwnedFd, ArchiveError> {
        if self.open.as_ref().is_some_and(|(open, _)| open != path) {
            self.open = None;
        }
        let (_, fd) = match &mut self.open {
            Some(open) => open,
            none => {
                let fd = self.ground.directory(path).map_err(|error| ArchiveError::laying(path, error))?;
                none.insert((path.to_owned(), fd))
            }
        };
        Ok(fd)
    }

    fn note(&mut self, path: &Path, troubles: Vec<String>) {
        self.problem_count += troubles.len() as u64;
        add(&mut self.problems, path, troubles);
    }

    fn lacking(&mut self, path: &Path, troubles: Vec<String>) {
        add(&mut self.notes, path, troubles);
    }
}

fn add(list: &mut Vec<FileProblem>, path: &Path, troubles: Vec<String>) {
    let room = LISTED_PROBLEMS.saturating_sub(list.len());
    list.extend(troubles.into_iter().take(room).map(|problem| FileProblem { path: shown(path), problem }));
}

fn twice(path: &Path) -> ArchiveError {
    ArchiveError::refused(format!("{} is in it twice, as a directory and as something else", shown(path)))
}

/// Writes the parts of a file and makes it as long as it is. The digest of the parts.
fn write(
    file: &OwnedFd,
    parts: &[(u64, u64)],
    size: u64,
    items: &mut Items,
    path: &Path,
) -> Result<[u8; 32], ArchiveError> {
    let failed = |error| ArchiveError::laying(path, error);
    let mut buffer = vec![0; 256 << 10];
    let mut hash = Sha256::new();
    for (at, length) in parts {
        let mut done = 0;
        while done < *length {
            let room = usize::try_from(length - done).unwrap_or(usize::MAX).min(buffer.len());
            let read = items.read(&mut buffer[..room])?;
            if read == 0 {
                return Err(ArchiveError::damaged(format!("the content of {} is not all there", shown(path))));
            }
            hash.update(&buffer[..read]);
            lay::store(file.as_fd(), at + done, &buffer[..read]).map_err(failed)?;
            done += read as u64;
        }
    }
    // The last part may have been zeros, or a hole.
    let end = rustix::fs::fstat(file).map_err(failed)?.st_size;
    if u64::try_from(end).unwrap_or(0) < size {
        rustix::fs::ftruncate(file, size).map_err(failed)?;
    }
    Ok(hash.finalize().into())
}
