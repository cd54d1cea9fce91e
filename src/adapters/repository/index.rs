//! What is in the repository, in memory: ids of data, and where trees lie.
//!
//! About 32 bytes a blob. The places of data are looked up in the index files when they are wanted.

use super::fetch::Place;
use super::intake::Memory;
use super::lock;
use crate::reconcile::SourceKey;
use rustic_core::repofile::{BlobType, IndexBlob, PackId};
use rustic_core::{BlobId, DataId, Id, TreeId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    data: Vec<DataId>,
    later: HashSet<DataId>,
    packs: Vec<PackId>,
    trees: HashMap<TreeId, TreePlace>,
}

/// As [`Place`], in half the room.
struct TreePlace {
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

    /// Adds what a file of the index tells.
    pub fn add<B: Into<Listed>>(&self, file: Id, packs: impl IntoIterator<Item = (PackId, Vec<B>)>) {
        let mut guard = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        inner.read_from.insert(file);
        for (pack, blobs) in packs {
            let number = u32::try_from(inner.packs.len()).unwrap_or(u32::MAX);
            let mut trees = false;
            for blob in blobs.into_iter().map(Into::into) {
                let Listed { kind, id, offset, length, plain } = blob;
                if matches!(kind, BlobType::Data) {
                    inner.later.insert(DataId::from(id));
                } else {
                    trees = true;
                    let plain = plain.map_or(0, NonZeroU32::get);
                    inner.trees.insert(TreeId::from(id), TreePlace { pack: number, offset, length, plain });
                }
            }
            if trees {
                inner.packs.push(pack);
            }
        }
        if inner.later.len() > LATER.max(inner.data.len() / 4) {
            inner.settle();
        }
    }

    /// To be called when all files that there are have been added.
    pub fn settle(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).settle();
    }

    pub fn has_data(&self, id: &DataId) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.later.contains(id) || inner.data.binary_search(id).is_ok()
    }

    pub fn has_tree(&self, id: &TreeId) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).trees.contains_key(id)
    }

    pub fn tree(&self, id: &TreeId) -> Option<Place> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let place = inner.trees.get(id)?;
        let pack = *inner.packs.get(place.pack as usize)?;
        Some(Place {
            pack,
            offset: place.offset,
            length: place.length,
            plain: NonZeroU32::new(place.plain).map(u32::from),
        })
    }

    /// Forgets what the last runs met: the next ones read what is stored.
    pub fn forget(&self) {
        lock(&self.memory).clear();
    }
}

impl Inner {
    fn settle(&mut self) {
        self.data.extend(self.later.drain());
        self.later.shrink_to_fit();
        self.data.sort_unstable();
        self.data.dedup();
        self.data.shrink_to_fit();
    }
}
