//! What a source was when it was last taken: by its directories as they are stored, and, where this process took it, by
//! fingerprints in memory, so that of what did not change nothing has to be read but what the file system says.

use crate::adapters::repository::RepositoryAdapter;
use crate::adapters::repository::error::{Reason, RepositoryError};
use crate::adapters::repository::index::Index;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{DataId, TreeId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{AddAssign, Range};
use std::sync::Arc;

/// The fingerprint of one entry: of its name and of all that the file system says about it, but for attributes, which
/// do not change without the time of its inode.
pub(super) type Print = u128;

/// Directories as they were taken last, by their trees.
pub(in crate::adapters::repository) type Memory = HashMap<TreeId, Arc<Directory>>;

/// How much is in a tree, below directories too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::adapters::repository) struct Counts {
    pub files: u64,
    pub bytes: u64,
    pub directories: u64,
    /// Bytes of the trees themselves.
    pub trees: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.directories += other.directories;
        self.trees += other.trees;
    }
}

/// One directory in memory: 16 bytes an entry.
#[derive(Debug)]
pub(in crate::adapters::repository) struct Directory {
    /// Of its entries, in the order of the tree.
    pub prints: Box<[Print]>,
    /// The trees of those entries that are directories.
    pub below: Box<[(u32, TreeId)]>,
    /// All that is in it, itself among it.
    pub counts: Counts,
}

impl Directory {
    /// The tree of the entry at a place, if it is a directory.
    pub fn tree_at(&self, at: usize) -> Option<TreeId> {
        let at = u32::try_from(at).ok()?;
        self.below.binary_search_by_key(&at, |(at, _)| *at).ok().map(|found| self.below[found].1)
    }
}

/// An entry's fingerprint.
pub(super) fn print(node: &Node) -> Print {
    let mut hash = Sha256::new();
    let mut number = |value: u64| hash.update(value.to_le_bytes());
    let Metadata { mode, mtime, ctime, uid, gid, inode, device_id, size, links, .. } = &node.meta;
    for time in [mtime, ctime] {
        number(time.map_or(u64::MAX, |at| at.as_second().cast_unsigned()));
        number(time.map_or(u64::MAX, |at| i64::from(at.subsec_nanosecond()).cast_unsigned()));
    }
    number(u64::from(mode.unwrap_or(u32::MAX)) << 32 | u64::from(uid.unwrap_or(u32::MAX)));
    number(u64::from(gid.unwrap_or(u32::MAX)));
    [*inode, *device_id, *size, *links].into_iter().for_each(&mut number);
    match &node.node_type {
        NodeType::Dev { device } | NodeType::Chardev { device } => number(*device),
        NodeType::Symlink { linktarget, linktarget_raw } => {
            hash.update(linktarget);
            hash.update(linktarget_raw.as_deref().unwrap_or_default());
        }
        _ => {}
    }
    hash.update(&node.name);
    let digest: [u8; 32] = hash.finalize().into();
    let (print, _) = digest.split_at(16);
    print.try_into().map_or(0, u128::from_le_bytes)
}

/// A stored directory.
pub(super) struct Stored {
    json: Vec<u8>,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

/// One entry of a stored directory, as far as it is compared.
pub(super) struct Entry {
    range: Range<usize>,
    kind: String,
    meta: Metadata,
    pub content: Vec<DataId>,
    pub subtree: Option<TreeId>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    mtime: Option<jiff::Timestamp>,
    ctime: Option<jiff::Timestamp>,
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    device_id: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    links: u64,
    content: Option<Vec<DataId>>,
    subtree: Option<TreeId>,
}

impl Stored {
    pub fn read(adapter: &RepositoryAdapter, index: &Index, tree: &TreeId) -> Result<Self, RepositoryError> {
        let json = adapter.tree_json(index, tree)?;
        Self::parse(json).ok_or_else(|| {
            let message = format!("A directory of the newest snapshot cannot be read in {}: {tree}", adapter.name());
            RepositoryError::new(Reason::Damaged, message)
        })
    }

    fn parse(json: Vec<u8>) -> Option<Self> {
        let ranges = objects(&json)?;
        let (mut entries, mut by_name) = (Vec::with_capacity(ranges.len()), HashMap::with_capacity(ranges.len()));
        for range in ranges {
            let raw: Raw<'_> = serde_json::from_slice(&json[range.clone()]).ok()?;
            let Raw { mtime, ctime, inode, device_id, size, links, .. } = raw;
            let meta = Metadata { mtime, ctime, inode, device_id, size, links, ..Metadata::default() };
            by_name.insert(raw.name.into_owned(), entries.len());
            let (kind, content) = (raw.kind.into_owned(), raw.content.unwrap_or_default());
            entries.push(Entry { range, kind, meta, content, subtree: raw.subtree });
        }
        Some(Self { json, entries, by_name })
    }

