//! Packs that fill up, and the index files that tell what is in them.
//!
//! Format: restic's design document, "Pack Format" and "Indexing".

use crate::adapters::repository::files::before_page;
use crate::adapters::repository::index::Listed;
use bytes::Bytes;
use jiff::Timestamp;
use rustic_core::repofile::{BlobType, PackId};
use rustic_core::{BlobId, Id};
use serde::Serialize;
use std::num::NonZeroU32;

/// As many blobs as the library puts into one pack at most.
const MOST_BLOBS: usize = 10_000;

/// Room for most of what the last blob takes beyond the size of a pack.
const BEYOND: usize = 2 << 20;

/// One blob in a pack.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Blob {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobType,
    offset: u32,
    length: u32,
    /// Before it was compressed; `None`: it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<NonZeroU32>,
}

impl From<Blob> for Listed {
    fn from(blob: Blob) -> Self {
        let Blob { id, kind, offset, length, uncompressed_length: plain } = blob;
        Self { kind, id, offset, length, plain }
    }
}

/// A pack that fills up: blobs of one type, one after the other.
pub(super) struct Filling {
    kind: BlobType,
    size: usize,
    bytes: Vec<u8>,
    /// Bytes before the first blob, which lies where a page begins: what is written from there needs no copy of it.
    skip: usize,
    blobs: Vec<Blob>,
}

/// A pack that is to be written.
pub(super) struct Full {
    pub bytes: Bytes,
    pub blobs: Vec<Blob>,
}

impl Filling {
    pub const fn new(kind: BlobType, size: usize) -> Self {
        Self { kind, size, bytes: Vec::new(), skip: 0, blobs: Vec::new() }
    }

    /// Adds a sealed blob; the pack, if it is full now. A pack that begins takes the `spare` room that there may be.
    pub fn add(
        &mut self,
        id: Id,
        sealed: &[u8],
        plain: Option<NonZeroU32>,
        spare: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Full> {
        if self.bytes.capacity() == 0 {
            self.bytes = spare().unwrap_or_else(|| Vec::with_capacity(self.size + BEYOND));
            self.skip = before_page(&self.bytes);
            self.bytes.resize(self.skip, 0);
        }
        let offset = u32::try_from(self.bytes.len() - self.skip).unwrap_or(u32::MAX);
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(sealed);
        self.blobs.push(Blob { id: id.into(), kind: self.kind, offset, length, uncompressed_length: plain });
        (self.bytes.len() - self.skip >= self.size || self.blobs.len() >= MOST_BLOBS).then(|| self.take()).flatten()
    }

    /// The pack as far as it is full; `None`: it is empty.
    pub fn take(&mut self) -> Option<Full> {
        let (bytes, blobs) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.blobs));
        (!blobs.is_empty()).then(|| Full { bytes: Bytes::from(bytes).slice(self.skip..), blobs })
    }
}

impl Full {
    /// What is sealed and written behind the blobs.
    pub fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(self.blobs.len() * 41);
        for blob in &self.blobs {
            let tree = matches!(blob.kind, BlobType::Tree);
            let kind = u8::from(tree) + if blob.uncompressed_length.is_some() { 2 } else { 0 };
            header.push(kind);
            header.extend_from_slice(&blob.length.to_le_bytes());
            if let Some(plain) = blob.uncompressed_length {
                header.extend_from_slice(&plain.get().to_le_bytes());
            }
            let mut id = [0; 32];
            // An id is 32 bytes, which the library shows as text only.
            if hex::decode_to_slice(blob.id.to_hex().as_str(), &mut id).is_ok() {
                header.extend_from_slice(&id);
            }
        }
        header
    }
}

/// What an index file tells of a pack.
#[derive(Serialize)]
pub(super) struct Indexed {
    pub id: PackId,
    pub blobs: Vec<Blob>,
    pub time: Timestamp,
}

/// An index file.
#[derive(Serialize, Default)]
pub(super) struct IndexFile {
    pub packs: Vec<Indexed>,
}

impl IndexFile {
    /// Blobs in it.
    pub fn blobs(&self) -> usize {
        self.packs.iter().map(|pack| pack.blobs.len()).sum()
    }
}
