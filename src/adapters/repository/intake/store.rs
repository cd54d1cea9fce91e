//! Into the repository: what is not there yet is compressed, sealed and packed.

use super::pack::{Filling, Full, IndexFile, Indexed};
use crate::adapters::repository::error::RepositoryError;
use crate::adapters::repository::files::{Later, name_of};
use crate::adapters::repository::index::Index;
use crate::adapters::repository::{PACK_SIZE, RepositoryAdapter, TREE_PACK_SIZE, lock};
use crate::clock::{Clock, SystemClock};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use rustic_core::repofile::{BlobType, PackId};
use rustic_core::{DataId, FileType, Id, TreeId};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use zstd::bulk::Compressor;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// As many blobs, and as much time, as the library lets pass before it writes an index file.
const MOST_UNINDEXED: usize = 50_000;
const UNINDEXED_FOR: Duration = Duration::from_mins(5);
/// Packs that the disk is left to write by itself before it is waited for: as many files are open.
const MOST_UNSETTLED: usize = 64;
/// A nonce before and a tag behind what is sealed.
const NONCE: usize = 16;
const TAG: usize = 16;
/// Bytes that are unpacked at once to be compared.
const UNPACKED: usize = 128 << 10;
/// What is looked at to see whether compressing pays: so many pieces of so many bytes.
const SAMPLES: usize = 4;
const SAMPLE: usize = 8 << 10;

/// The repository as one run fills it.
pub(super) struct Store<'a> {
    adapter: &'a RepositoryAdapter,
    index: Arc<Index>,
    /// `None`: the repository's format knows no compression, or somebody wants none.
    level: Option<i32>,
    own_data: Mutex<HashSet<DataId>>,
    own_trees: Mutex<HashSet<TreeId>>,
    data: Mutex<Filling>,
    trees: Mutex<Filling>,
    /// Room of packs that were written. Given back and allocated anew, it would grow the process by as much again.
    spare: Mutex<Vec<Vec<u8>>>,
    unindexed: Mutex<Unindexed>,
    pub data_added: Added,
    pub trees_added: Added,
}

/// Packs of which no index tells yet.
struct Unindexed {
    /// They are durable.
    settled: IndexFile,
    /// They are not yet, and no index may tell of them.
    unsettled: Vec<(Indexed, Later)>,
    since: Instant,
}

impl Unindexed {
    fn is_due(&self) -> bool {
        let blobs = self.settled.blobs() + self.unsettled.iter().map(|(pack, _)| pack.blobs.len()).sum::<usize>();
        blobs >= MOST_UNINDEXED || self.since.elapsed() >= UNINDEXED_FOR
    }
}

/// What was added of one type.
#[derive(Default)]
pub(super) struct Added {
    pub blobs: AtomicU64,
    pub plain: AtomicU64,
    pub packed: AtomicU64,
}

/// What one thread needs to store something, used again and again.
pub(super) struct Hand {
    compressor: Compressor<'static>,
    prober: Compressor<'static>,
    decompressor: Decoder<'static>,
    sealed: Vec<u8>,
    unpacked: Box<[u8]>,
    full: Sender<Full>,
}

impl Hand {
    fn new(level: i32, full: Sender<Full>) -> io::Result<Self> {
        Ok(Self {
            compressor: Compressor::new(level)?,
            prober: Compressor::new(1)?,
            decompressor: Decoder::new()?,
            sealed: Vec::new(),
            unpacked: vec![0; UNPACKED].into_boxed_slice(),
            full,
        })
    }
}

impl<'a> Store<'a> {
    pub fn new(adapter: &'a RepositoryAdapter, index: Arc<Index>) -> Self {
        let config = adapter.open.config();
        let level = match config.zstd() {
            Ok(Some(0)) => Some(zstd::DEFAULT_COMPRESSION_LEVEL),
            Ok(level) => level,
            Err(_) => None,
        };
        Self {
            adapter,
            index,
            level,
            own_data: Mutex::default(),
            own_trees: Mutex::default(),
            data: Mutex::new(Filling::new(BlobType::Data, PACK_SIZE as usize)),
            trees: Mutex::new(Filling::new(BlobType::Tree, TREE_PACK_SIZE as usize)),
            spare: Mutex::default(),
            unindexed: Mutex::new(Unindexed {
                settled: IndexFile::default(),
                unsettled: Vec::new(),
                since: Instant::now(),
            }),
            data_added: Added::default(),
            trees_added: Added::default(),
        }
    }

