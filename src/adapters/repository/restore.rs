//! Laying a snapshot down in a directory.
//!
//! The tree is made first, then contents are fetched pack by pack, each pack read once and from front to back; a few threads
//! read, and a few others unpack; every blob goes to all the places that want it. Memory is a few blobs a thread, and
//! about half a kilobyte for each file, whatever their size.

use super::ahead::{Arrived, Stretch, in_turn, stretches};
use super::error::RepositoryError;
use super::fetch::{Bench, Hashes, Place};
use super::index::Index;
use super::laid::{Hand, Laid, attributes};
use super::lock::Lock;
use super::noted::Noted;
use super::report::{Control, RestoreReport, Verified};
use super::{RepositoryAdapter, interrupted};
use crate::adapters::lay::Ground;
use crossbeam_channel::{Receiver, Sender};
use rustic_core::DataId;
use rustic_core::repofile::PackId;
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

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
    /// repository's key is. Attributes of files are read back with them. All else is compared when everything is laid down:
    /// what was changed later shows in its time.
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
        let reads_back = hashes == Hashes::ComparedLater;
        let mut laid = Laid::new(into, Ground::open(into).map_err(failed)?, reads_back);
        if node.is_dir() {
            laid.root = Some(attributes(&node.meta)?);
            self.visit(&index, &node, &mut |path, node| {
                if control.cancel.is_cancelled() { Err(interrupted()) } else { laid.make(path, node) }
            })?;
        } else {
            let name = path.file_name().unwrap_or_default().to_owned();
            laid.make(Path::new(&name), &node)?;
        }
        let jobs = self.jobs(&index, &mut laid)?;
        drop(index);
        self.fetch(&laid, &jobs, hashes, control)?;
        drop(jobs);
        if reads_back {
            laid.read_back(control)?;
        }
        laid.finish()
    }

    /// What is to be read, by pack and in its order there, and where it goes.
    fn jobs(&self, index: &Index, laid: &mut Laid) -> Result<Vec<(PackId, Vec<Piece>)>, RepositoryError> {
        let mut goes: HashMap<DataId, (Place, Vec<(u32, u64)>)> = HashMap::new();
        let mut lacking = Vec::new();
        for (number, file) in laid.files.iter_mut().enumerate() {
            let mut at = 0;
            for chunk in &mut file.chunks {
                let Some(place) = index.data(&chunk.id) else {
                    lacking.push(number);
                    break;
                };
                let (_, targets) = goes.entry(chunk.id).or_insert((place, Vec::new()));
                targets.push((u32::try_from(number).unwrap_or(u32::MAX), at));
                chunk.length = place.plain_length();
                at += u64::from(chunk.length);
            }
        }
        if !lacking.is_empty() {
            let path = |index: &usize| laid.path_of(&laid.files[*index]).display().to_string();
            return Err(self.missing(&lacking.iter().take(5).map(path).collect::<Vec<_>>()));
        }
        let mut packs: BTreeMap<PackId, Vec<Piece>> = BTreeMap::new();
        for (id, (place, targets)) in goes {
            packs.entry(place.pack).or_default().push(Piece { id, place, targets });
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
        let mut stretches: Vec<Stretch<'_>> = jobs.iter().flat_map(|(pack, pieces)| stretches(*pack, pieces)).collect();
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, THREADS);
        in_turn(&mut stretches, threads);
        let work = |arrived: Receiver<Arrived<'_>>, back: Sender<Vec<u8>>| {
            let (mut hand, mut bench) = (Hand::default(), Bench::new(hashes));
            for mut arrived in arrived {
                self.unload(&mut arrived, (laid, &mut hand), &mut bench, control)?;
                // When nobody reads any more, nobody needs room.
                drop(back.send(arrived.room));
            }
            Ok(())
        };
        self.read_ahead(&stretches, threads, &work)
    }

    fn unload(
        &self,
        arrived: &mut Arrived<'_>,
        (laid, hand): (&Laid, &mut Hand),
        bench: &mut Bench,
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let Arrived { stretch, room, at } = arrived;
        for piece in stretch.pieces {
            if control.cancel.is_cancelled() {
                return Err(interrupted());
            }
            let from = at.start + (piece.place.offset - stretch.start) as usize;
            let sealed = room.get_mut(from..from + piece.place.length as usize).unwrap_or_default();
            let plain = self.unpack(&piece.id, &piece.place, sealed, bench);
            let plain = plain.map_err(|error| blame(laid, &error, piece))?;
            for (file, at) in &piece.targets {
                hand.write(laid, (*file as usize, *at), plain, control)?;
            }
        }
        Ok(())
    }
}

/// One blob and where it goes: files by number, with the place in each.
pub(super) struct Piece {
    pub id: DataId,
    pub place: Place,
    pub targets: Vec<(u32, u64)>,
}

/// An error about a blob, with the files that need it.
fn blame(laid: &Laid, error: &RepositoryError, piece: &Piece) -> RepositoryError {
    let files = piece.targets.iter().filter_map(|(file, _)| laid.files.get(*file as usize));
    let mut names: Vec<String> = files.map(|file| laid.path_of(file).display().to_string()).collect();
    names.truncate(5);
    RepositoryError::new(error.kind(), format!("{}; it is needed for {}", error.told(), names.join(", ")))
}
