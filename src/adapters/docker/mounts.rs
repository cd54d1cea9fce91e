//! What is mounted where, as this process sees it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems that a container's root is never the whole of.
const DISKS: [&[u8]; 3] = [b"ext4", b"xfs", b"btrfs"];

/// The mounts of this process.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    points: Vec<PathBuf>,
    whole_disk: bool,
}

impl Mounts {
    /// Asks the kernel. Without `/proc` there are none.
    pub(super) fn look() -> Self {
        std::fs::read("/proc/self/mountinfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Reads the format of proc(5): the fourth field is what is mounted, the fifth where; the type follows a dash.
    pub(super) fn parse(mountinfo: &[u8]) -> Self {
        let mut mounts = Self::default();
        for line in mountinfo.split(|&b| b == b'\n') {
            let fields: Vec<_> = line.split(|&b| b == b' ').collect();
            let Some(point) = fields.get(4) else { continue };
            if *point == b"/" {
                let kind = fields.iter().skip_while(|field| **field != b"-").nth(1);
                mounts.whole_disk = fields[3] == b"/" && kind.is_some_and(|kind| DISKS.contains(kind));
            }
            mounts.points.push(unescape(point));
        }
        mounts
    }

    /// Whether `/` is the whole of a disk's file system, as on a host, and no container's layers or directory.
    pub(super) fn root_is_a_whole_disk(&self) -> bool {
        self.whole_disk
    }

    /// Whether something is mounted at exactly this path.
    pub(super) fn at(&self, path: &Path) -> bool {
        self.points.iter().any(|point| point == path)
    }

    /// The deepest mount point that a path lies under.
    pub(super) fn over(&self, path: &Path) -> Option<&Path> {
        let over = self.points.iter().filter(|point| path.starts_with(point));
        over.max_by_key(|point| point.components().count()).map(PathBuf::as_path)
    }
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let code = tail.get(..3).filter(|_| *first == b'\\').and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        43 22 0:48 / /srv/a\\040b rw - tmpfs tmpfs rw\n\
        44 22 0:49 / /srv rw - tmpfs tmpfs rw\n\
        broken\n";

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let mounts = Mounts::parse(INFO);
        assert!(mounts.at(Path::new("/srv/a b")));
        assert!(mounts.at(Path::new("/")));
        assert!(!mounts.at(Path::new("/srv/a")));
    }

    #[test]
    fn the_deepest_mount_covers_a_path() {
        let mounts = Mounts::parse(INFO);
        assert_eq!(mounts.over(Path::new("/srv/a b/c")), Some(Path::new("/srv/a b")));
        assert_eq!(mounts.over(Path::new("/srv/a")), Some(Path::new("/srv")));
        assert_eq!(mounts.over(Path::new("/srvx")), Some(Path::new("/")));
        assert_eq!(Mounts::default().over(Path::new("/")), None);
    }

    #[test]
    fn the_root_of_a_container_is_no_whole_disk() {
        let whole = |line: &str| Mounts::parse(line.as_bytes()).root_is_a_whole_disk();
        assert!(whole("22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"));
        assert!(!whole("22 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a"));
        assert!(!whole("22 1 254:0 /var/lib/docker/vfs/dir/0a / rw,relatime - ext4 /dev/vda rw"));
        assert!(!whole(""));
    }

    #[test]
    fn this_process_sees_its_own_root() {
        assert!(Mounts::look().at(Path::new("/")));
    }
}
