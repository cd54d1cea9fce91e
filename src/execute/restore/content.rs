//! What is brought back: a snapshot, or an archive that was made by other means; looked up, laid down, and verified.

use super::{Task, refused};
use crate::adapters::archive::{self, Part, Shape, Wanted as Asked};
use crate::adapters::exchange::Place;
use crate::adapters::key;
use crate::adapters::lay::Attributes;
use crate::adapters::repository::{Control, EntryKind, Reason, Registry, RepositoryError, RestoreReport, Size};
use crate::execute::{blocking, import, unknown_repository};
use crate::policy::{Repository, SecretRef};
use crate::reconcile::{RestoreStep, SnapshotRecord};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is brought back, looked up.
#[derive(Clone)]
pub(super) struct Wanted {
    pub what: What,
    /// The part of the source.
    pub path: PathBuf,
    /// Whether that is all there is.
    pub all: bool,
    pub kind: EntryKind,
    pub size: Size,
    pub manifest: Option<Value>,
}

/// Where it comes from.
#[derive(Clone)]
pub(super) enum What {
    Snapshot(Arc<Repository>, Arc<SnapshotRecord>),
    Archive { file: String, digest: String, part: Part, passphrase: Option<SecretRef> },
}

impl What {
    /// What stands for it in records.
    pub fn id(&self) -> &str {
        match self {
            Self::Snapshot(_, snapshot) => &snapshot.id,
            Self::Archive { file, .. } => file,
        }
    }

    /// As in "5 files, as of …".
    pub fn origin(&self) -> String {
        match self {
            Self::Snapshot(_, snapshot) => format!("as of {:.0}", snapshot.time),
            Self::Archive { file, .. } => format!("out of {file}"),
        }
    }
}

pub(super) async fn look_up(task: &Task<'_>, step: &RestoreStep) -> Result<Wanted, RepositoryError> {
    match step {
        RestoreStep::Bring { repository, snapshot, path, .. } => in_repository(task, repository, snapshot, path).await,
        RestoreStep::Unpack { file, digest, root, path, passphrase, .. } => {
            let (file, digest) = (file.clone(), digest.clone());
            in_archive(task, (file, digest), (root, path), passphrase.clone()).await
        }
        RestoreStep::Undo(_) | RestoreStep::Discard(_) => Err(refused("This is nothing to bring back")),
    }
}

async fn in_repository(task: &Task<'_>, repository: &str, id: &str, path: &str) -> Result<Wanted, RepositoryError> {
    let found = task.work.desired.repositories.get(repository).cloned();
    let repository = found.ok_or_else(|| unknown_repository(repository))?;
    let registry = Arc::clone(&task.executor.registry);
    let (id, path, source) = (id.to_owned(), PathBuf::from(path), task.source.clone());
    blocking(move || {
        registry.with_existing(&repository, |adapter| {
            let snapshot = adapter.snapshot(&id)?;
            if snapshot.source.as_ref() != Some(&source) {
                let of = snapshot.source.as_ref().map_or_else(|| "something else".to_owned(), ToString::to_string);
                let id = snapshot.id.get(..8).unwrap_or_default();
                return Err(refused(format!("The snapshot {id} is of {of}, not of {source}")));
            }
            let manifest = adapter.manifest(&snapshot.id)?;
            let all = path.as_os_str().is_empty();
            let is_file = all && manifest.as_ref().is_some_and(|manifest| manifest["path"]["file"] == true);
            let path = if is_file { adapter.only_file(&snapshot.id)? } else { path };
            let kind = adapter.entry(&snapshot.id, &path)?.kind;
            let size = adapter.size_of(&snapshot.id, &path)?;
            Ok(Wanted { what: What::Snapshot(Arc::clone(&repository), snapshot), path, all, kind, size, manifest })
        })
    })
    .await
}

