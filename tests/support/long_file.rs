//! Files that take long to read and little space.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Longer than any test waits.
pub const ENDLESS: u64 = 64 << 30;

/// Makes a file of which every chunk has a byte that was written: a hole is passed over in no time.
pub fn long_file(path: &Path, length: u64) {
    let file = File::create(path).unwrap();
    file.set_len(length).unwrap();
    for at in (0..length).step_by(512 << 10) {
        file.write_all_at(b"x", at).unwrap();
    }
}
