//! One look at the directory: what is there, and what the files say.

use super::document;
use super::last_known_good::LastKnownGood;
use super::listing::{Listing, Trouble, Visit, Walk};
use super::places;
use super::read::{self, Limit, Unreadable};
use super::revision::{self, Revision};
use super::stamp::{self, Reading, Stamp};
use crate::policy::{self, Diagnostic, Document};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Looks that find the directory exchanged while they read give up after so many times.
const MAX_LOOKS: usize = 4;
/// Fewer files than this are not worth a thread.
const FILES_PER_THREAD: usize = 64;

/// Every file is read this often, whatever its file system says of it: a program that has it mapped may change it
/// unseen, and a network may tell of changes late.
const READ_ALL: Duration = Duration::from_mins(15);

type Hash = [u8; 32];

/// A file that was read: its content by hash, and what it says.
#[derive(Clone)]
pub(super) struct Understood {
    reading: Option<Reading>,
    hash: Hash,
    pub said: Arc<Said>,
}

/// What a file says. Its documents go from look to look without being copied.
pub(super) struct Said {
    pub documents: Vec<Arc<Document>>,
    pub errors: Vec<Diagnostic>,
}

impl Said {
    /// Every policy has the generation that it will have once it is accepted, so that what is in force need not be copied.
    fn parse(file: &Path, bytes: &[u8], good: &LastKnownGood) -> Self {
        let parsed = policy::parse(file, bytes);
        let counted = |document| document::counted(document, |key, digest| good.next_generation(key, digest));
        let documents = parsed.documents.into_iter().map(|document| Arc::new(counted(document))).collect();
        Self { documents, errors: parsed.errors }
    }
}

pub(super) type Files = BTreeMap<PathBuf, Result<Understood, Trouble>>;

/// One look at the directory: what the files say, whatever is in force.
#[derive(Clone)]
pub(super) struct Look {
    pub listing: Arc<Listing>,
    pub revision: Revision,
    pub files: Arc<Files>,
}

impl Look {
    /// Whether the directory looked the same.
    pub fn is_as(&self, other: &Self) -> bool {
        let same = |(a, b): (&Result<Understood, Trouble>, &Result<Understood, Trouble>)| match (a, b) {
            (Ok(a), Ok(b)) => Arc::ptr_eq(&a.said, &b.said),
            (Err(a), Err(b)) => a == b,
            _ => false,
        };
        (&self.listing, &self.revision) == (&other.listing, &other.revision)
            && (Arc::ptr_eq(&self.files, &other.files)
                || self.files.keys().eq(other.files.keys()) && self.files.values().zip(other.files.values()).all(same))
    }
}

/// What the last look found, and what has to be as it was for the next one to find the same.
struct Seen {
    listing: Arc<Listing>,
    files: Arc<Files>,
    /// `None`: what was found may become something else without a trace in them.
    visits: Option<Vec<Visit>>,
}

/// Looks, and knows what the last look found.
pub(super) struct Looker {
    directory: PathBuf,
    seen: Option<Seen>,
    /// How far apart two changes of a file show as two.
    pub step: Duration,
    /// When every file was last read.
    read_all: Option<Instant>,
}

impl Looker {
    /// For an absolute directory.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, seen: None, step: stamp::STEP, read_all: None }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Has every file read at the next look.
    pub fn forget_readings(&mut self) {
        self.read_all = None;
    }

    /// Reads every file that may have changed, and every one now and then. Only those whose content changed since the
    /// last look are parsed, as they would come after what is `good`.
    pub fn look(&mut self, good: &LastKnownGood) -> Look {
        let now = Instant::now();
        let all = self.read_all.is_none_or(|last| now.duration_since(last) >= READ_ALL);
        if all {
            self.read_all = Some(now);
        }
        if let Some(seen) = self.seen.as_ref().filter(|seen| !all && self.holds(seen)) {
            return look(seen);
        }
        let mut look = self.look_at_once(all, good);
        for _ in 1..MAX_LOOKS {
            // Exchanged under our eyes: what we saw may be of both.
            if look.listing.root == places::locate(&self.directory).ok() {
                break;
            }
            look = self.look_at_once(all, good);
        }
        look
    }