/// Looked through again: whoever asked may have seen another file under the name, or it may have changed since.
async fn in_archive(
    task: &Task<'_>,
    (file, digest): (String, String),
    (root, path): (&str, &str),
    passphrase: Option<SecretRef>,
) -> Result<Wanted, RepositoryError> {
    let (inner, cancel, source) = (PathBuf::from(path), task.control.cancel.clone(), task.source.source.clone());
    let root = Path::new(root).join(path);
    let progress = Arc::clone(&task.control.progress);
    blocking(move || {
        let secret = secret(passphrase.as_ref())?;
        let path = Path::new(&file);
        let survey = archive::survey(path, secret.as_ref(), Some(&root), &progress, &cancel);
        let survey = survey.map_err(|error| import::trouble(&error))?;
        if survey.digest != digest {
            return Err(refused(format!(
                "{file} is not the file that was shown: Seawall reads it itself, where it runs, under the same name"
            )));
        }
        let all = inner.as_os_str().is_empty();
        let shape = if all { import::shape(&source) } else { Shape::Unknown };
        let part = archive::part(&survey, &source, shape, Some(&root)).map_err(|error| import::trouble(&error))?;
        let (kind, size) =
            (if part.content.is_file { EntryKind::File } else { EntryKind::Directory }, part.content.size);
        let what = What::Archive { file, digest, part, passphrase };
        Ok(Wanted { what, path: inner, all, kind, size, manifest: None })
    })
    .await
}

fn secret(from: Option<&SecretRef>) -> Result<Option<key::Secret>, RepositoryError> {
    from.map(key::read_line).transpose().map_err(|error| {
        RepositoryError::because(
            Reason::KeyUnreadable,
            "The passphrase of the archive cannot be had; Seawall reads it itself, where it runs",
            &error,
        )
    })
}

impl Wanted {
    /// Lays it down and compares what lies there with where it came from. What it does not give back although it holds
    /// it is no report but an error. It will change places with what `place` has.
    pub fn lay_down(
        &self,
        registry: &Registry,
        place: &Place,
        control: &Control,
    ) -> Result<RestoreReport, RepositoryError> {
        let held = if self.kind == EntryKind::Directory { place.directory().map_err(refused)? } else { place.held() };
        let into = if self.kind == EntryKind::Directory { &held } else { place.above_file() };
        let name = held.file_name().unwrap_or_default();
        match &self.what {
            What::Snapshot(repository, snapshot) => registry.with_existing(repository, |adapter| {
                let (report, verified) = adapter.restore_and_verify(&snapshot.id, &self.path, into, control)?;
                if report.problem_count > 0 {
                    return Err(refused(told("Not everything could be given back as it was", &report)));
                }
                if let Some(first) = verified.differences.first() {
                    let first = format!("{} {}", first.path, first.problem);
                    return Err(refused(format!("What was laid down is not what the snapshot holds: {first}")));
                }
                if self.kind != EntryKind::Directory {
                    // Where a link stands for the file, its name in the snapshot is that of what it leads to now or then.
                    let laid = into.join(self.path.file_name().unwrap_or_default());
                    std::fs::rename(laid, &held).map_err(|error| {
                        RepositoryError::because(
                            Reason::Unavailable,
                            "What was laid down is not there any more",
                            &error,
                        )
                    })?;
                }
                Ok(report)
            }),
            What::Archive { file, digest, part, passphrase } => {
                let secret = secret(passphrase.as_ref())?;
                let fallback = Attributes::of_directory(&place.live());
                let (file, passphrase) = (Path::new(file), secret.as_ref());
                let asked = Asked { file, passphrase, digest, part, name, fallback };
                let trouble = |error| import::trouble(&error);
                let laid = archive::unpack(&asked, into, &control.progress, &control.cancel).map_err(trouble)?;
                import::as_it_is(&laid)?;
                laid.verify(into, &control.progress, &control.cancel).map_err(trouble)?;
                Ok(RestoreReport {
                    files: laid.files,
                    directories: laid.directory_count(),
                    bytes: laid.bytes,
                    problem_count: laid.notes.len() as u64,
                    problems: laid.notes,
                })
            }
        }
    }
}

fn told(what: &str, report: &RestoreReport) -> String {
    let first = report.problems.first().map(|one| format!("{} ({})", one.path, one.problem)).unwrap_or_default();
    format!("{what}: {} of its entries, the first: {first}. Nothing was replaced", report.problem_count)
}
