//! What restored files are like, seen from outside: nothing that they link to is believed.

use crate::policy::quantity::bytes;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Whether there is something at the path. A link counts as itself when it comes last, and is followed before that
/// only within the volume.
pub(super) fn exists(root: &Path, path: &str) -> Result<String, String> {
    let found = look(root, path, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?;
    Ok(match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => bytes(u64::try_from(found.st_size).unwrap_or(0)),
        FileType::Directory => "a directory".to_owned(),
        FileType::Symlink => "a symbolic link".to_owned(),
        _ => "neither a file nor a directory".to_owned(),
    })
}

/// The place of a regular file that no link leads to.
pub(super) fn regular(root: &Path, path: &str) -> Result<PathBuf, String> {
    let found = look(root, path, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is not a regular file".to_owned());
    }
    let root = fs::canonicalize(root).map_err(|e| e.to_string())?;
    Ok(root.join(path))
}

fn look(root: &Path, path: &str, resolve: ResolveFlags) -> Result<rustix::fs::Stat, String> {
    let said = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR => "it is not there".to_owned(),
        Errno::XDEV | Errno::LOOP => "a symbolic link is in the way".to_owned(),
        error => format!("it cannot be looked at: {error}"),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, flags | OFlags::DIRECTORY, Mode::empty()).map_err(said)?;
    let file = rustix::fs::openat2(&root, path, flags | OFlags::NOFOLLOW, Mode::empty(), resolve).map_err(said)?;
    rustix::fs::statat(&file, "", AtFlags::EMPTY_PATH).map_err(said)
}

/// How many files there are, directories not counted, and how many bytes the regular ones hold.
pub(super) fn measure(root: &Path, cancel: &CancellationToken) -> Result<(u64, u64), String> {
    let (mut files, mut size) = (0, 0);
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let failed = |e: std::io::Error| format!("{} cannot be read: {e}", directory.display());
        for entry in fs::read_dir(&directory).map_err(failed)? {
            if cancel.is_cancelled() {
                return Err("the drill was ended before this check was done".to_owned());
            }
            let entry = entry.map_err(failed)?;
            let meta = entry.metadata().map_err(failed)?;
            if meta.is_dir() {
                open.push(entry.path());
                continue;
            }
            files += 1;
            size += if meta.is_file() { meta.len() } else { 0 };
        }
    }
    Ok((files, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), b"12345").unwrap();
        symlink("b", root.join("a/inside")).unwrap();
        symlink("/etc", root.join("outside")).unwrap();
        symlink("../../../../../../etc/passwd", root.join("a/up")).unwrap();
        symlink("b/file", root.join("a/link")).unwrap();
        dir
    }

    #[test]
    fn what_is_there_is_found_and_nothing_outside() {
        let dir = tree();
        for (path, found) in [
            ("a/b/file", Some("5 B")),
            ("a/b", Some("a directory")),
            ("a/inside/file", Some("5 B")),
            ("outside", Some("a symbolic link")),
            ("a/up", Some("a symbolic link")),
            ("outside/passwd", None),
            ("a/b/none", None),
            ("a/b/file/x", None),
        ] {
            assert_eq!(exists(dir.path(), path).ok().as_deref(), found, "{path}");
        }
    }

    #[test]
    fn a_database_is_opened_by_no_link() {
        let dir = tree();
        assert!(regular(dir.path(), "a/b/file").unwrap().ends_with("a/b/file"));
        for path in ["a/link", "a/inside/file", "a/up", "outside/passwd", "a/b", "none"] {
            regular(dir.path(), path).unwrap_err();
        }
    }

    #[test]
    fn links_are_counted_and_not_followed() {
        let dir = tree();
        assert_eq!(measure(dir.path(), &CancellationToken::new()), Ok((5, 5)));
        let ended = CancellationToken::new();
        ended.cancel();
        measure(dir.path(), &ended).unwrap_err();
    }
}
