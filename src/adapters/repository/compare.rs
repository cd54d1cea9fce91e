//! Whether what lies in a directory is what a snapshot holds.

use super::error::RepositoryError;
use super::laid::attributes;
use super::report::{Control, Sample, Verified};
use super::restore::THREADS;
use super::tree::{kind, link_target};
use super::{EntryKind, RepositoryAdapter, interrupted, lock};
use crate::adapters::lay::{Entered, Ground};
use crate::adapters::volume_walk::{Entry, Exclude, Kind, LISTED_PROBLEMS, Walk, open_at};
use crate::reconcile::FileProblem;
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{DataId, Id};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

impl RepositoryAdapter {
    /// Compares what lies in a directory with what is at a path of a snapshot: every name, kind, owner, mode, time,
    /// size, attribute and link; of the sampled files also every byte, by the hashes under which they were stored. That
    /// something differs is no error. Reads the index and no data of the repository.
    ///
    /// # Errors
    /// See [`super::Reason`]; the directory cannot be read.
    pub fn verify(
        &self,
        id: &str,
        path: &Path,
        at: &Path,
        sample: Sample,
        control: &Control,
    ) -> Result<Verified, RepositoryError> {
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        let failed = |e: std::io::Error| RepositoryError::io("compare", at, &e);
        let mut walk = Walk::open(at, Exclude::default(), control.cancel.clone()).map_err(failed)?.peekable();
        let mut look = Look { sample, ..Look::default() };
        let root = walk.next();
        if node.is_dir() {
            if let Some(root) = root {
                look.compare(&node, &root)?;
            }
            self.visit(&index, &node, &mut |path, node| {
                if control.cancel.is_cancelled() { Err(interrupted()) } else { look.meet(path, node, &mut walk) }
            })?;
        } else {
            look.meet(Path::new(path.file_name().unwrap_or_default()), &node, &mut walk)?;
        }
        for entry in walk {
            look.differs(&entry.path, "is not in the snapshot");
        }
        drop(index);
        let ground = Ground::open(at).map_err(|e| failed(e.into()))?;
        self.read_back(&look, &ground, control)?;
        let (differences, difference_count) = look.differences.into_inner().unwrap_or_default();
        let files = look.contents.len() as u64;
        let bytes = look.contents.iter().map(|file| file.size).sum();
        Ok(Verified { entries: look.entries, files, bytes, differences, difference_count })
    }

    fn read_back(&self, look: &Look, ground: &Ground, control: &Control) -> Result<(), RepositoryError> {
        let wanted: Vec<DataId> = look.contents.iter().flat_map(|file| file.chunks.iter().copied()).collect();
        let lengths: HashMap<DataId, usize> =
            self.places(&wanted)?.into_iter().map(|(id, place)| (id, place.plain_length())).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut eye = Eye { ground, directory: Entered::default(), buffer: Vec::new() };
            while let Some(file) = look.contents.get(next.fetch_add(1, Ordering::Relaxed)) {
                if control.cancel.is_cancelled() {
                    return;
                }
                match eye.differs(file, &lengths, control) {
                    Ok(None) => {}
                    Ok(Some(at)) => look.differs(&file.path, &format!("has another content, from byte {at} on")),
                    Err(error) => look.differs(&file.path, &format!("cannot be read: {}", std::io::Error::from(error))),
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, THREADS);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(look.contents.len().max(1)) {
                scope.spawn(work);
            }
        });
        if control.cancel.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }
}

/// A file whose content is compared.
struct Content {
    path: PathBuf,
    size: u64,
    chunks: Vec<DataId>,
}

/// What was seen so far.
#[derive(Default)]
struct Look {
    sample: Sample,
    entries: u64,
    contents: Vec<Content>,
    /// What the names of one thing in the snapshot are names of here, and the first of them.
    links: HashMap<(u64, u64), ((u64, u64), PathBuf)>,
    differences: Mutex<(Vec<FileProblem>, u64)>,
}

impl Look {
    fn differs(&self, path: &Path, how: &str) {
        let mut differences = lock(&self.differences);
        differences.1 += 1;
        if differences.0.len() < LISTED_PROBLEMS {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            differences.0.push(FileProblem { path: path.display().to_string(), problem: how.to_owned() });
        }
    }

    /// Both sides come in the same order: parents before children, siblings by the bytes of their names.
    fn meet(
        &mut self,
        path: &Path,
        node: &Node,
        walk: &mut Peekable<impl Iterator<Item = Entry>>,
    ) -> Result<(), RepositoryError> {
        while let Some(extra) = walk.next_if(|entry| entry.path.as_path() < path) {
            self.differs(&extra.path, "is not in the snapshot");
        }
        if let Some(entry) = walk.next_if(|entry| entry.path == path) {
            return self.compare(node, &entry);
        }
        self.differs(path, "is in the snapshot and not here");
        Ok(())
    }