    /// The entry of the same name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.by_name.get(name)?)
    }

    /// The JSON of an entry.
    pub fn json(&self, entry: &Entry) -> &[u8] {
        &self.json[entry.range.clone()]
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    /// Whether it is the same thing, with nothing changed since. Content is the same when all of this is; what tells of a
    /// change that a program can hide from the others is the time of the inode.
    pub fn is_as(&self, node: &Node) -> bool {
        let (then, now) = (&self.meta, &node.meta);
        self.kind == kind(&node.node_type)
            && (then.size, then.mtime, then.links) == (now.size, now.mtime, now.links)
            && then.ctime == now.ctime
            && then.ctime.is_some()
            && then.inode == now.inode
    }

    /// The number of its device, which is not the same after every restart.
    pub const fn device(&self) -> u64 {
        self.meta.device_id
    }

    pub const fn size(&self) -> u64 {
        self.meta.size
    }
}

const fn kind(node: &NodeType) -> &'static str {
    match node {
        NodeType::File => "file",
        NodeType::Dir => "dir",
        NodeType::Symlink { .. } => "symlink",
        NodeType::Dev { .. } => "dev",
        NodeType::Chardev { .. } => "chardev",
        NodeType::Fifo => "fifo",
        NodeType::Socket => "socket",
    }
}

/// What is before and behind the entries of a tree.
pub(super) const BEGIN: &[u8] = b"{\"nodes\":[";
pub(super) const END: &[u8] = b"]}\n";

/// Where the objects in the list of a tree are.
fn objects(json: &[u8]) -> Option<Vec<Range<usize>>> {
    let rest = json.strip_prefix(BEGIN)?;
    let (mut found, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    let (mut text, mut escaped) = (false, false);
    for (at, byte) in rest.iter().enumerate() {
        if text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => text = true,
            b'{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b'}' if depth == 0 => return Some(found),
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    found.push(BEGIN.len() + start..BEGIN.len() + at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustic_core::repofile::Tree;
    use std::ffi::OsStr;

    fn node(name: &str) -> Node {
        let ctime = Some(jiff::Timestamp::from_second(7).unwrap());
        Node::new_node(OsStr::new(name), NodeType::File, Metadata { ctime, mtime: ctime, ..Metadata::default() })
    }

    #[test]
    fn entries_come_out_of_a_tree_as_they_went_in() {
        let names = ["a", "b \"}{", "c\\", "d\n\u{1f41f}", "]}"];
        let nodes: Vec<Node> = names.into_iter().map(node).collect();
        let (json, _) = Tree { nodes: nodes.clone() }.serialize().unwrap();
        let stored = Stored::parse(json.clone()).unwrap();
        let mut again = BEGIN.to_vec();
        for (nth, node) in nodes.iter().enumerate() {
            assert!(stored.find(&node.name).unwrap().is_as(node));
            let entry = &stored.entries()[nth];
            assert_eq!(serde_json::from_slice::<Node>(stored.json(entry)).unwrap(), *node);
            if nth > 0 {
                again.push(b',');
            }
            again.extend_from_slice(stored.json(entry));
        }
        again.extend_from_slice(END);
        assert_eq!(again, json);
        assert!(Stored::parse(b"{\"nodes\":[{\"name\":".to_vec()).is_none());
        assert!(Stored::parse(b"{\"nodes\":[]}\n".to_vec()).unwrap().entries().is_empty());
    }

    #[test]
    fn every_word_of_the_file_system_is_in_the_fingerprint() {
        let first = node("a");
        let same = print(&first);
        assert_eq!(print(&node("a")), same);
        assert_ne!(print(&node("b")), same);
        let other = |change: &dyn Fn(&mut Metadata)| {
            let mut node = first.clone();
            change(&mut node.meta);
            print(&node)
        };
        let later = jiff::Timestamp::new(7, 1).ok();
        for print in [
            other(&|meta| meta.mtime = later),
            other(&|meta| meta.ctime = later),
            other(&|meta| meta.mode = Some(1)),
            other(&|meta| meta.uid = Some(1)),
            other(&|meta| meta.gid = Some(1)),
            other(&|meta| meta.inode = 1),
            other(&|meta| meta.device_id = 1),
            other(&|meta| meta.size = 1),
            other(&|meta| meta.links = 1),
        ] {
            assert_ne!(print, same);
        }
    }
}
