//! Whether files hold what was stored: they are read, and compared with the hashes under which it was.

use super::error::RepositoryError;
use super::noted::Noted;
use super::report::Control;
use super::restore::THREADS;
use super::{interrupted, lock};
use crate::adapters::lay::{Ground, Opened};
use crate::adapters::volume_walk::open_at;
use rustic_core::{DataId, Id};
use rustix::fd::AsFd;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that one thread reads of a file before another may go on with it.
const SPAN: u64 = 16 << 20;

/// A part of a file, by the hash that names it.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub id: DataId,
    /// Bytes of it, once they were looked up.
    pub length: u32,
}

impl Chunk {
    pub fn all(ids: Option<&[DataId]>) -> Vec<Self> {
        ids.unwrap_or_default().iter().map(|id| Self { id: *id, length: 0 }).collect()
    }
}

/// A file that is to hold these chunks, and nothing else.
pub(super) struct Content {
    pub path: PathBuf,
    pub size: u64,
    pub chunks: Vec<Chunk>,
}

/// Chunks of one content that follow each other.
struct Span<'a> {
    content: usize,
    at: u64,
    chunks: &'a [Chunk],
}

/// Reads files below a directory, a few at a time, and notes which hold something else.
///
/// # Errors
/// It was cancelled.
pub(super) fn read_back(
    contents: &[Content],
    ground: &Ground,
    noted: &Noted,
    control: &Control,
) -> Result<(), RepositoryError> {
    let spans: Vec<Span<'_>> =
        contents.iter().enumerate().flat_map(|(number, content)| spans(number, content)).collect();
    // A file that differs in several places is told of once, by the first of them.
    let differing: Mutex<Vec<(usize, u64)>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut eye = Eye { ground, directory: Opened::default(), file: Opened::default(), sight: Sight::default() };
        while let Some(span) = spans.get(next.fetch_add(1, Ordering::Relaxed)) {
            if control.cancel.is_cancelled() {
                return;
            }
            let content = &contents[span.content];
            match eye.look(span, &content.path, control) {
                Ok(None) => {}
                Ok(Some(at)) => lock(&differing).push((span.content, at)),
                Err(error) => noted.note(&content.path, format!("cannot be read: {}", std::io::Error::from(error))),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(spans.len().max(1)) {
            scope.spawn(work);
        }
    });
    if control.cancel.is_cancelled() {
        return Err(interrupted());
    }
    for (number, content) in contents.iter().enumerate() {
        lock(&differing).extend(parts(&content.chunks, content.size).map(|at| (number, at)));
    }
    let mut differing = std::mem::take(&mut *lock(&differing));
    differing.sort_unstable();
    differing.dedup_by_key(|(number, _)| *number);
    for (number, at) in differing {
        noted.note(&contents[number].path, another_content(at));
    }
    Ok(())
}

/// The byte at which chunks and a file of this size part, if they are not equally long.
pub(super) fn parts(chunks: &[Chunk], size: u64) -> Option<u64> {
    let stored: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    (stored != size).then_some(stored.min(size))
}

/// What is said of a file that holds something else.
pub(super) fn another_content(at: u64) -> String {
    format!("has another content, from byte {at} on")
}

fn spans(number: usize, content: &Content) -> Vec<Span<'_>> {
    let (mut spans, mut start, mut at, mut length) = (Vec::new(), 0, 0, 0);
    for (end, chunk) in content.chunks.iter().enumerate() {
        length += u64::from(chunk.length);
        if length >= SPAN || end + 1 == content.chunks.len() {
            spans.push(Span { content: number, at, chunks: &content.chunks[start..=end] });
            (start, at, length) = (end + 1, at + length, 0);
        }
    }
    spans
}

/// What a thread reads into, and the hash of what it read last.
#[derive(Default)]
pub(super) struct Sight {
    buffer: Vec<u8>,
    last: Option<DataId>,
}

