//! One header of a tar file, with its checksum looked at.

use super::error::ArchiveError;
use crate::adapters::lay::Attributes;
use std::io;
use tar::Header;

/// Headers and contents are padded to this.
pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with where it points, as it is written.
    Symlink(Vec<u8>),
    /// Another name of something that came before, by that name.
    Hardlink(Vec<u8>),
    /// A named pipe.
    Fifo,
}

/// What a header announces.
pub(super) enum Announced {
    /// An entry of this kind.
    Entry(Kind),
    /// A file with holes, in GNU's old way.
    GnuSparse,
    /// Records about the next entry, or about all that follow.
    Pax {
        global: bool,
    },
    /// The name of the next entry, or where it links to.
    LongName,
    LongLink,
    /// Something without a meaning for the tree: a volume's label.
    Nothing,
}

/// Whether a block is a header: whether its checksum is right.
pub(super) fn is_one(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(block) else { return false };
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    // Some old programs added signed bytes.
    let signed: i32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { i32::from(byte.cast_signed()) })
        .sum();
    let stored = Header::from_byte_slice(block).cksum();
    stored.is_ok_and(|stored| stored == sum || i32::try_from(stored) == Ok(signed))
}

pub(super) fn announced(header: &Header, name: &[u8]) -> Result<Announced, ArchiveError> {
    let link = || header.link_name_bytes().unwrap_or_default().into_owned();
    let entry = |kind| Ok(Announced::Entry(kind));
    let shown = || String::from_utf8_lossy(name).into_owned();
    match header.entry_type().as_byte() {
        // Before POSIX a directory was a file whose name ended so.
        b'\0' | b'0' | b'7' if name.ends_with(b"/") => entry(Kind::Directory),
        b'\0' | b'0' | b'7' => entry(Kind::File),
        b'1' => entry(Kind::Hardlink(link())),
        b'2' => entry(Kind::Symlink(link())),
        // GNU's incremental backups list what is in a directory, which the entries say too.
        b'5' | b'D' => entry(Kind::Directory),
        b'6' => entry(Kind::Fifo),
        b'3' | b'4' => Err(ArchiveError::refused(format!(
            "{} is a device file; Seawall makes none from an archive, since it may be that of a disk",
            shown()
        ))),
        b'S' => Ok(Announced::GnuSparse),
        b'x' | b'X' => Ok(Announced::Pax { global: false }),
        b'g' => Ok(Announced::Pax { global: true }),
        b'L' => Ok(Announced::LongName),
        b'K' => Ok(Announced::LongLink),
        b'V' => Ok(Announced::Nothing),
        b'M' => Err(ArchiveError::refused("it is a part of an archive of several volumes; join them first")),
        other => Err(ArchiveError::refused(format!(
            "{} is of a kind that is not known ({}): nothing of the archive is used rather than a part",
            shown(),
            char::from(other).escape_default()
        ))),
    }
}

/// Bytes of content that follow the header, as it says.
pub(super) fn size(header: &Header) -> Result<u64, ArchiveError> {
    header.entry_size().map_err(|error| nonsense(&error))
}

/// Owner, mode and time, as the header has them.
pub(super) fn attributes(header: &Header) -> Result<Attributes, ArchiveError> {
    let id = |id: io::Result<u64>| {
        let id = id.map_err(|error| nonsense(&error))?;
        u32::try_from(id).map_err(|_| ArchiveError::damaged(format!("{id} is no number of a user or group")))
    };
    Ok(Attributes {
        mode: header.mode().map_err(|error| nonsense(&error))? & 0o7777,
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mtime: (seconds(header)?, 0),
        xattrs: Vec::new(),
    })
}

/// GNU tar writes times before 1970 as negative binary numbers.
fn seconds(header: &Header) -> Result<i64, ArchiveError> {
    let field = &header.as_old().mtime;
    if field[0] & 0x80 == 0 {
        let seconds = header.mtime().map_err(|error| nonsense(&error))?;
        return i64::try_from(seconds).map_err(|_| ArchiveError::damaged("a time is too large"));
    }
    let bytes: [u8; 8] = field[4..].try_into().unwrap_or_default();
    let sign_fits = field[..4].iter().all(|byte| *byte == 0xff) == (bytes[0] & 0x80 != 0);
    if sign_fits { Ok(i64::from_be_bytes(bytes)) } else { Err(ArchiveError::damaged("a time is too large")) }
}

pub(super) fn nonsense(error: &io::Error) -> ArchiveError {
    ArchiveError::damaged(format!("a header of it makes no sense: {error}"))
}
