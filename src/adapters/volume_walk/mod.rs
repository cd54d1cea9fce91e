//! Walks a volume as it is: sorted, no link followed, no other file system entered, no access time touched, and every
//! trouble noted instead of silently left out.

mod exclude;
mod meta;
mod notes;
mod reader;

pub use exclude::Exclude;
pub use meta::Meta;
pub(in crate::adapters) use meta::{open_at, open_quietly, stat_at, xattrs_of};
pub use notes::{LISTED_PROBLEMS, Notes};
pub(in crate::adapters) use reader::CloneFailed;
pub use reader::{Opener, Reader};

use crate::adapters::clone::is_scratch;
use meta::{Identity, Mount, names_in, stat_fd, xattrs_at};
use reader::describe;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, OFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One entry, parents before children, siblings sorted by the bytes of their names.
#[derive(Debug)]
pub struct Entry {
    /// Relative to the root; empty for the root itself.
    pub path: PathBuf,
    /// What the file system says about it.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Opener),
    /// A symbolic link, with where it points.
    Symlink(PathBuf),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    Block,
    /// A character device.
    Character,
}

/// A walk over one volume. Paths of the volume are resolved one component at a time from open directories, so that
/// nothing that happens inside it meanwhile can lead outside.
#[derive(Debug)]
pub struct Walk {
    root: Root,
    mount: Mount,
    exclude: Exclude,
    stack: Vec<Frame>,
    root_pending: bool,
    /// Whether the attributes of files are left for their openers to read.
    lazy: bool,
    notes: Arc<Notes>,
    cancel: CancellationToken,
}

/// The root of a walk, to be looked at again.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
    meta: Meta,
    notes: Arc<Notes>,
}

impl Root {
    /// Its metadata when the walk began.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Looks whether it is still where and what it was; if not, notes that the source is lost.
    pub fn look_again(&self) {
        let now = open_at(CWD, self.path.as_os_str(), OFlags::DIRECTORY)
            .and_then(|fd| stat_fd(fd.as_fd()))
            .map(|stat| Meta::of(&stat));
        match now {
            Ok(now) if now.identity() == self.meta.identity() => {}
            Ok(_) => self.notes.lose("its directory was replaced by another one"),
            Err(error) => self.notes.lose(describe(error)),
        }
    }
}

/// How many directories above the current one stay open. A tree may be deeper than a process may open files.
const KEPT_OPEN: usize = 32;

#[derive(Debug)]
struct Frame {
    /// `None`: closed for now, because the walk is far below.
    directory: Option<Arc<OwnedFd>>,
    identity: Identity,
    path: PathBuf,
    names: std::vec::IntoIter<OsString>,
}

impl Walk {
    /// Opens the root and lists it.
    ///
    /// # Errors
    /// The root is not a directory that can be read.
    pub fn open(root: &Path, exclude: Exclude, cancel: CancellationToken) -> io::Result<Self> {
        let directory = open_at(CWD, root.as_os_str(), OFlags::DIRECTORY)?;
        let stat = stat_fd(directory.as_fd())?;
        let mut root_meta = Meta::of(&stat);
        let notes = Arc::new(Notes::default());
        match xattrs_of(directory.as_fd()) {
            Ok(xattrs) => root_meta.xattrs = xattrs,
            Err(error) => notes.problem(Path::new(""), format!("extended attributes: {}", describe(error))),
        }
        let (mut names, stopped) = names_in(directory.as_fd());
        if let Some(error) = stopped {
            return Err(error.into());
        }
        names.retain(|name| !is_scratch(name) && !exclude.matches(Path::new(name)));
        let identity = root_meta.identity();
        let directory = Some(Arc::new(directory));
        let frame = Frame { directory, identity, path: PathBuf::new(), names: names.into_iter() };
        Ok(Self {
            root: Root { path: root.to_owned(), meta: root_meta, notes: Arc::clone(&notes) },
            mount: Mount::of(&stat),
            exclude,
            stack: vec![frame],
            root_pending: true,
            lazy: false,
            notes,
            cancel,
        })
    }

    /// Leaves the attributes of regular files to [`Opener::attributes`]: of one that did not change nobody wants them.
    #[must_use]
    pub fn lazily(self) -> Self {
        Self { lazy: true, ..self }
    }

