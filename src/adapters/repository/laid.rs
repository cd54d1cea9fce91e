//! What a restore has laid down, and what is still to be done about it.

use super::error::{Reason, RepositoryError};
use super::noted::Noted;
use super::read_back::{self, Chunk, Content, Sight};
use super::report::{Control, RestoreReport};
use super::source::unix_mode;
use super::tree::link_target;
use crate::adapters::lay::{self, Attributes, Ground, Opened};
use crate::adapters::volume_walk::xattrs_of;
use base64::Engine;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Largest file that is read back in one go by the thread that laid its last part down.
const AT_ONCE: u64 = 8 << 20;

/// A regular file with content.
pub(super) struct File {
    directory: usize,
    name: OsString,
    attributes: Attributes,
    size: u64,
    pub chunks: Vec<Chunk>,
    /// Blobs that are still to come.
    left: AtomicU32,
}

/// What has been laid down, and what is still to be done about it.
pub(super) struct Laid {
    into: PathBuf,
    ground: Ground,
    pub root: Option<Attributes>,
    /// In the order in which they were made: parents first. The first is the root.
    directories: Vec<(PathBuf, Attributes)>,
    numbers: HashMap<PathBuf, usize>,
    open: Option<(usize, OwnedFd)>,
    pub files: Vec<File>,
    /// By device and inode, the first of several names of one thing.
    names: HashMap<(u64, u64), PathBuf>,
    /// Further names: what they are of, and what they are.
    links: Vec<(PathBuf, PathBuf)>,
    others: u64,
    problems: Noted,
    /// Whether files and their attributes are read back when they are whole: of a small one all is still in the processor's
    /// caches then.
    reads_back: bool,
    /// Files that are something else than what was to be laid down, as far as they were read back.
    pub differences: Noted,
}

impl Laid {
    pub(super) fn new(into: &Path, ground: Ground, reads_back: bool) -> Self {
        Self {
            into: into.to_owned(),
            ground,
            root: None,
            directories: vec![(PathBuf::new(), Attributes::default())],
            numbers: HashMap::from([(PathBuf::new(), 0)]),
            open: None,
            files: Vec::new(),
            names: HashMap::new(),
            links: Vec::new(),
            others: 0,
            problems: Noted::default(),
            reads_back,
            differences: Noted::default(),
        }
    }

    fn failed(&self, path: &Path, error: Errno) -> RepositoryError {
        RepositoryError::io("restore", &self.into.join(path), &error.into())
    }

    pub(super) fn path_of(&self, file: &File) -> PathBuf {
        self.directories.get(file.directory).map_or_else(PathBuf::new, |(path, _)| path.join(&file.name))
    }

