//! Text that is kept and seldom read: lines that differ in a name or a number take a twentieth of their room.

use bytes::Bytes;
use std::sync::Arc;
use zstd::bulk::{Compressor, Decompressor};

/// What is shorter is kept as it is.
const WORTH_IT: usize = 1 << 10;

/// A piece of text.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    bytes: Bytes,
    squeezed: bool,
    /// The bytes of the text.
    pub length: usize,
}

/// Packs texts. What it works with takes longer to make than most texts to pack, and more room than they need kept.
#[derive(Default)]
pub struct Packer(Option<Compressor<'static>>);

impl Packer {
    /// Packs a text, where that is worth it.
    #[must_use]
    pub fn pack(&mut self, text: &str) -> Packed {
        let squeezed = (text.len() > WORTH_IT).then(|| self.squeeze(text)).flatten();
        let (squeezed, mut bytes) = squeezed.map_or_else(|| (false, text.into()), |bytes| (true, bytes));
        bytes.shrink_to_fit();
        Packed { bytes: bytes.into(), squeezed, length: text.len() }
    }

    fn squeeze(&mut self, text: &str) -> Option<Vec<u8>> {
        if self.0.is_none() {
            self.0 = Compressor::new(1).ok();
        }
        self.0.as_mut()?.compress(text.as_bytes()).ok()
    }
}

/// Unpacks one piece after the other.
pub struct Unpacked {
    pieces: Arc<Vec<Packed>>,
    next: usize,
    unpack: Option<Decompressor<'static>>,
}

impl Unpacked {
    /// Of all these.
    #[must_use]
    pub fn new(pieces: Arc<Vec<Packed>>) -> Self {
        Self { pieces, next: 0, unpack: Decompressor::new().ok() }
    }
}

impl Iterator for Unpacked {
    type Item = Bytes;

    /// Ends early where a piece cannot be unpacked, which means that the memory is broken: whoever was told the length
    /// of the text notices.
    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.next)?;
        self.next += 1;
        if !piece.squeezed {
            return Some(piece.bytes.clone());
        }
        self.unpack.as_mut()?.decompress(&piece.bytes, piece.length).ok().map(Bytes::from)
    }
}
