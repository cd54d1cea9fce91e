//! What a walk and its readers tell while they go.

use crate::adapters::sqlite::database_of;
use crate::reconcile::FileProblem;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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
    whole: Mutex<BTreeSet<PathBuf>>,
}

impl Notes {
    /// That a database was copied whole, so that what lies beside it (its log, its journal) is no loss: it comes and goes
    /// while the application goes on.
    pub fn copied_whole(&self, database: &Path) {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(database.to_owned());
    }

    /// Whether this lies beside a database that was copied whole, and holds nothing that the copy does not.
    #[must_use]
    pub fn is_in_a_copy(&self, path: &Path) -> bool {
        let copied = |database| self.whole.lock().unwrap_or_else(PoisonError::into_inner).contains(&database);
        database_of(path).is_some_and(copied)
    }

    /// Notes one file that could not be taken as it was.
    pub fn problem(&self, path: &Path, problem: impl Into<String>) {
        if self.is_in_a_copy(path) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanishes_beside_a_copied_database_is_no_loss() {
        let notes = Notes::default();
        notes.copied_whole(Path::new("d/app.db"));
        for path in ["d/app.db-journal", "d/app.db-wal", "d/app.db-shm"] {
            notes.problem(Path::new(path), "vanished");
        }
        assert_eq!(notes.problems().1, 0);
        for path in ["app.db-journal", "d/other.db-wal", "d/app.db", "d/app.db-copy"] {
            notes.problem(Path::new(path), "vanished");
        }
        assert_eq!(notes.problems().1, 4);
    }
}
