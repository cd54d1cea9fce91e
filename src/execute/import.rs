//! Taking an archive that somebody else made into repositories, as a snapshot of a source.
//!
//! It is unpacked beside the state, confined, and then read as a volume is: the snapshot is one like any other, save that
//! its time is the archive's, and that tags and manifest say what it was made of.

use super::manifest;
use crate::adapters::archive::{self, ArchiveError, Laid, Part, Scratch, Shape, Trouble, Wanted};
use crate::adapters::key::Secret;
use crate::adapters::lay::Attributes;
use crate::adapters::repository::{
    Control, Reason, Registry, RepositoryAdapter, RepositoryError, SnapshotMeta, VolumeTree,
};
use crate::policy::{Policy, Repository, Source};
use crate::reconcile::restore::is_path;
use crate::reconcile::{DockerState, RunId, SnapshotRecord, SourceKey};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What archives are taken for.
#[derive(Debug)]
pub struct Import<'a> {
    /// Opens repositories.
    pub registry: &'a Registry,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The source of it.
    pub source: &'a SourceKey,
    /// The engine as it was last seen.
    pub docker: &'a DockerState,
    /// The name under which this host writes snapshots.
    pub host: &'a str,
}

/// One archive that was looked through.
#[derive(Debug)]
pub struct Order<'a> {
    /// The file.
    pub file: &'a Path,
    /// What it was encrypted with, where it is.
    pub passphrase: Option<&'a Secret>,
    /// Its SHA-256, in hex, and its bytes.
    pub digest: &'a str,
    /// Bytes of the file.
    pub bytes: u64,
    /// What of it is the source.
    pub part: &'a Part,
    /// What the root is where the archive does not say it.
    pub fallback: Attributes,
    /// When it was made: the recovery point.
    pub time: Timestamp,
    /// The run that takes it.
    pub run: RunId,
    /// When that began.
    pub now: Timestamp,
}

/// Lays an archive down in the scratch. It has to come down as it is: owners that nobody could give would be the wrong
/// ones in a snapshot.
///
/// # Errors
/// The archive's, and that something could not be given to an entry.
pub fn unpack(
    order: &Order<'_>,
    source: &SourceKey,
    scratch: &Scratch,
    control: &Control,
) -> Result<(PathBuf, Laid), RepositoryError> {
    let io = |error: std::io::Error| RepositoryError::because(Reason::Unavailable, "It cannot be unpacked", &error);
    let into = scratch.empty().map_err(io)?;
    let wanted = Wanted {
        file: order.file,
        passphrase: order.passphrase,
        digest: order.digest,
        part: order.part,
        name: file_name(source),
        fallback: order.fallback.clone(),
    };
    let laid = archive::unpack(&wanted, &into, &control.progress, &control.cancel).map_err(|error| trouble(&error))?;
    as_it_is(&laid)?;
    Ok((into, laid))
}

/// That everything came down as the archive has it.
pub(super) fn as_it_is(laid: &Laid) -> Result<(), RepositoryError> {
    let Some(first) = laid.problems.first() else { return Ok(()) };
    let message = format!(
        "Not everything could be given back as it was: {} of its entries, the first: {} ({}); run Seawall as root, on a \
         file system that keeps owners and attributes",
        laid.problem_count, first.path, first.problem
    );
    Err(RepositoryError::new(Reason::Refused, message))
}

/// An archive's trouble as that of a run.
pub(super) fn trouble(error: &ArchiveError) -> RepositoryError {
    let reason = match error.kind() {
        Trouble::Unreadable => Reason::NotFound,
        Trouble::Unknown | Trouble::Passphrase | Trouble::Refused => Reason::Refused,
        Trouble::Damaged => Reason::Damaged,
        Trouble::NoSpace => Reason::NoSpace,
        Trouble::Unwritable => Reason::Unavailable,
        Trouble::Interrupted => Reason::Interrupted,
    };
    RepositoryError::new(reason, format!("The archive cannot be used: {}", error.told()))
}

