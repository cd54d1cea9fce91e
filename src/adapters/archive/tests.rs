//! Archives with any byte changed, and far too many entries.

use super::items::{Items, MOST_ENTRIES};
use super::*;
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// A small archive with a bit of everything.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(size);
        header.set_mtime(1_700_000_000);
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header
    };
    let long = format!("data/{}/file", "n".repeat(120));
    builder.append_data(&mut header(tar::EntryType::Directory, 0), "data/", &[][..]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 5), "data/a", &b"hello"[..]).unwrap();
    builder.append_pax_extensions([("SCHILY.xattr.user.x", &b"a\nb=c"[..]), ("mtime", b"1.5")]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 600), long, &[7; 600][..]).unwrap();
    builder.append_link(&mut header(tar::EntryType::Symlink, 0), "data/link", "../../outside").unwrap();
    builder.append_link(&mut header(tar::EntryType::Link, 0), "data/hard", "data/a").unwrap();
    builder.append_data(&mut header(tar::EntryType::Fifo, 0), "data/pipe", &[][..]).unwrap();
    builder.into_inner().unwrap()
}

struct Bench {
    directory: tempfile::TempDir,
    file: PathBuf,
}

impl Bench {
    fn with(content: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("archive");
        fs::File::create(&file).unwrap().write_all(content).unwrap();
        fs::create_dir(directory.path().join("into")).unwrap();
        Self { directory, file }
    }

    /// Everything that is done with an archive, in the order in which it is done.
    fn through(&self) -> Result<Laid, ArchiveError> {
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let survey = survey(&self.file, None, None, &progress, &cancel)?;
        let part = part(&survey, "data", Shape::Directory, None)?;
        let (digest, fallback) = (survey.digest.as_str(), Attributes { mode: 0o755, ..Attributes::default() });
        let name = std::ffi::OsStr::new("data");
        let wanted = Wanted { file: &self.file, passphrase: None, digest, part: &part, name, fallback };
        let into = self.directory.path().join("into");
        let laid = unpack(&wanted, &into, &progress, &cancel)?;
        if laid.problem_count == 0 {
            laid.verify(&into, &progress, &cancel)?;
        }
        Ok(laid)
    }

    fn beside(&self) -> usize {
        fs::read_dir(self.directory.path()).unwrap().count()
    }
}

#[test]
fn the_archive_that_is_changed_below_is_a_good_one() {
    let bench = Bench::with(&archive());
    let laid = bench.through().unwrap();
    assert_eq!((laid.files, laid.bytes, laid.directory_count()), (5, 605, 2));
    assert_eq!(fs::read(bench.directory.path().join("into/hard")).unwrap(), b"hello");
}

#[test]
fn what_was_laid_down_and_is_touched_is_found() {
    let bench = Bench::with(&archive());
    let laid = bench.through().unwrap();
    let into = bench.directory.path().join("into");
    let verify = || laid.verify(&into, &Progress::default(), &CancellationToken::new());
    verify().unwrap();
    let at = fs::metadata(into.join("a")).unwrap().modified().unwrap();
    fs::write(into.join("a"), "hallo").unwrap();
    fs::File::options().write(true).open(into.join("a")).unwrap().set_modified(at).unwrap();
    assert!(verify().unwrap_err().told().contains("a has another content"));
    fs::remove_file(into.join("pipe")).unwrap();
    fs::write(into.join("a"), "hello").unwrap();
    fs::File::options().write(true).open(into.join("a")).unwrap().set_modified(at).unwrap();
    assert!(verify().is_err());
}

#[test]
fn another_file_under_the_name_is_not_used() {
    let bench = Bench::with(&archive());
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let survey = survey(&bench.file, None, None, &progress, &cancel).unwrap();
    let part = part(&survey, "data", Shape::Directory, None).unwrap();
    let mut changed = archive();
    changed[512] ^= 1;
    changed.truncate(changed.len() - 512);
    fs::write(&bench.file, &changed).unwrap();
    let fallback = Attributes::default();
    let (name, digest) = ("data".as_ref(), survey.digest.as_str());
    let wanted = Wanted { file: &bench.file, passphrase: None, digest, part: &part, name, fallback };
    assert!(unpack(&wanted, &bench.directory.path().join("into"), &progress, &cancel).is_err());
}

#[test]
fn entries_are_counted() {
    let bench = Bench::with(&archive());
    let mut items = Items::open(&bench.file, None, &CancellationToken::new()).unwrap();
    items.entries = MOST_ENTRIES - 1;
    assert!(items.next().unwrap().is_some());
    assert!(items.next().unwrap_err().told().contains("4000000 entries"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever was changed, cut or put in: an answer and no panic, and nothing outside of where it is laid down.
    #[test]
    fn any_change_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        mend in any::<bool>(),
    ) {
        let mut bytes = archive();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if mend {
            // With checksums that are right, what lies behind them is reached.
            for block in bytes.chunks_exact_mut(512) {
                if block[257..262] == *b"ustar" {
                    let mut header = tar::Header::from_byte_slice(block).clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let bench = Bench::with(&bytes);
        if let Err(error) = bench.through() {
            prop_assert!(!error.told().is_empty());
        }
        prop_assert_eq!(bench.beside(), 2);
    }
}
