//! What a backup takes: the files of a source, and what is done about whoever writes to them meanwhile.

use super::quiesce::Quiescer;
use super::{Executor, manifest};
use crate::adapters::clone::Clones;
use crate::adapters::postgres::Wanted;
use crate::adapters::repository::{Databases, Reason, RepositoryError, VolumeTree};
use crate::adapters::s3::S3;
use crate::controller::ports::Work;
use crate::policy::{Bucket, PathSource, Policy, PostgresSource, Quiesce, Repository, Source, VolumeSource};
use crate::reconcile::Readable;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is read.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Files of this host.
    Files(VolumeTree),
    /// A database, dumped.
    Database(Box<Wanted>),
    /// Objects of a bucket whose keys begin with a prefix.
    Objects(Box<S3>, String),
}

/// Everything about the source that one run needs.
pub(super) struct Taken {
    pub content: Content,
    /// What travels along with the files.
    pub manifest: serde_json::Value,
    pub quiesce: Option<(Quiescer, Arc<Quiesce>)>,
    pub databases: Option<Databases>,
    pub clones: Option<Arc<Clones>>,
}

/// The source of a policy by its name.
pub(super) fn of(executor: &Executor, work: &Work, policy: &Policy, name: &str) -> Result<Taken, RepositoryError> {
    match &policy.source {
        Source::Volume(source) => volume(executor, work, policy, source, name),
        Source::Path(source) => path(executor, work, policy, source),
        Source::Postgres(source) => Ok(database(executor, policy, source)),
        Source::ManagedDatabase(_) => Err(refused("A database at its provider is looked at, not copied")),
        Source::Bucket(source) => bucket(policy, source),
    }
}

fn refused(message: impl Into<String>) -> RepositoryError {
    RepositoryError::new(Reason::Refused, message)
}

fn volume(
    executor: &Executor,
    work: &Work,
    policy: &Policy,
    source: &VolumeSource,
    name: &str,
) -> Result<Taken, RepositoryError> {
    let volume = work.docker.volumes.get(name);
    let volume = volume.ok_or_else(|| refused(format!("Docker has no volume {name}")))?;
    let root = match &volume.readable {
        Readable::At(path) => path.clone(),
        Readable::No { reason, message } => return Err(refused(format!("{message} ({reason})"))),
    };
    let quiesce = match (&source.quiesce, &executor.quiescer) {
        (None, _) => None,
        (Some(quiesce), Some(quiescer)) => Some((quiescer.clone(), quiesce.clone())),
        (Some(_), None) => return Err(refused("Containers cannot be made to stand still here")),
    };
    let databases = match (&source.sqlite, &executor.staging) {
        (None, _) => None,
        (Some(sqlite), Some(staging)) => {
            let databases = Databases::new(sqlite, Arc::clone(staging));
            Some(databases.map_err(|error| {
                RepositoryError::because(Reason::Refused, "A pattern under `sqlite` is not a glob; correct it", &error)
            })?)
        }
        (Some(_), None) => return Err(refused("Databases cannot be copied here")),
    };
    Ok(Taken {
        content: Content::Files(VolumeTree {
            root,
            only: None,
            name: name.to_owned(),
            exclude: source.exclude.clone(),
        }),
        manifest: manifest::of(policy, volume, &work.docker),
        clones: executor.clones.clone().filter(|_| source.clone && quiesce.is_some()),
        quiesce,
        databases,
    })
}

fn path(executor: &Executor, work: &Work, policy: &Policy, source: &PathSource) -> Result<Taken, RepositoryError> {
    let tree = path_tree(source)?;
    let known: Vec<&Repository> = work.desired.repositories.values().map(AsRef::as_ref).collect();
    if let Some(own) = executor.registry.own_files_in(&tree.root, &known).filter(|_| tree.only.is_none()) {
        return Err(refused(format!(
            "{} holds {}, which is Seawall's own: a backup of the backups would never end. Name the directories that \
             hold data, one policy each",
            source.path,
            own.display()
        )));
    }
    let manifest = manifest::of_path(policy, source, tree.only.is_some());
    Ok(Taken { content: Content::Files(tree), manifest, quiesce: None, databases: None, clones: None })
}

fn bucket(policy: &Policy, source: &Bucket) -> Result<Taken, RepositoryError> {
    let access = source.s3.as_ref().ok_or_else(|| refused("No access key is given to copy the bucket with"))?;
    let s3 = S3::patient(access).map_err(|error| {
        let message = format!("The bucket {} cannot be read; no snapshot was made", source.name);
        RepositoryError::because(Reason::SourceLost, message, &error)
    })?;
    let content = Content::Objects(Box::new(s3), source.prefix.clone());
    let manifest = manifest::of_bucket(policy, source, access);
    Ok(Taken { content, manifest, quiesce: None, databases: None, clones: None })
}

fn database(executor: &Executor, policy: &Policy, source: &PostgresSource) -> Taken {
    let wanted = Wanted {
        source: source.clone(),
        heartbeat: heartbeat(&executor.host, &policy.name),
        cancel: CancellationToken::new(),
    };
    let content = Content::Database(Box::new(wanted));
    Taken { content, manifest: manifest::of_database(policy, source), quiesce: None, databases: None, clones: None }
}

/// The heartbeat's row of one policy on one host.
pub(super) fn heartbeat(host: &str, policy: &str) -> String {
    format!("{host}/{policy}")
}

/// What is read of a directory, or of the one that holds a file.
fn path_tree(source: &PathSource) -> Result<VolumeTree, RepositoryError> {
    let lost = |e: std::io::Error| {
        let message = format!("{} cannot be read; no snapshot was made", source.path);
        RepositoryError::because(Reason::SourceLost, message, &e)
    };
    // A link that a person named stands for what it leads to; links below it are kept as links.
    let real = fs::canonicalize(Path::new(&source.path)).map_err(lost)?;
    let is_directory = fs::metadata(&real).map_err(lost)?.is_dir();
    let (root, only) = match (is_directory, real.parent()) {
        (false, Some(parent)) => (parent.to_owned(), real.file_name().map(ToOwned::to_owned)),
        _ => (real, None),
    };
    let name = root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(VolumeTree { root, only, name, exclude: source.exclude.clone() })
}
