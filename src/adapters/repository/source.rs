//! A walked volume as it goes into a snapshot.

use super::RepositoryError;
use super::databases::{Copies, Taken};
use super::reach::Reached;
use super::report::{Around, Control};
use super::streams::Streams;
use crate::adapters::s3::{Stored, Trouble};
use crate::adapters::volume_walk::{Entry, Kind, Meta, Notes, Opener, Reader};
use crate::controller::ports::Progress;
use base64::Engine;
use rustic_core::repofile::{Metadata, Node, NodeType};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The manifest's name in a snapshot.
pub(super) const MANIFEST: &str = ".seawall.json";

/// How the headers that belong to an object are called where a file has extended attributes.
pub(super) const HEADER: &str = "user.s3.";

/// That something of the source is still to be read. Shared by the walk and by every file that it gave out; when the
/// last of them is done, whoever waits for the end of reading is told.
#[derive(Clone)]
pub(super) struct Reading {
    _shared: Option<Arc<Told>>,
}

struct Told(Arc<dyn Around>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.after();
    }
}

impl Reading {
    pub(super) fn begin(control: &Control) -> Result<Self, RepositoryError> {
        let Some(around) = &control.around else { return Ok(Self { _shared: None }) };
        around.before()?;
        Ok(Self { _shared: Some(Arc::new(Told(Arc::clone(around)))) })
    }

    /// That nothing of the source itself is to be read any more.
    pub(super) fn over() -> Self {
        Self { _shared: None }
    }
}

/// One entry as it goes into a snapshot.
pub(super) struct Found {
    /// In the snapshot.
    pub path: PathBuf,
    /// Without contents, and a file without attributes.
    pub node: Node,
    /// The contents of a file.
    pub open: Option<Open>,
}

/// Iterates over the manifest and then the volume.
pub(super) struct Source<'a> {
    name: PathBuf,
    manifest: Option<Found>,
    walk: Box<dyn Iterator<Item = Entry> + Send>,
    notes: Arc<Notes>,
    progress: Arc<Progress>,
    /// `None` once the walk is over.
    reading: Option<Reading>,
    copies: Option<Copies<'a>>,
}

/// Something with contents.
pub(super) enum Open {
    Manifest(Vec<u8>),
    File(Box<Opener>, Arc<Progress>, Option<Reading>),
    /// A copy, and what it is a copy of.
    Copy(fs::File, Box<Opener>, Arc<Progress>),
    /// One of several streams, whose length is known once it has been read.
    Stream(Arc<dyn Streams>, String, Arc<Progress>),
    Object(Box<Stored>, Arc<Progress>, Arc<Notes>),
}

impl<'a> Source<'a> {
    pub(super) fn new(
        name: &str,
        manifest: Vec<u8>,
        reached: Reached,
        control: &Control,
        copies: Option<Copies<'a>>,
    ) -> Self {
        let Reached { root, notes, entries, reading, .. } = reached;
        let manifest = manifest_found(manifest, root.meta().mtime);
        Self {
            name: PathBuf::from(name),
            manifest: Some(manifest),
            walk: entries,
            notes,
            progress: Arc::clone(&control.progress),
            reading: Some(reading),
            copies,
        }
    }
}

impl Iterator for Source<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(manifest) = self.manifest.take() {
            return Some(manifest);
        }
        loop {
            let Some(entry) = self.walk.next() else {
                if let (Some(copies), None) = (&self.copies, self.notes.lost()) {
                    copies.finish();
                }
                self.reading = None;
                return None;
            };
            // Joining nothing would add a slash.
            let root = entry.path.as_os_str().is_empty();
            let path = if root { self.name.clone() } else { self.name.join(&entry.path) };
            let at = entry.path.clone();
            match self.found(entry, path) {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(problem) => self.notes.problem(&at, problem),
            }
        }
    }
}

