//! A tree of files as a file system, for reading, by FUSE. The kernel is asked directly; no library or helper is needed.

use super::repository::{EntryKind, TreeEntry};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyXattr, Request,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How long the kernel believes what it was told. Snapshots do not change; the list of them does.
const BELIEVED: Duration = Duration::from_secs(5);

/// What is mounted. Blocking; paths are relative to its root, which is the empty path.
pub trait Files: Send + Sync + 'static {
    /// The entry at a path; `None` where there is none.
    ///
    /// # Errors
    /// A sentence for the log.
    fn find(&self, path: &Path) -> Result<Option<TreeEntry>, String>;

    /// The extended attributes of the entry at a path.
    ///
    /// # Errors
    /// A sentence for the log.
    fn attributes(&self, path: &Path) -> Result<Vec<(String, Vec<u8>)>, String>;

    /// What a directory holds.
    ///
    /// # Errors
    /// A sentence for the log.
    fn below(&self, path: &Path) -> Result<Vec<TreeEntry>, String>;

    /// Gives the bytes of a file from `from` to before `to`, until `each` says that it has enough.
    ///
    /// # Errors
    /// A sentence for the log.
    fn part(&self, path: &Path, from: u64, to: u64, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), String>;
}

/// A mounted tree; unmounted when dropped.
pub struct Mount(#[expect(dead_code, reason = "held until it is dropped, which unmounts")] fuser::BackgroundSession);

/// Mounts on a directory. Only for this user and root.
///
/// # Errors
/// The kernel's: no FUSE, no right to mount, no such directory.
pub fn mount(files: Arc<dyn Files>, at: &Path) -> io::Result<Mount> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::FSName("seawall".to_owned()),
        // Modes and owners are those of the snapshot, and count.
        MountOption::DefaultPermissions,
    ];
    let tree = Served { files, known: Mutex::new(Known::new()), lists: Mutex::default() };
    fuser::spawn_mount(tree, at, &config).map(Mount)
}

struct Served {
    files: Arc<dyn Files>,
    known: Mutex<Known>,
    /// Directories that are being read, as they were when they were opened.
    lists: Mutex<Lists>,
}

/// What was in the directories that are open, by handle, and the newest handle.
#[derive(Default)]
struct Lists {
    newest: u64,
    open: HashMap<u64, Arc<Vec<TreeEntry>>>,
}

/// The numbers that paths go by. They are kept until the end.
struct Known {
    paths: Vec<PathBuf>,
    numbers: HashMap<PathBuf, u64>,
}

impl Known {
    fn new() -> Self {
        Self { paths: vec![PathBuf::new()], numbers: HashMap::from([(PathBuf::new(), 1)]) }
    }

    fn number(&mut self, path: &Path) -> u64 {
        if let Some(known) = self.numbers.get(path) {
            return *known;
        }
        self.paths.push(path.to_owned());
        let number = self.paths.len() as u64;
        self.numbers.insert(path.to_owned(), number);
        number
    }

    fn path(&self, number: u64) -> Option<PathBuf> {
        self.paths.get(usize::try_from(number).ok()?.checked_sub(1)?).cloned()
    }
}

impl Served {
    fn path(&self, number: INodeNo) -> Result<PathBuf, Errno> {
        lock(&self.known).path(number.0).ok_or(Errno::ENOENT)
    }

    fn attributes(&self, path: &Path) -> Result<FileAttr, Errno> {
        let found = self.files.find(path).map_err(|error| failed(path, &error))?.ok_or(Errno::ENOENT)?;
        let number = lock(&self.known).number(path);
        Ok(attributes(number, &found))
    }

    fn extended(&self, number: INodeNo) -> Result<Vec<(String, Vec<u8>)>, Errno> {
        let path = self.path(number)?;
        self.files.attributes(&path).map_err(|error| failed(&path, &error))
    }

