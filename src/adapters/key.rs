//! Keys: where they come from, and that they never show.

use crate::policy::SecretRef;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most bytes that a secret may have; a file that is longer is not a secret but a mistake.
const LONGEST: u64 = 64 * 1024;

/// A secret. `Debug` prints `***`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Why a secret could not be had. Names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; set it for the Seawall process")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("the key file {path} cannot be read; check that it exists and that Seawall may read it")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty; an empty key would protect nothing")]
    Empty(String),
    /// It is not UTF-8, or far too long for a key.
    #[error("{0} does not hold a key: it is not text of at most 64 KiB")]
    NotText(String),
    /// A new key could not be stored.
    #[error("a new key could not be written to {path}")]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads a secret from where a document says it is. One trailing line break is not part of it.
///
/// # Errors
/// It is not there, unreadable, empty or not text.
pub fn read(from: &SecretRef) -> Result<Secret, KeyError> {
    match from {
        SecretRef::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| KeyError::NoVariable(name.clone()))?;
            let what = format!("the environment variable {name}");
            let text = value.into_string().map_err(|_| KeyError::NotText(what.clone()))?;
            text_of(text, &what)
        }
        SecretRef::File(path) => read_file(path),
    }
}

/// Reads the first line of a secret: `openssl` takes no more of a file for a passphrase (openssl-passphrase-options(1)).
///
/// # Errors
/// As [`read`].
pub fn read_line(from: &SecretRef) -> Result<Secret, KeyError> {
    let secret = read(from)?;
    let line = secret.reveal().split('\n').next().unwrap_or_default().to_owned();
    text_of(line, "the first line of it")
}

/// Reads a secret from a file.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path) -> Result<Secret, KeyError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
    let what = format!("the key file {}", path.display());
    if bytes.len() as u64 > LONGEST {
        return Err(KeyError::NotText(what));
    }
    let text = String::from_utf8(bytes).map_err(|_| KeyError::NotText(what.clone()))?;
    text_of(text, &what)
}

fn text_of(mut text: String, what: &str) -> Result<Secret, KeyError> {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(KeyError::Empty(what.to_owned())) } else { Ok(Secret(text)) }
}

/// Makes a key of 32 random bytes of the operating system, in hex, and stores it.
///
/// # Errors
/// As [`store`].
pub fn generate(path: &Path) -> Result<Secret, KeyError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| KeyError::Unwritable { path: path.to_owned(), source: io::Error::other(e.to_string()) })?;
    let secret = Secret(hex::encode(bytes));
    store(path, &secret)?;
    Ok(secret)
}

/// Stores a key at `path`: mode 0600, in a directory of mode 0700, durable on return, never over an existing file.
///
/// # Errors
/// It could not be stored; nothing half-written stays.
pub fn store(path: &Path, secret: &Secret) -> Result<(), KeyError> {
    let failed = |source| KeyError::Unwritable { path: path.to_owned(), source };
    let directory = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file
        .write_all(format!("{}\n", secret.reveal()).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(directory)?.sync_all());
    if let Err(error) = written {
        if let Err(leftover) = std::fs::remove_file(path) {
            tracing::warn!(file = %path.display(), error = %leftover, "a half-written key file stays behind");
        }
        return Err(failed(error));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "***");
    }

    #[test]
    fn one_line_break_is_dropped_and_an_empty_key_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for (content, wanted) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&SecretRef::File(path.clone())).unwrap().reveal(), wanted);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read_file(&path), Err(KeyError::Empty(_))));
    }

    #[test]
    fn a_generated_key_is_private_and_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/default.key");
        let key = generate(&path).unwrap();
        assert_eq!(key.reveal().len(), 64);
        assert_eq!(read_file(&path).unwrap(), key);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(generate(&path), Err(KeyError::Unwritable { .. })));
        assert_eq!(read_file(&path).unwrap(), key);
    }
}
