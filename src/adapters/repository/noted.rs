//! What is told of single files while several threads go over them.

use super::lock;
use crate::adapters::volume_walk::LISTED_PROBLEMS;
use crate::reconcile::FileProblem;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The first [`LISTED_PROBLEMS`], and how many there are in all.
#[derive(Default)]
pub(super) struct Noted(Mutex<(Vec<FileProblem>, u64)>);

impl Noted {
    pub fn note(&self, path: &Path, problem: impl Into<String>) {
        let mut noted = lock(&self.0);
        noted.1 += 1;
        if noted.0.len() < LISTED_PROBLEMS {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            noted.0.push(FileProblem { path: path.display().to_string(), problem: problem.into() });
        }
    }

    pub fn into_inner(self) -> (Vec<FileProblem>, u64) {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
