//! Reading packs ahead of those who unpack them: a disk, and a bucket far more, is then never waited for by a processor
//! that has something to do.

use super::error::RepositoryError;
use super::fetch::unreadable;
use super::files::name_of;
use super::restore::Piece;
use super::{RepositoryAdapter, lock};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rustic_core::FileType;
use rustic_core::repofile::PackId;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of a pack that are read at once, unless one blob is larger, and the largest unwanted part that is read along.
const READ: u32 = 4 << 20;
const GAP: u32 = 64 << 10;
/// What making a file takes, in bytes that are written in that time, about.
const FILE: u64 = 32 << 10;
/// Threads that read, and so requests that a bucket answers at a time.
pub(super) const READERS: usize = 4;

/// A part of a pack, and the blobs in it that are wanted, from front to back.
pub(super) struct Stretch<'a> {
    pack: PackId,
    pub start: u32,
    length: usize,
    pub pieces: &'a [Piece],
    turn: u64,
}

impl Stretch<'_> {
    /// What it takes to lay it down, in bytes that are written in that time.
    fn cost(&self) -> u64 {
        let cost = |piece: &Piece| piece.targets.len() as u64 * (u64::from(piece.place.plain_length()) + FILE);
        self.pieces.iter().map(cost).sum()
    }
}

/// A stretch that was read, and where in the room it lies.
pub(super) struct Arrived<'a> {
    pub stretch: &'a Stretch<'a>,
    pub room: Vec<u8>,
    pub at: Range<usize>,
}

/// What of a pack is read at a time.
pub(super) fn stretches(pack: PackId, mut rest: &[Piece]) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
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
        stretches.push(Stretch { pack, start, length: (end - start) as usize, pieces: &rest[..taken], turn: 0 });
        rest = &rest[taken..];
    }
    stretches
}

/// As many places of the order as there are workers, taken in turn: each goes on where it was, in files of its own. Two who
/// write to one file wait for each other, and small files keep the processor busy while large ones wait for the disk.
pub(super) fn in_turn(stretches: &mut [Stretch<'_>], workers: usize) {
    let share = stretches.iter().map(Stretch::cost).sum::<u64>().div_ceil(workers.max(1) as u64).max(1);
    let mut before = 0;
    for stretch in &mut *stretches {
        stretch.turn = before % share;
        before += stretch.cost();
    }
    stretches.sort_by_key(|stretch| stretch.turn);
}

impl RepositoryAdapter {
    /// Has threads work on what others read, nearly in this order. Work gives the room of what it has done back; there is
    /// no more than one for each thread.
    ///
    /// # Errors
    /// The first of them all, after which nothing more is begun.
    pub(super) fn read_ahead<'a>(
        &self,
        stretches: &'a [Stretch<'a>],
        workers: usize,
        work: &(impl Fn(Receiver<Arrived<'a>>, Sender<Vec<u8>>) -> Result<(), RepositoryError> + Sync),
    ) -> Result<(), RepositoryError> {
        let (next, first_error) = (AtomicUsize::new(0), Mutex::new(None));
        let (back, rooms) = unbounded();
        let (ready, arrived) = bounded(workers);
        (0..READERS + workers).for_each(|_| drop(back.send(Vec::new())));
        let ended = |result: Result<(), RepositoryError>| {
            if let Err(error) = result {
                lock(&first_error).get_or_insert(error);
            }
        };
        let read = |ready: Sender<Arrived<'a>>, rooms: Receiver<Vec<u8>>| {
            while let Some(stretch) = stretches.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Nobody gives back or takes any more only when all who work have failed.
                let Ok(mut room) = rooms.recv() else { break };
                if lock(&first_error).is_some() {
                    break;
                }
                let name = name_of(FileType::Pack, &stretch.pack);
                let at = self.files.read_once(&name, stretch.start, stretch.length, &mut room);
                let at = at.map_err(|e| unreadable(self, &name, &e))?;
                if ready.send(Arrived { stretch, room, at }).is_err() {
                    break;
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let (arrived, back) = (arrived.clone(), back.clone());
                scope.spawn(|| ended(work(arrived, back)));
            }
            drop((arrived, back));
            for _ in 0..READERS {
                let (ready, rooms) = (ready.clone(), rooms.clone());
                scope.spawn(|| ended(read(ready, rooms)));
            }
            drop((ready, rooms));
        });
        lock(&first_error).take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::repository::fetch::Place;
    use rustic_core::{DataId, Id};

    fn piece(offset: u32, length: u32, files: u32) -> Piece {
        let place = Place { pack: PackId::from(Id::default()), offset, length, plain: None };
        Piece { id: DataId::from(Id::default()), place, targets: (0..files).map(|file| (file, 0)).collect() }
    }

    fn cut(places: &[(u32, u32)]) -> Vec<(u32, usize, usize)> {
        let pieces: Vec<Piece> = places.iter().map(|(offset, length)| piece(*offset, *length, 0)).collect();
        let stretches = stretches(PackId::from(Id::default()), &pieces);
        stretches.iter().map(|stretch| (stretch.start, stretch.length, stretch.pieces.len())).collect()
    }

    #[test]
    fn what_lies_close_together_is_read_at_once() {
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[(0, 10), (10, 10), (30, 5)]), [(0, 35, 3)]);
        assert_eq!(
            cut(&[(5, 10), (15 + GAP, 10), (26 + 2 * GAP, 1)]),
            [(5, 20 + GAP as usize, 2), (26 + 2 * GAP, 1, 1)]
        );
    }

    #[test]
    fn no_more_is_read_at_once_than_fits_but_for_one_large_blob() {
        let half = READ / 2;
        let expected = [(0, READ as usize, 2), (READ, 2 * READ as usize, 1), (3 * READ, 1, 1)];
        assert_eq!(cut(&[(0, half), (half, half), (READ, 2 * READ), (3 * READ, 1)]), expected);
    }

    /// The order in which blobs of so many files each, every one in a stretch of its own, are laid down by so many.
    fn order(files: &[u32], workers: usize) -> Vec<u32> {
        let pieces: Vec<Piece> = (0..).zip(files).map(|(nth, files)| piece(nth * 8 * READ, 1, *files)).collect();
        let mut stretches = stretches(PackId::from(Id::default()), &pieces);
        in_turn(&mut stretches, workers);
        stretches.iter().map(|stretch| stretch.start / (8 * READ)).collect()
    }

    #[test]
    fn as_many_go_through_the_files_as_there_are_workers() {
        assert_eq!(order(&[1; 6], 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(order(&[1; 6], 2), [0, 3, 1, 4, 2, 5]);
        assert_eq!(order(&[1; 3], 8).len(), 3, "fewer than there are workers, all are under way at once");
        assert_eq!(order(&[2, 2, 1, 1, 1, 1], 2), [0, 2, 3, 1, 4, 5], "by what they take, not by how many they are");
        assert_eq!(order(&[], 2), [0_u32; 0]);
    }
}
