//! The databases of a source, which go into its snapshot as SQLite copies them.

use super::source::{metadata, timestamp};
use crate::adapters::sqlite::{self, Files, Staging};
use crate::adapters::volume_walk::{Meta, Notes, Opener};
use crate::policy::Sqlite;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustic_core::repofile::{Metadata, Node};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Which files of a source are databases, and where their copies are made.
#[derive(Debug, Clone)]
pub struct Databases {
    select: Select,
    staging: Arc<Staging>,
}

#[derive(Debug, Clone)]
enum Select {
    Auto,
    Named { globs: GlobSet, paths: BTreeSet<PathBuf> },
}

impl Databases {
    /// As a policy names them.
    ///
    /// # Errors
    /// The glob that is not one, and why.
    pub fn new(sqlite: &Sqlite, staging: Arc<Staging>) -> Result<Self, globset::Error> {
        let select = match sqlite {
            Sqlite::Auto => Select::Auto,
            Sqlite::Files(patterns) => {
                let (mut globs, mut paths) = (GlobSetBuilder::new(), BTreeSet::new());
                for pattern in patterns {
                    let pattern = pattern.trim_start_matches('/');
                    if pattern.contains(['*', '?', '[', '{', '\\']) {
                        globs.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
                    } else {
                        paths.insert(PathBuf::from(pattern));
                    }
                }
                Select::Named { globs: globs.build()?, paths }
            }
        };
        Ok(Self { select, staging })
    }
}

/// Looks a path up in the snapshot to compare with.
pub(super) type Before<'a> = Box<dyn Fn(&Path) -> Option<Node> + Send + 'a>;

/// The databases of one reading.
pub(super) struct Copies<'a> {
    databases: Databases,
    before: Before<'a>,
    notes: Arc<Notes>,
    cancel: CancellationToken,
    met: BTreeSet<PathBuf>,
}

/// What becomes of one file.
pub(super) enum Taken {
    /// It is read like any other.
    AsItIs,
    /// It is left out: the copy of its database holds what it held.
    LeftOut,
    /// It is as in the snapshot before.
    Unchanged(Box<Metadata>),
    /// A copy is taken in its place.
    Copy(Box<Metadata>, File),
}

impl<'a> Copies<'a> {
    pub(super) fn new(databases: Databases, before: Before<'a>, notes: Arc<Notes>, cancel: CancellationToken) -> Self {
        Self { databases, before, notes, cancel, met: BTreeSet::new() }
    }

    /// Looks at a file of the source. A database comes before what lies beside it, as their names are sorted. What
    /// keeps a database from being copied is noted, and it is taken as it is, with what lies beside it.
    pub(super) fn take(&mut self, path: &Path, at: &Path, meta: &Meta, opener: &Opener) -> Taken {
        if sqlite::database_of(path).is_some() {
            return if self.notes.is_in_a_copy(path) { Taken::LeftOut } else { Taken::AsItIs };
        }
        let named = match &self.databases.select {
            Select::Auto => false,
            Select::Named { globs, paths } if globs.is_match(path) || paths.contains(path) => true,
            Select::Named { .. } => return Taken::AsItIs,
        };
        self.met.insert(path.to_owned());
        let (directory, name) = opener.place();
        match sqlite::is_database(directory, name, meta.size, &self.cancel) {
            Ok(true) => {}
            // An empty file is an empty database.
            Ok(false) if named && meta.size > 0 => {
                let what = "does not begin as an SQLite database does (encrypted, or something else)";
                self.notes.problem(path, format!("{what}; it was taken as it is"));
                return Taken::AsItIs;
            }
            // One that cannot be read is told of when it is read like any other.
            Ok(false) | Err(_) => return Taken::AsItIs,
        }
        self.copy(path, at, meta, opener).unwrap_or_else(|problem| {
            if let Some(problem) = problem {
                let taken = "it was taken as it is, which may not be a whole state";
                self.notes.problem(path, format!("could not be copied as a database: {problem}; {taken}"));
            }
            Taken::AsItIs
        })
    }

    fn copy(&mut self, path: &Path, at: &Path, meta: &Meta, opener: &Opener) -> Result<Taken, Option<String>> {
        let (directory, name) = opener.place();
        let files = match opener.files() {
            Some(files) => files.clone(),
            None => Files::look(directory, name).map_err(|error| Some(error.to_string()))?,
        };
        let mut metadata = metadata(meta)?;
        metadata.mtime = files.newest().and_then(|at| timestamp(at).ok());
        metadata.atime = metadata.mtime;
        metadata.ctime = mark(&files);
        let before = (self.before)(at).filter(|node| {
            node.meta.mtime == metadata.mtime && node.meta.ctime == metadata.ctime && metadata.ctime.is_some()
        });
        if let Some(node) = before {
            metadata.size = node.meta.size;
            self.notes.copied_whole(path);
            return Ok(Taken::Unchanged(Box::new(metadata)));
        }
        let copy = sqlite::copy(directory, name, &self.databases.staging, &self.cancel)?;
        metadata.size = copy.metadata().map_err(|error| Some(error.to_string()))?.len();
        self.notes.read(metadata.size);
        self.notes.copied_whole(path);
        Ok(Taken::Copy(Box::new(metadata), copy))
    }

    /// Notes what a policy names and the source has not.
    pub(super) fn finish(&self) {
        let Select::Named { paths, .. } = &self.databases.select else { return };
        for path in paths.difference(&self.met) {
            let what = "is named under `sqlite`, by its path from the volume's root, and is not there or is excluded";
            self.notes.problem(path, format!("{what}; correct the policy"));
        }
    }
}

/// In place of the time at which the inode changed, which nobody restores: equal for as long as the database, its log
/// and its journal stay as they are, and never that of a file that was taken as it is.
fn mark(files: &Files) -> Option<jiff::Timestamp> {
    let digest = Sha256::new().chain_update("sqlite").chain_update(files.fingerprint()).finalize();
    timestamp((i64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])), 0)).ok()
}
