//! A look through a whole archive, before anything is done with it.

use super::error::ArchiveError;
use super::items::{Item, Items, What};
use crate::adapters::key::Secret;
use crate::adapters::lay::BLOCK;
use crate::adapters::repository::Size;
use crate::controller::ports::Progress;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Most directories of an archive that are told apart.
const MOST_ROOTS: usize = 256;
/// Where Docker keeps volumes: the path of an archive that was made of it ends in `_data`.
const VOLUMES: &str = "var/lib/docker/volumes";

/// What an archive holds, all of it read and every checksum right.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The SHA-256 of the file, in hex.
    pub digest: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// What it is, outermost first: `openssl`, `gzip`, `zstd`, `tar`.
    pub form: Vec<&'static str>,
    /// Everything in it.
    pub all: Content,
    /// What lies below the directories that may be the root of a source.
    pub(super) roots: BTreeMap<PathBuf, Content>,
    /// The names at its top, and whether each is a directory; the first [`MOST_ROOTS`].
    pub(super) tops: BTreeMap<OsString, bool>,
    /// Whether `backup/` holds something that is no directory.
    pub(super) files_in_backup: bool,
    /// The first regular file.
    pub(super) file: Option<(PathBuf, Content)>,
    /// Whether there is another one.
    pub(super) several_files: bool,
    /// What has another name below the root that a person names, and stands outside it: which name.
    pub(super) borrowed: BTreeMap<PathBuf, PathBuf>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Content {
    /// Files and bytes, as far as they are counted.
    pub size: Size,
    /// Entries, directories among them.
    pub entries: u64,
    /// Whether it says what the root itself is: owner, mode, time.
    pub has_root: bool,
    /// Whether the root itself is no directory.
    pub is_file: bool,
}

/// Reads an archive from one end to the other. `strip`: a directory that a person names as the root of the source.
///
/// # Errors
/// It cannot be read, is damaged, or holds what is not laid down from an archive; see [`super::Trouble`].
pub fn survey(
    file: &Path,
    passphrase: Option<&Secret>,
    strip: Option<&Path>,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Survey, ArchiveError> {
    let mut items = Items::open(file, passphrase, cancel)?;
    let mut survey = Survey {
        digest: String::new(),
        bytes: 0,
        form: items.form.clone(),
        all: Content::default(),
        roots: BTreeMap::new(),
        tops: BTreeMap::new(),
        files_in_backup: false,
        file: None,
        several_files: false,
        borrowed: BTreeMap::new(),
    };
    let mut buffer = vec![0; 256 << 10];
    while let Some(item) = items.next()? {
        let mut written = 0;
        loop {
            let length = items.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            let solid = buffer[..length].chunks(BLOCK).filter(|block| block.iter().any(|byte| *byte != 0));
            written += solid.map(|block| block.len() as u64).sum::<u64>();
            progress.add_bytes(length as u64);
        }
        survey.count(&item, written, strip);
    }
    survey.digest = items.digest();
    survey.bytes = items.bytes();
    Ok(survey)
}

impl Survey {
    fn count(&mut self, item: &Item, written: u64, strip: Option<&Path>) {
        let path = &item.path;
        self.all.count(item, written, Path::new(""));
        if item.what == What::File {
            let (first, content) = self.file.get_or_insert_with(|| (path.clone(), Content::default()));
            self.several_files |= first != path;
            content.count(item, written, path);
        }
        if let (What::Hardlink(target), Some(strip)) = (&item.what, strip)
            && path.starts_with(strip)
            && !target.starts_with(strip)
        {
            self.borrowed.entry(target.into()).or_insert_with(|| path.clone());
        }
        let mut parts = path.iter();
        let (first, second) = (parts.next(), parts.next());
        if let Some(first) = first
            && self.tops.len() < MOST_ROOTS
        {
            let is_directory = second.is_some() || item.what == What::Directory;
            *self.tops.entry(first.to_owned()).or_default() |= is_directory;
        }
        let is = |part: Option<&std::ffi::OsStr>, name: &str| part.is_some_and(|part| part == name);
        let mut roots = Vec::new();
        roots.extend(strip.filter(|strip| path.starts_with(strip)).map(ToOwned::to_owned));
        if is(first, "data") {
            roots.push("data".into());
        }
        if is(first, "backup") {
            roots.push("backup".into());
            match (second, parts.next()) {
                (Some(_), None) if item.what != What::Directory => self.files_in_backup = true,
                (Some(second), _) => roots.push(Path::new("backup").join(second)),
                (None, _) => {}
            }
        }
        if let Ok(rest) = path.strip_prefix(VOLUMES) {
            let root: PathBuf = Path::new(VOLUMES).join(rest.iter().take(2).collect::<PathBuf>());
            if root.ends_with("_data") {
                roots.push(root);
            }
        }
        roots.dedup();
        for root in roots {
            if self.roots.len() < MOST_ROOTS || self.roots.contains_key(&root) {
                self.roots.entry(root.clone()).or_default().count(item, written, &root);
            }
        }
    }
}

impl Content {
    fn count(&mut self, item: &Item, written: u64, root: &Path) {
        self.entries += 1;
        if item.path == root {
            self.has_root |= item.what == What::Directory;
            self.is_file = item.what != What::Directory;
        }
        if item.what != What::Directory {
            self.size.files += 1;
            self.size.bytes += item.size;
            self.size.written += written;
        }
    }
}