    /// What a thread stores with. Full packs go to `full`.
    pub fn hand(&self, full: &Sender<Full>) -> Result<Hand, RepositoryError> {
        let failed = |e: io::Error| RepositoryError::io("prepare to compress", self.adapter.files.root(), &e);
        Hand::new(self.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL), full.clone()).map_err(failed)
    }

    /// Stores a piece of a file, unless it is there.
    pub fn data(&self, plain: &[u8], hand: &mut Hand) -> Result<DataId, RepositoryError> {
        let hash = Id::new(Sha256::digest(plain).into());
        let id = DataId::from(hash);
        if !self.index.has_data(&id) && lock(&self.own_data).insert(id) {
            let worth = self.level.is_some() && worth_it(&mut hand.prober, plain);
            self.put(hash, plain, worth, hand, (&self.data, &self.data_added))?;
        }
        Ok(id)
    }

    /// Stores a directory, unless it is there.
    pub fn tree(&self, plain: &[u8], hand: &mut Hand) -> Result<TreeId, RepositoryError> {
        let hash = Id::new(Sha256::digest(plain).into());
        let id = TreeId::from(hash);
        if !self.index.has_tree(&id) && lock(&self.own_trees).insert(id) {
            self.put(hash, plain, self.level.is_some(), hand, (&self.trees, &self.trees_added))?;
        }
        Ok(id)
    }

    fn put(
        &self,
        id: Id,
        plain: &[u8],
        compress: bool,
        hand: &mut Hand,
        (filling, added): (&Mutex<Filling>, &Added),
    ) -> Result<(), RepositoryError> {
        let failed = |e: io::Error| RepositoryError::io("store files", self.adapter.files.root(), &e);
        let length = if compress { pack(plain, hand).map_err(failed)? } else { None };
        let content = length.unwrap_or(plain.len());
        let room = NONCE + content + TAG;
        if length.is_none() {
            grow(&mut hand.sealed, room);
            hand.sealed[NONCE..NONCE + content].copy_from_slice(plain);
        }
        self.adapter.sealer.seal_in_place(&mut hand.sealed[..room]).map_err(failed)?;
        let before = length.and_then(|_| u32::try_from(plain.len()).ok()).and_then(NonZeroU32::new);
        added.blobs.fetch_add(1, Ordering::Relaxed);
        added.plain.fetch_add(plain.len() as u64, Ordering::Relaxed);
        added.packed.fetch_add(room as u64, Ordering::Relaxed);
        let full = lock(filling).add(id, &hand.sealed[..room], before, || lock(&self.spare).pop());
        // Nobody takes packs any more only when the run has failed already.
        full.map_or(Ok(()), |full| hand.full.send(full).map_err(|_| self.closed()))
    }

    /// Sends what is in packs that are not full.
    pub fn flush(&self, hand: &Hand) -> Result<(), RepositoryError> {
        for filling in [&self.data, &self.trees] {
            if let Some(full) = lock(filling).take() {
                hand.full.send(full).map_err(|_| self.closed())?;
            }
        }
        Ok(())
    }

    fn closed(&self) -> RepositoryError {
        RepositoryError::io("store files", self.adapter.files.root(), &io::ErrorKind::BrokenPipe.into())
    }

    /// Writes packs as they become full. After an error, takes them away without writing.
    pub fn write(&self, packs: &Receiver<Full>) -> Result<(), RepositoryError> {
        let mut ended = Ok(());
        for full in packs {
            if ended.is_ok() {
                ended = self.write_pack(full);
            }
        }
        ended
    }

    fn write_pack(&self, full: Full) -> Result<(), RepositoryError> {
        let files = &self.adapter.files;
        let failed = |e: io::Error| RepositoryError::io("write", files.root(), &e);
        let header = self.adapter.sealer.seal(&full.header()).map_err(failed)?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes();
        let Full { bytes, blobs } = full;
        let digest = Sha256::new().chain_update(&bytes).chain_update(&header).chain_update(length).finalize();
        let id = Id::new(digest.into());
        let parts = [bytes, Bytes::from(header), Bytes::copy_from_slice(&length)];
        let later = files.put_later(&name_of(FileType::Pack, &id), &parts).map_err(failed)?;
        let [bytes, ..] = parts;
        if let Ok(mut room) = bytes.try_into_mut() {
            // First: what is in it would be copied to its start.
            room.clear();
            lock(&self.spare).push(Vec::from(room));
        }
        let indexed = Indexed { id: PackId::from(id), blobs, time: SystemClock.now() };
        let waits = {
            let mut unindexed = lock(&self.unindexed);
            unindexed.unsettled.push((indexed, later));
            unindexed.unsettled.len() < MOST_UNSETTLED && !unindexed.is_due()
        };
        if waits { Ok(()) } else { self.settle(Unindexed::is_due) }
    }

    /// Makes what was written durable, and then the index of it, once all packs are written.
    pub fn finish(&self) -> Result<(), RepositoryError> {
        self.settle(|_| true)
    }

    fn settle(&self, due: impl FnOnce(&Unindexed) -> bool) -> Result<(), RepositoryError> {
        let unsettled = std::mem::take(&mut lock(&self.unindexed).unsettled);
        let (packs, files): (Vec<_>, Vec<_>) = unsettled.into_iter().unzip();
        let failed = |e: io::Error| RepositoryError::io("write", self.adapter.files.root(), &e);
        self.adapter.files.settle(files).map_err(failed)?;
        let index = {
            let mut unindexed = lock(&self.unindexed);
            unindexed.settled.packs.extend(packs);
            (!unindexed.settled.packs.is_empty() && due(&unindexed)).then(|| {
                unindexed.since = Instant::now();
                std::mem::take(&mut unindexed.settled)
            })
        };
        index.map_or(Ok(()), |index| self.write_index(index))
    }

    fn write_index(&self, index: IndexFile) -> Result<(), RepositoryError> {
        let files = &self.adapter.files;
        let failed = |e: io::Error| RepositoryError::io("write the index", &files.root().join("index"), &e);
        let mut content = serde_json::to_vec(&index).map_err(|e| failed(e.into()))?;
        if self.level.is_some() {
            // The second version of the format marks what is compressed with a byte.
            let mut packed = zstd::bulk::compress(&content, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?;
            packed.insert(0, 2);
            content = packed;
        }
        let sealed = self.adapter.sealer.seal(&content).map_err(failed)?;
        let id = Id::new(Sha256::digest(&sealed).into());
        files.put(&name_of(FileType::Index, &id), &[sealed.into()]).map_err(failed)?;
        self.index.add(id, index.packs.into_iter().map(|pack| (pack.id, pack.blobs)));
        Ok(())
    }
}

