//! Whether what lies in a directory is what a snapshot holds.

use super::error::RepositoryError;
use super::index::Index;
use super::laid::{another, attributes};
use super::noted::Noted;
use super::read_back::{Chunk, Content, read_back};
use super::report::{Control, Sample, Verified};
use super::tree::{kind, link_target};
use super::{EntryKind, RepositoryAdapter, interrupted};
use crate::adapters::lay::Ground;
use crate::adapters::volume_walk::{Entry, Exclude, Kind, Walk};
use rustic_core::repofile::{Node, NodeType};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Entries of the file system that are known before they are compared.
const AHEAD: usize = 1024;

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
        let look = Look { sample: Some(sample), ..Look::default() };
        let mut look = self.compare(id, path, at, look, control)?;
        self.measure(&mut look.contents)?;
        let ground = Ground::open(at).map_err(|e| RepositoryError::io("compare", at, &e.into()))?;
        read_back(&look.contents, &ground, &look.differences, control)?;
        Ok(look.verified())
    }

    /// The same of what has just been laid down, whose contents were read back then, which told these differences.
    pub(super) fn verify_laid(
        &self,
        id: &str,
        path: &Path,
        at: &Path,
        differences: Noted,
        control: &Control,
    ) -> Result<Verified, RepositoryError> {
        let look = Look { differences, ..Look::default() };
        Ok(self.compare(id, path, at, look, control)?.verified())
    }

    /// All but the contents. One thread asks the file system while another reads the snapshot.
    fn compare(
        &self,
        id: &str,
        path: &Path,
        at: &Path,
        mut look: Look,
        control: &Control,
    ) -> Result<Look, RepositoryError> {
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        let walk = Walk::open(at, Exclude::default(), control.cancel.clone());
        let mut walk = walk.map_err(|e| RepositoryError::io("compare", at, &e))?;
        if look.sample.is_none() {
            walk = walk.lazily();
        }
        std::thread::scope(|scope| {
            let (ahead, entries) = crossbeam_channel::bounded(AHEAD);
            scope.spawn(move || {
                // The send fails when nobody compares any more.
                for entry in walk {
                    if ahead.send(entry).is_err() {
                        return;
                    }
                }
            });
            self.go_over(&index, (path, &node), &mut look, entries.into_iter().peekable(), control)
        })?;
        Ok(look)
    }

    fn go_over(
        &self,
        index: &Index,
        (path, node): (&Path, &Node),
        look: &mut Look,
        mut walk: Peekable<impl Iterator<Item = Entry>>,
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let root = walk.next();
        if node.is_dir() {
            if let Some(root) = root {
                look.compare(node, &root)?;
            }
            self.visit(index, node, &mut |path, node| {
                if control.cancel.is_cancelled() { Err(interrupted()) } else { look.meet(path, node, &mut walk) }
            })?;
        } else {
            look.meet(Path::new(path.file_name().unwrap_or_default()), node, &mut walk)?;
        }
        for entry in walk {
            look.differences.note(&entry.path, "is not in the snapshot");
        }
        if control.cancel.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }

    /// Looks up how long the chunks are. A content ends before the first that the index does not know.
    fn measure(&self, contents: &mut [Content]) -> Result<(), RepositoryError> {
        let index = self.resident()?;
        for content in contents {
            let known = content.chunks.iter_mut().map_while(|chunk| {
                chunk.length = index.data(&chunk.id)?.plain_length();
                Some(())
            });
            let known = known.count();
            content.chunks.truncate(known);
        }
        Ok(())
    }
}

/// What was seen so far.
#[derive(Default)]
struct Look {
    /// Of which files the content is to be read; `None`: of all it was, and their attributes too.
    sample: Option<Sample>,
    entries: u64,
    /// Files of which every byte is compared, and how long they are together.
    whole: (u64, u64),
    /// Those that are still to be read.
    contents: Vec<Content>,
    /// What the names of one thing in the snapshot are names of here, and the first of them.
    links: HashMap<(u64, u64), ((u64, u64), PathBuf)>,
    differences: Noted,
}

impl Look {
    fn verified(self) -> Verified {
        let (differences, difference_count) = self.differences.into_inner();
        let (files, bytes) = self.whole;
        Verified { entries: self.entries, files, bytes, differences, difference_count }
    }

    /// Both sides come in the same order: parents before children, siblings by the bytes of their names.
    fn meet(
        &mut self,
        path: &Path,
        node: &Node,
        walk: &mut Peekable<impl Iterator<Item = Entry>>,
    ) -> Result<(), RepositoryError> {
        while let Some(extra) = walk.next_if(|entry| entry.path.as_path() < path) {
            self.differences.note(&extra.path, "is not in the snapshot");
        }
        if let Some(entry) = walk.next_if(|entry| entry.path == path) {
            return self.compare(node, &entry);
        }
        self.differences.note(path, "is in the snapshot and not here");
        Ok(())
    }

    fn compare(&mut self, node: &Node, entry: &Entry) -> Result<(), RepositoryError> {
        self.entries += 1;
        let (path, here) = (&entry.path, &entry.meta);
        let stored = attributes(&node.meta)?;
        let expected = kind(&node.node_type);
        if expected != kind_here(&entry.kind) {
            self.differences
                .note(path, format!("is another kind of thing; in the snapshot it is a {}", expected.as_str()));
            return Ok(());
        }
        let tell = |same: bool, what: &str| {
            if !same {
                self.differences.note(path, another(what));
            }
        };
        let was_read = self.sample.is_none();
        tell((stored.uid, stored.gid) == (here.uid, here.gid), "owner");
        tell(expected == EntryKind::Symlink || stored.mode == here.mode & 0o7777, "mode");
        tell(stored.mtime == here.mtime, "time");
        tell((was_read && node.is_file()) || stored.xattrs == here.xattrs, "set of attributes");
        match (&node.node_type, &entry.kind) {
            (NodeType::Symlink { .. }, Kind::Symlink(target)) => {
                tell(link_target(&node.node_type).as_deref() == Some(target.as_os_str()), "target");
            }
            (NodeType::Dev { device } | NodeType::Chardev { device }, _) => {
                tell(*device == here.stands_for, "device");
            }
            (NodeType::File, _) if node.meta.size != here.size => tell(false, "size"),
            (NodeType::File, _) if self.sample.is_none_or(|sample| sample.takes(path)) => {
                self.whole = (self.whole.0 + 1, self.whole.1 + here.size);
                if self.sample.is_some() {
                    let chunks = Chunk::all(node.content.as_deref());
                    self.contents.push(Content { path: path.clone(), size: here.size, chunks });
                }
            }
            _ => {}
        }
        if !node.is_dir() && node.meta.links > 1 && node.meta.inode != 0 {
            let is = (here.device, here.inode);
            let named = self.links.entry((node.meta.device_id, node.meta.inode));
            let (first, name) = named.or_insert_with(|| (is, path.clone())).clone();
            if first != is {
                self.differences.note(path, format!("is no longer another name of {}", name.display()));
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