impl Sight {
    /// The byte from which on an open file does not hold these chunks, which begin at `at`.
    ///
    /// # Errors
    /// The system's.
    pub fn differs(
        &mut self,
        file: &File,
        mut at: u64,
        chunks: &[Chunk],
        control: &Control,
    ) -> Result<Option<u64>, Errno> {
        for Chunk { id, length } in chunks {
            let length = *length as usize;
            let hole = self.last == Some(*id) && self.is_hole(file, at, length);
            if !hole && !self.reads(file, at, *id, length)? {
                return Ok(Some(at));
            }
            at += length as u64;
            control.progress.add_bytes(length as u64);
            if control.cancel.is_cancelled() {
                break;
            }
        }
        Ok(None)
    }

    fn reads(&mut self, file: &File, at: u64, id: DataId, length: usize) -> Result<bool, Errno> {
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let buffer = &mut self.buffer[..length];
        // What fails has overwritten some of it.
        self.last = None;
        match file.read_exact_at(buffer, at) {
            Ok(()) => {
                let found = DataId::from(Id::new(Sha256::digest(&*buffer).into()));
                self.last = Some(found);
                Ok(found == id)
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }

    /// Whether what was read last is zeros, and the file has none of it here but a hole, which reads as just that.
    fn is_hole(&self, file: &File, at: u64, length: usize) -> bool {
        let (end, zeros) = (at + length as u64, || self.buffer[..length].iter().all(|byte| *byte == 0));
        let no_data = || match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data >= end,
            Err(error) => error == Errno::NXIO,
        };
        no_data() && file.metadata().is_ok_and(|meta| meta.len() >= end) && zeros()
    }
}

/// What one thread looks with: files of one directory come one after the other.
struct Eye<'a> {
    ground: &'a Ground,
    directory: Opened<&'a Path>,
    file: Opened<usize, File>,
    sight: Sight,
}

impl<'a> Eye<'a> {
    fn look(&mut self, span: &Span<'_>, path: &'a Path, control: &Control) -> Result<Option<u64>, Errno> {
        let Self { ground, directory, file, sight } = self;
        let file = file.get(span.content, || {
            let parent = path.parent().unwrap_or_else(|| Path::new(""));
            let directory = directory.get(parent, || ground.directory(parent))?;
            open_at(directory.as_fd(), path.file_name().unwrap_or_default(), OFlags::empty()).map(File::from)
        })?;
        sight.differs(file, span.at, span.chunks, control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_taken_for_zeros_and_what_is_written_into_it_is_not() {
        const LENGTH: u32 = 1 << 20;
        let file = tempfile::tempfile().unwrap();
        let zeros = DataId::from(Id::new(Sha256::digest(vec![0; LENGTH as usize]).into()));
        let chunks = [Chunk { id: zeros, length: LENGTH }; 4];
        let differs = || Sight::default().differs(&file, 0, &chunks, &Control::default()).unwrap();
        file.set_len(4 << 20).unwrap();
        assert_eq!(differs(), None);
        file.write_all_at(&[0; 4096], 2 << 20).unwrap();
        assert_eq!(differs(), None, "zeros that were written are zeros");
        file.write_all_at(b"x", (3 << 20) - 1).unwrap();
        assert_eq!(differs(), Some(2 << 20));
        file.set_len(3 << 19).unwrap();
        assert_eq!(differs(), Some(1 << 20), "past the end nothing is zero");
    }

    #[test]
    fn what_a_short_file_left_in_the_buffer_is_not_what_was_read_before() {
        const LENGTH: u32 = 8 << 10;
        let content = [&[b'x'][..], &[0; LENGTH as usize - 1]].concat();
        let chunk = [Chunk { id: DataId::from(Id::new(Sha256::digest(&content).into())), length: LENGTH }];
        let [whole, short, hole] = std::array::from_fn(|_| tempfile::tempfile().unwrap());
        whole.write_all_at(&content, 0).unwrap();
        short.set_len(u64::from(LENGTH) - 1).unwrap();
        hole.set_len(u64::from(LENGTH)).unwrap();
        let (mut sight, control) = (Sight::default(), Control::default());
        let mut differs = |file| sight.differs(file, 0, &chunk, &control).unwrap();
        assert_eq!([differs(&whole), differs(&short), differs(&hole)], [None, Some(0), Some(0)]);
    }
}
