//! Whether what lies in a directory is what the archive holds.

use super::error::{ArchiveError, Trouble, shown};
use super::laid::{Laid, Thing, ThingKind};
use crate::adapters::volume_walk::{Entry, Exclude, Kind, Walk, open_at};
use crate::controller::ports::Progress;
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tokio_util::sync::CancellationToken;

impl Laid {
    /// Looks at everything that was laid down in `at` again, every byte of it: names, kinds, owners, modes, times, links,
    /// attributes and contents have to be what was read from the archive.
    ///
    /// # Errors
    /// Something differs: the first thing, and how.
    pub fn verify(&self, at: &Path, progress: &Progress, cancel: &CancellationToken) -> Result<(), ArchiveError> {
        let differs = |path: &Path, how: &str| {
            let message = format!("what was laid down is not what it holds: {} {how}", shown(path));
            Err(ArchiveError::new(Trouble::Unwritable, message))
        };
        let walk = Walk::open(at, Exclude::default(), cancel.clone());
        let walk = walk.map_err(|error| ArchiveError::laying(at, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        let mut inodes: HashMap<(u64, u64), u32> = HashMap::new();
        let mut firsts: HashMap<u32, (u64, u64)> = HashMap::new();
        let (mut seen, mut buffer) = (0, vec![0; 256 << 10]);
        for entry in walk {
            seen += 1;
            let Some(number) = self.names.get(&entry.path) else { return differs(&entry.path, "is not in it") };
            let thing = &self.things[*number as usize];
            if entry.path.as_os_str().is_empty() && !self.has_root {
                continue;
            }
            if let Some(how) = self.difference(thing, &entry, &mut buffer, progress) {
                return differs(&entry.path, &how);
            }
            let inode = (entry.meta.device, entry.meta.inode);
            if *firsts.entry(*number).or_insert(inode) != inode || *inodes.entry(inode).or_insert(*number) != *number {
                return differs(&entry.path, "is another name of something else");
            }
        }
        if cancel.is_cancelled() {
            return Err(ArchiveError::new(Trouble::Interrupted, "the work was ended from outside"));
        }
        if seen != self.names.len() {
            return differs(at, "lacks entries");
        }
        Ok(())
    }

    fn difference(&self, thing: &Thing, entry: &Entry, buffer: &mut [u8], progress: &Progress) -> Option<String> {
        let (wanted, here) = (&thing.attributes, &entry.meta);
        let is_link = matches!(thing.kind, ThingKind::Symlink(_));
        let mut xattrs = wanted.xattrs.clone();
        xattrs.sort_unstable();
        for (same, what) in [
            ((wanted.uid, wanted.gid) == (here.uid, here.gid), "owner"),
            (is_link || wanted.mode == here.mode & 0o7777, "mode"),
            (wanted.mtime == here.mtime, "time"),
            (xattrs == here.xattrs, "set of attributes"),
        ] {
            if !same {
                return Some(format!("has another {what}"));
            }
        }
        match (&thing.kind, &entry.kind) {
            (ThingKind::Directory, Kind::Directory) | (ThingKind::Fifo, Kind::Fifo) => None,
            (ThingKind::Symlink(target), Kind::Symlink(found)) => {
                (found.as_os_str() != target).then(|| "points elsewhere".to_owned())
            }
            (ThingKind::File { size, digest, parts }, Kind::File(_)) => {
                if *size != here.size {
                    return Some("has another size".to_owned());
                }
                match self.content(&entry.path, parts.as_deref().unwrap_or(&[(0, *size)]), buffer, progress) {
                    Ok(found) => (found != *digest).then(|| "has another content".to_owned()),
                    Err(error) => Some(format!("cannot be read: {}", std::io::Error::from(error))),
                }
            }
            _ => Some("is another kind of thing".to_owned()),
        }
    }

    fn content(
        &self,
        path: &Path,
        parts: &[(u64, u64)],
        buffer: &mut [u8],
        progress: &Progress,
    ) -> Result<[u8; 32], Errno> {
        let directory = self.ground.directory(path.parent().unwrap_or_else(|| Path::new("")))?;
        let name = path.file_name().unwrap_or_default();
        let file = File::from(open_at(directory.as_fd(), name, OFlags::empty())?);
        let mut hash = Sha256::new();
        for (at, length) in parts {
            let mut done = 0;
            while done < *length {
                let room = usize::try_from(length - done).unwrap_or(usize::MAX).min(buffer.len());
                let read = file.read_at(&mut buffer[..room], at + done);
                let read = read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                if read == 0 {
                    return Err(Errno::IO);
                }
                hash.update(&buffer[..read]);
                progress.add_bytes(read as u64);
                done += read as u64;
            }
        }
        Ok(hash.finalize().into())
    }
}
