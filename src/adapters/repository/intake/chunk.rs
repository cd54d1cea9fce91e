//! Where files are cut, by their content, as restic cuts them.
//!
//! Format: restic's `chunker` package: a Rabin fingerprint over a window of 64 bytes, modulo the repository's polynomial.
//! A chunk ends where the low bits of the fingerprint are zero. The fingerprint depends on nothing but the window, so
//! several places are looked at at once, which is what makes this fast: one step alone waits for the one before.
//!
//! Fingerprints are kept at the upper end of their words: what is shifted out is then gone by itself, and the byte by
//! which they are reduced is the uppermost one.

use crate::adapters::repository::error::{Reason, RepositoryError};
use rustic_core::repofile::{Chunker as Kind, ConfigFile};

const WINDOW: usize = 64;
/// Bytes that are looked at at once, and in how many places.
const LANES: usize = 5;
const LANE: usize = 3 << 10;
const BLOCK: usize = LANES * LANE;

/// Finds the ends of chunks.
pub(super) struct Chunker {
    /// What a byte that leaves the window has become by then.
    out: [u64; 256],
    /// What the uppermost byte becomes when it is shifted out.
    reduce: [u64; 256],
    /// How far up fingerprints are kept.
    shift: u32,
    /// Of a fingerprint that is kept so. `None`: every chunk is as long as can be.
    mask: Option<u64>,
    /// No chunk but the last one of a file is shorter.
    pub shortest: usize,
    /// No chunk is longer.
    pub longest: usize,
}

impl Chunker {
    pub fn new(config: &ConfigFile) -> Result<Self, RepositoryError> {
        let strange = |what: &str| {
            RepositoryError::new(Reason::Damaged, format!("The repository's config file makes no sense: {what}"))
        };
        let size = config.chunk_size();
        if config.chunker() == Kind::FixedSize {
            let tables = ([0; 256], [0; 256]);
            let size = if size == 0 { return Err(strange("chunks of no size")) } else { size };
            return Ok(Self { out: tables.0, reduce: tables.1, shift: 0, mask: None, shortest: size, longest: size });
        }
        let polynomial = u64::from_str_radix(&config.chunker_polynomial, 16)
            .map_err(|_| strange("the chunker's polynomial is no number"))?;
        let (shortest, longest) = (config.chunk_min_size(), config.chunk_max_size());
        if !size.is_power_of_two() || shortest < WINDOW || longest < shortest {
            return Err(strange("sizes of chunks that do not go together"));
        }
        Self::with(polynomial, size, shortest, longest).ok_or_else(|| strange("the chunker's polynomial"))
    }

    fn with(polynomial: u64, size: usize, shortest: usize, longest: usize) -> Option<Self> {
        let degree = degree(polynomial)?;
        let shift = 64_u32.checked_sub(degree).filter(|shift| (1..=56).contains(shift))?;
        let (mut out, mut reduce) = ([0; 256], [0; 256]);
        for (byte, (out, reduce)) in (0_u64..).zip(out.iter_mut().zip(&mut reduce)) {
            let pushed = |hash: u64| modulo(hash << 8, polynomial);
            *reduce = pushed(byte << (degree - 8)) << shift;
            *out = (0..WINDOW).fold(byte, |hash, _| pushed(hash)) << shift;
        }
        let mask = (size as u64 - 1) << shift;
        Some(Self { out, reduce, shift, mask: Some(mask), shortest, longest })
    }

    /// The length of the chunk that begins with these bytes, or `None` when that takes more of them. Lengths up to
    /// `tried` have been tried.
    pub fn cut(&self, bytes: &[u8], tried: usize) -> Option<usize> {
        let end = bytes.len().min(self.longest);
        let mut at = self.shortest.max(tried + 1);
        if let Some(mask) = self.mask {
            while at + BLOCK <= end {
                if self.any_in_block(bytes, at, mask) {
                    // One at a time, as the first of several counts.
                    if let Some(found) = self.first(bytes, at, at + BLOCK - 1, mask) {
                        return Some(found);
                    }
                }
                at += BLOCK;
            }
            if at <= end
                && let Some(found) = self.first(bytes, at, end, mask)
            {
                return Some(found);
            }
        }
        (bytes.len() >= self.longest).then_some(self.longest)
    }

