//! What can go wrong with a repository, in words that say what to do.

use super::files::said;
use crate::adapters::s3::{Refused, S3Error};
use rustic_core::RusticError;
use std::error::Error;
use std::io;
use std::path::Path;

/// The kind of trouble: one CamelCase word for programs, see [`Reason::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The key opens nothing in this repository.
    WrongKey,
    /// The repository exists and the key that Seawall made for it is gone.
    KeyLost,
    /// The password could not be read from where the policy says it is.
    KeyUnreadable,
    /// There is no repository where one has to be.
    NotFound,
    /// The directory holds something else.
    NotARepository,
    /// What the repository holds is not what was written.
    Damaged,
    /// Someone else holds a lock that forbids the operation.
    Locked,
    /// The disk is full.
    NoSpace,
    /// The system refuses access.
    PermissionDenied,
    /// The repository's disk does not answer as it should.
    Unavailable,
    /// The source broke off while it was read.
    SourceLost,
    /// The run was cancelled.
    Interrupted,
    /// The request itself would do what must never happen.
    Refused,
    /// A lock of the bucket holds what was to be removed.
    Retained,
    /// The repository is somewhere else than it may be, or nobody says where.
    WrongResidency,
    /// A programming error, in Seawall or below it.
    Internal,
}

impl Reason {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongKey => "WrongKey",
            Self::KeyLost => "KeyLost",
            Self::KeyUnreadable => "KeyUnreadable",
            Self::NotFound => "NotFound",
            Self::NotARepository => "NotARepository",
            Self::Damaged => "Damaged",
            Self::Locked => "Locked",
            Self::NoSpace => "NoSpace",
            Self::PermissionDenied => "PermissionDenied",
            Self::Unavailable => "Unavailable",
            Self::SourceLost => "SourceLost",
            Self::Interrupted => "Interrupted",
            Self::Refused => "Refused",
            Self::Retained => "RetainedByLock",
            Self::WrongResidency => "WrongResidency",
            Self::Internal => "Internal",
        }
    }
}

/// Trouble with a repository. `Display` is one sentence with what to do; the causes are its sources.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RepositoryError {
    kind: Reason,
    message: String,
    #[source]
    cause: Option<Cause>,
}

/// A cause in one line, so that nothing of the layer below shows in types.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl RepositoryError {
    /// Trouble without a deeper cause.
    pub fn new(kind: Reason, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// Trouble that something caused.
    pub fn because(kind: Reason, message: impl Into<String>, cause: &dyn Error) -> Self {
        Self { kind, message: message.into(), cause: Some(Cause(one_line(&chain(cause)))) }
    }

    /// The kind of trouble.
    #[must_use]
    pub const fn kind(&self) -> Reason {
        self.kind
    }

    /// The kind of trouble as a CamelCase word.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.kind.as_str()
    }

    /// The sentence with its causes, for logs and outcomes.
    #[must_use]
    pub fn told(&self) -> String {
        self.cause.as_ref().map_or_else(|| self.message.clone(), |cause| format!("{} ({cause})", self.message))
    }

    /// Trouble of the file system at `path`, while `doing` (as in "read the index").
    #[must_use]
    pub fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        let (kind, advice) = advice(error);
        Self::because(kind, format!("Could not {doing} at {path}: {advice}"), error)
    }

    /// Trouble that the repository library reports about the repository at `location`, while `doing`.
    #[must_use]
    pub fn library(doing: &str, location: &Path, error: &RusticError) -> Self {
        let place = location.display();
        if error.is_incorrect_password() {
            return Self::new(
                Reason::WrongKey,
                format!(
                    "The key does not open the repository at {place}: check passwordFrom, or put the right key back"
                ),
            );
        }
        if let Some(io) = system_error(error) {
            let (kind, advice) = advice(io);
            return Self::because(kind, format!("Could not {doing} in the repository at {place}: {advice}"), io);
        }
        Self {
            kind: Reason::Damaged,
            message: format!(
                "Could not {doing} in the repository at {place}: what is stored there does not make sense; \
                 `restic check` tells what is damaged"
            ),
            cause: Some(Cause(one_line(&error.display_log()))),
        }
    }

    /// A panic in the repository library, caught.
    #[must_use]
    pub fn panicked(doing: &str, location: &Path, payload: &(dyn std::any::Any + Send)) -> Self {
        let said = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        tracing::error!(repository = %location.display(), doing, panic = %said, "the repository library panicked");
        Self {
            kind: Reason::Internal,
            message: format!(
                "Could not {doing} in the repository at {}: the repository library failed unexpectedly; \
                 the run is given up and the repository will be opened anew",
                location.display()
            ),
            cause: Some(Cause(one_line(&said))),
        }
    }
}

/// What a system error means for a repository.
fn advice(error: &io::Error) -> (Reason, &'static str) {
    use rustix::io::Errno;
    if let Some(said) = said(error) {
        return server(said);
    }
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            (Reason::NoSpace, "the disk or quota is full; free space or shorten retention")
        }
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
            (Reason::PermissionDenied, "the system refuses; check owner, mode and mount options")
        }
        Some(Errno::NOENT | Errno::NOTDIR) => (Reason::NotFound, "it is not there; is its disk mounted?"),
        _ => (Reason::Unavailable, "the disk does not answer as it should; look at the kernel's log"),
    }
}

/// What the answer of an S3 server means for a repository.
fn server(said: &S3Error) -> (Reason, &'static str) {
    match said.refused() {
        Some(Refused::UnknownKey | Refused::WrongSecret) => {
            (Reason::PermissionDenied, "the server does not accept the access key; correct it")
        }
        Some(Refused::Denied) => {
            (Reason::PermissionDenied, "the access key may not do this; it has to list, read, write and delete there")
        }
        Some(Refused::Locked) => (Reason::Retained, "a lock of the bucket holds it; it goes when the lock has ended"),
        Some(Refused::NoBucket) => (Reason::NotFound, "there is no such bucket; make it, or correct its name"),
        Some(Refused::NoObject) => (Reason::NotFound, "it is not there"),
        Some(Refused::WrongRegion) => (Reason::Unavailable, "the bucket is in another region; correct `region`"),
        Some(Refused::WrongTime) => (Reason::Unavailable, "the clock of this host is wrong"),
        _ => (Reason::Unavailable, "the server does not answer as it should; it will be tried again"),
    }
}

/// The system error at the bottom of a library error, if there is one.
fn system_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) =
            error.downcast_ref::<io::Error>().filter(|io| io.raw_os_error().is_some() || said(io).is_some())
        {
            return Some(io);
        }
        at = error.source();
    }
    None
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        at = cause.source();
    }
    text
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > 500 {
        let end = (0..=500).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}
