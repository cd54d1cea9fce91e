//! Files that `openssl enc -aes-256-cbc -pbkdf2` wrote.
//!
//! `Salted__`, eight bytes of salt, then AES-256 in CBC mode with PKCS #7 padding. Key and first vector come from the
//! passphrase by PBKDF2 with SHA-256 and 10,000 rounds, OpenSSL's defaults since 1.1.1 (openssl-enc(1)). Nothing in the
//! format tells whether the content was changed: that is for what lies in it.

use super::error::{ArchiveError, Trouble};
use crate::adapters::key::Secret;
use aes::Aes256;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use ring::pbkdf2;
use std::io::{self, Read};
use std::num::NonZeroU32;

/// How such a file begins.
pub(super) const MAGIC: &[u8; 8] = b"Salted__";
/// openssl-enc(1), `-iter`.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
const BLOCK: usize = 16;
/// Bytes that are deciphered at a time.
const CHUNK: usize = 4096 * BLOCK;

/// Deciphers as it is read.
pub(super) struct Decipher<R> {
    from: R,
    cipher: cbc::Decryptor<Aes256>,
    /// The last block that was read: it may hold the padding.
    held: Option<[u8; BLOCK]>,
    plain: Vec<u8>,
    at: usize,
    done: bool,
}

impl<R: Read> Decipher<R> {
    /// Reads the salt, behind the magic.
    pub(super) fn new(mut from: R, passphrase: &Secret) -> io::Result<Self> {
        let mut salt = [0; 8];
        from.read_exact(&mut salt)?;
        let mut derived = [0; 48];
        let text = passphrase.reveal().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, text, &mut derived);
        let (key, vector) = derived.split_at(32);
        let cipher = cbc::Decryptor::new(GenericArray::from_slice(key), GenericArray::from_slice(vector));
        Ok(Self { from, cipher, held: None, plain: Vec::new(), at: 0, done: false })
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut length = 0;
        while length < CHUNK {
            match self.from.read(&mut chunk[length..]) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !length.is_multiple_of(BLOCK) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(length);
        for block in chunk.chunks_exact_mut(BLOCK) {
            self.cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
        }
        self.plain.clear();
        self.at = 0;
        self.plain.extend(self.held.take().into_iter().flatten());
        if length < CHUNK {
            self.done = true;
            self.plain.extend(&chunk);
            return self.unpad();
        }
        let (body, last) = chunk.split_at(length - BLOCK);
        self.plain.extend(body);
        self.held = last.try_into().ok();
        Ok(())
    }

    fn unpad(&mut self) -> io::Result<()> {
        let padding = usize::from(self.plain.last().copied().unwrap_or(0));
        let fits = (1..=BLOCK).contains(&padding) && padding <= self.plain.len();
        let keep = self.plain.len().saturating_sub(padding);
        if !fits || self.plain[keep..].iter().any(|byte| usize::from(*byte) != padding) {
            return Err(ArchiveError::new(
                Trouble::Damaged,
                "its encryption does not end as it should: the passphrase is another one, or the file is truncated",
            )
            .into());
        }
        self.plain.truncate(keep);
        Ok(())
    }
}

impl<R: Read> Read for Decipher<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() && !self.done {
            self.fill()?;
        }
        let length = buffer.len().min(self.plain.len() - self.at);
        buffer[..length].copy_from_slice(&self.plain[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
