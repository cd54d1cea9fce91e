//! A directory of this host.

use super::later::{Later, sync_directory};
use super::{LOCKS, direct, optional};
use crate::adapters::repository::files::storage::{Found, Listed, Parts, Storage};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

/// Files in a directory. What is written is durable once it is settled.
#[derive(Debug)]
pub(in crate::adapters::repository) struct Disk(PathBuf);

impl Disk {
    pub(in crate::adapters::repository) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Storage for Disk {
    fn root(&self) -> &Path {
        &self.0
    }

    fn look(&self) -> io::Result<Found> {
        let Some(meta) = optional(fs::metadata(&self.0))? else { return Ok(Found::Nothing) };
        if !meta.is_dir() {
            return Ok(Found::Other("it is not a directory".to_owned()));
        }
        if optional(fs::metadata(self.path("config")))?.is_some() {
            return Ok(Found::Repository);
        }
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let blank = match name.to_str() {
                Some("keys" | "lost+found") => true,
                Some("snapshots" | "index" | LOCKS) => is_bare(&entry.path(), false)?,
                Some("data") => is_bare(&entry.path(), true)?,
                Some(name) => name.starts_with("config-tmp-"),
                None => false,
            };
            if !blank {
                return Ok(Found::Other(format!("it holds {} and no config file", name.to_string_lossy())));
            }
        }
        Ok(Found::Nothing)
    }

    fn list(&self, directory: &str, deep: bool) -> io::Result<Vec<Listed>> {
        let mut found = Vec::new();
        if !deep {
            list_in(&self.path(directory), &mut found)?;
            return Ok(found);
        }
        for entry in fs::read_dir(self.path(directory))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                list_in(&entry.path(), &mut found)?;
            }
        }
        Ok(found)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        fs::read(self.path(name)).map(Bytes::from)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Parts>> {
        Ok(Box::new(File::open(self.path(name))?))
    }

    fn read_once(&self, name: &str, offset: u64, length: usize, room: &mut Vec<u8>) -> io::Result<Range<usize>> {
        direct::read(&File::open(self.path(name))?, offset, length, room)
    }

    fn read_through(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut file, mut buffer) = (File::open(self.path(name))?, vec![0; 256 << 10]);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            seen(&buffer[..length])?;
        }
    }

    fn put_later(&self, name: &str, parts: &[Bytes]) -> io::Result<Later> {
        let path = self.path(name);
        let directory = path.parent().unwrap_or(&self.0);
        // Another program may have made the repository, without directories that hold nothing yet.
        if directory != self.0 && !directory.try_exists()? {
            DirBuilder::new().mode(0o700).create(directory)?;
        }
        Later::write(path, parts)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        optional(fs::remove_file(self.path(name))).map(|_| ())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        let above = to.parent().unwrap_or(&self.0);
        fs::create_dir_all(above)?;
        fs::rename(&from, &to)?;
        sync_directory(above)?;
        from.parent().map_or(Ok(()), sync_directory)
    }

    fn lay_out(&self) -> io::Result<()> {
        make_directory(&self.0)?;
        for name in ["keys", "snapshots", "index", "data", LOCKS] {
            make_directory(&self.path(name))?;
        }
        for entry in fs::read_dir(self.path("keys"))? {
            fs::remove_file(entry?.path())?;
        }
        for byte in 0..=u8::MAX {
            make_directory(&self.path("data").join(hex::encode([byte])))?;
        }
        sync_directory(&self.0)
    }

    fn sweep(&self, now: Timestamp) -> io::Result<()> {
        let mut directories = vec![self.path("snapshots"), self.path("index")];
        for entry in fs::read_dir(self.path("data"))? {
            directories.push(entry?.path());
        }
        for directory in directories.iter().filter(|directory| directory.is_dir()) {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if !entry.file_name().to_string_lossy().contains("-tmp-") {
                    continue;
                }
                let written = entry.metadata()?.modified()?;
                if Timestamp::try_from(written).is_ok_and(|at| now.duration_since(at) > SignedDuration::from_hours(24))
                {
                    optional(fs::remove_file(entry.path()))?;
                }
            }
        }
        Ok(())
    }
}

impl Parts for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

fn list_in(directory: &Path, found: &mut Vec<Listed>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Another process may remove a file between the listing and this look.
        if let Some(meta) = optional(entry.metadata())?
            && meta.is_file()
        {
            let written = Timestamp::try_from(meta.modified()?).unwrap_or(Timestamp::MAX);
            found.push(Listed { name, size: meta.len(), written });
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether a directory holds no file; with `deep`, its directories may be there but have to be empty.
fn is_bare(directory: &Path, deep: bool) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let fine = deep && entry.file_type()?.is_dir() && is_bare(&entry.path(), false)?;
        if !fine {
            return Ok(false);
        }
    }
    Ok(true)
}
