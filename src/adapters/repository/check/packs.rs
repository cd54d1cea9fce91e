//! The files that hold the data.

use super::{Blob, Found, hash};
use crate::adapters::repository::files::name_of;
use crate::adapters::repository::{RepositoryAdapter, RepositoryError};
use crate::policy::quantity::count;
use rustic_core::repofile::{IndexFile, IndexPack};
use rustic_core::{FileType, Id};
use std::collections::{BTreeMap, HashSet};

/// The packs that the index names, and what they hold.
pub(super) struct Packs {
    packs: BTreeMap<Id, IndexPack>,
    /// Packs that are not there, or not in their right size, or not what was written.
    bad: BTreeMap<Id, usize>,
}

impl Packs {
    /// Reads the index and compares it with the files that are there.
    pub(super) fn look(adapter: &RepositoryAdapter, found: &mut Found<'_>) -> Result<Self, RepositoryError> {
        let packs = adapter.guarded("read the index", || {
            let mut packs: BTreeMap<Id, IndexPack> = BTreeMap::new();
            for file in adapter.open.stream_files::<IndexFile>()? {
                let (_, file) = file?;
                // What a prune has marked is nobody's any more.
                for pack in file.packs {
                    let known =
                        packs.entry(*pack.id).or_insert_with(|| IndexPack { blobs: Vec::new(), ..pack.clone() });
                    known.blobs.extend(pack.blobs);
                }
            }
            Ok(packs)
        })?;
        let there = adapter.listed(FileType::Pack)?;
        let mut looked = Self { packs, bad: BTreeMap::new() };
        for (id, pack) in &looked.packs {
            let name = id.to_hex().as_str().to_owned();
            let wanted = u64::from(pack.pack_size());
            let what = match there.get(id) {
                None => format!("pack {name} is gone"),
                Some(size) if *size != wanted => format!("pack {name} has {size} bytes and not {wanted}"),
                Some(_) => continue,
            };
            let at = found.add(what, Some(name));
            looked.bad.insert(*id, at);
        }
        Ok(looked)
    }

    pub(super) fn count(&self) -> u64 {
        self.packs.len() as u64
    }

    /// Reads the packs that are wanted and compares them with their names. How many, and how many bytes.
    pub(super) fn read(
        &mut self,
        adapter: &RepositoryAdapter,
        wanted: impl Fn(&str) -> bool,
        found: &mut Found<'_>,
    ) -> Result<(u64, u64), RepositoryError> {
        let (mut packs, mut bytes) = (0, 0);
        let progress = found.control.progress.clone();
        for id in self.packs.keys() {
            let name = id.to_hex().as_str().to_owned();
            if self.bad.contains_key(id) || !wanted(&name) {
                continue;
            }
            found.go_on()?;
            let read = hash(&adapter.files, &name_of(FileType::Pack, id), |length| {
                bytes += length;
                progress.add_bytes(length);
                Ok(())
            });
            packs += 1;
            progress.add_files(1);
            let what = match read {
                Ok(Some(hash)) if hash == name => continue,
                Ok(Some(_)) => format!("pack {name} is not what was written"),
                Ok(None) => format!("pack {name} is gone"),
                Err(error) => format!("pack {name} cannot be read: {error}"),
            };
            let at = found.add(what, Some(name));
            self.bad.insert(*id, at);
        }
        Ok((packs, bytes))
    }

    /// What can be read, after `found` has been told what cannot: each part of a bad pack is tried by itself, because
    /// a byte that changed spoils one of them and not all.
    pub(super) fn known(self, adapter: &RepositoryAdapter, found: &mut Found<'_>) -> HashSet<Blob> {
        let mut known = HashSet::new();
        for (id, pack) in &self.packs {
            let Some(&at) = self.bad.get(id) else {
                known.extend(pack.blobs.iter().map(|blob| (blob.tpe, blob.id)));
                continue;
            };
            let file = name_of(FileType::Pack, id);
            let mut lost = 0;
            for blob in &pack.blobs {
                let (offset, length) = (blob.location.offset, blob.location.length);
                let read = adapter.files.read_part(&file, offset, length).ok();
                if read.and_then(|sealed| adapter.sealer.open(&sealed)).is_some() {
                    known.insert((blob.tpe, blob.id));
                } else {
                    lost += 1;
                    found.lost.insert((blob.tpe, blob.id), at);
                }
            }
            let of = count(pack.blobs.len() as u64, "part");
            found.damage[at].what = format!("{}: {lost} of {of} unreadable", found.damage[at].what);
        }
        // What is in a good pack as well is not lost.
        found.lost.retain(|blob, _| !known.contains(blob));
        known
    }
}