    /// Makes an entry. Its directory was made before it.
    pub(super) fn make(&mut self, path: &Path, node: &Node) -> Result<(), RepositoryError> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let directory = self.enter(parent)?;
        let name = path.file_name().unwrap_or_default();
        let attributes = attributes(&node.meta)?;
        let meta = &node.meta;
        if !node.is_dir() && meta.links > 1 && meta.inode != 0 {
            match self.names.get(&(meta.device_id, meta.inode)) {
                Some(first) => {
                    self.links.push((first.clone(), path.to_owned()));
                    return Ok(());
                }
                None => drop(self.names.insert((meta.device_id, meta.inode), path.to_owned())),
            }
        }
        let Some((_, at)) = &self.open else { return Err(self.failed(path, Errno::BADF)) };
        let at = at.as_fd();
        let done = match &node.node_type {
            NodeType::Dir => {
                lay::make_directory(at, name).map_err(|e| self.failed(path, e))?;
                self.numbers.insert(path.to_owned(), self.directories.len());
                self.directories.push((path.to_owned(), attributes));
                return Ok(());
            }
            NodeType::File => {
                let chunks = Chunk::all(node.content.as_deref());
                let left = AtomicU32::new(u32::try_from(chunks.len()).unwrap_or(u32::MAX));
                if chunks.is_empty() {
                    let file = lay::open_file(at, name).map_err(|e| self.failed(path, e))?;
                    self.others += 1;
                    self.dress(file.as_fd(), &attributes, || path.to_owned());
                } else {
                    self.files.push(File {
                        directory,
                        name: name.to_owned(),
                        attributes,
                        size: meta.size,
                        chunks,
                        left,
                    });
                }
                return Ok(());
            }
            NodeType::Symlink { .. } => {
                rustix::fs::symlinkat(link_target(&node.node_type).unwrap_or_default(), at, name)
            }
            NodeType::Fifo => lay::make_node(at, name, FileType::Fifo, 0),
            NodeType::Socket => lay::make_node(at, name, FileType::Socket, 0),
            NodeType::Dev { device } => lay::make_node(at, name, FileType::BlockDevice, *device),
            NodeType::Chardev { device } => lay::make_node(at, name, FileType::CharacterDevice, *device),
        };
        done.map_err(|e| self.failed(path, e))?;
        let link = matches!(node.node_type, NodeType::Symlink { .. });
        let troubles = lay::dress_at(at, name, link, &attributes);
        self.others += 1;
        self.note(path, troubles);
        Ok(())
    }

    /// Opens a directory that was made, unless it is the open one. Its number.
    fn enter(&mut self, path: &Path) -> Result<usize, RepositoryError> {
        if let Some((number, _)) = &self.open
            && self.directories[*number].0 == path
        {
            return Ok(*number);
        }
        let number = self.numbers.get(path).copied().unwrap_or(0);
        let directory = self.ground.directory(path).map_err(|e| self.failed(path, e))?;
        self.open = Some((number, directory));
        Ok(number)
    }

    /// Gives a file its attributes. The last that is done to it, so that reading it leaves no trace, and any later write one.
    fn dress(&self, file: BorrowedFd<'_>, attributes: &Attributes, path: impl Fn() -> PathBuf) {
        let troubles = lay::dress(file, attributes);
        if !troubles.is_empty() {
            self.note(&path(), troubles);
        }
        if self.reads_back && !xattrs_of(file).is_ok_and(|here| here == attributes.xattrs) {
            self.differences.note(&path(), another("set of attributes"));
        }
    }

    fn note(&self, path: &Path, troubles: Vec<String>) {
        for trouble in troubles {
            self.problems.note(path, trouble);
        }
    }

    /// Reads the files back that were too large for it when their last part came.
    pub(super) fn read_back(&mut self, control: &Control) -> Result<(), RepositoryError> {
        let large = (0..self.files.len()).filter(|number| self.files[*number].size > AT_ONCE).collect::<Vec<_>>();
        let contents: Vec<Content> = large
            .into_iter()
            .map(|number| Content {
                path: self.path_of(&self.files[number]),
                size: self.files[number].size,
                chunks: std::mem::take(&mut self.files[number].chunks),
            })
            .collect();
        read_back::read_back(&contents, &self.ground, &self.differences, control)
    }

    /// Further names, and the attributes of directories, which change when something is made in them.
    pub(super) fn finish(mut self) -> Result<(RestoreReport, Noted), RepositoryError> {
        for (first, other) in std::mem::take(&mut self.links) {
            let open = |path: &Path| {
                let parent = path.parent().unwrap_or_else(|| Path::new(""));
                self.ground.directory(parent).map_err(|e| self.failed(path, e))
            };
            let (from, to) = (open(&first)?, open(&other)?);
            let (old, new) = (first.file_name().unwrap_or_default(), other.file_name().unwrap_or_default());
            rustix::fs::linkat(from, old, to, new, rustix::fs::AtFlags::empty()).map_err(|e| self.failed(&other, e))?;
            self.others += 1;
        }
        let mut directories = std::mem::take(&mut self.directories);
        if let Some(root) = self.root.take() {
            directories[0].1 = root;
        } else {
            directories.remove(0);
        }
        for (path, attributes) in directories.iter().rev() {
            let directory = self.ground.directory(path).map_err(|e| self.failed(path, e))?;
            self.note(path, lay::dress(directory.as_fd(), attributes));
        }
        let (problems, problem_count) = self.problems.into_inner();
        let report = RestoreReport {
            files: self.files.len() as u64 + self.others,
            directories: directories.len() as u64,
            bytes: self.files.iter().map(|file| file.size).sum(),
            problems,
            problem_count,
        };
        Ok((report, self.differences))
    }
}

/// What one thread has open: most writes go where the last one went.
#[derive(Default)]
pub(super) struct Hand {
    directory: Opened<usize>,
    file: Opened<usize, fs::File>,
    sight: Sight,
}

impl Hand {
    pub(super) fn write(
        &mut self,
        laid: &Laid,
        (number, at): (usize, u64),
        plain: &[u8],
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let Some(file) = laid.files.get(number) else { return Ok(()) };
        let failed = |e: Errno| laid.failed(&laid.path_of(file), e);
        let Self { directory, file: open, .. } = self;
        let fd = open.get(number, || {
            let directory = directory.get(file.directory, || {
                let path = laid.directories.get(file.directory).map_or(Path::new(""), |(path, _)| path);
                laid.ground.directory(path).map_err(|e| laid.failed(path, e))
            })?;
            lay::open_file(directory.as_fd(), &file.name).map(fs::File::from).map_err(failed)
        })?;
        lay::store(fd.as_fd(), at, plain).map_err(failed)?;
        control.progress.add_bytes(plain.len() as u64);
        if file.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The last blob may have been a hole.
            let end = rustix::fs::fstat(fd).map_err(failed)?.st_size;
            if u64::try_from(end).unwrap_or(0) < file.size {
                rustix::fs::ftruncate(fd, file.size).map_err(failed)?;
            }
            if laid.reads_back && file.size <= AT_ONCE {
                let differs = self.sight.differs(fd, 0, &file.chunks, control);
                if let Some(at) = differs.map_err(failed)?.or_else(|| read_back::parts(&file.chunks, file.size)) {
                    laid.differences.note(&laid.path_of(file), read_back::another_content(at));
                }
            }
            laid.dress(fd.as_fd(), &file.attributes, || laid.path_of(file));
            self.file.close();
        }
        Ok(())
    }
}

