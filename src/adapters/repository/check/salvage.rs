//! What can still be read of a damaged pack, written into a pack of its own.
//!
//! Format: restic's design document, "Pack Format": the sealed blobs, then a sealed header of one entry each (type,
//! length, length before compression where there was one, hash), then the header's length in four bytes.

use crate::adapters::repository::files::name_of;
use crate::adapters::repository::{RepositoryAdapter, RepositoryError};
use bytes::Bytes;
use rustic_core::repofile::{BlobType, IndexBlob, IndexFile, IndexPack};
use rustic_core::{FileType, Id};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

impl RepositoryAdapter {
    /// What the index says of packs, as far as it knows them.
    pub(super) fn contents(&self, wanted: &BTreeSet<Id>) -> Result<BTreeMap<Id, IndexPack>, RepositoryError> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.guarded("read the index", || {
            let mut found: BTreeMap<Id, IndexPack> = BTreeMap::new();
            for file in self.open.stream_files::<IndexFile>()? {
                let packs = file?.1.packs.into_iter().filter(|pack| wanted.contains(&pack.id));
                found.extend(packs.map(|pack| (*pack.id, pack)));
            }
            Ok(found)
        })
    }

    /// Writes what can still be read of a pack into a new one, which no index knows yet. How many parts those are.
    pub(super) fn salvage(&self, id: &Id, pack: &IndexPack) -> Result<u64, RepositoryError> {
        let file = name_of(FileType::Pack, id);
        let failed = |e: io::Error| RepositoryError::io("save what can be read of", &self.files.at(&file), &e);
        let (mut parts, mut header) = (Vec::new(), Vec::new());
        for blob in &pack.blobs {
            let Ok(sealed) = self.files.read_part(&file, blob.location.offset, blob.location.length) else { continue };
            if self.sealer.open(&sealed).is_some() {
                header.extend(entry(blob));
                parts.push(sealed);
            }
        }
        let saved = parts.len() as u64;
        if saved == 0 {
            return Ok(0);
        }
        let header = self.sealer.seal(&header).map_err(failed)?;
        let length = u32::try_from(header.len()).map_err(|e| failed(io::Error::other(e)))?;
        parts.extend([Bytes::from(header), Bytes::copy_from_slice(&length.to_le_bytes())]);
        let hash = parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        let to = name_of(FileType::Pack, &Id::new(hash.into()));
        self.files.put(&to, &parts).map_err(|e| RepositoryError::io("write", &self.files.at(&to), &e))?;
        Ok(saved)
    }
}

fn entry(blob: &IndexBlob) -> Vec<u8> {
    let plain = blob.location.uncompressed_length;
    let kind = u8::from(blob.tpe == BlobType::Tree) | if plain.is_some() { 2 } else { 0 };
    let mut entry = vec![kind];
    entry.extend(blob.location.length.to_le_bytes());
    entry.extend(plain.iter().flat_map(|length| length.get().to_le_bytes()));
    entry.extend(hex::decode(blob.id.to_hex().as_str()).unwrap_or_default());
    entry
}
