//! One instance per state directory.

use super::StateError;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held until dropped, or until the process ends in whatever way: the kernel keeps it, not the file's existence.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock, which closing it gives up")] File);

impl Lock {
    /// Takes the lock and writes who took it.
    pub(super) fn take(dir: &Path, who: &str, now: Timestamp) -> Result<Self, StateError> {
        let path = dir.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StateError::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // What cannot be read is said to be unknown below; the lock is what counts.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    "another process".clone_into(&mut holder);
                }
                return Err(StateError::Locked { dir: dir.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(error) => return Err(StateError::io("lock", &path)(error.into())),
        }
        let text = format!("process {} (`{who}`, since {now:.0})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(StateError::io("write", &path))?;
        Ok(Self(file))
    }
}
