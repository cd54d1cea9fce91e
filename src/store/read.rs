//! Reading one file that anybody may have made: never blocks, never reads more than a limit.

use rustix::fs::OFlags;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The most bytes that a file may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub usize);

/// Why a file has no content for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// There is nothing at the path.
    Vanished,
    /// What is wrong, and what to do about it.
    Trouble(String, String),
}

/// The content of a regular file.
pub(super) fn regular(path: &Path, limit: Limit) -> Result<Vec<u8>, Unreadable> {
    // Looking before opening: to open a device can already do something.
    check(&std::fs::metadata(path).map_err(|e| explain(path, &e))?, limit)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|e| explain(path, &e))?;
    // Looking again: it may have been exchanged in between.
    check(&file.metadata().map_err(|e| explain(path, &e))?, limit)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(limit.0).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|e| explain(path, &e))?;
    if bytes.len() > limit.0 { Err(too_large(limit)) } else { Ok(bytes) }
}

fn check(found: &Metadata, limit: Limit) -> Result<(), Unreadable> {
    if let Some(kind) = other_kind(found) {
        return Err(Unreadable::Trouble(
            format!("is {kind}, not a regular file"),
            "put a regular file in its place, or give it a name that does not end in .yaml or .yml".to_owned(),
        ));
    }
    if usize::try_from(found.len()).is_ok_and(|size| size <= limit.0) { Ok(()) } else { Err(too_large(limit)) }
}

fn too_large(Limit(most): Limit) -> Unreadable {
    Unreadable::Trouble(
        format!("is larger than {} KiB, the most that is read", most >> 10),
        "split it into several files".to_owned(),
    )
}

/// The name of what is not a regular file.
pub(super) fn other_kind(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Puts an error of the system into words.
pub(super) fn explain(path: &Path, error: &io::Error) -> Unreadable {
    let is_link = || path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let target = || std::fs::read_link(path).unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound if is_link() => Unreadable::Trouble(
            format!("is a symbolic link to {}, where there is nothing", target().display()),
            "restore what it points to, or remove the link".to_owned(),
        ),
        io::ErrorKind::NotFound => Unreadable::Vanished,
        io::ErrorKind::PermissionDenied => Unreadable::Trouble(
            "cannot be read: permission denied".to_owned(),
            "let the user that runs Seawall read it".to_owned(),
        ),
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Unreadable::Trouble(
            format!("is a symbolic link to {} that never ends", target().display()),
            "let it point to a file".to_owned(),
        ),
        _ => Unreadable::Trouble(format!("cannot be read: {error}"), "see that its file system is in order".to_owned()),
    }
}
