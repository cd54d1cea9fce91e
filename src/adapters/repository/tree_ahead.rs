//! Directories that are read before a visit comes to them. Each is a question to the disk, or to a bucket, where thousands
//! of questions one after the other take longer than all the data.

use super::error::RepositoryError;
use super::index::Index;
use super::{RepositoryAdapter, lock};
use rustic_core::TreeId;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes of directories, as they are stored, from which on nothing more is read before it is wanted. In memory they take
/// several times as much.
const MOST: u64 = 4 << 20;

/// Where in a visit a directory comes: for each directory above it, and for itself, the number among its siblings.
pub(super) type Turn = Vec<usize>;

/// An entry of a directory, as far as it is wanted.
pub(super) trait Entry: DeserializeOwned + Send {
    /// The directory that it is.
    fn subtree(&self) -> Option<TreeId>;

    /// Whether all that one directory holds can be one's.
    ///
    /// # Errors
    /// It cannot.
    fn check(entries: &[Self]) -> Result<(), RepositoryError>;
}

type Nodes<N> = Result<Vec<N>, RepositoryError>;

struct State<N> {
    /// By when they are wanted.
    wanted: BTreeMap<Turn, TreeId>,
    begun: BTreeSet<Turn>,
    /// With the bytes that they are stored as.
    read: BTreeMap<Turn, (u64, Nodes<N>)>,
    /// Bytes of what is begun or read.
    held: u64,
    ended: bool,
}

/// The directories of one visit.
pub(super) struct Ahead<'a, N> {
    adapter: &'a RepositoryAdapter,
    index: &'a Index,
    state: Mutex<State<N>>,
    changed: Condvar,
}

/// The end of a visit, however it ends: nobody reads on.
pub(super) struct End<'a, N>(&'a Ahead<'a, N>);

impl<N> Drop for End<'_, N> {
    fn drop(&mut self) {
        lock(&self.0.state).ended = true;
        self.0.changed.notify_all();
    }
}

/// A directory that is being read.
struct Begun<'a, N: Entry> {
    ahead: &'a Ahead<'a, N>,
    turn: Turn,
    bytes: u64,
    /// `None`: whoever read it panicked.
    nodes: Option<Nodes<N>>,
}

impl<N: Entry> Drop for Begun<'_, N> {
    fn drop(&mut self) {
        let mut state = lock(&self.ahead.state);
        state.begun.remove(&self.turn);
        match self.nodes.take() {
            Some(nodes) => {
                state.want(&self.turn, &nodes);
                state.read.insert(std::mem::take(&mut self.turn), (self.bytes, nodes));
            }
            None => state.held -= self.bytes,
        }
        drop(state);
        self.ahead.changed.notify_all();
    }
}

impl<N> Default for State<N> {
    fn default() -> Self {
        let (wanted, begun, read) = Default::default();
        Self { wanted, begun, read, held: 0, ended: false }
    }
}

impl<N: Entry> State<N> {
    /// What is in a directory that was read will be wanted.
    fn want(&mut self, turn: &Turn, nodes: &Nodes<N>) {
        let trees = nodes.iter().flatten().enumerate().filter_map(|(nth, node)| Some((nth, node.subtree()?)));
        self.wanted.extend(trees.map(|(nth, tree)| (below(turn, nth), tree)));
    }
}

/// When the `nth` entry of a directory comes.
pub(super) fn below(turn: &Turn, nth: usize) -> Turn {
    turn.iter().copied().chain([nth]).collect()
}

impl<'a, N: Entry> Ahead<'a, N> {
    pub fn new(adapter: &'a RepositoryAdapter, index: &'a Index) -> Self {
        Self { adapter, index, state: Mutex::default(), changed: Condvar::new() }
    }

    /// What ends it when it is dropped.
    pub const fn end(&'a self) -> End<'a, N> {
        End(self)
    }

    /// Reads what will be wanted, until the end.
    pub fn read(&self) {
        while let Some((mut begun, tree)) = self.begin() {
            begun.nodes = Some(self.adapter.entries(self.index, tree));
        }
    }

    fn begin(&self) -> Option<(Begun<'_, N>, TreeId)> {
        let idle = |state: &mut State<N>| !state.ended && (state.wanted.is_empty() || state.held >= MOST);
        let mut state = self.changed.wait_while(lock(&self.state), idle).unwrap_or_else(PoisonError::into_inner);
        let (turn, tree) = if state.ended { None } else { state.wanted.pop_first() }?;
        let bytes = self.index.tree(&tree).map_or(0, |place| u64::from(place.plain_length()));
        state.held += bytes;
        state.begun.insert(turn.clone());
        Some((Begun { ahead: self, turn, bytes, nodes: None }, tree))
    }

    /// The entries of the directory whose turn it is.
    pub fn take(&self, turn: &Turn, tree: TreeId) -> Nodes<N> {
        let under_way = |state: &mut State<N>| state.begun.contains(turn);
        let state = self.changed.wait_while(lock(&self.state), under_way);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if let Some((bytes, nodes)) = state.read.remove(turn) {
            state.held -= bytes;
            drop(state);
            self.changed.notify_all();
            return nodes;
        }
        state.wanted.remove(turn);
        drop(state);
        let nodes = self.adapter.entries(self.index, tree);
        lock(&self.state).want(turn, &nodes);
        self.changed.notify_all();
        nodes
    }
}
