//! Real files, real inotify, real git. What is waited for may take long on a slow machine; no time is asserted.

mod directory;
mod edits;
mod history;
mod property;
mod reading;
mod revision;
mod support;
mod trouble;
mod watcher;

use std::path::Path;

/// Makes a named pipe.
fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}
