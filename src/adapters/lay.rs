//! Lays entries down in a directory, confined to it: every path is resolved one component at a time from the open root,
//! no link is followed, and nothing that exists is written to.

use crate::adapters::volume_walk::open_quietly;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The unit in which zeros become holes.
pub const BLOCK: usize = 4096;

/// What the file system is to say about an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, set-user-id and the like among them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content: seconds since 1970 (may be negative) and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes, ACLs and capabilities among them.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Attributes {
    /// Those of a directory as it is; a directory of root's where there is none.
    #[must_use]
    pub fn of_directory(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let Ok(found) = std::fs::metadata(path) else { return Self { mode: 0o755, ..Self::default() } };
        Self {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: (found.mtime(), u32::try_from(found.mtime_nsec()).unwrap_or(0)),
            xattrs: Vec::new(),
        }
    }
}

/// A directory in which entries are laid down.
#[derive(Debug)]
pub struct Ground {
    root: OwnedFd,
}

impl Ground {
    /// Opens a directory that exists.
    ///
    /// # Errors
    /// It is not a directory, or cannot be opened.
    pub fn open(root: &Path) -> Result<Self, Errno> {
        Ok(Self { root: open_directory(CWD, root.as_os_str())? })
    }

    /// The directory at a path below the root, which is the empty path.
    ///
    /// # Errors
    /// A component is no directory, or leads elsewhere.
    pub fn directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut at = self.root.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        for part in path.components() {
            let Component::Normal(name) = part else { return Err(Errno::INVAL) };
            at = open_directory(at.as_fd(), name)?;
        }
        Ok(at)
    }
}

fn open_directory(at: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Whether a name can be that of one entry of a directory, and of nothing else.
#[must_use]
pub fn is_entry_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && bytes != b"." && bytes != b".." && !bytes.iter().any(|b| matches!(b, b'/' | 0))
}

/// Makes a directory that nobody else can enter yet.
///
/// # Errors
/// The system's; `EXIST` where there is something.
pub fn make_directory(at: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    rustix::fs::mkdirat(at, name, Mode::RWXU)
}

/// Opens a regular file for writing and reading back, made if it is not there. A link or another kind of thing is never
/// opened. Reading back writes no access time where that is permitted.
///
/// # Errors
/// The system's.
pub fn open_file(at: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    open_quietly(at, name, OFlags::RDWR | OFlags::CREATE, Mode::RUSR | Mode::WUSR)
}

/// What was opened last, with what it is known by: most entries lie where the one before them does.
#[derive(Debug)]
pub struct Opened<K, T = OwnedFd>(Option<(K, T)>);

impl<K, T> Default for Opened<K, T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: PartialEq, T> Opened<K, T> {
    /// What is open, opened where it is something else. One at most is open at a time.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get<E>(&mut self, key: K, open: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if self.0.as_ref().is_some_and(|(last, _)| *last != key) {
            self.0 = None;
        }
        let (_, opened) = match &mut self.0 {
            Some(opened) => &*opened,
            none => &*none.insert((key, open()?)),
        };
        Ok(opened)
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

/// Writes all but the blocks that are nothing but zeros: in a new file they become holes.
///
/// # Errors
/// The system's.
pub fn store(fd: BorrowedFd<'_>, at: u64, plain: &[u8]) -> Result<(), Errno> {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let is_hole = |block: &[u8]| block.len() == BLOCK && block == ZEROS;
    let mut start = 0;
    while start < plain.len() {
        let mut end = start;
        // Holes are blocks of the file, so the first block ends where one of the file does.
        let block = |from: usize| {
            let into = usize::try_from((at + from as u64) % BLOCK as u64).unwrap_or(0);
            (from + BLOCK - into).min(plain.len())
        };
        while end < plain.len() && !is_hole(&plain[end..block(end)]) {
            end = block(end);
        }
        let mut written = start;
        while written < end {
            match rustix::io::pwrite(fd, &plain[written..end], at + written as u64) {
                Ok(0) => return Err(Errno::IO),
                Ok(n) => written += n,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        start = end;
        while start < plain.len() && is_hole(&plain[start..block(start)]) {
            start = block(start);
        }
    }
    Ok(())
}

/// Makes a named pipe, a socket or a device.
///
/// # Errors
/// The system's.
pub fn make_node(at: BorrowedFd<'_>, name: &OsStr, kind: FileType, device: u64) -> Result<(), Errno> {
    rustix::fs::mknodat(at, name, kind, Mode::RUSR | Mode::WUSR, device)
}

/// Gives an open file or directory its attributes. What could not be given is told, one sentence each.
#[must_use]
pub fn dress(fd: BorrowedFd<'_>, attributes: &Attributes) -> Vec<String> {
    let mut troubles = Vec::new();
    let mut told = |what: &str, done: Result<(), Errno>| troubles.extend(done.err().map(|e| trouble(what, e)));
    // What was just made is whoever made it's: to ask costs less than to tell the file system again.
    let owned = rustix::fs::fstat(fd).is_ok_and(|now| (now.st_uid, now.st_gid) == (attributes.uid, attributes.gid));
    if !owned {
        told("owner", rustix::fs::fchown(fd, Some(uid(attributes)), Some(gid(attributes))));
    }
    // After the owner: changing that takes set-user-id away.
    told("mode", rustix::fs::fchmod(fd, Mode::from_raw_mode(attributes.mode)));
    for (name, value) in &attributes.xattrs {
        told(name, rustix::fs::fsetxattr(fd, name.as_str(), value, XattrFlags::empty()));
    }
    told("time", rustix::fs::futimens(fd, &times(attributes)));
    troubles
}

/// The same for something that cannot be opened: a link, a pipe, a socket, a device.
#[must_use]
pub fn dress_at(at: BorrowedFd<'_>, name: &OsStr, link: bool, attributes: &Attributes) -> Vec<String> {
    let mut troubles = Vec::new();
    let mut told = |what: &str, done: Result<(), Errno>| troubles.extend(done.err().map(|e| trouble(what, e)));
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    told("owner", rustix::fs::chownat(at, name, Some(uid(attributes)), Some(gid(attributes)), nofollow));
    if !link {
        told("mode", rustix::fs::chmodat(at, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty()));
    }
    for (attribute, value) in &attributes.xattrs {
        let path = Path::new("/proc/self/fd").join(at.as_raw_fd().to_string()).join(name);
        told(attribute, rustix::fs::lsetxattr(&path, attribute.as_str(), value, XattrFlags::empty()));
    }
    told("time", rustix::fs::utimensat(at, name, &times(attributes), nofollow));
    troubles
}

fn trouble(what: &str, error: Errno) -> String {
    format!("{what}: {}", std::io::Error::from(error))
}

fn uid(attributes: &Attributes) -> Uid {
    Uid::from_raw(attributes.uid)
}

fn gid(attributes: &Attributes) -> Gid {
    Gid::from_raw(attributes.gid)
}

fn times(attributes: &Attributes) -> Timestamps {
    let (seconds, nanoseconds) = attributes.mtime;
    let at = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: at, last_modification: at }
}
