//! Objects of a snapshot, back into a bucket.

use super::names::key;
use super::walk::mark;
use crate::adapters::repository::error::{Reason, RepositoryError};
use crate::adapters::repository::index::Index;
use crate::adapters::repository::lock::Lock;
use crate::adapters::repository::report::Control;
use crate::adapters::repository::source::HEADER;
use crate::adapters::repository::{RepositoryAdapter, interrupted, lock};
use crate::adapters::s3::{Header, Object, Refused, S3, Upload, wait};
use crate::reconcile::FileProblem;
use crate::reconcile::restore::Over;
use rustic_core::repofile::Node;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many objects are written at once, each with 16 MiB in memory at most.
const AT_ONCE: usize = 4;
/// How many objects are gathered before those who write begin.
const BATCH: usize = 1000;
/// How many of the objects with which the same was done are named.
const NAMED: usize = 20;

/// Which objects are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Only keys that begin with this: one key, many, or, empty, all.
    pub prefix: &'a str,
    /// Which objects that are there and differ may be replaced.
    pub over: Over,
}

/// Keys of objects with which the same was done: how many, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// How many.
    pub count: u64,
    /// The first, at most twenty.
    pub first: Vec<String>,
}

impl Keys {
    fn add(&mut self, key: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(key.to_owned());
        }
    }
}

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutBack {
    /// Objects that were written.
    pub objects: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Objects that are there already, just so.
    pub same: u64,
    /// Objects, among those that were written, that something else was in the place of.
    pub replaced: Keys,
    /// Objects that differ and were left as they are: because they are newer, or nothing was to be replaced.
    pub kept: Keys,
    /// What could not be put back.
    pub problems: Vec<FileProblem>,
}

impl RepositoryAdapter {
    /// Writes objects of a snapshot into a bucket, under their own keys. What is there already with the same content stays;
    /// what differs is replaced as far as that is wanted; nothing is deleted.
    ///
    /// # Errors
    /// The snapshot cannot be read, or the bucket not be listed. Trouble with single objects is in the report.
    pub fn put_back(
        &self,
        id: &str,
        s3: &S3,
        wanted: Wanted<'_>,
        control: &Control,
    ) -> Result<PutBack, RepositoryError> {
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::to_read(&self.files, &self.sealer)?;
        let index = self.resident()?;
        let root = self.node_at(&index, id, Path::new(""))?;
        let report = Mutex::new(PutBack::default());
        let mut batch: Vec<(String, Node)> = Vec::with_capacity(BATCH);
        self.visit(&index, &root, &mut |path, node| {
            if !node.is_file() {
                return Ok(());
            }
            let no_key = || RepositoryError::new(Reason::Refused, "This snapshot holds files, and no objects");
            let key = key(path).ok_or_else(no_key)?;
            if key.starts_with(wanted.prefix) {
                batch.push((key, node.clone()));
                if batch.len() == BATCH {
                    self.put_batch(&index, &std::mem::take(&mut batch), s3, wanted, &report, control)?;
                }
            }
            Ok(())
        })?;
        self.put_batch(&index, &batch, s3, wanted, &report, control)?;
        let report = lock(&report).clone();
        if report == PutBack::default() {
            let message = format!("No object of this snapshot has a key that begins with `{}`", wanted.prefix);
            return Err(RepositoryError::new(Reason::NotFound, message));
        }
        Ok(report)
    }

    fn put_batch(
        &self,
        index: &Index,
        batch: &[(String, Node)],
        s3: &S3,
        wanted: Wanted<'_>,
        report: &Mutex<PutBack>,
        control: &Control,
    ) -> Result<(), RepositoryError> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((key, node)) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                if control.cancel.is_cancelled() {
                    return;
                }
                let done = self.put_one(index, (key, node), s3, wanted);
                let mut report = lock(report);
                match done {
                    Ok(put @ (Put::Written | Put::Replaced)) => {
                        if matches!(put, Put::Replaced) {
                            report.replaced.add(key);
                        }
                        report.objects += 1;
                        report.bytes += node.meta.size;
                        control.progress.add_files(1);
                        control.progress.add_bytes(node.meta.size);
                    }
                    Ok(Put::Same) => report.same += 1,
                    Ok(Put::Kept) => report.kept.add(key),
                    Err(error) => {
                        report.problems.push(FileProblem { path: key.clone(), problem: error.told() });
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(work);
            }
        });
        if control.cancel.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }

    fn put_one(
        &self,
        index: &Index,
        (key, node): (&str, &Node),
        s3: &S3,
        wanted: Wanted<'_>,
    ) -> Result<Put, RepositoryError> {
        let failed = |error: &dyn std::error::Error| {
            RepositoryError::because(Reason::Unavailable, format!("{key} could not be put back"), error)
        };
        let found = there(s3, key).map_err(|e| failed(&e))?;
        if let Some(there) = &found {
            // The same `ETag` is the same content, unless it was written in parts of another length.
            if there.size == node.meta.size && mark(&there.etag) == node.meta.inode {
                return Ok(Put::Same);
            }
            let is_newer = || node.meta.mtime.is_none_or(|then| there.written > then);
            if wanted.over == Over::Nothing || wanted.over == Over::Older && is_newer() {
                return Ok(Put::Kept);
            }
        }
        let mut upload = Upload::new(s3, key, node.meta.size, headers(node));
        self.content(index, node, &mut upload)?;
        upload.finish().map_err(|e| failed(&e))?;
        Ok(if found.is_some() { Put::Replaced } else { Put::Written })
    }
}

/// What became of one.
enum Put {
    Written,
    Replaced,
    Same,
    Kept,
}

/// What lies under a key now.
fn there(s3: &S3, key: &str) -> std::io::Result<Option<Object>> {
    match wait(s3.head(key))? {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.refused() == Some(Refused::NoObject) => Ok(None),
        Err(error) => Err(std::io::Error::other(error)),
    }
}

/// The headers that were kept with an object.
fn headers(node: &Node) -> Vec<Header> {
    let kept = node.meta.extended_attributes.iter().filter_map(|attribute| {
        let name = attribute.name.strip_prefix(HEADER)?;
        Some((name.to_owned().into(), String::from_utf8(attribute.value.clone()?).ok()?))
    });
    kept.collect()
}
