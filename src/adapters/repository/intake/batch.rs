//! Contents on their way: pieces of files, and the lists of what became of them.

use rustic_core::DataId;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The contents of one file, of which some pieces may still be under way.
#[derive(Default)]
pub(super) struct Contents {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    ids: Vec<DataId>,
    missing: usize,
    lost: bool,
}

impl Contents {
    /// One more piece, known already.
    pub fn add(&self, id: DataId) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ids.push(id);
    }

    /// One more piece, to be known later.
    fn expect(self: &Arc<Self>) -> Expected {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ids.push(DataId::default());
        state.missing += 1;
        Expected { of: Arc::clone(self), nth: state.ids.len() - 1, id: None }
    }

    /// Waits until all pieces are known. `None`: one of them was lost, and so is the run.
    pub fn wait(&self) -> Option<Vec<DataId>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.settled.wait_while(state, |state| state.missing > 0);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        (!state.lost).then(|| std::mem::take(&mut state.ids))
    }
}

/// One piece that somebody waits for. Dropped before its id is known, it counts as lost.
struct Expected {
    of: Arc<Contents>,
    nth: usize,
    id: Option<DataId>,
}

impl Expected {
    fn is(mut self, id: DataId) {
        self.id = Some(id);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut state = self.of.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.id {
            Some(id) => state.ids[self.nth] = id,
            None => state.lost = true,
        }
        state.missing -= 1;
        if state.missing == 0 {
            self.of.settled.notify_all();
        }
    }
}

/// Bytes of one large piece or of many small files, with what they are pieces of.
#[derive(Default)]
pub(super) struct Batch {
    /// All room; what lies behind the last piece is nobody's.
    pub room: Vec<u8>,
    pieces: Vec<(Expected, Range<usize>)>,
    used: usize,
}

impl Batch {
    pub fn with(room: Vec<u8>) -> Self {
        Self { room, pieces: Vec::new(), used: 0 }
    }

    /// Bytes that belong to pieces.
    pub const fn used(&self) -> usize {
        self.used
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Makes the next `length` bytes a piece.
    pub fn piece(&mut self, of: &Arc<Contents>, length: usize) {
        self.pieces.push((of.expect(), self.used..self.used + length));
        self.used += length;
    }

    /// Hands every piece to `store`; the room, to be used again.
    pub fn each<E>(mut self, mut store: impl FnMut(&[u8]) -> Result<DataId, E>) -> Result<Vec<u8>, E> {
        for (expected, range) in self.pieces.drain(..) {
            expected.is(store(&self.room[range])?);
        }
        Ok(self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_dropped_is_lost_and_nobody_waits_for_it() {
        let (whole, torn) = (Arc::new(Contents::default()), Arc::new(Contents::default()));
        let mut batch = Batch::with(vec![0; 16]);
        batch.piece(&whole, 4);
        batch.piece(&torn, 4);
        batch.piece(&torn, 4);
        whole.add(DataId::default());
        let mut left = 2;
        let stored = batch.each(|_| {
            if left == 0 {
                Err(())
            } else {
                left -= 1;
                Ok(DataId::default())
            }
        });
        assert!(stored.is_err());
        assert_eq!(whole.wait().map(|ids| ids.len()), Some(2));
        assert_eq!(torn.wait(), None);
    }
}
