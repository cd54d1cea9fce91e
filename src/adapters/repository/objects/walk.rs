//! The objects of a bucket, in the order of a snapshot: what is right below a slash at a time, sorted by name.

use super::names::{beside, directory, encode};
use crate::adapters::repository::RepositoryAdapter;
use crate::adapters::repository::index::Index;
use crate::adapters::repository::source::{Found, Open};
use crate::adapters::s3::{Level, Object, S3, Stored, wait};
use crate::adapters::volume_walk::Notes;
use crate::controller::ports::Progress;
use rustic_core::TreeId;
use rustic_core::repofile::{Metadata, Node, NodeType};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How many objects that changed are asked for before they are wanted: 4 MiB of each at most.
const AHEAD: usize = 16;

/// What is right below a slash.
enum One {
    Object(Object),
    Below(String),
}

struct Frame {
    path: PathBuf,
    entries: std::vec::IntoIter<(String, One)>,
    /// What was there the last time.
    then: HashMap<String, Node>,
}

/// Walks over the objects below a prefix.
pub(super) struct Objects<'a> {
    pub adapter: &'a RepositoryAdapter,
    pub index: &'a Index,
    pub s3: S3,
    pub notes: Arc<Notes>,
    pub progress: Arc<Progress>,
    pub cancel: CancellationToken,
    frames: Vec<Frame>,
    ready: VecDeque<Found>,
    ended: bool,
}

impl<'a> Objects<'a> {
    /// `root`: the path of the source in the snapshot. `parent`: the tree of the last one.
    pub fn new(
        (adapter, index): (&'a RepositoryAdapter, &'a Index),
        (s3, prefix): (&S3, &str),
        (root, parent): (&str, Option<TreeId>),
        (notes, progress, cancel): (Arc<Notes>, Arc<Progress>, CancellationToken),
    ) -> Self {
        let (frames, ready) = (Vec::new(), VecDeque::new());
        let mut this = Self { adapter, index, s3: s3.clone(), notes, progress, cancel, frames, ready, ended: false };
        // Joining nothing would add a slash.
        let below = directory(prefix);
        let path = if below.as_os_str().is_empty() { PathBuf::from(root) } else { PathBuf::from(root).join(below) };
        let then = parent.and_then(|tree| adapter.stored_entry(index, tree, &path)).and_then(|node| node.subtree);
        this.enter(prefix, path, then);
        this
    }

    fn enter(&mut self, prefix: &str, path: PathBuf, then: Option<TreeId>) {
        let listed = wait(self.s3.level(prefix)).map_err(|error| error.to_string());
        let Level { objects, prefixes } = match listed.and_then(|level| level.map_err(|error| error.to_string())) {
            Ok(level) => level,
            Err(why) => {
                self.notes.lose(why);
                self.ended = true;
                return;
            }
        };
        let part = |key: &str| encode(key.rsplit('/').next().unwrap_or_default());
        let below: HashSet<String> = prefixes.iter().map(|prefix| part(prefix.trim_end_matches('/'))).collect();
        let mut entries: Vec<(String, One)> = Vec::with_capacity(objects.len() + prefixes.len());
        for object in objects {
            let name = part(&object.key);
            let name = if below.contains(&name) { beside(&name) } else { name };
            entries.push((name, One::Object(object)));
        }
        for prefix in prefixes {
            let name = prefix.strip_suffix('/').unwrap_or(&prefix).rsplit('/').next().unwrap_or_default();
            entries.push((encode(name), One::Below(prefix)));
        }
        entries.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        // What cannot be read of the last one is all new.
        let nodes = then.and_then(|tree| self.adapter.children(self.index, tree).ok()).unwrap_or_default();
        let then = nodes.into_iter().map(|node| (node.name().to_string_lossy().into_owned(), node)).collect();
        self.frames.push(Frame { path, entries: entries.into_iter(), then });
    }

    fn one(&mut self) -> Option<Found> {
        loop {
            if self.ended || self.cancel.is_cancelled() {
                return None;
            }
            let frame = self.frames.last_mut()?;
            let Some((name, one)) = frame.entries.next() else {
                self.frames.pop();
                continue;
            };
            let path = frame.path.join(&name);
            let then = frame.then.remove(&name);
            match one {
                One::Below(prefix) => {
                    let node = Node::new_node(OsStr::new(&name), NodeType::Dir, directory_metadata());
                    self.enter(&prefix, path.clone(), then.and_then(|node| node.subtree));
                    return Some(Found { path, node, open: None });
                }
                One::Object(object) => {
                    self.progress.add_files(1);
                    let metadata = metadata(&object);
                    let same = then.is_some_and(|then| {
                        (then.meta.size, then.meta.mtime, then.meta.inode)
                            == (metadata.size, metadata.mtime, metadata.inode)
                    });
                    let mut stored = Box::new(Stored::new(self.s3.clone(), object));
                    if !same {
                        stored.ahead();
                    }
                    let node = Node::new_node(OsStr::new(&name), NodeType::File, metadata);
                    let open = Open::Object(stored, Arc::clone(&self.progress), Arc::clone(&self.notes));
                    return Some(Found { path, node, open: Some(open) });
                }
            }
        }
    }
}

impl Iterator for Objects<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.len() < AHEAD {
            let Some(found) = self.one() else { break };
            self.ready.push_back(found);
        }
        self.ready.pop_front()
    }
}

/// Directories are only what keys have in common, and all the same.
pub(super) fn directory_metadata() -> Metadata {
    let time = Some(jiff::Timestamp::UNIX_EPOCH);
    Metadata { mode: Some((1 << 31) | 0o755), mtime: time, atime: time, ctime: time, links: 1, ..Metadata::default() }
}

fn metadata(object: &Object) -> Metadata {
    let time = Some(object.written);
    Metadata {
        mode: Some(0o644),
        mtime: time,
        atime: time,
        ctime: time,
        inode: mark(&object.etag),
        size: object.size,
        links: 1,
        ..Metadata::default()
    }
}

/// The `ETag` as a number: in the place of an inode's it tells whether the content is another.
pub(super) fn mark(etag: &str) -> u64 {
    let digest = <[u8; 32]>::from(Sha256::digest(etag));
    digest[..8].iter().fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}
