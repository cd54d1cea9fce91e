//! What is in a snapshot.

use super::RepositoryAdapter;
use super::ahead::READERS;
use super::error::{Reason, RepositoryError};
use super::index::Index;
use super::report::{EntryKind, Size, TreeEntry};
use super::source::{MANIFEST, unix_mode};
use super::tree_ahead::{Ahead, Entry, Turn, below};
use crate::adapters::lay::is_entry_name;
use crate::reconcile::SnapshotRecord;
use rustic_core::repofile::{Metadata, Node, NodeType, SnapshotFile};
use rustic_core::{DataId, Id, TreeId};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Once};

/// What a visit does with each entry: its path below where the visit began, and the entry.
pub(super) type Visitor<'a> = &'a mut dyn FnMut(&Path, &Node) -> Result<(), RepositoryError>;

impl RepositoryAdapter {
    /// The snapshot of this id, or of the only one that begins so.
    ///
    /// # Errors
    /// None or several do, or the snapshots cannot be listed.
    pub fn snapshot(&self, wanted: &str) -> Result<Arc<SnapshotRecord>, RepositoryError> {
        let known = self.refresh_known()?;
        let fits: Vec<&Arc<SnapshotRecord>> = known.values().filter(|record| record.id.starts_with(wanted)).collect();
        let refused = |message: String| RepositoryError::new(Reason::NotFound, message);
        match fits.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] => Err(refused(format!("The repository {} has no snapshot {wanted}", self.name))),
            several => {
                let ids: Vec<&str> = several.iter().take(5).map(|record| record.id.get(..12).unwrap_or("")).collect();
                Err(refused(format!("{wanted} can be several snapshots: {}; give more of the id", ids.join(", "))))
            }
        }
    }

    /// What travelled with a snapshot of Seawall's own; `None` for any other.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn manifest(&self, id: &str) -> Result<Option<serde_json::Value>, RepositoryError> {
        let index = self.resident()?;
        let root = self.children(&index, self.root_tree(id)?)?;
        let Some(node) = root.iter().find(|node| node.is_file() && *node.name() == *MANIFEST) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.content(&index, node, &mut bytes)?;
        let manifest = serde_json::from_slice(&bytes);
        manifest.map(Some).map_err(|e| RepositoryError::because(Reason::Damaged, "The manifest cannot be read", &e))
    }

    /// What is at a path of a snapshot, relative to the root of its source: the entry itself, or what the directory
    /// holds; with `deep`, all that is below it. Given one by one.
    ///
    /// # Errors
    /// There is nothing at the path; an error of `each`; see [`Reason`].
    pub fn list(
        &self,
        id: &str,
        path: &Path,
        deep: bool,
        each: &mut dyn FnMut(TreeEntry) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        if !node.is_dir() {
            return each(entry(path, &node));
        }
        if deep {
            return self.visit(&index, &node, &mut |below, node| each(entry(&path.join(below), node)));
        }
        let children = node.subtree.map(|tree| self.children(&index, tree)).transpose()?.unwrap_or_default();
        children.iter().try_for_each(|node| each(entry(&path.join(node.name()), node)))
    }

    /// The file that a snapshot of one file holds. Where a link stands for it, it has the name of what that led to then.
    ///
    /// # Errors
    /// There is none; see [`Reason`].
    pub fn only_file(&self, id: &str) -> Result<PathBuf, RepositoryError> {
        let mut found = None;
        self.list(id, Path::new(""), false, &mut |entry| {
            found = Some(entry.path);
            Ok(())
        })?;
        found.ok_or_else(|| RepositoryError::new(Reason::Damaged, "There is no file in this snapshot of one"))
    }

    /// Writes the content of one file of a snapshot.
    ///
    /// # Errors
    /// It is no regular file; the writer's; see [`Reason`].
    pub fn cat(&self, id: &str, path: &Path, into: &mut dyn Write) -> Result<(), RepositoryError> {
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        if !node.is_file() {
            let message = format!("{} is not a file in this snapshot", path.display());
            return Err(RepositoryError::new(Reason::Refused, message));
        }
        self.content(&index, &node, into)
    }

    /// The entry at a path.
    ///
    /// # Errors
    /// There is nothing at the path; see [`Reason`].
    pub fn entry(&self, id: &str, path: &Path) -> Result<TreeEntry, RepositoryError> {
        let index = self.resident()?;
        Ok(entry(path, &self.node_at(&index, id, path)?))
    }

    /// How much is at and below a path.
    ///
    /// # Errors
    /// There is nothing at the path; see [`Reason`].
    pub fn size_of(&self, id: &str, path: &Path) -> Result<Size, RepositoryError> {
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        let mut size = Size::default();
        if !node.is_dir() {
            size.add(node.meta.size, node.content.as_deref().unwrap_or_default());
        }
        self.go_through(&index, node.subtree, &mut |_, weighed: &Weighed| {
            if weighed.subtree.is_none() {
                size.add(weighed.size, weighed.content.as_deref().unwrap_or_default());
            }
            Ok(())
        })?;
        Ok(size)
    }

    fn root_tree(&self, id: &str) -> Result<TreeId, RepositoryError> {
        let id = self.snapshot(id)?.id.clone();
        let parsed: Id =
            id.parse().map_err(|_| RepositoryError::new(Reason::NotFound, "That is not a snapshot's id"))?;
        let snapshot = self.guarded("read a snapshot", || self.open.get_file::<SnapshotFile>(&parsed.into()))?;
        Ok(snapshot.tree)
    }

    /// The entry at a path, which is relative to the root of the source.
    pub(super) fn node_at(&self, index: &Index, id: &str, path: &Path) -> Result<Node, RepositoryError> {
        let tree = self.root_tree(id)?;
        let root = self.children(index, tree)?;
        let own = root.iter().any(|node| *node.name() == *MANIFEST);
        let mut node = match root.into_iter().find(|node| own && node.is_dir()) {
            Some(source) => source,
            None => Node { node_type: NodeType::Dir, subtree: Some(tree), ..Node::default() },
        };
        for part in path.components() {
            let Component::Normal(name) = part else {
                if part == Component::CurDir || part == Component::RootDir {
                    continue;
                }
                let message = format!("{} is no path in a snapshot: it leads out of it", path.display());
                return Err(RepositoryError::new(Reason::Refused, message));
            };
            let children = node.subtree.map(|tree| self.children(index, tree)).transpose()?.unwrap_or_default();
            let found = children.into_iter().find(|child| child.name() == name);
            node = found.ok_or_else(|| {
                let message =
                    format!("There is no {} in this snapshot; `seawall ls` shows what there is", path.display());
                RepositoryError::new(Reason::NotFound, message)
            })?;
        }
        Ok(node)
    }

    /// The entries of a directory, in the snapshot's order.
    pub(super) fn children(&self, index: &Index, tree: TreeId) -> Result<Vec<Node>, RepositoryError> {
        self.entries(index, tree)
    }

    /// The same, as far as they are wanted.
    pub(super) fn entries<N: Entry>(&self, index: &Index, tree: TreeId) -> Result<Vec<N>, RepositoryError> {
        #[derive(Deserialize)]
        struct Tree<N> {
            nodes: Option<Vec<N>>,
        }
        let json = self.tree_json(index, &tree)?;
        let Tree { nodes } = serde_json::from_slice(&json).map_err(|e| {
            let message = format!("A directory of this snapshot makes no sense: {}", tree.to_hex().as_str());
            RepositoryError::because(Reason::Damaged, message, &e)
        })?;
        let nodes = nodes.unwrap_or_default();
        N::check(&nodes)?;
        Ok(nodes)
    }

    /// Everything below an entry, parents before children.
    pub(super) fn visit(&self, index: &Index, node: &Node, each: Visitor<'_>) -> Result<(), RepositoryError> {
        let (mut path, mut deep) = (PathBuf::new(), 0);
        self.go_through(index, node.subtree, &mut |depth, node: &Node| {
            for _ in depth..deep {
                path.pop();
            }
            path.push(node.name());
            deep = depth + 1;
            each(&path, node)
        })
    }

    /// The same, with how many directories each is below the first.
    fn go_through<N: Entry>(
        &self,
        index: &Index,
        tree: Option<TreeId>,
        each: &mut dyn FnMut(usize, &N) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let ahead = Ahead::<N>::new(self, index);
        std::thread::scope(|scope| {
            let _end = ahead.end();
            let readers = Once::new();
            let open = |turn: Turn, tree: TreeId| {
                let nodes = ahead.take(&turn, tree)?;
                if nodes.iter().any(|node| node.subtree().is_some()) {
                    readers.call_once(|| (0..READERS).for_each(|_| drop(scope.spawn(|| ahead.read()))));
                }
                Ok((turn, nodes.into_iter().enumerate()))
            };
            let mut stack = tree.map(|tree| open(Turn::new(), tree)).transpose()?.into_iter().collect::<Vec<_>>();
            while let Some(depth) = stack.len().checked_sub(1) {
                let (turn, nodes) = &mut stack[depth];
                let Some((nth, node)) = nodes.next() else {
                    stack.pop();
                    continue;
                };
                each(depth, &node)?;
                if let Some(tree) = node.subtree() {
                    let turn = below(turn, nth);
                    stack.push(open(turn, tree)?);
                }
            }
            Ok(())
        })
    }

    /// The content of a file, checked against its own hashes on the way.
    pub(super) fn content(&self, index: &Index, node: &Node, into: &mut dyn Write) -> Result<(), RepositoryError> {
        let view = self.view_of(index, node)?;
        self.read_part(&view, 0, view.size(), &mut |plain| {
            let written = into.write_all(plain);
            written.map_err(|e| RepositoryError::because(Reason::Unavailable, "Could not write it out", &e))?;
            Ok(true)
        })
    }
}

