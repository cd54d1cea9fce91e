//! Where files are cut, by their content, as restic cuts them.
//!
//! Format: restic's `chunker` package: a Rabin fingerprint over a window of 64 bytes, modulo the repository's polynomial.
//! A chunk ends where the low bits of the fingerprint are zero. The fingerprint depends on nothing but the window, so
//! several places are looked at at once, which is what makes this fast: one step alone waits for the one before.

use crate::adapters::repository::error::{Reason, RepositoryError};
use rustic_core::repofile::{Chunker as Kind, ConfigFile};

const WINDOW: usize = 64;
/// Bytes that are looked at at once, and in how many places.
const BLOCK: usize = 16 << 10;
const LANES: usize = 4;
const LANE: usize = BLOCK / LANES;

/// Finds the ends of chunks.
pub(super) struct Chunker {
    out: [u64; 256],
    reduce: [u64; 256],
    shift: u32,
    /// `None`: every chunk is as long as can be.
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
        let shift = degree.checked_sub(8).filter(|shift| *shift < 56)?;
        let (mut out, mut reduce) = ([0; 256], [0; 256]);
        for (byte, (out, reduce)) in (0_u64..).zip(out.iter_mut().zip(&mut reduce)) {
            let pushed = byte << degree;
            *reduce = modulo(pushed, polynomial) | pushed;
            *out = (1..WINDOW).fold(modulo(byte, polynomial), |hash, _| modulo(hash << 8, polynomial));
        }
        Some(Self { out, reduce, shift, mask: Some(size as u64 - 1), shortest, longest })
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
        let hash = hash ^ self.out[usize::from(out)];
        let top = usize::from(((hash >> self.shift) & 0xff) as u8);
        ((hash << 8) | u64::from(into)) ^ self.reduce[top]
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
        let lane = |nth: usize| {
            let from = from + nth * LANE;
            let outs = &bytes[from - WINDOW..][..LANE - 1];
            let intos = &bytes[from..][..LANE - 1];
            (self.prefill(bytes, from), outs, intos)
        };
        let ((mut a, ao, ai), (mut b, bo, bi)) = (lane(0), lane(1));
        let ((mut c, co, ci), (mut d, d_o, di)) = (lane(2), lane(3));
        let ends = |hash: u64| hash & mask == 0;
        let mut found = ends(a) | ends(b) | ends(c) | ends(d);
        for nth in 0..LANE - 1 {
            a = self.slide(a, ao[nth], ai[nth]);
            b = self.slide(b, bo[nth], bi[nth]);
            c = self.slide(c, co[nth], ci[nth]);
            d = self.slide(d, d_o[nth], di[nth]);
            found |= ends(a) | ends(b) | ends(c) | ends(d);
        }
        found
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
        let mask = chunker.mask.unwrap();
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
