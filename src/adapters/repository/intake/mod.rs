//! Taking a source in: from the walk to durable packs and the index of them, everything but the snapshot itself.
//!
//! One thread follows the walk, reads what changed and cuts it; a few hash, compress and seal; one puts directories
//! together; two write packs, so that one can wait for the disk. All that lies between them is bounded.
//!
//! Order is what makes a kill at any time harmless: packs are durable before the index tells of them, and both before there
//! is a snapshot. The format is restic's, to the byte: what it or the library stored before is recognised and not stored
//! again.

mod batch;
mod chunk;
mod follow;
mod known;
mod pace;
mod pack;
mod read;
mod store;
mod trees;

pub(super) use known::Memory;

use super::error::{Reason, RepositoryError};
use super::index::Index;
use super::report::{Control, SnapshotMeta};
use super::source::Found;
use super::{RepositoryAdapter, lock, snapshots};
use crate::adapters::volume_walk::Notes;
use crate::clock::{Clock, SystemClock};
use crate::policy::Resources;
use batch::Batch;
use chunk::Chunker;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use follow::{Changes, Follower};
use known::{Counts, Stored};
use pace::{Pace, yield_to_others};
use pack::Full;
use read::Cutter;
use rustic_core::TreeId;
use rustic_core::repofile::{Metadata, Node, NodeType, SnapshotFile, SnapshotSummary};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Scope, ScopedJoinHandle};
use store::{Added, Hand, Store};
use trees::Built;

/// Batches that wait to be stored, and entries that wait to be put together.
const BATCHES: usize = 2;
const ITEMS: usize = 4096;
/// Threads that write packs, and packs that wait for them: memory is a multiple of their size.
const WRITERS: usize = 2;
const PACKS: usize = 0;
/// More entries than this are not remembered: 16 bytes each, for as long as the process runs.
const REMEMBERED: u64 = 2_000_000;

/// What came of following a walk.
struct Followed {
    unchanged: Option<(TreeId, Counts)>,
    kept: Memory,
    changes: Changes,
}

impl RepositoryAdapter {
    /// Stores a source: its files and directories, packs and index of them. The snapshot is filled in and not written.
    pub(super) fn take_in(
        &self,
        index: &Arc<Index>,
        parent: Option<(String, TreeId)>,
        source: impl Iterator<Item = Found> + Send,
        (name, meta): (&str, &SnapshotMeta),
        (notes, control): (&Arc<Notes>, &Control),
    ) -> Result<SnapshotFile, RepositoryError> {
        let mut snapshot = snapshots::begin(meta);
        snapshot.paths.add(format!("/{name}"));
        let mut summary = SnapshotSummary::default();
        let chunker = Chunker::new(self.open.config())?;
        let store = Store::new(self, Arc::clone(index));
        let memory = lock(&index.memory).get(&meta.source).cloned().unwrap_or_default();
        let tree = parent.as_ref().map(|(_, tree)| *tree).filter(|tree| index.has_tree(tree));
        let resources = control.resources;
        let pace = resources.read_rate.map(|rate| Pace::new(rate, control.cancel.clone()));
        let (followed, built) = std::thread::scope(|scope| {
            let (items, to_build) = bounded(ITEMS);
            let (batches, to_store) = bounded(BATCHES);
            let (full, to_write) = bounded(PACKS);
            let (free, spare) = unbounded();
            let hand = || store.hand(&full);
            let (own, builder) = (hand()?, hand()?);
            let workers: Vec<_> = (0..if resources.low_cpu { 1 } else { workers() })
                .map(|_| {
                    let (to_store, free, hand, store) = (to_store.clone(), free.clone(), hand()?, &store);
                    Ok(scope.spawn(move || {
                        yield_to_others(resources);
                        work(&to_store, &free, store, hand)
                    }))
                })
                .collect::<Result<_, RepositoryError>>()?;
            drop((full, free, to_store));
            let writers = write(scope, &store, &to_write, resources);
            drop(to_write);
            let builder = {
                let store = &store;
                scope.spawn(move || {
                    yield_to_others(resources);
                    trees::build(&to_build, store, builder)
                })
            };

            let cutter = Cutter::new(&chunker, batches, spare, pace);
            let mut follower = Follower::new((self, index), memory, (items, cutter), Arc::clone(notes));
            // Of its own, because what a thread yields it may not be permitted to take back.
            let following = scope.spawn(move || {
                yield_to_others(resources);
                let unchanged = follower.follow(tree, source)?;
                // The others end when nothing more can come.
                let (kept, changes) = follower.end();
                Ok(Followed { unchanged, kept, changes })
            });

            let result = joined(following);
            let stored = workers.into_iter().try_for_each(joined);
            let built = joined(builder);
            let flushed = store.flush(&own);
            drop(own);
            let written = writers.into_iter().try_for_each(joined);
            // Who ended first knows why; the others only found the way blocked.
            written.and(stored)?;
            let built = built?;
            flushed?;
            Ok::<_, RepositoryError>((result?, built))
        })?;
        store.finish()?;
        let Followed { unchanged, mut kept, changes } = followed;
        let nothing = || RepositoryError::new(Reason::Internal, "No tree was stored");
        let (tree, counts) = unchanged.or(built.tree.map(|tree| (tree, built.counts))).ok_or_else(nothing)?;
        snapshot.tree = tree;
        if let Some((parent, _)) = parent
            && let Ok(id) = parent.parse::<rustic_core::Id>()
        {
            snapshot.parent = Some(id.into());
            snapshot.parents = vec![id.into()];
        }
        summarise(&mut summary, &counts, &changes, &built);
        for (added, data) in [(&store.data_added, true), (&store.trees_added, false)] {
            add(&mut summary, added, data);
        }
        end(&mut summary, &snapshot.time);
        snapshot.summary = Some(summary);
        kept.extend(built.memory);
        let remembered = if counts.files + counts.directories <= REMEMBERED { kept } else { Memory::new() };
        lock(&index.memory).insert(meta.source.clone(), Arc::new(remembered));
        Ok(snapshot)
    }
}