    fn compare(&mut self, node: &Node, entry: &Entry) -> Result<(), RepositoryError> {
        self.entries += 1;
        let (path, here) = (&entry.path, &entry.meta);
        let mut stored = attributes(&node.meta)?;
        stored.xattrs.sort_unstable();
        let expected = kind(&node.node_type);
        if expected != kind_here(&entry.kind) {
            self.differs(path, &format!("is another kind of thing; in the snapshot it is a {}", expected.as_str()));
            return Ok(());
        }
        let tell = |same: bool, what: &str| {
            if !same {
                self.differs(path, &format!("has another {what} than in the snapshot"));
            }
        };
        tell((stored.uid, stored.gid) == (here.uid, here.gid), "owner");
        tell(expected == EntryKind::Symlink || stored.mode == here.mode & 0o7777, "mode");
        tell(stored.mtime == here.mtime, "time");
        tell(stored.xattrs == here.xattrs, "set of attributes");
        match (&node.node_type, &entry.kind) {
            (NodeType::Symlink { .. }, Kind::Symlink(target)) => {
                tell(link_target(&node.node_type).as_deref() == Some(target.as_os_str()), "target");
            }
            (NodeType::Dev { device } | NodeType::Chardev { device }, _) => {
                tell(*device == here.stands_for, "device");
            }
            (NodeType::File, _) if node.meta.size != here.size => tell(false, "size"),
            (NodeType::File, _) if self.sample.takes(path) => {
                let chunks = node.content.clone().unwrap_or_default();
                self.contents.push(Content { path: path.clone(), size: here.size, chunks });
            }
            _ => {}
        }
        if !node.is_dir() && node.meta.links > 1 && node.meta.inode != 0 {
            let is = (here.device, here.inode);
            let named = self.links.entry((node.meta.device_id, node.meta.inode));
            let (first, name) = named.or_insert_with(|| (is, path.clone())).clone();
            if first != is {
                self.differs(path, &format!("is no longer another name of {}", name.display()));
            }
        }
        Ok(())
    }
}

const fn kind_here(kind: &Kind) -> EntryKind {
    match kind {
        Kind::Directory => EntryKind::Directory,
        Kind::File(_) => EntryKind::File,
        Kind::Symlink(_) => EntryKind::Symlink,
        Kind::Fifo => EntryKind::Fifo,
        Kind::Socket => EntryKind::Socket,
        Kind::Block => EntryKind::Block,
        Kind::Character => EntryKind::Character,
    }
}

impl Sample {
    /// Whether the content of a file is compared. The same for the same seed, and evenly spread.
    fn takes(&self, path: &Path) -> bool {
        if self.percent >= 100.0 {
            return true;
        }
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(path.as_os_str().as_bytes());
        let digest = hash.finalize();
        let drawn = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        f64::from(drawn) < self.percent / 100.0 * f64::from(u32::MAX)
    }
}

/// What one thread looks with: files of one directory come one after the other.
struct Eye<'a> {
    ground: &'a Ground,
    directory: Entered<&'a Path>,
    buffer: Vec<u8>,
}

impl<'a> Eye<'a> {
    /// The byte from which on a file is not what was stored.
    fn differs(
        &mut self,
        content: &'a Content,
        lengths: &HashMap<DataId, usize>,
        control: &Control,
    ) -> Result<Option<u64>, Errno> {
        let mut file = File::from(self.open(&content.path)?);
        let mut at = 0;
        for chunk in &content.chunks {
            let Some(length) = lengths.get(chunk) else { return Ok(Some(at)) };
            if self.buffer.len() < *length {
                self.buffer.resize(*length, 0);
            }
            let buffer = &mut self.buffer[..*length];
            match file.read_exact(buffer) {
                Ok(()) if DataId::from(Id::new(Sha256::digest(&*buffer).into())) == *chunk => {}
                Ok(()) => return Ok(Some(at)),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Some(at)),
                Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            }
            at += *length as u64;
            control.progress.add_bytes(*length as u64);
            if control.cancel.is_cancelled() {
                return Ok(None);
            }
        }
        Ok((at != content.size).then_some(at))
    }

    fn open(&mut self, path: &'a Path) -> Result<OwnedFd, Errno> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let directory = self.directory.enter(parent, || self.ground.directory(parent))?;
        open_at(directory, path.file_name().unwrap_or_default(), OFlags::empty())
    }
}
