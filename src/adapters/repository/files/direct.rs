//! Past the page cache: packs are written once and read seldom, and by nobody else.
//!
//! To find pages for them, to copy them there and to drop for them what others use costs more than all else that writing
//! does. What cannot be done this way is done the other way: nothing but time depends on it.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Where it has to begin and to end, in memory and in the file: what any disk asks for.
const PAGE: usize = 4096;
/// Less is written as ever.
const WORTH_IT: usize = 1 << 20;

/// Bytes of a buffer before the first that lies where a page begins.
pub(in crate::adapters::repository) fn before_page(buffer: &[u8]) -> usize {
    buffer.as_ptr().align_offset(PAGE).min(PAGE)
}

/// Writes whole pages at the start of a new file, if memory and file system allow it. How many bytes.
///
/// # Errors
/// Those of the disk.
pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    let whole = bytes.len() / PAGE * PAGE;
    if whole < WORTH_IT || before_page(bytes) != 0 {
        return Ok(0);
    }
    let mut done = 0;
    past_the_cache(file, || {
        // Once it is somewhere in a page, it cannot go on like this.
        while done < whole && done % PAGE == 0 {
            match (&*file).write(&bytes[done..whole]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => done += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// Reads a part of a file. Where in `room` it lies.
///
/// Also of what is in memory: to ask whether it is (`RWF_NOWAIT`) has the kernel read ahead into memory when it is not.
///
/// # Errors
/// Those of the disk; `UnexpectedEof` where the file is shorter.
pub(super) fn read(file: &File, offset: u64, length: usize, room: &mut Vec<u8>) -> io::Result<Range<usize>> {
    let before = usize::try_from(offset % PAGE as u64).unwrap_or_default();
    let pages = (before + length).next_multiple_of(PAGE);
    if room.len() < pages + PAGE {
        room.resize(pages + PAGE, 0);
    }
    let from = before_page(room);
    let range = from + before..from + before + length;
    let (mut done, start) = (0, offset - before as u64);
    past_the_cache(file, || {
        while done < before + length && done % PAGE == 0 {
            match file.read_at(&mut room[from + done..from + pages], start + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => done += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    if done < before + length {
        file.read_exact_at(&mut room[range.clone()], offset)?;
    }
    Ok(range)
}

/// Does something with a file that goes past the page cache, as far as that can be.
fn past_the_cache(file: &File, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    if rustix::fs::fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
        return Ok(());
    }
    let acted = act();
    rustix::fs::fcntl_setfl(file, flags)?;
    match acted {
        // Some say only now that they have no such way.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    /// Bytes that begin where a page does, and their place.
    fn aligned(length: usize) -> (Vec<u8>, Range<usize>) {
        let mut bytes = vec![0; length + PAGE];
        let from = before_page(&bytes);
        fastrand::Rng::with_seed(5).fill(&mut bytes[from..from + length]);
        (bytes, from..from + length)
    }

    #[test]
    fn every_part_of_what_was_written_is_read_wherever_it_lies() {
        let (bytes, range) = aligned((2 << 20) + 1234);
        let bytes = &bytes[range];
        for directory in [std::env::temp_dir(), "/dev/shm".into(), env!("CARGO_MANIFEST_DIR").into()] {
            let mut file = tempfile::tempfile_in(directory).unwrap();
            let done = write(&file, bytes).unwrap();
            assert!(done <= bytes.len());
            assert_eq!(file.stream_position().unwrap(), done as u64);
            file.write_all(&bytes[done..]).unwrap();
            let mut room = Vec::new();
            for (from, to) in [(0, bytes.len()), (1, 2), (4095, 4097), (4096, 8192), (70_000, 2_000_001), (0, 0)] {
                let range = read(&file, from as u64, to - from, &mut room).unwrap();
                assert!(room[range] == bytes[from..to], "{from} to {to}");
            }
            let short = read(&file, bytes.len() as u64 - 10, 11, &mut room).unwrap_err();
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn what_does_not_begin_where_a_page_does_is_left_to_others() {
        let (bytes, range) = aligned(2 << 20);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(write(&file, &bytes[range.start + 1..range.end]).unwrap(), 0);
        assert_eq!(write(&file, &bytes[range.start..range.start + PAGE]).unwrap(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let (bytes, range) = aligned(2 << 20);
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(write(&file, &bytes[range]).is_err());
    }
}
