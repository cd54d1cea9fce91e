//! Looking through a repository for damage, without changing anything.
//!
//! restic names every file by the SHA-256 of its content. So a file that has been read and has its name's hash is what
//! was once written, and whatever the index and the trees say of it can be believed.

mod packs;
mod repair;
mod salvage;
mod trees;

use super::error::RepositoryError;
use super::files::{Files, name_of, optional};
use super::lock::Lock;
use super::report::Control;
use super::{Reason, RepositoryAdapter};
use crate::policy::quantity::count;
use crate::reconcile::CheckReport;
use crate::reconcile::verification::{Damage, Portion};
use packs::Packs;
use rustic_core::repofile::{BlobType, SnapshotFile};
use rustic_core::{BlobId, FileType, Id};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io;
use trees::Trees;

/// How much of the damage is told in full.
const TOLD: usize = 100;
/// Snapshots, and paths, that are told of one damage.
const NAMED: usize = 20;

impl RepositoryAdapter {
    /// Whether every snapshot and index file is what was written, every pack of the index there in its right size, every
    /// tree and every content that a snapshot needs known; and whether the data of a share of the packs, and of the
    /// suspects, is what was written. That something is wrong is no error but in the report. Others may read and write
    /// meanwhile; what comes into being meanwhile is not looked at.
    ///
    /// # Errors
    /// It could not be looked at, or `Interrupted`.
    pub fn check(
        &self,
        portion: Option<Portion>,
        suspects: &[String],
        control: &Control,
    ) -> Result<CheckReport, RepositoryError> {
        let _pass = self.gate.together(&control.cancel).map_err(|why| self.no_pass(why))?;
        let _lock = Lock::take(&self.files, &self.sealer, false)?;
        self.look_through(portion, suspects, control)
    }

    pub(super) fn look_through(
        &self,
        portion: Option<Portion>,
        suspects: &[String],
        control: &Control,
    ) -> Result<CheckReport, RepositoryError> {
        let mut found = Found::new(control);
        // In this order: what a snapshot refers to is in the index before the snapshot is there.
        let snapshots = self.whole_snapshots(&mut found)?;
        let sound = self.whole_files(FileType::Index, "index file", &mut found)?;
        let mut report = CheckReport { portion, ..CheckReport::default() };
        if sound {
            let mut packs = Packs::look(self, &mut found)?;
            report.packs = packs.count();
            let wanted = |name: &str| portion.is_some_and(|p| p.contains(name)) || suspects.iter().any(|s| s == name);
            (report.packs_read, report.bytes_read) = packs.read(self, wanted, &mut found)?;
            report.snapshots = snapshots.len() as u64;
            Trees::new(self, packs, &mut found)?.follow(&snapshots)?;
        } else {
            found.add("what the snapshots refer to cannot be followed while the index is damaged".to_owned(), None);
        }
        found.into(report)
    }

    /// Snapshot files that are what was written.
    fn whole_snapshots(&self, found: &mut Found<'_>) -> Result<Vec<(String, SnapshotFile)>, RepositoryError> {
        let mut whole = Vec::new();
        for (id, _) in self.listed(FileType::Snapshot)? {
            found.go_on()?;
            let name = id.to_hex().as_str().to_owned();
            if !self.is_whole(FileType::Snapshot, &id, "snapshot", found)? {
                continue;
            }
            match self.guarded("read a snapshot", || self.open.get_file::<SnapshotFile>(&id.into())) {
                Ok(snapshot) => whole.push((name, snapshot)),
                Err(error) if error.kind() == Reason::NotFound => {}
                Err(error) => {
                    let at = found.add(format!("snapshot {name} cannot be read: {}", error.told()), None);
                    found.damage[at].snapshots.push(name);
                }
            }
        }
        Ok(whole)
    }

    /// Whether all files of one type are what was written.
    fn whole_files(&self, tpe: FileType, what: &str, found: &mut Found<'_>) -> Result<bool, RepositoryError> {
        let mut sound = true;
        for (id, _) in self.listed(tpe)? {
            found.go_on()?;
            sound &= self.is_whole(tpe, &id, what, found)?;
        }
        Ok(sound)
    }

