//! Laying a snapshot down in a directory.
//!
//! The tree is made first, then contents are fetched pack by pack, each pack read once and from front to back, by a few
//! threads; every blob goes to all the places that want it. Memory is a few blobs a thread, whatever the size of the data.

use super::error::RepositoryError;
use super::fetch::{Bench, Hashes, Pack, Place};
use super::laid::{Hand, Laid, attributes};
use super::lock::Lock;
use super::noted::Noted;
use super::report::{Control, RestoreReport, Verified};
use super::{RepositoryAdapter, interrupted, lock};
use crate::adapters::lay::Ground;
use rustic_core::DataId;
use rustic_core::repofile::PackId;
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of a pack that are read at once, and the largest unwanted part that is read along.
const READ: u32 = 8 << 20;
const GAP: u32 = 64 << 10;
/// More threads gain nothing on one disk.
pub(super) const THREADS: usize = 8;

impl RepositoryAdapter {
    /// Lays what is at a path of a snapshot down in a directory that exists and is empty: of a directory, its content
    /// and its own attributes; of anything else, that one entry. Owners, modes, times, attributes, links and holes are
    /// as they were. Nothing is followed and nothing that exists is written to.
    ///
    /// # Errors
    /// See [`Reason`]; `Damaged` names what is damaged. What has been laid down until then stays, incomplete.
    pub fn restore(
        &self,
        id: &str,
        path: &Path,
        into: &Path,
        control: &Control,
    ) -> Result<RestoreReport, RepositoryError> {
        self.lay_down(id, path, into, Hashes::Compared, control).map(|(report, _)| report)
    }

    /// The same, and what [`RepositoryAdapter::verify`] does of all of it. Contents are read back as soon as they are whole
    /// and compared with their hashes there, where it counts, and not on the way as well; that they were sealed with the
    /// repository's key is. All else is compared when everything is laid down: what was changed later shows in its time.
    ///
    /// # Errors
    /// As for the two.
    pub fn restore_and_verify(
        &self,
        id: &str,
        path: &Path,
        into: &Path,
        control: &Control,
    ) -> Result<(RestoreReport, Verified), RepositoryError> {
        let (report, differences) = self.lay_down(id, path, into, Hashes::ComparedLater, control)?;
        Ok((report, self.verify_laid(id, path, into, differences, control)?))
    }

    fn lay_down(
        &self,
        id: &str,
        path: &Path,
        into: &Path,
        hashes: Hashes,
        control: &Control,
    ) -> Result<(RestoreReport, Noted), RepositoryError> {
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::to_read(&self.files, &self.sealer)?;
        let index = self.resident()?;
        let node = self.node_at(&index, id, path)?;
        let failed = |e: Errno| RepositoryError::io("restore", into, &e.into());
        let mut laid = Laid::new(into, Ground::open(into).map_err(failed)?);
        if node.is_dir() {
            laid.root = Some(attributes(&node.meta)?);
            self.visit(&index, &node, &mut |path, node| {
                if control.cancel.is_cancelled() { Err(interrupted()) } else { laid.make(path, node) }
            })?;
        } else {
            let name = path.file_name().unwrap_or_default().to_owned();
            laid.make(Path::new(&name), &node)?;
        }
        drop(index);
        let jobs = self.jobs(&mut laid)?;
        self.fetch(&laid, &jobs, hashes, control)?;
        drop(jobs);
        if hashes == Hashes::ComparedLater {
            laid.read_back(control)?;
        }
        laid.finish()
    }