impl RepositoryAdapter {
    /// What is at a path of a tree, if it is there and can be read.
    pub(super) fn stored_entry(&self, index: &Index, tree: TreeId, path: &Path) -> Option<Node> {
        let (mut tree, mut found) = (Some(tree), None);
        for name in path {
            let stored = Stored::read(self, index, &tree?).ok()?;
            let name = Node::new_node(name, NodeType::File, Metadata::default()).name;
            let node: Node = serde_json::from_slice(stored.json(stored.find(&name)?)).ok()?;
            tree = node.subtree;
            found = Some(node);
        }
        found
    }
}

/// Threads that hash, compress and seal.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16)
}

fn work(
    batches: &Receiver<Batch>,
    free: &Sender<Vec<u8>>,
    store: &Store<'_>,
    mut hand: Hand,
) -> Result<(), RepositoryError> {
    for batch in batches {
        let room = batch.each(|piece| store.data(piece, &mut hand))?;
        // When nobody reads any more, nobody needs room.
        drop(free.send(room));
    }
    Ok(())
}

fn write<'scope>(
    scope: &'scope Scope<'scope, '_>,
    store: &'scope Store<'_>,
    packs: &Receiver<Full>,
    resources: Resources,
) -> Vec<ScopedJoinHandle<'scope, Result<(), RepositoryError>>> {
    let writer = |packs: Receiver<Full>| {
        scope.spawn(move || {
            yield_to_others(resources);
            store.write(&packs)
        })
    };
    (0..WRITERS).map(|_| writer(packs.clone())).collect()
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, RepositoryError>>) -> Result<T, RepositoryError> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn summarise(summary: &mut SnapshotSummary, counts: &Counts, changes: &Changes, built: &Built) {
    summary.total_files_processed = counts.files;
    summary.total_bytes_processed = counts.bytes;
    summary.total_dirs_processed = counts.directories;
    summary.total_dirsize_processed = counts.trees;
    (summary.files_new, summary.files_changed, summary.files_unmodified) = (changes.new, changes.changed, changes.same);
    summary.dirs_new = changes.new_directories;
    summary.dirs_changed = built.changed.saturating_sub(changes.new_directories);
    summary.dirs_unmodified = changes.same_directories;
}

fn add(summary: &mut SnapshotSummary, added: &Added, data: bool) {
    let [blobs, plain, packed] = [&added.blobs, &added.plain, &added.packed].map(|n| n.load(Ordering::Relaxed));
    summary.data_added += plain;
    summary.data_added_packed += packed;
    if data {
        (summary.data_blobs, summary.data_added_files, summary.data_added_files_packed) = (blobs, plain, packed);
    } else {
        (summary.tree_blobs, summary.data_added_trees, summary.data_added_trees_packed) = (blobs, plain, packed);
    }
}

fn end(summary: &mut SnapshotSummary, time: &jiff::Zoned) {
    let now = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC);
    summary.backup_duration = now.duration_since(&summary.backup_start).as_secs_f64();
    summary.total_duration = now.duration_since(time).as_secs_f64();
    summary.backup_end = now;
}
