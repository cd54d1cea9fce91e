//! From a file to the tar stream in it: what is around it is taken off by how it begins, whatever its name says.

use super::error::{ArchiveError, Trouble};
use super::openssl::{self, Decipher};
use crate::adapters::key::Secret;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// How much of a stream is looked at to know it: the first header of a tar.
const HEAD: usize = 512;
const BUFFER: usize = 256 << 10;

/// What was read of the file so far.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<(Sha256, u64)>>);

impl Tally {
    /// The SHA-256 of all that was read, in hex.
    pub(super) fn digest(&self) -> String {
        hex::encode(self.lock().0.clone().finalize())
    }

    /// How many bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Sha256, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file, counts, and ends when the work is cancelled.
struct Counted {
    file: File,
    tally: Tally,
    cancel: CancellationToken,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(ArchiveError::new(Trouble::Interrupted, "the work was ended from outside").into());
        }
        let length = self.file.read(buffer)?;
        let mut tally = self.tally.lock();
        tally.0.update(&buffer[..length]);
        tally.1 += length as u64;
        Ok(length)
    }
}

/// The tar stream of a file.
pub(super) struct Peeled {
    pub stream: Box<dyn Read + Send>,
    pub tally: Tally,
    /// What it is, outermost first: `openssl`, `gzip`, `zstd`, `tar`.
    pub form: Vec<&'static str>,
}

/// Opens a file and takes off what is around its tar stream.
pub(super) fn open(
    path: &Path,
    passphrase: Option<&Secret>,
    cancel: &CancellationToken,
) -> Result<Peeled, ArchiveError> {
    let unreadable = |error: io::Error| ArchiveError::new(Trouble::Unreadable, format!("it cannot be opened: {error}"));
    // A FIFO would be waited for, a device read for ever.
    let is_file = std::fs::metadata(path).map_err(unreadable)?.is_file();
    if !is_file {
        return Err(ArchiveError::new(Trouble::Unreadable, "it is no regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let tally = Tally::default();
    let mut stream: Box<dyn Read + Send> =
        Box::new(BufReader::with_capacity(BUFFER, Counted { file, tally: tally.clone(), cancel: cancel.clone() }));
    let mut form = Vec::new();
    loop {
        let head = head(&mut stream)?;
        let rest = Cursor::new(head.clone()).chain(stream);
        let kind = kind(&head, form.contains(&"openssl"))?;
        form.push(kind);
        // One of each at most: what is packed twice is no backup.
        if form.iter().filter(|other| **other == kind).count() > 1 {
            return Err(ArchiveError::new(
                Trouble::Unknown,
                format!("it is {kind} within {kind}; unpack it once by hand"),
            ));
        }
        stream = match kind {
            "openssl" => {
                let passphrase = passphrase.ok_or_else(|| {
                    let message = "it is encrypted: name the passphrase with `--passphrase-file` or `--passphrase-env`";
                    ArchiveError::new(Trouble::Passphrase, message)
                })?;
                let mut rest = rest;
                rest.read_exact(&mut [0; openssl::MAGIC.len()]).map_err(ArchiveError::reading)?;
                Box::new(Decipher::new(rest, passphrase).map_err(ArchiveError::reading)?)
            }
            "gzip" => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, rest))),
            "zstd" => Box::new(zstd::stream::read::Decoder::new(rest).map_err(ArchiveError::reading)?),
            _ => return Ok(Peeled { stream: Box::new(rest), tally, form }),
        };
    }
}

fn head(stream: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    let mut head = Vec::with_capacity(HEAD);
    stream.take(HEAD as u64).read_to_end(&mut head).map_err(ArchiveError::reading)?;
    Ok(head)
}

/// What begins so.
fn kind(head: &[u8], deciphered: bool) -> Result<&'static str, ArchiveError> {
    const KNOWN: &[(&[u8], &str)] =
        &[(openssl::MAGIC, "openssl"), (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")];
    const OTHERS: &[(&[u8], &str)] = &[
        (b"BZh", "is packed with bzip2: unpack it first, `bunzip2 FILE`"),
        (b"\xfd7zXZ", "is packed with xz: unpack it first, `unxz FILE`"),
        (b"PK\x03\x04", "is a ZIP file and has no owners and modes: unpack it by hand"),
        (b"age-encryption.org", "is encrypted with age: decrypt it first, `age --decrypt`"),
        (b"-----BEGIN PGP", "is encrypted with GPG: decrypt it first, `gpg --decrypt`"),
    ];
    if let Some((_, kind)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok(kind);
    }
    if head.is_empty() {
        return Err(ArchiveError::new(Trouble::Unknown, "it is empty"));
    }
    let header = head.get(..HEAD);
    if header.is_some_and(|header| super::header::is_one(header) || header.iter().all(|byte| *byte == 0)) {
        return Ok("tar");
    }
    if deciphered {
        let message = "what it was encrypted from is no archive: the passphrase is another one, or it was not made with \
                       `openssl enc -aes-256-cbc -pbkdf2`";
        return Err(ArchiveError::new(Trouble::Passphrase, message));
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(ArchiveError::new(Trouble::Unknown, format!("it {what}")));
    }
    // A packet of RFC 4880 that holds an encrypted session key.
    if head.first().is_some_and(|first| matches!(first, 0x84..=0x8e | 0xc1 | 0xc3)) && !head.starts_with(b"\x89PNG") {
        return Err(ArchiveError::new(
            Trouble::Unknown,
            "it may be encrypted with GPG: decrypt it first, `gpg --decrypt`",
        ));
    }
    Err(ArchiveError::new(Trouble::Unknown, "it is no tar file, plain, gzip, zstd, or encrypted by `openssl enc`"))
}