    fn is_whole(&self, tpe: FileType, id: &Id, what: &str, found: &mut Found<'_>) -> Result<bool, RepositoryError> {
        let file = name_of(tpe, id);
        let name = id.to_hex();
        match hash(&self.files, &file, |_| Ok(())) {
            Ok(Some(hash)) if hash == name.as_str() => Ok(true),
            // Removed by someone since it was listed.
            Ok(None) => Ok(true),
            Ok(Some(_)) => {
                let at = found.add(format!("{what} {} is not what was written", name.as_str()), None);
                found.damage[at].repairable = tpe == FileType::Index;
                if tpe == FileType::Snapshot {
                    found.damage[at].snapshots.push(name.as_str().to_owned());
                }
                Ok(false)
            }
            Err(error) => Err(RepositoryError::io(&format!("read {what}"), &self.files.at(&file), &error)),
        }
    }

    fn listed(&self, tpe: FileType) -> Result<BTreeMap<Id, u64>, RepositoryError> {
        let ids = self.files.ids(tpe);
        let ids = ids.map_err(|e| RepositoryError::io(&format!("list {}", tpe.dirname()), &self.location, &e))?;
        Ok(ids.into_iter().collect())
    }
}

/// The SHA-256 of a file in hex; `None` when there is none. `seen` is told of the bytes as they are read.
fn hash(files: &Files, name: &str, mut seen: impl FnMut(u64) -> io::Result<()>) -> io::Result<Option<String>> {
    let mut hash = Sha256::new();
    let read = files.read_through(name, &mut |part| {
        hash.update(part);
        seen(part.len() as u64)
    });
    Ok(optional(read)?.map(|()| hex::encode(hash.finalize())))
}

/// A content or tree, by which packs and trees name it.
type Blob = (BlobType, BlobId);

/// What is wrong so far.
struct Found<'a> {
    control: &'a Control,
    damage: Vec<Damage>,
    /// Contents and trees that cannot be read, with the damage that is to blame.
    lost: HashMap<Blob, usize>,
}

impl<'a> Found<'a> {
    fn new(control: &'a Control) -> Self {
        Self { control, damage: Vec::new(), lost: HashMap::new() }
    }

    fn add(&mut self, what: String, pack: Option<String>) -> usize {
        let repairable = pack.is_some();
        self.damage.push(Damage { what, pack, repairable, snapshots: Vec::new(), paths: Vec::new() });
        self.damage.len() - 1
    }

    fn go_on(&self) -> Result<(), RepositoryError> {
        if self.control.cancel.is_cancelled() {
            return Err(RepositoryError::new(
                Reason::Interrupted,
                "The check was ended from outside before it was done; it says nothing about the repository",
            ));
        }
        Ok(())
    }

    fn into(mut self, mut report: CheckReport) -> Result<CheckReport, RepositoryError> {
        self.go_on()?;
        let mut all = Sha256::new();
        for damage in &mut self.damage {
            let (snapshots, paths) = (damage.snapshots.len(), damage.paths.len());
            if paths > 0 {
                let first = damage.paths.first().map(String::as_str).unwrap_or_default();
                let more =
                    if paths > 1 { format!(" and {}", count(paths as u64 - 1, "other path")) } else { String::new() };
                damage.what = format!(
                    "{}; {first}{more} in {} cannot be restored",
                    damage.what,
                    count(snapshots as u64, "snapshot")
                );
            }
            all.update(damage.what.as_bytes());
            damage.snapshots.truncate(NAMED);
            damage.paths.truncate(NAMED);
        }
        report.damage_count = self.damage.len() as u64;
        if report.damage_count > 0 {
            report.digest = hex::encode(&all.finalize()[..4]);
        }
        // What costs a snapshot something is told first.
        self.damage.sort_by_key(|damage| damage.snapshots.is_empty());
        self.damage.truncate(TOLD);
        report.damage = self.damage;
        Ok(report)
    }
}