    fn content(&self, number: INodeNo, from: u64, length: u32) -> Result<Vec<u8>, Errno> {
        let path = self.path(number)?;
        let mut content = Vec::new();
        let to = from.saturating_add(u64::from(length));
        let read = self.files.part(&path, from, to, &mut |bytes| {
            content.extend_from_slice(bytes);
            true
        });
        read.map(|()| content).map_err(|error| failed(&path, &error))
    }
}

/// The kernel asks for the size first, by having room for nothing.
fn tell(found: Result<Vec<u8>, Errno>, room: u32, reply: ReplyXattr) {
    match found {
        Err(error) => reply.error(error),
        Ok(value) if room == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > room as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

fn failed(path: &Path, error: &str) -> Errno {
    tracing::warn!(path = %path.display(), "{error}");
    Errno::EIO
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(kind: EntryKind) -> FileType {
    match kind {
        EntryKind::File => FileType::RegularFile,
        EntryKind::Directory => FileType::Directory,
        EntryKind::Symlink => FileType::Symlink,
        EntryKind::Fifo => FileType::NamedPipe,
        EntryKind::Socket => FileType::Socket,
        EntryKind::Block => FileType::BlockDevice,
        EntryKind::Character => FileType::CharDevice,
    }
}

fn attributes(number: u64, entry: &TreeEntry) -> FileAttr {
    let time = entry.mtime.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
    let size = match &entry.target {
        Some(target) => target.as_os_str().len() as u64,
        None => entry.size,
    };
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind(entry.kind),
        perm: u16::try_from(entry.mode & 0o7777).unwrap_or(0),
        nlink: 1,
        uid: entry.uid,
        gid: entry.gid,
        rdev: 0,
        blksize: 1 << 20,
        flags: 0,
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.path(parent).and_then(|parent| self.attributes(&parent.join(name))) {
            Ok(found) => reply.entry(&BELIEVED, &found, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.path(number).and_then(|path| self.attributes(&path)) {
            Ok(found) => reply.attr(&BELIEVED, &found),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        let target = self.path(number).and_then(|path| {
            let found = self.files.find(&path).map_err(|error| failed(&path, &error))?;
            found.and_then(|found| found.target).ok_or(Errno::EINVAL)
        });
        match target {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        from: u64,
        length: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.content(number, from, length) {
            Ok(content) => reply.data(&content),
            Err(error) => reply.error(error),
        }
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, room: u32, reply: ReplyXattr) {
        let found = self.extended(number).and_then(|all| {
            all.into_iter().find(|(known, _)| OsStr::new(known) == name).map(|(_, value)| value).ok_or(Errno::NO_XATTR)
        });
        tell(found, room, reply);
    }

    fn listxattr(&self, _: &Request, number: INodeNo, room: u32, reply: ReplyXattr) {
        let names =
            |all: Vec<(String, Vec<u8>)>| all.into_iter().flat_map(|(name, _)| [name.into_bytes(), vec![0]].concat());
        tell(self.extended(number).map(|all| names(all).collect()), room, reply);
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let found = self.path(number).and_then(|path| self.files.below(&path).map_err(|error| failed(&path, &error)));
        match found {
            Ok(found) => {
                let mut lists = lock(&self.lists);
                lists.newest += 1;
                let handle = lists.newest;
                lists.open.insert(handle, Arc::new(found));
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, number: INodeNo, handle: FileHandle, from: u64, mut reply: ReplyDirectory) {
        let list = lock(&self.lists).open.get(&handle.0).cloned();
        let (Some(list), Ok(path)) = (list, self.path(number)) else { return reply.error(Errno::EBADF) };
        let own = [".", ".."].map(|name| (number, FileType::Directory, OsStr::new(name)));
        let below = list.iter().map(|entry| {
            let name = entry.path.file_name().unwrap_or_default();
            (INodeNo(lock(&self.known).number(&path.join(name))), kind(entry.kind), name)
        });
        let all = own.into_iter().chain(below).enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX));
        for (nth, (number, kind, name)) in all {
            if reply.add(number, nth as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        lock(&self.lists).open.remove(&handle.0);
        reply.ok();
    }
}
