//! What is in the policies directory: which files are policy files, what stands in the way, and where to watch.

use super::places::{self, Identity};
use super::read::{self, Unreadable};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

/// Most policy files that are read.
pub(super) const MAX_FILES: usize = 10_000;
/// Most directory entries that are looked at, policy files or not.
const MAX_ENTRIES: usize = 200_000;
/// Most directories inside one another.
const MAX_DEPTH: usize = 32;

/// Why a path has no documents: what is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub message: String,
    pub help: String,
}

/// One look at the names. All paths are relative to the policies directory unless said otherwise.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    /// Trouble with the directory as a whole.
    pub problem: Option<String>,
    /// Policy files that look readable, in the order of their names.
    pub files: BTreeSet<PathBuf>,
    /// Policy files and directories that are not.
    pub troubles: BTreeMap<PathBuf, Trouble>,
    /// Whether there is an entry with the name of a policy file, readable or not.
    pub any_policy_name: bool,
    /// What is at or below these was not seen, which does not mean that it is gone. The empty path: everything.
    pub unseen: Vec<PathBuf>,
    /// The directory itself, canonical; `None`: it cannot be reached.
    pub root: Option<(PathBuf, Identity)>,
    /// Directories that were read, canonical, with what they were.
    pub directories: BTreeMap<PathBuf, Identity>,
    /// Absolute paths where a change would make a path lead elsewhere.
    pub places: BTreeSet<PathBuf>,
}

impl Listing {
    /// Whether a path could be there without having been seen.
    pub fn overlooks(&self, path: &Path) -> bool {
        self.unseen.iter().any(|prefix| path.starts_with(prefix))
    }
}

/// The names in a directory, in their order, without those that are hidden, each with what kind of entry has it, where
/// that is told.
type Names = Vec<(OsString, Option<FileType>)>;

/// A directory whose names were read: where a relative path led, and what was there.
#[derive(Debug)]
pub(super) struct Visit {
    relative: PathBuf,
    place: (PathBuf, Identity),
    names: Names,
}

impl Visit {
    /// Whether the same is there now.
    pub fn holds(&self, root: &Path) -> bool {
        places::locate(&root.join(&self.relative)).is_ok_and(|place| place == self.place)
            && names(&self.place.0, &mut 0).is_ok_and(|names| names == self.names)
    }
}

/// Stops when so many entries were counted that there is no point in more of them.
fn names(directory: &Path, entries: &mut usize) -> io::Result<Names> {
    let mut names = Names::new();
    for entry in std::fs::read_dir(directory)? {
        *entries += 1;
        if *entries > MAX_ENTRIES {
            break;
        }
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push((name, entry.file_type().ok()));
        }
    }
    names.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(names)
}

/// The way through all names.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub listing: Listing,
    pub visits: Vec<Visit>,
    entries: usize,
    /// Whether a link that is passed by may come to lead to a directory.
    loose: bool,
}

impl Walk {
    /// Looks at all names in `directory`, an absolute path.
    pub fn of(directory: &Path) -> Self {
        let mut walk = Self::default();
        places::trace(directory, &mut walk.listing.places);
        match places::locate(directory) {
            Ok((path, identity)) => {
                walk.listing.root = Some((path.clone(), identity));
                walk.directory(&path, Path::new(""), &mut vec![identity]);
            }
            Err(error) => walk.unreachable(Path::new(""), read::explain(directory, &error)),
        }
        walk
    }

    /// Whether the next way leads to the same while every visit of this one holds.
    pub fn is_lasting(&self) -> bool {
        let Listing { problem, troubles, unseen, .. } = &self.listing;
        !self.loose && problem.is_none() && troubles.is_empty() && unseen.is_empty()
    }

    fn directory(&mut self, absolute: &Path, relative: &Path, inside: &mut Vec<Identity>) {
        // Noted before it is read, so that one that cannot be read is watched for the day when it can.
        if let Some(identity) = inside.last() {
            self.listing.directories.insert(absolute.to_owned(), *identity);
        }
        let names = match names(absolute, &mut self.entries) {
            Ok(names) => names,
            Err(error) => return self.unreachable(relative, read::explain(absolute, &error)),
        };
        for (name, kind) in &names {
            self.entry(&absolute.join(name), *kind, relative.join(name), inside);
        }
        if let Some(identity) = inside.last() {
            let (relative, place) = (relative.to_owned(), (absolute.to_owned(), *identity));
            self.visits.push(Visit { relative, place, names });
        }
        if self.entries > MAX_ENTRIES {
            self.cut_short(&format!("has more than {MAX_ENTRIES} entries; not all of them were looked at"));
        }
    }