impl Source<'_> {
    /// `None`: it is left out.
    fn found(&mut self, entry: Entry, path: PathBuf) -> Result<Option<Found>, String> {
        let mut metadata = metadata(&entry.meta)?;
        let mut open = None;
        let kind = match entry.kind {
            Kind::Directory => NodeType::Dir,
            Kind::File(opener) => {
                let taken = self.copies.as_mut().map(|c| c.take(&entry.path, &path, &entry.meta, &opener));
                let progress = Arc::clone(&self.progress);
                open = Some(match taken {
                    Some(Taken::LeftOut) => return Ok(None),
                    Some(Taken::Copy(own, copy)) => {
                        metadata = *own;
                        Open::Copy(copy, Box::new(opener), progress)
                    }
                    Some(Taken::Unchanged(own)) => {
                        metadata = *own;
                        Open::File(Box::new(opener), progress, self.reading.clone())
                    }
                    Some(Taken::AsItIs) | None => Open::File(Box::new(opener), progress, self.reading.clone()),
                });
                NodeType::File
            }
            Kind::Symlink(target) => NodeType::from_link(&target),
            Kind::Fifo => NodeType::Fifo,
            Kind::Socket => NodeType::Socket,
            Kind::Block => NodeType::Dev { device: entry.meta.stands_for },
            Kind::Character => NodeType::Chardev { device: entry.meta.stands_for },
        };
        if !matches!(kind, NodeType::Dir) {
            self.progress.add_files(1);
        }
        let node = Node::new_node(path.file_name().unwrap_or_default(), kind, metadata);
        Ok(Some(Found { path, node, open }))
    }
}

impl Open {
    /// Opens it for reading.
    pub(super) fn open(self) -> io::Result<Box<dyn Content>> {
        Ok(match self {
            Self::Manifest(bytes) => Box::new(Cursor::new(bytes)),
            Self::Object(stored, progress, notes) => {
                Box::new(Counting { reader: Watched { reader: stored.open()?, notes }, progress, _reading: None })
            }
            Self::Copy(reader, _, progress) => Box::new(Counting { reader, progress, _reading: None }),
            Self::File(opener, progress, reading) => {
                Box::new(Counting { reader: opener.open()?, progress, _reading: reading })
            }
            Self::Stream(streams, name, progress) => {
                progress.add_files(1);
                Box::new(Counting { reader: streams.open(&name)?, progress, _reading: None })
            }
        })
    }

    /// The attributes of the file.
    ///
    /// # Errors
    /// It is not there any more, as a problem.
    pub(super) fn attributes(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        match self {
            Self::Manifest(_) | Self::Stream(..) => Ok(Vec::new()),
            Self::File(opener, ..) | Self::Copy(_, opener, _) => opener.attributes(),
            Self::Object(stored, _, notes) => {
                let headers = stored.headers().map_err(|trouble| {
                    if !trouble.own {
                        notes.lose(trouble.why.clone());
                    }
                    trouble.why
                })?;
                let kept = headers.into_iter().map(|(name, value)| (format!("{HEADER}{name}"), value.into_bytes()));
                Ok(kept.collect())
            }
        }
    }

    /// Whether its length is what its node says.
    pub(super) const fn has_known_length(&self) -> bool {
        !matches!(self, Self::Stream(..))
    }

    /// Whether trouble with reading it is noted by who reads it.
    pub(super) const fn tells_its_own_trouble(&self) -> bool {
        matches!(self, Self::File(..))
    }
}

/// Contents as they are read.
pub(super) trait Content: Read + Send {
    /// See [`Reader::pass_hole`].
    fn pass_hole(&mut self, _behind: u64, _step: u64) -> io::Result<u64> {
        Ok(0)
    }
}

impl Content for Cursor<Vec<u8>> {}
impl Content for fs::File {}
impl Content for Box<dyn Read + Send> {}
impl<R: Read + Send> Content for Watched<R> {}

impl Content for Reader {
    fn pass_hole(&mut self, behind: u64, step: u64) -> io::Result<u64> {
        Self::pass_hole(self, behind, step)
    }
}

/// Tells when it is not the object but its server that is to blame.
struct Watched<R> {
    reader: R,
    notes: Arc<Notes>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect_err(|error| {
            let trouble = error.get_ref().and_then(|inner| inner.downcast_ref::<Trouble>());
            if trouble.is_some_and(|trouble| !trouble.own) {
                self.notes.lose(error.to_string());
            }
        })
    }
}

