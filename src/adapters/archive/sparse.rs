//! Files with holes: which parts of a file are in the archive, in each of GNU tar's ways to say it.

use super::error::ArchiveError;
use super::header::BLOCK;
use super::pax::Records;
use std::io::Read;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

/// Most parts of one file; each takes 16 bytes of memory.
const MOST_PARTS: usize = 1 << 20;

/// The parts of a file that are in the archive: where they begin, and their lengths.
pub(super) type Parts = Vec<(u64, u64)>;

fn broken() -> ArchiveError {
    ArchiveError::damaged("a file with holes makes no sense: its parts do not fit its size")
}

/// GNU's old way: four parts in the header, more in blocks behind it. The size of the file, its parts, and how many blocks
/// were read.
pub(super) fn old(header: &Header, from: &mut dyn Read) -> Result<(u64, Parts, u64), ArchiveError> {
    let gnu = header.as_gnu().ok_or_else(broken)?;
    let size = gnu.real_size().map_err(|error| super::header::nonsense(&error))?;
    let mut parts = Vec::new();
    take(&gnu.sparse, &mut parts)?;
    let (mut more, mut blocks) = (gnu.is_extended(), 0);
    while more {
        let mut block = GnuExtSparseHeader::new();
        from.read_exact(block.as_mut_bytes()).map_err(ArchiveError::reading)?;
        blocks += 1;
        take(block.sparse(), &mut parts)?;
        more = block.is_extended();
    }
    Ok((size, parts, blocks))
}

fn take(listed: &[GnuSparseHeader], parts: &mut Parts) -> Result<(), ArchiveError> {
    for part in listed.iter().filter(|part| !part.is_empty()) {
        let (at, length) = (part.offset(), part.length());
        let (at, length) = at.and_then(|at| Ok((at, length?))).map_err(|error| super::header::nonsense(&error))?;
        parts.push((at, length));
        if parts.len() > MOST_PARTS {
            return Err(ArchiveError::refused("a file with holes has more parts than are taken"));
        }
    }
    Ok(())
}

/// The ways of extended headers: the size of the file, its parts, and how many bytes of the content were read for them.
/// `None`: it is a file like any other.
pub(super) fn extended(
    records: &Records,
    left: u64,
    from: &mut dyn Read,
) -> Result<Option<(u64, Parts, u64)>, ArchiveError> {
    let size = match records.number("GNU.sparse.realsize")? {
        Some(size) => Some(size),
        None => records.number("GNU.sparse.size")?,
    };
    if records.get("GNU.sparse.major") == Some(b"1") {
        let (parts, read) = listed(left, from)?;
        return Ok(Some((size.ok_or_else(broken)?, parts, read)));
    }
    let numbers = match records.get("GNU.sparse.map") {
        Some(map) => {
            let text = std::str::from_utf8(map).map_err(|_| broken())?;
            text.split(',').map(|n| n.parse().map_err(|_| broken())).collect::<Result<Vec<u64>, _>>()?
        }
        None => records.segments.clone(),
    };
    let Some(size) = size.filter(|_| !numbers.is_empty()) else { return Ok(None) };
    let pairs = numbers.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(broken());
    }
    Ok(Some((size, pairs.map(|pair| (pair[0], pair[1])).collect(), 0)))
}

/// Version 1.0: how many parts, and the parts, as lines at the beginning of the content.
fn listed(left: u64, from: &mut dyn Read) -> Result<(Parts, u64), ArchiveError> {
    let (mut read, mut numbers, mut line) = (0, Vec::new(), Vec::new());
    let mut wanted = 1;
    let mut block = [0; BLOCK];
    while numbers.len() < wanted {
        if read + BLOCK as u64 > left.next_multiple_of(BLOCK as u64) {
            return Err(broken());
        }
        from.read_exact(&mut block).map_err(ArchiveError::reading)?;
        read += BLOCK as u64;
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let number: u64 = std::str::from_utf8(&line).ok().and_then(|n| n.parse().ok()).ok_or_else(broken)?;
            line.clear();
            if numbers.is_empty() {
                let parts = usize::try_from(number).ok().filter(|parts| *parts <= MOST_PARTS).ok_or_else(broken)?;
                wanted = 1 + 2 * parts;
            }
            numbers.push(number);
            if numbers.len() == wanted {
                break;
            }
        }
        if line.len() > 20 {
            return Err(broken());
        }
    }
    Ok((numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), read))
}

/// The parts in order, within the size, and as long as what is stored.
pub(super) fn checked(size: u64, mut parts: Parts, stored: u64) -> Result<Parts, ArchiveError> {
    parts.retain(|(_, length)| *length > 0);
    let (mut end, mut sum) = (0, 0_u64);
    for (at, length) in &parts {
        if *at < end {
            return Err(broken());
        }
        end = at.checked_add(*length).filter(|end| *end <= size).ok_or_else(broken)?;
        sum = sum.checked_add(*length).ok_or_else(broken)?;
    }
    if sum == stored { Ok(parts) } else { Err(broken()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_to_fit() {
        assert_eq!(checked(10, vec![(0, 2), (8, 2), (10, 0)], 4).unwrap(), [(0, 2), (8, 2)]);
        for (size, parts, stored) in
            [(10, vec![(8, 3)], 3), (10, vec![(4, 2), (2, 2)], 4), (10, vec![(0, 2)], 3), (10, vec![(u64::MAX, 2)], 2)]
        {
            assert!(checked(size, parts, stored).is_err());
        }
    }

    #[test]
    fn a_list_of_parts_that_lies_is_refused() {
        let read = |text: &str| {
            let mut block = vec![0; BLOCK];
            block[..text.len()].copy_from_slice(text.as_bytes());
            listed(600, &mut block.as_slice())
        };
        assert_eq!(read("2\n0\n5\n100\n7\n").unwrap(), (vec![(0, 5), (100, 7)], 512));
        for bad in ["2\n0\n5\n", "x\n", "99999999999\n", "1\n-1\n5\n", "123456789012345678901234567890"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