    #[inline]
    fn slide(&self, hash: u64, out: u8, into: u8) -> u64 {
        let moved = self.out[usize::from(out)] ^ (u64::from(into) << self.shift);
        (hash << 8) ^ moved ^ self.reduce[(hash >> 56) as usize]
    }

    /// The fingerprint of the window that ends at a length.
    fn prefill(&self, bytes: &[u8], length: usize) -> u64 {
        bytes[length - WINDOW..length].iter().fold(0, |hash, byte| self.slide(hash, 0, *byte))
    }

    fn first(&self, bytes: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
        let mut hash = self.prefill(bytes, from);
        if hash & mask == 0 {
            return Some(from);
        }
        let (outs, intos) = (&bytes[from - WINDOW..to - WINDOW], &bytes[from..to]);
        for (nth, (out, into)) in outs.iter().zip(intos).enumerate() {
            hash = self.slide(hash, *out, *into);
            if hash & mask == 0 {
                return Some(from + nth + 1);
            }
        }
        None
    }

    /// Whether a chunk may end at one of the `BLOCK` lengths from `from` on.
    fn any_in_block(&self, bytes: &[u8], from: usize, mask: u64) -> bool {
        let block: &[u8; WINDOW + BLOCK] = match bytes[from - WINDOW..].first_chunk() {
            Some(block) => block,
            None => return true,
        };
        let mut hashes: [u64; LANES] = std::array::from_fn(|lane| self.prefill(bytes, from + lane * LANE));
        let ends = |hashes: &[u64; LANES]| hashes.iter().any(|hash| hash & mask == 0);
        if ends(&hashes) {
            return true;
        }
        for at in 0..LANE - 1 {
            for (lane, hash) in hashes.iter_mut().enumerate() {
                let at = at + lane * LANE;
                *hash = self.slide(*hash, block[at], block[at + WINDOW]);
            }
            if ends(&hashes) {
                return true;
            }
        }
        false
    }
}

fn degree(polynomial: u64) -> Option<u32> {
    polynomial.checked_ilog2()
}

fn modulo(mut value: u64, by: u64) -> u64 {
    let Some(to) = degree(by) else { return value };
    while let Some(far) = degree(value).and_then(|degree| degree.checked_sub(to)) {
        value ^= by << far;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window's fingerprint by long division, and nothing else.
    fn plain(bytes: &[u8], polynomial: u64) -> u64 {
        bytes.iter().fold(0, |hash, byte| modulo((hash << 8) | u64::from(*byte), polynomial))
    }

    fn plainly(chunker: &Chunker, polynomial: u64, bytes: &[u8]) -> Option<usize> {
        let mask = chunker.mask.unwrap() >> chunker.shift;
        let ends = |length: usize| plain(&bytes[length - WINDOW..length], polynomial) & mask == 0;
        let all = chunker.shortest..=bytes.len().min(chunker.longest);
        all.into_iter().find(|length| *length == chunker.longest || ends(*length))
    }

    #[test]
    fn it_cuts_where_the_definition_says() {
        const POLYNOMIAL: u64 = 0x003D_A335_8B4D_C173;
        let chunker = Chunker::with(POLYNOMIAL, 1 << 14, 1 << 10, 1 << 16).unwrap();
        let mut random = fastrand::Rng::with_seed(4);
        let mut data = vec![0; 1 << 18];
        random.fill(&mut data);
        data[60_000..100_000].fill(0);
        let (mut rest, mut lengths) = (&data[..], Vec::new());
        while let Some(length) = chunker.cut(rest, 0) {
            assert_eq!(Some(length), plainly(&chunker, POLYNOMIAL, rest));
            // The same when the bytes come bit by bit.
            let (mut tried, mut given) = (0, 700);
            while chunker.cut(&rest[..given], tried).is_none() {
                (tried, given) = (given, (given + 700).min(rest.len()));
            }
            assert_eq!(chunker.cut(&rest[..given], tried), Some(length));
            lengths.push(length);
            rest = &rest[length..];
        }
        assert_eq!(plainly(&chunker, POLYNOMIAL, rest), None);
        assert!(lengths.contains(&(1 << 10)), "zeros are cut as short as can be");
        assert!(lengths.len() > 12, "{lengths:?}");
    }
}