    /// What is to be read, by pack and in its order there, and where it goes.
    fn jobs(&self, laid: &mut Laid) -> Result<Vec<(PackId, Vec<Piece>)>, RepositoryError> {
        let wanted: Vec<DataId> = laid.files.iter().flat_map(|file| file.chunks.iter().map(|chunk| chunk.id)).collect();
        let places = self.places(&wanted)?;
        drop(wanted);
        let mut goes: HashMap<DataId, Vec<(u32, u64)>> = HashMap::with_capacity(places.len());
        let mut lacking = Vec::new();
        for (index, file) in laid.files.iter_mut().enumerate() {
            let mut at = 0;
            for chunk in &mut file.chunks {
                let Some(place) = places.get(&chunk.id) else {
                    lacking.push(index);
                    break;
                };
                goes.entry(chunk.id).or_default().push((u32::try_from(index).unwrap_or(u32::MAX), at));
                chunk.length = place.plain_length();
                at += u64::from(chunk.length);
            }
        }
        if !lacking.is_empty() {
            let path = |index: &usize| laid.path_of(&laid.files[*index]).display().to_string();
            return Err(self.missing(&lacking.iter().take(5).map(path).collect::<Vec<_>>()));
        }
        let mut packs: BTreeMap<PackId, Vec<Piece>> = BTreeMap::new();
        for (id, targets) in goes {
            if let Some(place) = places.get(&id) {
                packs.entry(place.pack).or_default().push(Piece { id, place: *place, targets });
            }
        }
        let mut jobs: Vec<_> = packs.into_iter().collect();
        for (_, pieces) in &mut jobs {
            pieces.sort_unstable_by_key(|piece| piece.place.offset);
        }
        // What the walk met first is laid down first: files of one directory are then written together.
        jobs.sort_by_key(|(_, pieces)| pieces.iter().filter_map(|p| p.targets.first()).min().copied());
        Ok(jobs)
    }

    fn fetch(
        &self,
        laid: &Laid,
        jobs: &[(PackId, Vec<Piece>)],
        hashes: Hashes,
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let next = AtomicUsize::new(0);
        let first_error: Mutex<Option<RepositoryError>> = Mutex::new(None);
        let threads =
            std::thread::available_parallelism().map_or(2, usize::from).clamp(2, THREADS).min(jobs.len().max(1));
        let work = || {
            let mut hand = Hand::new(hashes == Hashes::ComparedLater);
            let (mut bench, mut buffer) = (Bench::new(hashes), Vec::new());
            while let Some((pack, pieces)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if lock(&first_error).is_some() {
                    return;
                }
                if let Err(error) = self.unload((*pack, pieces), (laid, &mut hand), (&mut buffer, &mut bench), control)
                {
                    lock(&first_error).get_or_insert(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        lock(&first_error).take().map_or(Ok(()), Err)
    }

    fn unload(
        &self,
        (id, pieces): (PackId, &[Piece]),
        (laid, hand): (&Laid, &mut Hand),
        (buffer, bench): (&mut Vec<u8>, &mut Bench),
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let pack = Pack::open(self, id)?;
        let mut rest = pieces;
        while let Some(first) = rest.first() {
            let start = first.place.offset;
            let mut end = start + first.place.length;
            let mut taken = 1;
            while let Some(piece) = rest.get(taken) {
                let far = piece.place.offset.saturating_add(piece.place.length);
                if piece.place.offset.saturating_sub(end) > GAP || far - start > READ {
                    break;
                }
                end = end.max(far);
                taken += 1;
            }
            let length = (end - start) as usize;
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            let buffer = &mut buffer[..length];
            pack.read(self, start, buffer)?;
            for piece in &rest[..taken] {
                if control.cancel.is_cancelled() {
                    return Err(interrupted());
                }
                let from = (piece.place.offset - start) as usize;
                let sealed = buffer.get_mut(from..from + piece.place.length as usize).unwrap_or_default();
                let plain = self.unpack(&piece.id, &piece.place, sealed, bench);
                let plain = plain.map_err(|error| blame(laid, &error, piece))?;
                for (file, at) in &piece.targets {
                    hand.write(laid, (*file as usize, *at), plain, control)?;
                }
            }
            rest = &rest[taken..];
        }
        Ok(())
    }
}

/// One blob and where it goes: files by number, with the place in each.
struct Piece {
    id: DataId,
    place: Place,
    targets: Vec<(u32, u64)>,
}

/// An error about a blob, with the files that need it.
fn blame(laid: &Laid, error: &RepositoryError, piece: &Piece) -> RepositoryError {
    let files = piece.targets.iter().filter_map(|(file, _)| laid.files.get(*file as usize));
    let mut names: Vec<String> = files.map(|file| laid.path_of(file).display().to_string()).collect();
    names.truncate(5);
    RepositoryError::new(error.kind(), format!("{}; it is needed for {}", error.told(), names.join(", ")))
}
