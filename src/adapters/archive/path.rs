//! What the names in an archive mean, or that they are refused.

use super::error::{ArchiveError, shown};
use crate::adapters::clone::is_scratch;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path, as the kernel has it (`PATH_MAX`), and longest name in it (`NAME_MAX`).
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 255;

/// A name as a path below the root of the archive, which is the empty path. As `tar` does, `/` at its beginning is left
/// out; a name that leads upwards is not taken for anything.
pub(super) fn below(name: &[u8]) -> Result<PathBuf, ArchiveError> {
    let refuse = |why: &str| {
        let name = shown(Path::new(OsStr::from_bytes(&name[..name.len().min(200)])));
        Err(ArchiveError::refused(format!("the name {name} {why}; nothing of the archive is used")))
    };
    if name.contains(&0) {
        return refuse("holds a zero byte");
    }
    if name.len() > LONGEST_PATH {
        return refuse("is longer than a path can be");
    }
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return refuse("leads upwards, out of where it would be laid down"),
            part if part.len() > LONGEST_NAME => return refuse("is longer than a file system takes"),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// Whether something of this path is Seawall's own and no data.
pub(super) fn is_own(path: &Path) -> bool {
    path.iter().any(is_scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_root() {
        for (name, path) in [
            ("data/config", "data/config"),
            ("./data//x/", "data/x"),
            ("/data/x", "data/x"),
            ("///etc/passwd", "etc/passwd"),
            (".", ""),
            ("a/..b/c", "a/..b/c"),
        ] {
            assert_eq!(below(name.as_bytes()).unwrap(), Path::new(path), "{name}");
        }
        assert_eq!(below(b"\xff\n").unwrap().as_os_str().as_bytes(), b"\xff\n");
        for bad in ["../x", "a/../../x", "a/..", "..", "a\0b"] {
            assert!(below(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(below(&[b'a'; 256]).is_err() && below(&b"a/".repeat(2049)).is_err());
    }
}
