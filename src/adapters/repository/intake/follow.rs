//! Following a walk, with what was there the last time at its side.

use super::known::{Counts, Directory, Memory, Print, Stored, print};
use super::read::Cutter;
use super::trees::Item;
use crate::adapters::repository::RepositoryAdapter;
use crate::adapters::repository::error::{Reason, RepositoryError};
use crate::adapters::repository::index::Index;
use crate::adapters::repository::source::{Found, set_attributes};
use crate::adapters::volume_walk::Notes;
use crossbeam_channel::{Sender, TrySendError};
use rustic_core::TreeId;
use rustic_core::repofile::{Metadata, Node, NodeType};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How entries compare with the last time.
#[derive(Default)]
pub(super) struct Changes {
    pub new: u64,
    pub changed: u64,
    pub same: u64,
    pub new_directories: u64,
    pub same_directories: u64,
}

/// A directory in progress.
struct Frame {
    path: PathBuf,
    node: Box<Node>,
    print: Print,
    then: Then,
    /// Whether it was entered where directories are put together: only what differs is.
    entered: bool,
}

/// What it was the last time.
enum Then {
    /// As in memory, for as many entries.
    Same { tree: TreeId, directory: Arc<Directory>, at: usize },
    /// As it is stored.
    Stored(Box<Stored>),
    /// It was not there.
    Nothing,
}

/// Follows a walk.
pub(super) struct Follower<'a> {
    pub adapter: &'a RepositoryAdapter,
    pub index: &'a Index,
    pub memory: Arc<Memory>,
    pub items: Sender<Item>,
    pub cutter: Cutter<'a>,
    pub notes: Arc<Notes>,
    frames: Vec<Frame>,
    /// Directories that are as they were.
    pub kept: Memory,
    pub changes: Changes,
}