/// Compresses into the hand, behind the room for the nonce, and reads it back: what cannot be read back must not be stored.
/// The length, or `None` where it became no smaller.
fn pack(plain: &[u8], hand: &mut Hand) -> io::Result<Option<usize>> {
    grow(&mut hand.sealed, NONCE + zstd::zstd_safe::compress_bound(plain.len()) + TAG);
    let length = hand.compressor.compress_to_buffer(plain, &mut hand.sealed[NONCE..])?;
    if length >= plain.len() {
        return Ok(None);
    }
    let packed = &hand.sealed[NONCE..NONCE + length];
    if unpacks_to(&mut hand.decompressor, packed, plain, &mut hand.unpacked[..])? {
        Ok(Some(length))
    } else {
        Err(io::Error::other("what was compressed does not come out as it went in"))
    }
}

/// Whether a frame holds this, looked at bit by bit.
fn unpacks_to(decoder: &mut Decoder<'_>, packed: &[u8], plain: &[u8], room: &mut [u8]) -> io::Result<bool> {
    decoder.reinit()?;
    let (mut input, mut rest) = (InBuffer::around(packed), plain);
    loop {
        let mut output = OutBuffer::around(&mut *room);
        let left = decoder.run(&mut input, &mut output)?;
        let length = output.pos();
        match rest.split_at_checked(length) {
            Some((expected, more)) if room[..length] == *expected => rest = more,
            _ => return Ok(false),
        }
        if left == 0 || (length == 0 && input.pos() == packed.len()) {
            return Ok(left == 0 && rest.is_empty());
        }
    }
}

fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

/// Whether some samples become smaller. Media, archives and what is encrypted do not.
fn worth_it(prober: &mut Compressor<'_>, plain: &[u8]) -> bool {
    if plain.len() < 2 * SAMPLES * SAMPLE {
        return true;
    }
    let mut packed = [0; SAMPLE + 512];
    let step = (plain.len() - SAMPLE) / (SAMPLES - 1);
    (0..SAMPLES).any(|nth| {
        let sample = &plain[nth * step..][..SAMPLE];
        prober.compress_to_buffer(sample, &mut packed[..]).map_or(true, |length| length < SAMPLE - SAMPLE / 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_is_compared_to_the_last_byte() {
        let mut random = fastrand::Rng::with_seed(3);
        let plain: Vec<u8> = (0..700_000).map(|_| random.u8(0..4)).collect();
        let packed = zstd::bulk::compress(&plain, 3).unwrap();
        let (mut decoder, mut room) = (Decoder::new().unwrap(), vec![0; UNPACKED]);
        let mut same = |packed: &[u8], plain: &[u8]| unpacks_to(&mut decoder, packed, plain, &mut room);
        assert!(same(&packed, &plain).unwrap());
        assert!(!same(&packed, &plain[1..]).unwrap());
        assert!(!same(&packed, &plain[..plain.len() - 1]).unwrap());
        assert!(!same(&packed, &[&plain[..], b"x"].concat()).unwrap());
        assert!(!same(&packed[..packed.len() - 9], &plain).unwrap());
        assert!(same(&packed, &plain).unwrap());
    }

    #[test]
    fn noise_is_not_worth_compressing() {
        let mut prober = Compressor::new(1).unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let mut noise = vec![0; 1 << 20];
        random.fill(&mut noise);
        assert!(!worth_it(&mut prober, &noise));
        noise[..300_000].fill(b'x');
        assert!(worth_it(&mut prober, &noise));
        assert!(worth_it(&mut prober, b"short"));
    }
}