impl Entry for Node {
    fn subtree(&self) -> Option<TreeId> {
        self.subtree
    }

    fn check(entries: &[Self]) -> Result<(), RepositoryError> {
        check_names(entries)
    }
}

/// That every name is that of one entry of a directory, and only one's.
fn check_names(nodes: &[Node]) -> Result<(), RepositoryError> {
    let mut names = BTreeSet::new();
    for node in nodes {
        let name = node.name();
        if !is_entry_name(&name) || !names.insert(name.to_os_string()) {
            let message = format!(
                "A directory of this snapshot holds the name `{}`, which no file system gives; it was made to do harm or \
                 is damaged, and is not read",
                name.display()
            );
            return Err(RepositoryError::new(Reason::Damaged, message));
        }
    }
    Ok(())
}

/// What an entry weighs. All else that is told of it is passed over.
#[derive(Deserialize)]
struct Weighed {
    #[serde(default)]
    size: u64,
    content: Option<Vec<DataId>>,
    subtree: Option<TreeId>,
}

impl Entry for Weighed {
    fn subtree(&self) -> Option<TreeId> {
        self.subtree
    }

    fn check(_: &[Self]) -> Result<(), RepositoryError> {
        Ok(())
    }
}

impl Size {
    /// What repeats in one file is nearly always a hole.
    fn add(&mut self, size: u64, content: &[DataId]) {
        let different = if content.len() > 1 { content.iter().collect::<BTreeSet<_>>().len() } else { content.len() };
        let written = u128::from(size) * different as u128 / (content.len().max(1) as u128);
        self.files += 1;
        self.bytes += size;
        self.written += u64::try_from(written).unwrap_or(u64::MAX);
    }
}