impl Import<'_> {
    /// This host's snapshots of the source in a repository.
    ///
    /// # Errors
    /// It cannot be opened or listed.
    pub fn snapshots(&self, repository: &Repository) -> Result<Vec<Arc<SnapshotRecord>>, RepositoryError> {
        let Some(adapter) = self.registry.open_existing(repository)? else { return Ok(Vec::new()) };
        let mut all = adapter.snapshots().inspect_err(|error| self.registry.after(repository, error))?;
        all.retain(|snapshot| snapshot.source.as_ref() == Some(self.source) && snapshot.host == self.host);
        Ok(all)
    }

    /// Makes a snapshot of what was unpacked. One that is there already, of the same archive, is the answer.
    ///
    /// # Errors
    /// Those of a backup; there is no repository, or nothing in the archive.
    pub fn store(
        &self,
        order: &Order<'_>,
        unpacked: &Path,
        repository: &Repository,
        control: &Control,
    ) -> Result<Arc<SnapshotRecord>, RepositoryError> {
        let made_of_it = |snapshot: &Arc<SnapshotRecord>| snapshot.imported.as_deref() == Some(order.digest);
        if let Some(there) = self.snapshots(repository)?.into_iter().find(made_of_it) {
            return Ok(there);
        }
        self.registry.with_existing(repository, |adapter| {
            let meta = SnapshotMeta {
                source: self.source.clone(),
                slot: None,
                run: order.run.clone(),
                host: self.host.to_owned(),
                time: order.time,
                manifest: self.manifest(order, adapter)?,
                imported: Some(order.digest.to_owned()),
            };
            let only = order.part.content.is_file.then(|| file_name(self.source).to_owned());
            let name = self.name(only.is_some());
            let tree = VolumeTree { root: unpacked.to_owned(), only, name, exclude: Vec::new() };
            let report = adapter.backup(&tree, &meta, control)?;
            let empty = || RepositoryError::new(Reason::Refused, "There is nothing in it; no snapshot was made");
            report.snapshot.ok_or_else(empty)
        })
    }

    /// The name of the root in the snapshot, as a backup gives it.
    fn name(&self, is_file: bool) -> String {
        let source = Path::new(&self.source.source);
        let root = if is_file { source.parent() } else { Some(source) };
        let name = root.and_then(Path::file_name);
        name.map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// What a backup would write now, or wrote last where the volume is gone; and where this one comes from.
    fn manifest(&self, order: &Order<'_>, adapter: &RepositoryAdapter) -> Result<Value, RepositoryError> {
        let mut manifest = match (&self.policy.source, self.docker.volumes.get(&self.source.source)) {
            (Source::Path(source), _) => manifest::of_path(self.policy, source, order.part.content.is_file),
            (_, Some(volume)) => manifest::of(self.policy, volume, self.docker),
            _ => self.earlier(adapter)?.unwrap_or_else(|| manifest::of_lost(self.policy, &self.source.source)),
        };
        manifest["imported"] = json!({
            "file": order.file.file_name().unwrap_or_default().to_string_lossy(),
            "sha256": order.digest,
            "bytes": order.bytes,
            "root": order.part.root.to_string_lossy(),
            "at": order.now,
        });
        Ok(manifest)
    }

    fn earlier(&self, adapter: &RepositoryAdapter) -> Result<Option<Value>, RepositoryError> {
        let all = adapter.snapshots()?;
        let own = all.iter().filter(|snapshot| snapshot.source.as_ref() == Some(self.source));
        let Some(newest) = own.max_by_key(|snapshot| snapshot.time) else { return Ok(None) };
        adapter.manifest(&newest.id)
    }
}

/// What a source is, as far as it is there.
#[must_use]
pub fn shape(source: &str) -> Shape {
    if !is_path(source) {
        return Shape::Directory;
    }
    match std::fs::metadata(source) {
        Ok(found) if found.is_dir() => Shape::Directory,
        Ok(_) => Shape::File,
        Err(_) => Shape::Unknown,
    }
}

fn file_name(source: &SourceKey) -> &OsStr {
    Path::new(&source.source).file_name().unwrap_or_default()
}