    fn entry(&mut self, absolute: &Path, own_kind: Option<FileType>, relative: PathBuf, inside: &mut Vec<Identity>) {
        let is_policy = is_policy_name(&relative);
        self.listing.any_policy_name |= is_policy;
        let kind = match self.kind(own_kind, absolute) {
            Ok(kind) => kind,
            Err(Unreadable::Vanished) => return,
            Err(unreadable) if is_policy => return self.unreachable(&relative, unreadable),
            // It may have been a directory of policies.
            Err(_) => return self.listing.unseen.push(relative),
        };
        if relative.to_str().is_none() && (is_policy || kind.is_dir()) {
            let shown = PathBuf::from(relative.to_string_lossy().into_owned());
            self.trouble(&shown, "has a name that is not UTF-8", "rename it");
        } else if kind.is_dir() && !is_policy {
            self.subdirectory(absolute, &relative, inside);
        } else if is_policy && self.listing.files.len() >= MAX_FILES {
            self.cut_short(&format!("has more than {MAX_FILES} policy files; the others were not read"));
        } else if is_policy {
            self.listing.files.insert(relative);
        } else {
            self.loose |= own_kind.is_none_or(|own| own.is_symlink());
        }
    }

    /// Of what is there, or of what a link there leads to.
    fn kind(&mut self, own: Option<FileType>, absolute: &Path) -> Result<FileType, Unreadable> {
        let look = || std::fs::symlink_metadata(absolute).map(|found| found.file_type());
        let kind = own.map_or_else(look, Ok).map_err(|error| read::explain(absolute, &error))?;
        if !kind.is_symlink() {
            return Ok(kind);
        }
        places::trace(absolute, &mut self.listing.places);
        let target = std::fs::metadata(absolute).map_err(|error| read::explain(absolute, &error))?;
        Ok(target.file_type())
    }

    fn subdirectory(&mut self, absolute: &Path, relative: &Path, inside: &mut Vec<Identity>) {
        match places::locate(absolute) {
            Err(error) => self.unreachable(relative, read::explain(absolute, &error)),
            Ok((_, identity)) if inside.contains(&identity) => {
                self.trouble(relative, "leads back into a directory that it lies in", "remove the link");
            }
            Ok(_) if inside.len() > MAX_DEPTH => {
                self.trouble(relative, &format!("lies more than {MAX_DEPTH} directories deep"), "move it up");
                self.listing.unseen.push(relative.to_owned());
            }
            Ok((path, identity)) => {
                inside.push(identity);
                self.directory(&path, relative, inside);
                inside.pop();
            }
        }
    }

    /// Something at `relative` cannot be looked into.
    fn unreachable(&mut self, relative: &Path, why: Unreadable) {
        let is_root = relative.as_os_str().is_empty();
        match why {
            Unreadable::Vanished if is_root => self.listing.problem = Some("does not exist".to_owned()),
            Unreadable::Vanished => return,
            Unreadable::Trouble(message, _) if is_root => self.listing.problem = Some(message),
            Unreadable::Trouble(message, help) => self.trouble(relative, &message, &help),
        }
        self.listing.unseen.push(relative.to_owned());
    }

    fn cut_short(&mut self, problem: &str) {
        if self.listing.problem.is_none() {
            self.listing.problem = Some(problem.to_owned());
            self.listing.unseen.push(PathBuf::new());
        }
    }

    fn trouble(&mut self, relative: &Path, message: &str, help: &str) {
        let trouble = Trouble { message: message.to_owned(), help: help.to_owned() };
        self.listing.troubles.insert(relative.to_owned(), trouble);
    }
}

/// Whether a file with this name is read as a policy file, unless it is hidden.
pub(super) fn is_policy_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}
