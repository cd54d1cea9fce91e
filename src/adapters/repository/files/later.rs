//! Files that are written now and made durable later, many at once: to wait for the disk once for each of a hundred packs
//! takes longer than to read what is in them.

use super::direct;
use bytes::Bytes;
use rustix::fs::Advice;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file lacks until it counts: to be durable, and its name. Dropped before that, it is removed. Where files are
/// durable as soon as they are written, it lacks nothing.
#[derive(Debug, Default)]
pub(in crate::adapters::repository) struct Later(Option<Written>);

#[derive(Debug)]
struct Written {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Later {
    /// Writes a new file beside where it is to be.
    pub(super) fn write(path: PathBuf, parts: &[Bytes]) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!("-tmp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let later = Self(Some(Written { file, temporary, path }));
        if let Some(Written { file, .. }) = &later.0 {
            let mut skip = parts.first().map_or(Ok(0), |first| direct::write(file, first))?;
            for part in parts {
                (&*file).write_all(&part[skip.min(part.len())..])?;
                skip = 0;
            }
        }
        Ok(later)
    }

    /// Has the disk begin, so that there is less to wait for.
    pub(super) fn begin(&self) {
        // A file system that takes no advice is only slower.
        let _advised = self.0.as_ref().map(|written| rustix::fs::fadvise(&written.file, 0, None, Advice::DontNeed));
    }

    /// Makes files durable under their names.
    pub(super) fn settle(files: Vec<Self>) -> io::Result<()> {
        let written = || files.iter().filter_map(|later| later.0.as_ref());
        written().try_for_each(|written| written.file.sync_all())?;
        let directories: BTreeSet<PathBuf> =
            written().filter_map(|written| written.path.parent().map(Path::to_owned)).collect();
        for mut later in files {
            if let Some(Written { temporary, path, .. }) = &later.0 {
                fs::rename(temporary, path)?;
                later.0 = None;
            }
        }
        directories.iter().try_for_each(|directory| sync_directory(directory))
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some(Written { temporary, .. }) = &self.0
            && let Err(error) = super::optional(fs::remove_file(temporary))
        {
            tracing::warn!(file = %temporary.display(), %error, "an unfinished file stays behind");
        }
    }
}

/// Makes what was done to the entries of a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
