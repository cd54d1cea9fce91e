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
use rustix::fs::OFlags;
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
        let mut eye = Eye { ground, directory: Opened::default(), file: Opened::default(), buffer: Vec::new() };
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

/// The byte from which on an open file does not hold these chunks, which begin at `at`.
///
/// # Errors
/// The system's.
pub(super) fn differs(
    file: &File,
    mut at: u64,
    chunks: &[Chunk],
    buffer: &mut Vec<u8>,
    control: &Control,
) -> Result<Option<u64>, Errno> {
    for Chunk { id, length } in chunks {
        let length = *length as usize;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let buffer = &mut buffer[..length];
        match file.read_exact_at(buffer, at) {
            Ok(()) if DataId::from(Id::new(Sha256::digest(&*buffer).into())) == *id => {}
            Ok(()) => return Ok(Some(at)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Some(at)),
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
        at += length as u64;
        control.progress.add_bytes(length as u64);
        if control.cancel.is_cancelled() {
            break;
        }
    }
    Ok(None)
}

/// What one thread looks with: files of one directory come one after the other.
struct Eye<'a> {
    ground: &'a Ground,
    directory: Opened<&'a Path>,
    file: Opened<usize, File>,
    buffer: Vec<u8>,
}

impl<'a> Eye<'a> {
    fn look(&mut self, span: &Span<'_>, path: &'a Path, control: &Control) -> Result<Option<u64>, Errno> {
        let Self { ground, directory, file, buffer } = self;
        let file = file.get(span.content, || {
            let parent = path.parent().unwrap_or_else(|| Path::new(""));
            let directory = directory.get(parent, || ground.directory(parent))?;
            open_at(directory.as_fd(), path.file_name().unwrap_or_default(), OFlags::empty()).map(File::from)
        })?;
        differs(file, span.at, span.chunks, buffer, control)
    }
}
