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
/// Threads that read, and so requests that a bucket answers at a time.
pub(super) const READERS: usize = 4;

/// A part of a pack, and the blobs in it that are wanted, from front to back.
pub(super) struct Stretch<'a> {
    pack: PackId,
    pub start: u32,
    length: usize,
    pub pieces: &'a [Piece],
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
        stretches.push(Stretch { pack, start, length: (end - start) as usize, pieces: &rest[..taken] });
        rest = &rest[taken..];
    }
    stretches
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

    fn cut(places: &[(u32, u32)]) -> Vec<(u32, usize, usize)> {
        let pack = PackId::from(Id::default());
        let piece = |(offset, length): &(u32, u32)| Piece {
            id: DataId::from(Id::default()),
            place: Place { pack, offset: *offset, length: *length, plain: None },
            targets: Vec::new(),
        };
        let pieces: Vec<Piece> = places.iter().map(piece).collect();
        let stretches = stretches(pack, &pieces);
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
}