/// What is said of an entry that differs in this.
pub(super) fn another(what: &str) -> String {
    format!("has another {what} than in the snapshot")
}

/// What the file system is to say about an entry again: attributes sorted by name.
pub(super) fn attributes(meta: &Metadata) -> Result<Attributes, RepositoryError> {
    // The library does not export the type of one attribute; its JSON form is public.
    let listed = match meta.extended_attributes.as_slice() {
        [] => serde_json::Value::Null,
        some => serde_json::to_value(some).unwrap_or_default(),
    };
    let mut xattrs = Vec::new();
    for attribute in listed.as_array().into_iter().flatten() {
        let name = attribute["name"].as_str().unwrap_or_default().to_owned();
        let value = base64::engine::general_purpose::STANDARD.decode(attribute["value"].as_str().unwrap_or_default());
        let value = value.map_err(|e| {
            RepositoryError::because(
                Reason::Damaged,
                format!("The attribute {name} in this snapshot makes no sense"),
                &e,
            )
        })?;
        xattrs.push((name, value));
    }
    xattrs.sort_unstable();
    let mtime = meta.mtime.map_or((0, 0), |at| {
        // Time stamps count nanoseconds from the second before.
        let nanoseconds = at.as_nanosecond();
        let (seconds, rest) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
        (i64::try_from(seconds).unwrap_or(0), u32::try_from(rest).unwrap_or(0))
    });
    Ok(Attributes {
        mode: unix_mode(meta.mode.unwrap_or(0)),
        uid: meta.uid.unwrap_or(0),
        gid: meta.gid.unwrap_or(0),
        mtime,
        xattrs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::FileProblem;
    use rustic_core::{DataId, Id};
    use sha2::{Digest, Sha256};

    /// Files of these names, each of one chunk: what is to be there, and what comes.
    fn told(files: &[(&str, &[u8], &[u8])]) -> Vec<FileProblem> {
        told_of(files, &[])
    }

    fn told_of(files: &[(&str, &[u8], &[u8])], xattrs: &[(String, Vec<u8>)]) -> Vec<FileProblem> {
        let into = tempfile::tempdir().unwrap();
        let mut laid = Laid::new(into.path(), Ground::open(into.path()).unwrap(), true);
        for (name, stored, _) in files {
            let id = DataId::from(Id::new(Sha256::digest(stored).into()));
            laid.files.push(File {
                directory: 0,
                name: name.into(),
                attributes: Attributes { xattrs: xattrs.to_vec(), ..Attributes::of_directory(into.path()) },
                size: stored.len() as u64,
                chunks: vec![Chunk { id, length: u32::try_from(stored.len()).unwrap() }],
                left: AtomicU32::new(1),
            });
        }
        let (mut hand, control) = (Hand::default(), Control::default());
        for (number, (_, _, came)) in files.iter().enumerate() {
            hand.write(&laid, (number, 0), came, &control).unwrap();
        }
        laid.read_back(&control).unwrap();
        laid.finish().unwrap().1.into_inner().0
    }

    #[test]
    fn what_comes_and_is_not_what_was_stored_is_found_however_large() {
        let large = vec![7; usize::try_from(AT_ONCE).unwrap() + 1];
        let mut touched = large.clone();
        touched[9] ^= 1;
        assert_eq!(told(&[("small", b"as it was", b"as it was"), ("large", &large, &large)]), []);
        let found = told(&[
            ("small", b"as it was", b"as it is!"),
            ("short", b"as it was", b"as it"),
            ("large", &large, &touched),
            ("short and large", &large, b"as it"),
            ("kept", b"as it was", b"as it was"),
        ]);
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["small", "short", "large", "short and large"]);
        assert!(found.iter().all(|problem| problem.problem == "has another content, from byte 0 on"), "{found:?}");
    }

    #[test]
    fn an_attribute_that_could_not_be_given_is_found_to_be_missing() {
        let found = told_of(&[("a", b"x", b"x")], &[("of no namespace".to_owned(), b"y".to_vec())]);
        let found: Vec<&str> = found.iter().map(|found| found.problem.as_str()).collect();
        assert_eq!(found, ["has another set of attributes than in the snapshot"]);
    }
}
