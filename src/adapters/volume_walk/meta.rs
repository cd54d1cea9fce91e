//! One entry's metadata, read without following a link and without touching an access time.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the file system says about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Inode number.
    pub inode: u64,
    /// Device that the inode is on.
    pub device: u64,
    /// Device that a device node stands for.
    pub stands_for: u64,
    /// Names of the inode.
    pub links: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content: seconds since 1970 (may be negative) and nanoseconds.
    pub mtime: (i64, u32),
    /// Last change of the inode.
    pub ctime: (i64, u32),
    /// When the inode came into being; zero where the file system does not tell.
    pub born: (i64, u32),
    /// Extended attributes, ACLs and capabilities among them, sorted by name.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Meta {
    pub(super) fn of(stat: &Statx) -> Self {
        Self {
            mode: u32::from(stat.stx_mode),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            inode: stat.stx_ino,
            device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            stands_for: rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
            links: u64::from(stat.stx_nlink),
            size: stat.stx_size,
            mtime: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            ctime: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
            born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec),
            xattrs: Vec::new(),
        }
    }

    /// What tells this inode from all others, also from a later one that was given the same number.
    pub(super) fn identity(&self) -> Identity {
        Identity { inode: self.inode, device: self.device, born: self.born }
    }
}

/// One inode for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    device: u64,
    born: (i64, u32),
}

/// The mount that an inode was reached through. Kernels before 5.8 do not tell; there the device stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mount {
    Id(u64),
    Device(u64),
}

impl Mount {
    pub(super) fn of(stat: &Statx) -> Self {
        if StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID) {
            Self::Id(stat.stx_mnt_id)
        } else {
            Self::Device(rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor))
        }
    }
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);

pub(in crate::adapters) fn stat_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(dir, name, flags, WANTED)
}

pub(super) fn stat_fd(fd: BorrowedFd<'_>) -> Result<Statx, Errno> {
    rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)
}

/// Opens for reading: never through a link, never blocking on a FIFO, without an access time where permitted.
pub(in crate::adapters) fn open_at(dir: BorrowedFd<'_>, name: &OsStr, more: OFlags) -> Result<OwnedFd, Errno> {
    open_quietly(dir, name, OFlags::RDONLY | OFlags::NOCTTY | more, Mode::empty())
}

/// The same, not only for reading.
pub(in crate::adapters) fn open_quietly(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | flags;
    match rustix::fs::openat(dir, name, flags | OFlags::NOATIME, mode) {
        Err(Errno::PERM) => rustix::fs::openat(dir, name, flags, mode),
        opened => opened,
    }
}

/// Names in an open directory, sorted by their bytes, with what stopped the listing early.
pub(super) fn names_in(dir: BorrowedFd<'_>) -> (Vec<OsString>, Option<Errno>) {
    let mut names = Vec::new();
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut entries = rustix::fs::RawDir::new(dir, buffer.spare_capacity_mut());
    let mut stopped = None;
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.push(OsStr::from_bytes(name).to_os_string());
                }
            }
            Err(error) => {
                stopped = Some(error);
                break;
            }
        }
    }
    names.sort_unstable();
    (names, stopped)
}

/// Extended attributes of an open file or directory.
pub(in crate::adapters) fn xattrs_of(fd: BorrowedFd<'_>) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    collect(|buffer| rustix::fs::flistxattr(fd, buffer), |name, buffer| rustix::fs::fgetxattr(fd, name, buffer))
}

/// Extended attributes of an entry of an open directory, without opening the entry or following it.
pub(super) fn xattrs_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    // The system has no llistxattrat; the magic link stands for the directory that is open, wherever it is now.
    let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd())).join(name);
    collect(|buffer| rustix::fs::llistxattr(&path, buffer), |name, buffer| rustix::fs::lgetxattr(&path, name, buffer))
}

fn collect(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&CStr, &mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let names = match grow(|buffer| list(buffer)) {
        Ok(names) => names,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut xattrs = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0) {
        // How XFS stores an ACL, which is listed under its usual name too.
        if name.starts_with(b"trusted.SGI_ACL_") {
            continue;
        }
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let value = match grow(|buffer| get(name, buffer)) {
            Ok(value) => value,
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(error),
        };
        xattrs.push((OsString::from_vec(name.to_bytes().to_vec()).to_string_lossy().into_owned(), value));
    }
    xattrs.sort_unstable();
    Ok(xattrs)
}

/// Most calls find nothing or little; the kernel's own limit is 64 KiB.
fn grow(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0_u8; 512];
    match read(&mut small) {
        Ok(length) => return Ok(small[..length].to_vec()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error),
    }
    let mut large = vec![0_u8; 64 * 1024];
    let length = read(&mut large)?;
    large.truncate(length);
    Ok(large)
}
