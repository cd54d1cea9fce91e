//! What is brought back: a snapshot, or an archive that was made by other means; looked up, laid down, and verified.

use super::{Task, refused};
use crate::adapters::archive::{self, Wanted as Asked};
use crate::adapters::key;
use crate::adapters::lay::Attributes;
use crate::adapters::repository::{Control, EntryKind, Registry, RepositoryError, RestoreReport, Sample, Size};
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
    Snapshot(Arc<Repository>, SnapshotRecord),
    Archive { file: String, digest: String, root: PathBuf, passphrase: Option<SecretRef> },
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
            Self::Snapshot(_, snapshot) => format!("as of {}", snapshot.time),
            Self::Archive { file, .. } => format!("out of {file}"),
        }
    }
}

pub(super) async fn look_up(task: &Task<'_>, step: &RestoreStep) -> Result<Wanted, RepositoryError> {
    match step {
        RestoreStep::Bring { repository, snapshot, path, .. } => in_repository(task, repository, snapshot, path).await,
        RestoreStep::Unpack { file, digest, root, passphrase, .. } => {
            let (file, digest) = (file.clone(), digest.clone());
            in_archive(task, file, digest, root, passphrase.clone()).await
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
            // The snapshot of a file holds it under its name.
            let file = all && manifest.as_ref().is_some_and(|manifest| manifest["path"]["file"] == true);
            let name = Path::new(&source.source).file_name().unwrap_or_default();
            let path = if file { PathBuf::from(name) } else { path };
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
    file: String,
    digest: String,
    root: &str,
    passphrase: Option<SecretRef>,
) -> Result<Wanted, RepositoryError> {
    let (root, cancel, source) = (PathBuf::from(root), task.control.cancel.clone(), task.source.source.clone());
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
        let part = archive::part(&survey, &source, Some(&root)).map_err(|error| import::trouble(&error))?;
        let what = What::Archive { file, digest, root, passphrase };
        let size = part.content.size;
        Ok(Wanted { what, path: PathBuf::new(), all: true, kind: EntryKind::Directory, size, manifest: None })
    })
    .await
}

fn secret(from: Option<&SecretRef>) -> Result<Option<key::Secret>, RepositoryError> {
    from.map(key::read_line).transpose().map_err(|error| {
        RepositoryError::because(
            crate::adapters::repository::Reason::KeyUnreadable,
            "The passphrase of the archive cannot be had; Seawall reads it itself, where it runs",
            &error,
        )
    })
}

impl Wanted {
    /// Lays it down and compares what lies there with where it came from. What it does not give back although it holds
    /// it is no report but an error. `live` is what it will replace.
    pub fn lay_down(
        &self,
        registry: &Registry,
        into: &Path,
        live: &Path,
        control: &Control,
    ) -> Result<RestoreReport, RepositoryError> {
        match &self.what {
            What::Snapshot(repository, snapshot) => registry.with_existing(repository, |adapter| {
                let report = adapter.restore(&snapshot.id, &self.path, into, control)?;
                if report.problem_count > 0 {
                    return Err(refused(told("Not everything could be given back as it was", &report)));
                }
                let verified = adapter.verify(&snapshot.id, &self.path, into, Sample::default(), control)?;
                let first = verified.differences.first().map(|one| format!("{} {}", one.path, one.problem));
                first.map_or(Ok(report), |first| {
                    Err(refused(format!("What was laid down is not what the snapshot holds: {first}")))
                })
            }),
            What::Archive { file, digest, root, passphrase } => {
                let secret = secret(passphrase.as_ref())?;
                let fallback = Attributes::of_directory(live);
                let (file, passphrase) = (Path::new(file), secret.as_ref());
                let asked = Asked { file, passphrase, digest, root, fallback };
                let trouble = |error| import::trouble(&error);
                let laid = archive::unpack(asked, into, &control.progress, &control.cancel).map_err(trouble)?;
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
