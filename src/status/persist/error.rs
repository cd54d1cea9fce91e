//! What can be wrong with a state directory.

use std::path::{Path, PathBuf};

/// Why the state directory cannot be used. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another instance holds it.
    #[error(
        "the state directory {} is in use by {holder}; stop that instance, or give this one a directory of its own \
         with --state", dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Process id, start time and command, as the holder wrote them.
        holder: String,
    },
    /// A newer Seawall wrote it.
    #[error(
        "{} was written by a newer Seawall (format {found}, this one knows {known}); run that version, or move the \
         file away, which loses history and nothing else", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known format.
        known: i64,
    },
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried, as in `create`.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// The database refused.
    #[error("cannot {what} {}{}", path.display(), advice(source))]
    Database {
        /// What was tried, as in `read`.
        what: &'static str,
        /// The database.
        path: PathBuf,
        /// Its word.
        #[source]
        source: rusqlite::Error,
    },
}

impl StateError {
    /// The error with its causes, as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// Whether the file itself is broken, so that only a new one helps.
    pub(super) fn is_corruption(&self) -> bool {
        matches!(self, Self::Database { source, .. } if is_corruption(source))
    }
}

fn is_corruption(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// What a person can do about an error of the database.
fn advice(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly};
    match error.sqlite_error_code() {
        Some(DiskFull) => " (make room on its file system; Seawall goes on and tries again)",
        Some(ReadOnly) => " (the file or its file system cannot be written)",
        Some(PermissionDenied | CannotOpen) => " (run as the user that Seawall runs as, usually root)",
        _ if is_corruption(error) => " (restart Seawall: it sets the file aside and begins a new one)",
        _ => "",
    }
}
