//! What can be wrong with an archive, in words that say what to do.

use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The file is not there, or may not be read.
    Unreadable,
    /// It is no archive of a kind that is known.
    Unknown,
    /// It is encrypted, and the passphrase is missing or another.
    Passphrase,
    /// It ends too early, or a checksum says that it was changed.
    Damaged,
    /// It holds what is not laid down from an archive.
    Refused,
    /// There is no room for what it holds.
    NoSpace,
    /// Something could not be written where it was to be laid down.
    Unwritable,
    /// The work was cancelled.
    Interrupted,
}

/// Trouble with an archive. `Display` is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ArchiveError {
    kind: Trouble,
    message: String,
    #[source]
    source: Option<io::Error>,
}

impl ArchiveError {
    pub(super) fn new(kind: Trouble, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The kind of trouble.
    #[must_use]
    pub const fn kind(&self) -> Trouble {
        self.kind
    }

    /// That an archive holds something that is not laid down.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(Trouble::Refused, message)
    }

    /// That something makes no sense.
    pub(super) fn damaged(message: impl Into<String>) -> Self {
        Self::new(Trouble::Damaged, message)
    }

    /// What the readers below tell: the file, its cipher, its compression.
    pub(super) fn reading(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self {
                kind: Trouble::Damaged,
                message: "it ends too early: the file is truncated; look for another copy".to_owned(),
                source: Some(error),
            },
            Err(error) if error.raw_os_error().is_some() => Self {
                kind: Trouble::Unreadable,
                message: "it cannot be read to its end".to_owned(),
                source: Some(error),
            },
            // What the decoders say of their input.
            Err(error) => Self {
                kind: Trouble::Damaged,
                message: "it was changed or damaged after it was made; look for another copy".to_owned(),
                source: Some(error),
            },
        }
    }

    /// What the file system tells where something is laid down.
    pub(super) fn laying(path: &Path, error: Errno) -> Self {
        let at = shown(path);
        let (kind, message) = match error {
            Errno::NOSPC | Errno::DQUOT => (Trouble::NoSpace, format!("the disk is full at {at}")),
            Errno::LOOP | Errno::NOTDIR => (
                Trouble::Refused,
                format!("{at} lies below something that is no directory, or a link: it would lead elsewhere"),
            ),
            Errno::NAMETOOLONG => (Trouble::Refused, format!("the name of {at} is longer than a file system takes")),
            Errno::PERM | Errno::ACCESS => {
                (Trouble::Unwritable, format!("{at} cannot be made as it was; run Seawall as root"))
            }
            _ => (Trouble::Unwritable, format!("{at} cannot be made")),
        };
        Self { kind, message, source: Some(error.into()) }
    }

    /// The sentence with its cause.
    #[must_use]
    pub fn told(&self) -> String {
        self.source.as_ref().map_or_else(|| self.message.clone(), |source| format!("{} ({source})", self.message))
    }
}

/// Readers can only tell system errors; ours travel inside one.
impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}

/// A path as it is shown: in one line, whatever it holds.
pub(super) fn shown(path: &Path) -> String {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.to_string_lossy().chars().flat_map(char::escape_debug).collect()
}