impl<'a> Follower<'a> {
    pub fn new(
        (adapter, index): (&'a RepositoryAdapter, &'a Index),
        memory: Arc<Memory>,
        (items, cutter): (Sender<Item>, Cutter<'a>),
        notes: Arc<Notes>,
    ) -> Self {
        let (frames, kept, changes) = (Vec::new(), Memory::new(), Changes::default());
        Self { adapter, index, memory, items, cutter, notes, frames, kept, changes }
    }

    /// Follows to the end. The tree of the whole, where nothing at all differs; with how much is in it.
    pub fn follow(
        &mut self,
        parent: Option<TreeId>,
        walk: impl Iterator<Item = Found>,
    ) -> Result<Option<(TreeId, Counts)>, RepositoryError> {
        let root = Node::new_node(OsStr::new(""), NodeType::Dir, Metadata::default());
        self.push(PathBuf::new(), root, parent)?;
        for found in walk {
            self.reach(found.path.parent().unwrap_or_else(|| Path::new("")))?;
            if found.node.is_dir() { self.directory(found.path, found.node)? } else { self.entry(found)? }
        }
        while self.frames.len() > 1 {
            self.leave()?;
        }
        let unchanged = match self.frames.first().map(|frame| &frame.then) {
            Some(Then::Same { tree, directory, at }) if *at == directory.prints.len() => Some((*tree, directory)),
            _ => None,
        };
        if let Some((tree, directory)) = unchanged {
            let counts = directory.counts;
            self.kept.insert(tree, Arc::clone(directory));
            return Ok(Some((tree, counts)));
        }
        self.enter_all()?;
        self.send(Item::Leave(0))?;
        self.cutter.flush().map_err(|e| self.broken(&e))?;
        Ok(None)
    }

    /// What it learned.
    pub fn end(self) -> (Memory, Changes) {
        (self.kept, self.changes)
    }

    /// Leaves directories until this one is reached.
    fn reach(&mut self, directory: &Path) -> Result<(), RepositoryError> {
        while self.frames.last().is_some_and(|frame| !is_at_or_below(directory, &frame.path)) {
            self.leave()?;
        }
        let Some(here) = self.frames.last().filter(|frame| frame.path.as_os_str() != directory.as_os_str()) else {
            return Ok(());
        };
        // A directory that could not be taken, with something in it that can.
        let mut path = here.path.clone();
        for name in directory.strip_prefix(&here.path).unwrap_or_else(|_| Path::new("")) {
            path.push(name);
            let metadata = Metadata { mode: Some((1 << 31) | 0o755), ..Metadata::default() };
            self.directory(path.clone(), Node::new_node(name, NodeType::Dir, metadata))?;
        }
        Ok(())
    }

    fn directory(&mut self, path: PathBuf, node: Node) -> Result<(), RepositoryError> {
        let print = print(&node);
        let same = match self.frames.last().map(|frame| &frame.then) {
            Some(Then::Same { directory, at, .. }) if directory.prints.get(*at) == Some(&print) => {
                directory.tree_at(*at)
            }
            _ => None,
        };
        let tree = if same.is_some() {
            same
        } else {
            self.enter_all()?;
            match self.frames.last().map(|frame| &frame.then) {
                Some(Then::Stored(stored)) => stored.find(&node.name).and_then(|entry| entry.subtree),
                _ => None,
            }
        };
        self.changes.new_directories += u64::from(tree.is_none());
        self.push(path, node, tree)
    }

    fn push(&mut self, path: PathBuf, node: Node, tree: Option<TreeId>) -> Result<(), RepositoryError> {
        let remembered = tree.and_then(|tree| Some((tree, Arc::clone(self.memory.get(&tree)?))));
        let (print, node) = (print(&node), Box::new(node));
        let Some((tree, directory)) = remembered else {
            let stored = tree.map(|tree| Stored::read(self.adapter, self.index, &tree)).transpose();
            // One that cannot be read holds nothing: all is read again.
            let then = stored.ok().flatten().map_or(Then::Nothing, |stored| Then::Stored(Box::new(stored)));
            self.frames.push(Frame { path, node, print, then, entered: false });
            return self.enter_all();
        };
        let then = Then::Same { tree, directory, at: 0 };
        self.frames.push(Frame { path, node, print, then, entered: false });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), RepositoryError> {
        let whole = match self.frames.last().map(|frame| &frame.then) {
            Some(Then::Same { tree, directory, at }) if *at == directory.prints.len() => {
                Some((*tree, Arc::clone(directory)))
            }
            _ => None,
        };
        let Some((tree, directory)) = whole else {
            self.enter_all()?;
            let print = self.frames.pop().map_or(0, |frame| frame.print);
            return self.send(Item::Leave(print));
        };
        let Some(Frame { mut node, print, .. }) = self.frames.pop() else { return Ok(()) };
        let counts = directory.counts;
        self.changes.same_directories += 1;
        self.kept.insert(tree, directory);
        if let Some(Frame { then: Then::Same { at, .. }, .. }) = self.frames.last_mut() {
            *at += 1;
            return Ok(());
        }
        node.subtree = Some(tree);
        self.send(Item::Entry { node, contents: None, print, counts })
    }

    /// Enters every directory in progress that was taken to be as it was and is not; what was met in it until now is.
    fn enter_all(&mut self) -> Result<(), RepositoryError> {
        for nth in 0..self.frames.len() {
            if self.frames[nth].entered {
                continue;
            }
            self.frames[nth].entered = true;
            let node = self.frames[nth].node.clone();
            self.send(Item::Enter(node))?;
            let Then::Same { tree, directory, at } = &self.frames[nth].then else { continue };
            let stored = Stored::read(self.adapter, self.index, tree).inspect_err(|_| self.index.forget())?;
            let (same, at) = (self.same(&stored, directory, *at)?, *at);
            if at > 0 {
                self.send(same)?;
            }
            self.frames[nth].then = Then::Stored(Box::new(stored));
        }
        Ok(())
    }

    /// The first entries of a directory, as they were.
    fn same(&self, stored: &Stored, directory: &Directory, until: usize) -> Result<Item, RepositoryError> {
        let (mut json, mut counts) = (Vec::new(), Counts::default());
        let entries = stored.entries().get(..until).ok_or_else(|| self.odd())?;
        for entry in entries {
            if !json.is_empty() {
                json.push(b',');
            }
            json.extend_from_slice(stored.json(entry));
            match entry.subtree.and_then(|tree| self.kept.get(&tree)) {
                Some(below) => counts += below.counts,
                None => counts += Counts { files: 1, bytes: entry.size(), ..Counts::default() },
            }
        }
        let prints = directory.prints[..until].to_vec();
        let below = directory.below.iter().filter(|(at, _)| (*at as usize) < until).copied().collect();
        Ok(Item::Same { json, prints, below, counts })
    }

    fn entry(&mut self, found: Found) -> Result<(), RepositoryError> {
        let Found { path, mut node, open } = found;
        let print = print(&node);
        if let Some(Then::Same { directory, at, .. }) = self.frames.last_mut().map(|frame| &mut frame.then)
            && directory.prints.get(*at) == Some(&print)
        {
            *at += 1;
            self.changes.same += 1;
            return Ok(());
        }
        self.enter_all()?;
        let mut counts = Counts { files: 1, bytes: node.meta.size, ..Counts::default() };
        if let Some(Then::Stored(stored)) = self.frames.last().map(|frame| &frame.then) {
            match stored.find(&node.name) {
                None => self.changes.new += 1,
                Some(entry) if entry.is_as(&node) && entry.content.iter().all(|id| self.index.has_data(id)) => {
                    self.changes.same += 1;
                    if entry.device() == node.meta.device_id {
                        let json = stored.json(entry).to_vec();
                        return self.send(Item::Same { json, prints: vec![print], below: Vec::new(), counts });
                    }
                    node.content = Some(entry.content.clone());
                }
                Some(_) => self.changes.changed += 1,
            }
        } else {
            self.changes.new += 1;
        }
        let mut contents = None;
        if let Some(open) = open {
            let attributes = open.attributes().and_then(|found| set_attributes(&mut node.meta, &found));
            if let Err(problem) = attributes {
                self.problem(&path, problem);
                return Ok(());
            }
            if node.content.is_none() {
                let (own, known) = (open.tells_its_own_trouble(), open.has_known_length());
                // Trouble with one file is no trouble with all.
                match open.open().and_then(|from| self.cutter.take(from, known.then_some(node.meta.size))) {
                    Ok((taken, length)) => {
                        contents = Some(taken);
                        if !known {
                            (node.meta.size, counts.bytes) = (length, length);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(self.broken(&error)),
                    Err(_) if own => return Ok(()),
                    Err(error) => {
                        self.problem(&path, error.to_string());
                        return Ok(());
                    }
                }
            }
        }
        self.send(Item::Entry { node: Box::new(node), contents, print, counts })
    }

    fn problem(&self, path: &Path, problem: String) {
        // As the source knows it: without the name under which it is in the snapshot.
        let mut parts = path.components();
        parts.next();
        self.notes.problem(parts.as_path(), problem);
    }

    fn send(&mut self, item: Item) -> Result<(), RepositoryError> {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        match self.items.try_send(item) {
            Ok(()) => Ok(()),
            // Who takes items may be waiting for a piece that is still gathered here.
            Err(TrySendError::Full(item)) => {
                self.cutter.flush().map_err(|e| self.broken(&e))?;
                self.items.send(item).map_err(|_| self.broken(&broken()))
            }
            Err(TrySendError::Disconnected(_)) => Err(self.broken(&broken())),
        }
    }

    /// That the others have ended before the walk has; they know why.
    fn broken(&self, error: &io::Error) -> RepositoryError {
        RepositoryError::io("store files", self.adapter.files.root(), error)
    }

    fn odd(&self) -> RepositoryError {
        self.index.forget();
        let message = format!("A directory of the newest snapshot in {} is not as it was", self.adapter.name());
        RepositoryError::new(Reason::Damaged, message)
    }
}

/// Whether a path is another one, or leads on from it. Both are plain names with one `/` between.
fn is_at_or_below(path: &Path, above: &Path) -> bool {
    let (path, above) = (path.as_os_str().as_encoded_bytes(), above.as_os_str().as_encoded_bytes());
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