/// Tells how far the run is.
struct Counting<R> {
    reader: R,
    progress: Arc<Progress>,
    _reading: Option<Reading>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.progress.add_bytes(length as u64);
        Ok(length)
    }
}

impl<R: Content> Content for Counting<R> {
    fn pass_hole(&mut self, behind: u64, step: u64) -> io::Result<u64> {
        let passed = self.reader.pass_hole(behind, step)?;
        self.progress.add_bytes(passed.saturating_sub(behind));
        Ok(passed)
    }
}

pub(super) fn metadata(meta: &Meta) -> Result<Metadata, String> {
    let mtime = timestamp(meta.mtime)?;
    let is_file = meta.mode & S_IFMT == S_IFREG;
    let several = meta.links > 1 && meta.mode & S_IFMT != S_IFDIR;
    let mut metadata = Metadata {
        mode: Some(go_mode(meta.mode)),
        mtime: Some(mtime),
        // As restic does by default: a time that every reader changes would make every tree look changed.
        atime: Some(mtime),
        ctime: Some(timestamp(meta.ctime)?),
        uid: Some(meta.uid),
        gid: Some(meta.gid),
        inode: meta.inode,
        // Only needed to tell hard links apart, and not the same after every restart.
        device_id: if several { meta.device } else { 0 },
        size: if is_file { meta.size } else { 0 },
        links: meta.links,
        ..Metadata::default()
    };
    set_attributes(&mut metadata, &meta.xattrs)?;
    Ok(metadata)
}

/// Writes attributes down. The library does not export the type of one; its JSON form is public.
pub(super) fn set_attributes(metadata: &mut Metadata, found: &[(String, Vec<u8>)]) -> Result<(), String> {
    if !found.is_empty() {
        let attributes = found.iter().map(|(name, value)| {
            serde_json::json!({"name": name, "value": base64::engine::general_purpose::STANDARD.encode(value)})
        });
        metadata.extended_attributes = serde_json::from_value(attributes.collect()).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The manifest as an entry.
pub(super) fn manifest_found(manifest: Vec<u8>, mtime: (i64, u32)) -> Found {
    let node = Node::new_node(OsStr::new(MANIFEST), NodeType::File, manifest_metadata(&manifest, mtime));
    Found { path: MANIFEST.into(), node, open: Some(Open::Manifest(manifest)) }
}

/// The manifest's own metadata: equal as long as its content is, and different as soon as it is not.
fn manifest_metadata(manifest: &[u8], mtime: (i64, u32)) -> Metadata {
    let digest = Sha256::digest(manifest);
    let mark = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Metadata {
        mode: Some(0o600),
        mtime: timestamp(mtime).ok(),
        atime: timestamp(mtime).ok(),
        // Nobody restores it, and it is what tells the archiver that the content is another.
        ctime: timestamp((i64::from(mark), 0)).ok(),
        uid: Some(0),
        gid: Some(0),
        size: manifest.len() as u64,
        links: 1,
        ..Metadata::default()
    }
}

pub(super) fn timestamp((seconds, nanoseconds): (i64, u32)) -> Result<jiff::Timestamp, String> {
    let at = jiff::Timestamp::from_second(seconds)
        .and_then(|at| at.checked_add(jiff::SignedDuration::from_nanos(i64::from(nanoseconds))));
    at.map_err(|_| format!("its time stamp, {seconds} s from 1970, cannot be written down"))
}

// inode(7)
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;

/// A Unix mode as Go's `os.FileMode`, which is what restic stores.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & S_IFMT {
        S_IFDIR => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => (1 << 26) | (1 << 21),
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let bit = |unix: u32, go: u32| if mode & unix == 0 { 0 } else { 1 << go };
    kind | bit(0o4000, 23) | bit(0o2000, 22) | bit(0o1000, 20) | (mode & 0o777)
}

/// The permission bits of a mode as Go writes it; of one that is not, they are the same.
pub(super) fn unix_mode(go: u32) -> u32 {
    let bit = |go_bit: u32, unix: u32| if go & (1 << go_bit) == 0 { 0 } else { unix };
    bit(23, 0o4000) | bit(22, 0o2000) | bit(20, 0o1000) | (go & 0o777)
}