fn entry(path: &Path, node: &Node) -> TreeEntry {
    let Metadata { mode, mtime, uid, gid, size, .. } = &node.meta;
    TreeEntry {
        path: path.to_owned(),
        kind: kind(&node.node_type),
        mode: unix_mode(mode.unwrap_or(0)),
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        size: *size,
        mtime: *mtime,
        target: link_target(&node.node_type).map(PathBuf::from),
    }
}

pub(super) fn kind(kind: &NodeType) -> EntryKind {
    match kind {
        NodeType::File => EntryKind::File,
        NodeType::Dir => EntryKind::Directory,
        NodeType::Symlink { .. } => EntryKind::Symlink,
        NodeType::Fifo => EntryKind::Fifo,
        NodeType::Socket => EntryKind::Socket,
        NodeType::Dev { .. } => EntryKind::Block,
        NodeType::Chardev { .. } => EntryKind::Character,
    }
}

/// Where a link points; `None` for anything else.
pub(super) fn link_target(kind: &NodeType) -> Option<OsString> {
    match kind {
        NodeType::Symlink { linktarget_raw: Some(raw), .. } => Some(OsString::from_vec(raw.clone())),
        NodeType::Symlink { linktarget, .. } => Some(OsStr::new(linktarget).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (names, why) in
            [(&["a", ".."][..], "`..`"), (&["."], "`.`"), (&["a/b"], "`a/b`"), (&[""], "``"), (&["a", "a"], "`a`")]
        {
            let nodes: Vec<Node> =
                names.iter().map(|name| Node { name: (*name).to_owned(), ..Node::default() }).collect();
            let refused = check_names(&nodes).unwrap_err();
            assert!(refused.told().contains(why), "{}", refused.told());
        }
        let fine = ["..a", "a", "b b"].map(|name| Node { name: name.to_owned(), ..Node::default() });
        assert!(check_names(&fine).is_ok());
    }
}
