//! Directories as they are stored, put together while contents are still under way.

use super::batch::Contents;
use super::known::{BEGIN, Counts, Directory, END, Memory, Print};
use super::store::{Hand, Store};
use crate::adapters::repository::error::{Reason, RepositoryError};
use rustic_core::TreeId;
use rustic_core::repofile::Node;
use std::sync::Arc;

/// What is met, in the order of the walk.
pub(super) enum Item {
    /// A directory that is not wholly as it was. What comes next is in it.
    Enter(Box<Node>),
    /// Entries that are as they were: their JSON, with commas between, and how much that is.
    Same { json: Vec<u8>, prints: Vec<Print>, below: Vec<(u32, TreeId)>, counts: Counts },
    /// Any other entry; a file with its contents, a directory that is as it was with its tree and how much is in it.
    Entry { node: Box<Node>, contents: Option<Arc<Contents>>, print: Print, counts: Counts },
    /// The end of a directory, with the fingerprint of its own entry.
    Leave(Print),
}

/// What came of it.
pub(super) struct Built {
    /// The tree of the whole; `None` where nothing was entered.
    pub tree: Option<TreeId>,
    /// The directories that were put together.
    pub memory: Memory,
    /// All that is in the tree.
    pub counts: Counts,
    /// How many directories were stored, or would have been.
    pub changed: u64,
}

struct Frame {
    node: Box<Node>,
    json: Vec<u8>,
    prints: Vec<Print>,
    below: Vec<(u32, TreeId)>,
    counts: Counts,
}

impl Frame {
    fn room(&mut self) -> &mut Vec<u8> {
        if self.json.len() > BEGIN.len() {
            self.json.push(b',');
        }
        &mut self.json
    }

    fn add(&mut self, node: &Node, print: Print, counts: Counts) -> serde_json::Result<()> {
        if let (Some(tree), Ok(at)) = (node.subtree, u32::try_from(self.prints.len())) {
            self.below.push((at, tree));
        }
        self.prints.push(print);
        self.counts += counts;
        serde_json::to_writer(self.room(), node)
    }
}

/// Puts directories together until there are no more items. After an error, takes them away and does nothing.
pub(super) fn build(
    items: &crossbeam_channel::Receiver<Item>,
    store: &Store<'_>,
    mut hand: Hand,
) -> Result<Built, RepositoryError> {
    let mut built = Built { tree: None, memory: Memory::new(), counts: Counts::default(), changed: 0 };
    let mut stack: Vec<Frame> = Vec::new();
    let mut ended = Ok(());
    for item in items {
        if ended.is_ok() {
            ended = take(item, &mut stack, &mut built, store, &mut hand);
        }
    }
    ended.map(|()| built)
}

fn take(
    item: Item,
    stack: &mut Vec<Frame>,
    built: &mut Built,
    store: &Store<'_>,
    hand: &mut Hand,
) -> Result<(), RepositoryError> {
    let odd = || RepositoryError::new(Reason::Internal, "The directories of the source could not be put together");
    let unwritten = |e| RepositoryError::because(Reason::Internal, "An entry could not be written down", &e);
    match item {
        Item::Enter(node) => {
            let (json, counts) = (BEGIN.to_vec(), Counts { directories: 1, ..Counts::default() });
            stack.push(Frame { node, json, prints: Vec::new(), below: Vec::new(), counts });
        }
        Item::Same { json, prints, below, counts } => {
            let frame = stack.last_mut().ok_or_else(odd)?;
            let base = u32::try_from(frame.prints.len()).unwrap_or(u32::MAX);
            frame.below.extend(below.into_iter().map(|(at, tree)| (base.saturating_add(at), tree)));
            frame.prints.extend(prints);
            frame.counts += counts;
            if !json.is_empty() {
                frame.room().extend_from_slice(&json);
            }
        }
        Item::Entry { mut node, contents, print, counts } => {
            if let Some(contents) = contents {
                node.content = Some(contents.wait().ok_or_else(odd)?);
            }
            stack.last_mut().ok_or_else(odd)?.add(&node, print, counts).map_err(unwritten)?;
        }
        Item::Leave(print) => {
            let Frame { mut node, mut json, prints, below, mut counts } = stack.pop().ok_or_else(odd)?;
            json.extend_from_slice(END);
            let tree = store.tree(&json, hand)?;
            counts.trees += json.len() as u64;
            built.changed += 1;
            let (prints, below) = (prints.into_boxed_slice(), below.into_boxed_slice());
            built.memory.insert(tree, Arc::new(Directory { prints, below, counts }));
            if let Some(parent) = stack.last_mut() {
                node.subtree = Some(tree);
                parent.add(&node, print, counts).map_err(unwritten)?;
            } else {
                (built.tree, built.counts) = (Some(tree), counts);
            }
        }
    }
    Ok(())
}
