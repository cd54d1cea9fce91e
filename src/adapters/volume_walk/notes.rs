//! What a walk and its readers tell while they go.

use crate::reconcile::FileProblem;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Most problems that are listed; all are counted.
pub const LISTED_PROBLEMS: usize = 1000;

/// Shared between a walk, its readers and whoever started them.
#[derive(Debug, Default)]
pub struct Notes {
    problems: Mutex<Vec<FileProblem>>,
    count: AtomicU64,
    read_bytes: AtomicU64,
    opened: AtomicU64,
    lost: Mutex<Option<String>>,
}

impl Notes {
    /// Notes one file that could not be taken as it was.
    pub fn problem(&self, path: &Path, problem: impl Into<String>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < LISTED_PROBLEMS {
            let path = if path.as_os_str().is_empty() { ".".into() } else { path.to_string_lossy().into_owned() };
            problems.push(FileProblem { path, problem: problem.into() });
        }
    }

    /// The problems so far, the first 1,000, and how many there are in all.
    #[must_use]
    pub fn problems(&self) -> (Vec<FileProblem>, u64) {
        let listed = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (listed, self.count.load(Ordering::Relaxed))
    }

    /// Notes that the source as a whole broke off. The first word stays.
    pub fn lose(&self, why: impl Into<String>) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.into());
    }

    /// Why the source broke off, if it did.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many files were opened for their contents, and how many bytes were read.
    #[must_use]
    pub fn contents(&self) -> (u64, u64) {
        (self.opened.load(Ordering::Relaxed), self.read_bytes.load(Ordering::Relaxed))
    }

    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::adapters) fn read(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