    /// Whether names are what the last look found, and files by their stamps: of thousands the usual look finds none that
    /// changed.
    fn holds(&self, seen: &Seen) -> bool {
        seen.visits.as_ref().is_some_and(|visits| visits.iter().all(|visit| visit.holds(&self.directory)))
            && self.files_hold(&seen.files)
    }

    fn files_hold(&self, files: &Files) -> bool {
        // The path of a directory is followed once for all the files in it. No watcher is told of an opening like this.
        let open = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(self.directory.join(path), flags, Mode::empty()).ok()
        };
        let mut parent: Option<(&Path, OwnedFd)> = None;
        for (path, content) in files {
            let (Ok(Understood { reading: Some(reading), .. }), Some(of), Some(name)) =
                (content, path.parent(), path.file_name())
            else {
                return false;
            };
            if parent.as_ref().is_none_or(|(path, _)| path.as_os_str() != of.as_os_str()) {
                parent = open(of).map(|directory| (of, directory));
            }
            let stamp = parent.as_ref().and_then(|(_, directory)| Stamp::at(directory, name).ok());
            if !stamp.is_some_and(|stamp| reading.holds(stamp)) {
                return false;
            }
        }
        true
    }

    fn look_at_once(&mut self, all: bool, good: &LastKnownGood) -> Look {
        let walk = Walk::of(&self.directory);
        let paths: Vec<&PathBuf> = walk.listing.files.iter().collect();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = paths.len().div_ceil(cores).max(FILES_PER_THREAD);
        let this = &*self;
        // In order already: a map that is made of all at once compares each path with one other.
        let mut files = Vec::with_capacity(paths.len());
        let part = move |part: &[&PathBuf]| {
            part.iter().filter_map(|path| this.understand(path, all, good)).collect::<Vec<_>>()
        };
        if paths.len() <= share {
            files.extend(part(&paths));
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = paths.chunks(share).map(|paths| scope.spawn(move || part(paths))).collect();
                for thread in threads {
                    match thread.join() {
                        Ok(part) => files.extend(part),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
            });
        }
        let files = Arc::new(files.into_iter().collect());
        let visits = walk.is_lasting().then_some(walk.visits);
        look(self.seen.insert(Seen { listing: Arc::new(walk.listing), files, visits }))
    }

    /// `None`: it vanished since it was listed.
    fn understand(
        &self,
        path: &Path,
        all: bool,
        good: &LastKnownGood,
    ) -> Option<(PathBuf, Result<Understood, Trouble>)> {
        let full = self.directory.join(path);
        let stamp = Stamp::of(&full).ok();
        let before = self.seen.as_ref().and_then(|seen| seen.files.get(path)).and_then(|content| content.as_ref().ok());
        let reading = before.and_then(|before| before.reading.as_ref());
        if let (Some(stamp), Some(reading), Some(before)) = (stamp, reading, before)
            && !all
            && reading.holds(stamp)
        {
            return Some((path.to_owned(), Ok(before.clone())));
        }
        let reading = stamp.map(|stamp| Reading::begin(stamp, reading, self.step));
        let content = match read::regular(&full, Limit(policy::MAX_FILE_BYTES)) {
            Ok(bytes) => {
                let hash: Hash = Sha256::digest(&bytes).into();
                let before = before.filter(|before| before.hash == hash);
                let said =
                    before.map_or_else(|| Arc::new(Said::parse(path, &bytes, good)), |before| Arc::clone(&before.said));
                Ok(Understood { reading, hash, said })
            }
            Err(Unreadable::Vanished) => return None,
            Err(Unreadable::Trouble(message, help)) => Err(Trouble { message, help }),
        };
        Some((path.to_owned(), content))
    }
}

fn look(seen: &Seen) -> Look {
    let revision = seen.listing.root.as_ref().map(|(root, _)| revision::of(root)).unwrap_or_default();
    Look { listing: Arc::clone(&seen.listing), revision, files: Arc::clone(&seen.files) }
}
