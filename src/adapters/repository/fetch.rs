//! Blobs of data out of their packs, each one opened, unpacked and compared with its own hash.
//!
//! Format: restic's design document, "Pack Format" and "Index".

use super::RepositoryAdapter;
use super::error::{Reason, RepositoryError};
use super::files::{Parts, name_of};
use super::index::Index;
use rustic_core::repofile::PackId;
use rustic_core::{FileType, Id, TreeId};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::io;
use zstd::bulk::Decompressor;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

/// When a content is compared with the hash that names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Hashes {
    #[default]
    Compared,
    /// Where it was put. That it was sealed with the repository's key shows at once all the same.
    ComparedLater,
}

/// What a thread unpacks with, again and again: to make a decompressor takes longer than to unpack a small file.
#[derive(Default)]
pub(super) struct Bench {
    decompressor: Option<Decompressor<'static>>,
    plain: Vec<u8>,
    hashes: Hashes,
}

impl Bench {
    pub fn new(hashes: Hashes) -> Self {
        Self { hashes, ..Self::default() }
    }

    /// What was compressed, if it is as long as it is to be.
    fn decompress(&mut self, packed: &[u8], length: usize) -> Option<&[u8]> {
        let decompressor = match &mut self.decompressor {
            Some(own) => own,
            none => none.insert(Decompressor::new().ok()?),
        };
        self.plain.clear();
        self.plain.reserve(length);
        let found = decompressor.decompress_to_buffer(packed, &mut self.plain).ok()?;
        (found == length).then_some(&self.plain)
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub pack: PackId,
    pub offset: u32,
    pub length: u32,
    /// Of the content; `None`: it is not compressed.
    pub plain: Option<u32>,
}

/// What sealing adds: a nonce before and a tag behind.
const SEAL: u32 = 32;

impl Place {
    /// Bytes of the content.
    pub fn plain_length(&self) -> u32 {
        self.plain.unwrap_or_else(|| self.length.saturating_sub(SEAL))
    }
}

/// An open pack.
pub(super) struct Pack {
    id: PackId,
    file: Box<dyn Parts>,
}

impl Pack {
    pub fn open(adapter: &RepositoryAdapter, id: PackId) -> Result<Self, RepositoryError> {
        let name = name_of(FileType::Pack, &id);
        let file = adapter.files.open(&name).map_err(|e| unreadable(adapter, &name, &e))?;
        Ok(Self { id, file })
    }

    /// Some of its bytes.
    fn read(&self, adapter: &RepositoryAdapter, offset: u32, buffer: &mut [u8]) -> Result<(), RepositoryError> {
        let read = self.file.read_exact_at(buffer, u64::from(offset));
        read.map_err(|e| unreadable(adapter, &name_of(FileType::Pack, &self.id), &e))
    }
}

pub(super) fn unreadable(adapter: &RepositoryAdapter, name: &str, error: &io::Error) -> RepositoryError {
    let (path, repository) = (adapter.files.at(name), &adapter.name);
    let damaged = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("The repository {repository} lacks the file {}, which this snapshot needs", path.display())
        }
        io::ErrorKind::UnexpectedEof => {
            format!("The file {} of the repository {repository} is cut short", path.display())
        }
        _ => return RepositoryError::io("read", &path, error),
    };
    RepositoryError::because(Reason::Damaged, damaged, error)
}

impl RepositoryAdapter {
    /// A directory as it is stored.
    pub(super) fn tree_json(&self, index: &Index, id: &TreeId) -> Result<Vec<u8>, RepositoryError> {
        let place = index.tree(id).ok_or_else(|| {
            let message = format!(
                "The index of the repository {} knows nothing of a directory that is needed, {}; `seawall check` tells \
                 what is damaged",
                self.name,
                id.to_hex().as_str()
            );
            RepositoryError::new(Reason::Damaged, message)
        })?;
        self.blob(&Pack::open(self, place.pack)?, id, &place)
    }

    /// One blob, read for itself.
    pub(super) fn blob(&self, pack: &Pack, id: &Id, place: &Place) -> Result<Vec<u8>, RepositoryError> {
        let mut sealed = vec![0; place.length as usize];
        pack.read(self, place.offset, &mut sealed)?;
        BENCH.with_borrow_mut(|bench| self.unpack(id, place, &mut sealed, bench).map(<[u8]>::to_vec))
    }

    /// The content of a sealed blob, which is opened where it is. What does not have the hash that names it is not what
    /// was stored.
    pub(super) fn unpack<'a>(
        &self,
        id: &Id,
        place: &Place,
        sealed: &'a mut [u8],
        bench: &'a mut Bench,
    ) -> Result<&'a [u8], RepositoryError> {
        let later = bench.hashes == Hashes::ComparedLater;
        let plain = match (self.sealer.open_in_place(sealed), place.plain) {
            (Some(packed), Some(length)) => bench.decompress(packed, length as usize),
            (opened, _) => opened,
        };
        plain.filter(|plain| later || Id::new(Sha256::digest(plain).into()) == *id).ok_or_else(|| {
            let path = self.files.at(&name_of(FileType::Pack, &place.pack));
            let message = format!(
                "The file {} of the repository {} is damaged: what it holds at byte {} is not what was stored there",
                path.display(),
                self.name,
                place.offset
            );
            RepositoryError::new(Reason::Damaged, message)
        })
    }

    /// That the index knows nothing of data which a snapshot needs.
    pub(super) fn missing(&self, paths: &[String]) -> RepositoryError {
        let of = if paths.is_empty() { String::new() } else { format!(" for {}", paths.join(", ")) };
        let message = format!(
            "The repository {} lacks data{of}; `seawall check` tells what is damaged, and another snapshot or \
             repository may have it",
            self.name
        );
        RepositoryError::new(Reason::Damaged, message)
    }
}
