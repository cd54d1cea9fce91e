//! A bucket that speaks S3's protocol, in restic's own layout: `restic -r s3:…` reads it.

use super::later::Later;
use super::storage::{Found, Listed, Parts, Storage};
use crate::adapters::s3::{Object, Refused, S3, S3Error, wait};
use bytes::Bytes;
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// Most bytes of a file that is read whole: restic's largest packs have 128 MiB.
const LONGEST: usize = 256 << 20;
/// How much is read at a time of a file that is read through.
const PART: usize = 8 << 20;

/// Objects in a bucket, below a prefix. One that was written is there whole: the server compares it with the hash under
/// which it was signed.
#[derive(Debug)]
pub(in crate::adapters::repository) struct Bucket {
    s3: S3,
    /// Empty, or with a slash at its end.
    prefix: String,
    root: PathBuf,
}

impl Bucket {
    /// `address`: how restic names it.
    pub(in crate::adapters::repository) fn new(s3: S3, prefix: &str, address: &str) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { s3, prefix, root: PathBuf::from(address) }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// All objects below a prefix, a page at a time.
    fn pages(&self, prefix: &str, mut each: impl FnMut(Object)) -> io::Result<()> {
        let mut after = None;
        loop {
            let page = asked(wait(self.s3.list(prefix, after.as_deref(), 1000)))?;
            page.objects.into_iter().for_each(&mut each);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

impl Storage for Bucket {
    fn root(&self) -> &Path {
        &self.root
    }

    fn look(&self) -> io::Result<Found> {
        match self.read("config") {
            Ok(_) => return Ok(Found::Repository),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let page = asked(wait(self.s3.list(&self.prefix, None, 1000)))?;
        let keys = self.key("keys/");
        let other = page.objects.iter().find(|object| !object.key.starts_with(&keys) && object.key != self.prefix);
        Ok(match other {
            Some(object) => Found::Other(format!("it holds {} and no config file", object.key)),
            None => Found::Nothing,
        })
    }

    fn list(&self, directory: &str, deep: bool) -> io::Result<Vec<Listed>> {
        let prefix = self.key(&format!("{directory}/"));
        let mut found = Vec::new();
        self.pages(&prefix, |object| {
            let rest = object.key.strip_prefix(&prefix).unwrap_or_default();
            let (above, name) = rest.rsplit_once('/').unwrap_or(("", rest));
            let right = if deep { !above.is_empty() && !above.contains('/') } else { above.is_empty() };
            if right && !name.is_empty() {
                found.push(Listed { name: name.to_owned(), size: object.size, written: object.written });
            }
        })?;
        Ok(found)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        asked(wait(self.s3.get(&self.key(name), LONGEST)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Parts>> {
        Ok(Box::new(Open { s3: self.s3.clone(), key: self.key(name) }))
    }

    fn read_through(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let key = self.key(name);
        let mut offset = 0;
        loop {
            let part = asked(wait(self.s3.get_range(&key, offset, PART, None)))?;
            seen(&part)?;
            if part.len() < PART {
                return Ok(());
            }
            offset += PART as u64;
        }
    }

    fn put_later(&self, name: &str, parts: &[Bytes]) -> io::Result<Later> {
        let body = match parts {
            [whole] => whole.clone(),
            parts => Bytes::from(parts.concat()),
        };
        asked(wait(self.s3.put(&self.key(name), body)))?;
        Ok(Later::default())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        asked(wait(self.s3.delete(&self.key(name))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.key(from), self.key(to));
        asked(wait(self.s3.copy(&from, &to)))?;
        asked(wait(self.s3.delete(&from)))
    }

    fn lay_out(&self) -> io::Result<()> {
        let mut keys = Vec::new();
        self.pages(&self.key("keys/"), |object| keys.push(object.key))?;
        keys.iter().try_for_each(|key| asked(wait(self.s3.delete(key))))
    }

    /// Nothing is ever half there.
    fn sweep(&self, _: Timestamp) -> io::Result<()> {
        Ok(())
    }
}

struct Open {
    s3: S3,
    key: String,
}

impl Parts for Open {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let part = asked(wait(self.s3.get_range(&self.key, offset, buffer.len(), None)))?;
        if part.len() < buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&part);
        Ok(())
    }
}

/// An answer as the file system would give it, with what the server said inside.
fn asked<T>(answer: io::Result<Result<T, S3Error>>) -> io::Result<T> {
    answer?.map_err(|error| {
        let kind = match error.refused() {
            Some(Refused::NoObject) => io::ErrorKind::NotFound,
            Some(Refused::UnknownKey | Refused::WrongSecret | Refused::Denied | Refused::Locked) => {
                io::ErrorKind::PermissionDenied
            }
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    })
}

/// What an S3 server said, where an error has come from one.
pub(in crate::adapters::repository) fn said(error: &io::Error) -> Option<&S3Error> {
    error.get_ref()?.downcast_ref()
}
