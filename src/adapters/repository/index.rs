//! What is in the repository, in memory: where every blob lies, in about 48 bytes for each.

use super::fetch::Place;
use super::intake::Memory;
use super::lock;
use crate::reconcile::SourceKey;
use rustic_core::repofile::{BlobType, IndexBlob, PackId};
use rustic_core::{BlobId, DataId, Id, TreeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// When what came later is sorted in.
const LATER: usize = 100_000;

/// The index in memory, with the index files that it was read from. It only ever grows: where something vanished from the
/// repository, another is made.
#[derive(Default)]
pub(super) struct Index {
    inner: RwLock<Inner>,
    /// What the last runs met. It goes with the index, because what it takes for stored must be.
    pub memory: Mutex<BTreeMap<SourceKey, Arc<Memory>>>,
}

#[derive(Default)]
struct Inner {
    read_from: BTreeSet<Id>,
    /// Sorted.
    data: Vec<(DataId, Spot)>,
    later: HashMap<DataId, Spot>,
    packs: Vec<PackId>,
    trees: HashMap<TreeId, Spot>,
    /// What a prune has marked: still there for a while, for those who refer to it all the same, and stored no more.
    doomed: HashMap<BlobId, Spot>,
}

/// As [`Place`], in a quarter of the room.
#[derive(Clone, Copy)]
struct Spot {
    pack: u32,
    offset: u32,
    length: u32,
    plain: u32,
}

/// A blob as an index file lists it.
pub(super) struct Listed {
    pub kind: BlobType,
    pub id: BlobId,
    pub offset: u32,
    pub length: u32,
    pub plain: Option<NonZeroU32>,
}

impl From<IndexBlob> for Listed {
    fn from(blob: IndexBlob) -> Self {
        let at = blob.location;
        Self { kind: blob.tpe, id: blob.id, offset: at.offset, length: at.length, plain: at.uncompressed_length }
    }
}

impl Index {
    /// Which of these files are not in yet; `None` when one that is in is not among them.
    pub fn lacks(&self, files: &BTreeSet<Id>) -> Option<Vec<Id>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.read_from.is_subset(files).then(|| files.difference(&inner.read_from).copied().collect())
    }

    /// Adds what a file of the index tells of packs.
    pub fn add<B: Into<Listed>>(&self, file: Id, packs: impl IntoIterator<Item = (PackId, Vec<B>)>) {
        let mut guard = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        inner.read_from.insert(file);
        for (pack, blobs) in packs {
            for (kind, id, spot) in inner.spots(pack, blobs) {
                match kind {
                    BlobType::Data => drop(inner.later.insert(DataId::from(id), spot)),
                    BlobType::Tree => drop(inner.trees.insert(TreeId::from(id), spot)),
                }
            }
        }
        if inner.later.len() > LATER.max(inner.data.len() / 4) {
            inner.settle();
        }
    }

    /// Adds what it tells of packs that a prune has marked.
    pub fn add_doomed<B: Into<Listed>>(&self, packs: impl IntoIterator<Item = (PackId, Vec<B>)>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for (pack, blobs) in packs {
            let spots = inner.spots(pack, blobs);
            inner.doomed.extend(spots.map(|(_, id, spot)| (id, spot)));
        }
    }

    /// To be called when all files that there are have been added.
    pub fn settle(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).settle();
    }

    pub fn has_data(&self, id: &DataId) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).data(id).is_some()
    }

    pub fn data(&self, id: &DataId) -> Option<Place> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.place(inner.data(id).or_else(|| inner.doomed.get(&BlobId::from(**id)))?)
    }

    pub fn has_tree(&self, id: &TreeId) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).trees.contains_key(id)
    }

    pub fn tree(&self, id: &TreeId) -> Option<Place> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.place(inner.trees.get(id).or_else(|| inner.doomed.get(&BlobId::from(**id)))?)
    }

    /// Forgets what the last runs met: the next ones read what is stored.
    pub fn forget(&self) {
        lock(&self.memory).clear();
    }
}

impl Inner {
    /// Where the blobs of a pack lie.
    fn spots<B: Into<Listed>>(
        &mut self,
        pack: PackId,
        blobs: Vec<B>,
    ) -> impl Iterator<Item = (BlobType, BlobId, Spot)> + use<B> {
        let number = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
        self.packs.push(pack);
        blobs.into_iter().map(Into::into).map(move |Listed { kind, id, offset, length, plain }| {
            (kind, id, Spot { pack: number, offset, length, plain: plain.map_or(0, NonZeroU32::get) })
        })
    }

    fn data(&self, id: &DataId) -> Option<&Spot> {
        self.later.get(id).or_else(|| {
            let found = self.data.binary_search_by_key(id, |(id, _)| *id).ok()?;
            self.data.get(found).map(|(_, spot)| spot)
        })
    }

    fn place(&self, spot: &Spot) -> Option<Place> {
        let Spot { pack, offset, length, plain } = *spot;
        let pack = *self.packs.get(pack as usize)?;
        Some(Place { pack, offset, length, plain: NonZeroU32::new(plain).map(u32::from) })
    }

    fn settle(&mut self) {
        self.data.extend(self.later.drain());
        self.later.shrink_to_fit();
        self.data.sort_unstable_by_key(|(id, _)| *id);
        self.data.dedup_by_key(|(id, _)| *id);
        self.data.shrink_to_fit();
    }
}
