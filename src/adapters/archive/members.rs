//! The entries of a tar stream, one after the other, in every dialect that backups are written in: ustar, pax, GNU.
//!
//! The `tar` crate decodes headers; the framing is ours. In its ordinary mode it splits extended headers at line breaks,
//! which ACLs hold, and in its raw mode it does not know the blocks behind the header of a file with many holes.

use super::error::ArchiveError;
use super::header::{self, Announced, BLOCK, Kind};
use super::pax::Records;
use super::sparse;
use crate::adapters::lay::Attributes;
use std::io::{self, Read};
use tar::Header;

/// Most bytes of one extended header: far above the attributes that a file can have.
const MOST_RECORDS: u64 = 4 << 20;
/// Most bytes of a long name.
const LONGEST_NAME: u64 = 64 << 10;
/// Most headers about one entry.
const MOST_HEADERS: u32 = 16;
/// Most zeros behind the end of an archive: tapes were written in large records.
const MOST_PADDING: u64 = 64 << 20;

/// One entry, before anything is believed of it.
#[derive(Debug)]
pub(super) struct Member {
    /// As it is written.
    pub name: Vec<u8>,
    pub kind: Kind,
    pub attributes: Attributes,
    /// Bytes of the file, holes among them.
    pub size: u64,
    /// What of it follows: where, and how much.
    pub parts: sparse::Parts,
    /// What of its attributes cannot be had.
    pub troubles: Vec<String>,
}

/// The entries of a stream.
pub(super) struct Members {
    from: Box<dyn Read + Send>,
    /// Bytes of the current content that are not read yet, and the zeros behind it.
    left: u64,
    padding: u64,
    global: Records,
    /// Bytes of headers so far, for those who bound what a stream may unpack to.
    pub headers: u64,
}

impl Members {
    pub fn new(from: Box<dyn Read + Send>) -> Self {
        Self { from, left: 0, padding: 0, global: Records::default(), headers: 0 }
    }

    /// The next entry; what is left of the last one is skipped. `None`: this was all, down to the last checksum.
    pub fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        self.skip(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let (mut own, mut name, mut link) = (Records::default(), None, None);
        for seen in 0..MOST_HEADERS {
            let Some(header) = self.header()? else {
                if seen > 0 {
                    return Err(ArchiveError::damaged("it ends behind the header of something that does not follow"));
                }
                return self.end().map(|()| None);
            };
            let written = match (own.get("GNU.sparse.name").or_else(|| own.get("path")), &name) {
                (Some(path), _) => path.to_owned(),
                (None, Some(name)) => Vec::clone(name),
                (None, None) => header.path_bytes().into_owned(),
            };
            match header::announced(&header, &written)? {
                Announced::Pax { global: true } => {
                    let content = self.content(&header, MOST_RECORDS)?;
                    self.global.add(&content)?;
                }
                Announced::Pax { global: false } => {
                    let content = self.content(&header, MOST_RECORDS)?;
                    own.add(&content)?;
                }
                Announced::LongName => name = Some(self.long(&header)?),
                Announced::LongLink => link = Some(self.long(&header)?),
                Announced::Nothing => self.skip(padded(header::size(&header)?)?)?,
                Announced::Entry(kind) => return self.member(&header, written, Some(kind), &own, link).map(Some),
                Announced::GnuSparse => return self.member(&header, written, None, &own, link).map(Some),
            }
        }
        Err(ArchiveError::refused(format!("one entry of it has more than {MOST_HEADERS} headers")))
    }

    /// What follows of the current entry, at most `buffer`; 0 at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let mut length = 0;
        while length < room {
            match self.from.read(&mut buffer[length..room]) {
                Ok(0) => return Err(ArchiveError::reading(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::reading(error)),
            }
        }
        self.left -= length as u64;
        Ok(length)
    }

    /// `kind`: `None` for a file with holes.
    fn member(
        &mut self,
        header: &Header,
        name: Vec<u8>,
        kind: Option<Kind>,
        own: &Records,
        link: Option<Vec<u8>>,
    ) -> Result<Member, ArchiveError> {
        let records = self.global.overlaid(own.clone());
        let mut attributes = header::attributes(header)?;
        let old = kind.is_none();
        let mut kind = kind.unwrap_or(Kind::File);
        if let (Kind::Symlink(target) | Kind::Hardlink(target), Some(long)) = (&mut kind, link) {
            *target = long;
        }
        let troubles = records.apply(&mut attributes, &mut kind)?;
        let stored = match records.number("size")? {
            Some(size) => size,
            None => header::size(header)?,
        };
        // Some programs write the size of a file at its other names, and no content.
        let stored = if matches!(kind, Kind::File) || header.entry_type().as_byte() == b'D' { stored } else { 0 };
        self.left = stored;
        self.padding = padded(stored)? - stored;
        let mut parts = vec![(0, stored)];
        let mut size = stored;
        if old {
            let (real, listed, blocks) = sparse::old(header, &mut self.from)?;
            self.headers += blocks * BLOCK as u64;
            (size, parts) = (real, sparse::checked(real, listed, stored)?);
        } else if matches!(kind, Kind::File)
            && let Some((real, listed, read)) = sparse::extended(&records, stored, &mut self.from)?
        {
            self.left = stored.saturating_sub(read);
            (size, parts) = (real, sparse::checked(real, listed, self.left)?);
        }
        Ok(Member { name, kind, attributes, size, parts, troubles })
    }

    /// `None`: a block of zeros, or the end of the stream.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let mut block = [0; BLOCK];
        let mut length = 0;
        while length < BLOCK {
            match self.from.read(&mut block[length..]) {
                Ok(0) if length == 0 => {
                    let message = "it ends without the mark of an end: the file is truncated; look for another copy";
                    return Err(ArchiveError::damaged(message));
                }
                Ok(0) => return Err(ArchiveError::reading(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::reading(error)),
            }
        }
        self.headers += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if !header::is_one(&block) {
            return Err(ArchiveError::damaged("a header of it has a wrong checksum; look for another copy"));
        }
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    fn content(&mut self, header: &Header, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let size = header::size(header)?;
        if size > most {
            return Err(ArchiveError::refused(format!("a header of it has {size} bytes, more than {most}")));
        }
        let mut content = Vec::new();
        (&mut self.from).take(size).read_to_end(&mut content).map_err(ArchiveError::reading)?;
        if content.len() as u64 != size {
            return Err(ArchiveError::reading(io::ErrorKind::UnexpectedEof.into()));
        }
        self.headers += padded(size)?;
        self.skip(padded(size)? - size)?;
        Ok(content)
    }

    fn long(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let mut name = self.content(header, LONGEST_NAME)?;
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        let skipped = io::copy(&mut (&mut self.from).take(bytes), &mut io::sink()).map_err(ArchiveError::reading)?;
        if skipped == bytes { Ok(()) } else { Err(ArchiveError::reading(io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Reads what is behind the end, so that the last checksum has been looked at.
    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = vec![0; 64 << 10];
        let mut seen = 0;
        loop {
            let length = match self.from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ArchiveError::reading(error)),
            };
            seen += length as u64;
            if buffer[..length].iter().any(|byte| *byte != 0) {
                let message = "there is more behind the end of the archive: several were joined; take them apart first";
                return Err(ArchiveError::refused(message));
            }
            if seen > MOST_PADDING {
                return Err(ArchiveError::refused("there are far too many zeros behind the end of the archive"));
            }
        }
    }
}

fn padded(size: u64) -> Result<u64, ArchiveError> {
    size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| ArchiveError::damaged("a size of it is too large"))
}
