//! restic's sealing: AES-256-CTR and Poly1305-AES under the repository's master key.
//!
//! Format: restic's design document, section "Keys, Encryption and MAC": a random 16-byte nonce, the ciphertext, a
//! 16-byte tag. The library seals what it writes when it prunes and repairs; all else is sealed here.

use aes256ctr_poly1305aes::aead::{Aead, AeadInPlace};
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use rustic_core::repofile::MasterKey;
use std::io;

/// Seals and opens with a master key.
#[derive(Clone)]
pub(super) struct Sealer(Key);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Sealer {
    /// A sealer, unless the key has parts of a wrong length.
    pub(super) fn new(master: &MasterKey) -> Option<Self> {
        let bytes = [&master.encrypt[..], &master.mac.k[..], &master.mac.r[..]].concat();
        <[u8; 64]>::try_from(bytes).ok().map(|bytes| Self(bytes.into()))
    }

    pub(super) fn seal(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce).map_err(|e| io::Error::other(e.to_string()))?;
        let sealed = Aes256CtrPoly1305Aes::new(&self.0)
            .encrypt(Nonce::from_slice(&nonce), plain)
            .map_err(|_| io::Error::other("sealing failed"))?;
        let whole = [&nonce[..], &sealed[..]].concat();
        // As the library does with everything that it writes: what cannot be read back must not be stored.
        if self.open(&whole).as_deref() == Some(plain) { Ok(whole) } else { Err(io::Error::other("sealing failed")) }
    }

    /// Seals what lies between the first and the last 16 bytes, which become the nonce and the tag. Not read back: whoever
    /// seals in bulk looks at what can go wrong, which is what was done to the content before.
    pub(super) fn seal_in_place(&self, room: &mut [u8]) -> io::Result<()> {
        let failed = || io::Error::other("sealing failed");
        let (nonce, rest) = room.split_at_mut_checked(16).ok_or_else(failed)?;
        let (content, tag) = rest.len().checked_sub(16).map(|length| rest.split_at_mut(length)).ok_or_else(failed)?;
        getrandom::fill(nonce).map_err(|e| io::Error::other(e.to_string()))?;
        let sealed = Aes256CtrPoly1305Aes::new(&self.0)
            .encrypt_in_place_detached(Nonce::from_slice(nonce), &[], content)
            .map_err(|_| failed())?;
        tag.copy_from_slice(&sealed);
        Ok(())
    }

    /// The JSON of a file that may have been compressed before it was sealed; `None` as for [`Sealer::open`].
    pub(super) fn open_json(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        const LONGEST: usize = 1 << 20;
        let plain = self.open(sealed)?;
        match plain.split_first() {
            Some((2, compressed)) => zstd::bulk::decompress(compressed, LONGEST).ok(),
            _ => Some(plain),
        }
    }

    /// The content; `None` when it was not sealed with this key, or is damaged.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(16)?;
        Aes256CtrPoly1305Aes::new(&self.0).decrypt(Nonce::from_slice(nonce), rest).ok()
    }

    /// The same, without a copy: where it lay.
    pub(super) fn open_in_place<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (nonce, rest) = sealed.split_at_mut_checked(16)?;
        let (content, tag) = rest.split_at_mut_checked(rest.len().checked_sub(16)?)?;
        let opened = Aes256CtrPoly1305Aes::new(&self.0).decrypt_in_place_detached(
            Nonce::from_slice(nonce),
            &[],
            content,
            Tag::from_slice(tag),
        );
        opened.is_ok().then_some(&*content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_what_was_touched_does_not() {
        let key = Sealer::new(&MasterKey::new()).unwrap();
        let sealed = key.seal(b"{\"a\":1}").unwrap();
        assert_eq!(key.open(&sealed).unwrap(), b"{\"a\":1}");
        for at in [0, 16, sealed.len() - 1] {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert!(key.open(&touched).is_none());
            assert!(key.open_in_place(&mut touched).is_none());
        }
        assert!(key.open(b"short").is_none());
        assert!(key.open_in_place(&mut [0; 31]).is_none());
        assert_eq!(key.open_in_place(&mut sealed.clone()).unwrap(), b"{\"a\":1}");
        let mut room = [[0; 16].as_slice(), b"{}", &[0; 16]].concat();
        key.seal_in_place(&mut room).unwrap();
        assert_eq!(key.open(&room).unwrap(), b"{}");
        assert!(key.seal_in_place(&mut [0; 31]).is_err());
        assert!(Sealer::new(&MasterKey::new()).unwrap().open(&sealed).is_none());
        assert_eq!(format!("{key:?}"), "***");
    }
}