    /// Whether the volume held nothing, after excludes, when it was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stack.iter().all(|frame| frame.names.as_slice().is_empty())
    }

    /// The root, to be looked at again when all is read.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What this walk and its readers tell.
    #[must_use]
    pub fn notes(&self) -> Arc<Notes> {
        Arc::clone(&self.notes)
    }

    /// Notes trouble with one entry, and looks whether it is trouble with all.
    fn trouble(&self, path: &Path, error: Errno) {
        self.notes.problem(path, describe(error));
        if !matches!(error, Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NOTDIR) {
            self.root.look_again();
        }
    }

    /// The current directory. One that was closed is opened again from the root, component by component.
    fn directory(&mut self) -> Result<Arc<OwnedFd>, Errno> {
        let (Some(root), Some(frame)) = (self.stack.first().and_then(|f| f.directory.clone()), self.stack.last_mut())
        else {
            return Err(Errno::BADF);
        };
        if let Some(directory) = &frame.directory {
            return Ok(Arc::clone(directory));
        }
        let mut directory = root;
        for name in &frame.path {
            directory = Arc::new(open_at(directory.as_fd(), name, OFlags::DIRECTORY)?);
        }
        if Meta::of(&stat_fd(directory.as_fd())?).identity() != frame.identity {
            return Err(Errno::NOENT);
        }
        frame.directory = Some(Arc::clone(&directory));
        Ok(directory)
    }

    fn visit(&mut self, directory: &Arc<OwnedFd>, name: &OsStr, path: &Path) -> Option<Entry> {
        let entry = self.look(directory, name, path);
        entry.unwrap_or_else(|error| {
            self.trouble(path, error);
            None
        })
    }

    fn look(&mut self, directory: &Arc<OwnedFd>, name: &OsStr, path: &Path) -> Result<Option<Entry>, Errno> {
        let stat = stat_at(directory.as_fd(), name)?;
        let mut meta = Meta::of(&stat);
        let kind = match FileType::from_raw_mode(meta.mode) {
            FileType::Directory => return self.enter(directory, name, path).map(Some),
            FileType::RegularFile => Kind::File(Opener {
                directory: Arc::clone(directory),
                name: name.to_owned(),
                path: path.to_owned(),
                seen: meta.clone(),
                notes: Arc::clone(&self.notes),
                cancel: self.cancel.clone(),
                files: None,
                xattrs: None,
            }),
            FileType::Symlink => {
                let target: CString = rustix::fs::readlinkat(directory.as_fd(), name, Vec::new())?;
                Kind::Symlink(OsString::from_vec(target.into_bytes()).into())
            }
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::BlockDevice => Kind::Block,
            FileType::CharacterDevice => Kind::Character,
            FileType::Unknown => {
                self.notes.problem(path, "is of a kind that is not known");
                return Ok(None);
            }
        };
        if Mount::of(&stat) != self.mount && matches!(self.mount, Mount::Id(_)) {
            tracing::info!(path = %path.display(), "left out: something else is mounted over this file");
            return Ok(None);
        }
        if self.lazy && matches!(kind, Kind::File(_)) {
            return Ok(Some(Entry { path: path.to_owned(), meta, kind }));
        }
        match xattrs_at(directory.as_fd(), name) {
            Ok(xattrs) => meta.xattrs = xattrs,
            Err(error) => {
                stat_at(directory.as_fd(), name)?;
                self.notes.problem(path, format!("extended attributes: {}", describe(error)));
            }
        }
        Ok(Some(Entry { path: path.to_owned(), meta, kind }))
    }

    fn enter(&mut self, parent: &Arc<OwnedFd>, name: &OsStr, path: &Path) -> Result<Entry, Errno> {
        let directory = open_at(parent.as_fd(), name, OFlags::DIRECTORY)?;
        let stat = stat_fd(directory.as_fd())?;
        let mut meta = Meta::of(&stat);
        match xattrs_of(directory.as_fd()) {
            Ok(xattrs) => meta.xattrs = xattrs,
            Err(error) => self.notes.problem(path, format!("extended attributes: {}", describe(error))),
        }
        if Mount::of(&stat) == self.mount {
            let (mut names, stopped) = names_in(directory.as_fd());
            if let Some(error) = stopped {
                self.trouble(path, error);
            }
            names.retain(|name| !is_scratch(name) && !self.exclude.matches(&path.join(name)));
            let (directory, identity) = (Some(Arc::new(directory)), meta.identity());
            self.stack.push(Frame { directory, identity, path: path.to_owned(), names: names.into_iter() });
            // The root stays open: it is the way back to all others.
            if let Some(far_above) = self.stack.len().checked_sub(KEPT_OPEN).filter(|depth| *depth > 0) {
                self.stack[far_above].directory = None;
            }
        } else {
            tracing::info!(path = %path.display(), "not entered: another file system is mounted here");
        }
        Ok(Entry { path: path.to_owned(), meta, kind: Kind::Directory })
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.root_pending {
            self.root_pending = false;
            return Some(Entry { path: PathBuf::new(), meta: self.root.meta.clone(), kind: Kind::Directory });
        }
        while !self.cancel.is_cancelled() && self.notes.lost().is_none() {
            let frame = self.stack.last_mut()?;
            let Some(name) = frame.names.next() else {
                self.stack.pop();
                continue;
            };
            let path = frame.path.join(&name);
            match self.directory() {
                Ok(directory) => {
                    if let Some(entry) = self.visit(&directory, &name, &path) {
                        return Some(entry);
                    }
                }
                Err(error) => {
                    self.trouble(&path, error);
                    self.stack.pop();
                }
            }
        }
        None
    }
}
