//! Reading contents, and cutting them into pieces.

use super::batch::{Batch, Contents};
use super::chunk::Chunker;
use super::pace::Pace;
use crate::adapters::repository::source::Content;
use crossbeam_channel::{Receiver, Sender};
use rustic_core::{DataId, Id};
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;

/// Bytes that are read at once: few enough to be still at hand when they are looked at.
const STEP: usize = 256 << 10;
/// What many small files are gathered to.
const BATCH: usize = 1 << 20;
const BATCH_PIECES: usize = 256;
static ZEROS: [u8; 4096] = [0; 4096];

/// Cuts what it reads into pieces and sends them off, large ones alone and small ones together.
pub(super) struct Cutter<'a> {
    chunker: &'a Chunker,
    batches: Sender<Batch>,
    /// Room that was used and is free again.
    spare: Receiver<Vec<u8>>,
    small: Option<Batch>,
    pace: Option<Pace>,
    /// The id of the chunk that holes are cut into, and whether it is on its way.
    hole: DataId,
    hole_sent: bool,
}

impl<'a> Cutter<'a> {
    pub fn new(chunker: &'a Chunker, batches: Sender<Batch>, spare: Receiver<Vec<u8>>, pace: Option<Pace>) -> Self {
        let hole = DataId::from(Id::new(Sha256::digest(vec![0; chunker.shortest]).into()));
        Self { chunker, batches, spare, small: None, pace, hole, hole_sent: false }
    }

    /// Whether a chunk is what holes are cut into, and one was sent off already.
    fn is_known_hole(&mut self, chunk: &[u8]) -> bool {
        let hole =
            chunk.len() == self.chunker.shortest && chunk.chunks(ZEROS.len()).all(|part| part == &ZEROS[..part.len()]);
        hole && std::mem::replace(&mut self.hole_sent, true)
    }

    /// Reads to the end; how much that was. `size` is how much there is, where that is known.
    ///
    /// # Errors
    /// Those of the reader; what was read until then is stored for nothing. `BrokenPipe`: nobody takes pieces any more.
    pub fn take(&mut self, mut from: Box<dyn Content>, size: Option<u64>) -> io::Result<(Arc<Contents>, u64)> {
        let contents = Arc::new(Contents::default());
        let length = match size.and_then(|size| usize::try_from(size).ok()) {
            Some(size) if size < self.chunker.shortest.min(BATCH) => {
                self.small(&mut *from, size, &contents)?;
                size as u64
            }
            _ => self.large(&mut *from, &contents)?,
        };
        Ok((contents, length))
    }

    fn small(&mut self, from: &mut dyn Content, size: usize, contents: &Arc<Contents>) -> io::Result<()> {
        if self.small.as_ref().is_some_and(|batch| batch.used() + size > BATCH || batch.len() == BATCH_PIECES) {
            self.flush()?;
        }
        let batch = match &mut self.small {
            Some(batch) => batch,
            none => none.insert(Batch::with(self.spare.try_recv().unwrap_or_else(|_| self.chunker.room()))),
        };
        let start = batch.used();
        from.read_exact(&mut batch.room[start..start + size])?;
        // The reader looks at the end whether that was all.
        if !matches!(from.read(&mut [0]), Ok(0)) {
            return Err(io::Error::other("there is more of it than was told"));
        }
        if size > 0 {
            batch.piece(contents, size);
        }
        self.paced(size);
        Ok(())
    }

    fn large(&mut self, from: &mut dyn Content, contents: &Arc<Contents>) -> io::Result<u64> {
        let mut room = self.room();
        let (mut used, mut tried, mut total) = (0, 0, 0);
        loop {
            let length = match from.read(&mut room[used..used + STEP]) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if length == 0 {
                if used > 0 {
                    self.send(room, used, contents)?;
                }
                return Ok(total);
            }
            self.paced(length);
            used += length;
            total += length as u64;
            while let Some(end) = self.chunker.cut(&room[..used], tried) {
                if self.is_known_hole(&room[..end]) {
                    contents.add(self.hole);
                    room.copy_within(end..used, 0);
                    (used, tried) = (used - end, 0);
                    // Where one chunk is a hole, the next ones are likely to be.
                    let passed = from.pass_hole(used as u64, self.chunker.shortest as u64)?;
                    if passed > 0 {
                        (0..passed / self.chunker.shortest as u64).for_each(|_| contents.add(self.hole));
                        total += passed - used as u64;
                        used = 0;
                    }
                    continue;
                }
                let mut next = self.room();
                next[..used - end].copy_from_slice(&room[end..used]);
                self.send(std::mem::replace(&mut room, next), end, contents)?;
                (used, tried) = (used - end, 0);
            }
            tried = used;
        }
    }

    fn paced(&mut self, bytes: usize) {
        if let Some(pace) = &mut self.pace {
            pace.read(bytes);
        }
    }

    fn room(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_else(|_| self.chunker.room())
    }

    fn send(&self, room: Vec<u8>, length: usize, contents: &Arc<Contents>) -> io::Result<()> {
        let mut batch = Batch::with(room);
        batch.piece(contents, length);
        self.batches.send(batch).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Sends off what is gathered. To be called before waiting for any contents.
    pub fn flush(&mut self) -> io::Result<()> {
        let batch = self.small.take();
        batch.map_or(Ok(()), |batch| self.batches.send(batch).map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }
}

impl Chunker {
    /// Room for the longest chunk and what is read beyond its end.
    fn room(&self) -> Vec<u8> {
        vec![0; self.longest.max(BATCH) + STEP]
    }
}
