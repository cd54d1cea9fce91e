//! What there is to recover, and what there is here.

use super::{Options, Placed, Recovery, Wanted, outside, place, secrets};
use crate::adapters::docker::Docker;
use crate::adapters::repository::{Registry, RepositoryAdapter, RepositoryError};
use crate::app::Peek;
use crate::clock::{Clock, SystemClock};
use crate::controller::ports::{History, RunFilter};
use crate::execute::restore::Shelf;
use crate::reconcile::compose::Project;
use crate::reconcile::recovery::{self, Found, HostFound, Item, Kind, Manifest, Surroundings, There};
use crate::reconcile::{DockerState, Operation, Readable, RunResult, SnapshotRecord, Undo};
use crate::status::persist::StateDir;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn look(options: &Options, wanted: &Wanted<'_>) -> anyhow::Result<Recovery> {
    let registry = Registry::new(&options.state);
    let adapter = registry.open_with(&wanted.repository, &wanted.key).map_err(told)?;
    let all = adapter.snapshots().map_err(told)?;
    let hosts = recovery::hosts(&all);
    let host = host(options, wanted, &hosts)?;
    let found = found(&adapter, &all, &host)?;
    let documents = recovery::documents(&found);
    let name = place::name(&registry, wanted, &documents).unwrap_or_else(|| recovery::repository(&found));
    let (mut items, left_out) = recovery::choose(&found, wanted.wants, wanted.policies);
    direct(&mut items, wanted.databases)?;
    let plan = place::plan(options, wanted, &name, &documents)?;
    let missing_images = block_on(missing_images(options, &found))?;
    let missing_secrets = secrets::missing(&documents, &name);
    let projects_here = projects_here(&found);
    let checklist = recovery::checklist(&Surroundings {
        host: &host,
        found: &found,
        items: &items,
        documents: &documents,
        repository: &name,
        projects_here: &projects_here,
        missing_images: &missing_images,
        missing_secrets: &missing_secrets,
    });
    let secrets = plan.secrets.iter().map(|kept| kept.placed.clone());
    let files: Vec<Placed> = plan.documents.iter().map(|document| document.placed.clone()).chain(secrets).collect();
    let location = registry.location(&wanted.repository).display().to_string();
    let sources = outside::sources(&documents, Peek::open(options)?.desired());
    let (documents, secrets) = (plan.documents, plan.secrets);
    let (repository, left) = (name, Vec::new());
    let mut recovery = Recovery {
        host,
        repository,
        location,
        hosts,
        items: left,
        left_out,
        files,
        checklist,
        documents,
        secrets,
        sources,
    };
    recovery.items = again(options, &recovery, items)?;
    recovery.settle(&[]);
    Ok(recovery)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: RepositoryError) -> anyhow::Error {
    anyhow::anyhow!("{}", error.told())
}

/// Which host: the one that was named, the only one, or the one whose name this one has.
fn host(options: &Options, wanted: &Wanted<'_>, hosts: &[HostFound]) -> anyhow::Result<String> {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let all = names.join(", ");
    match (wanted.host, names.as_slice()) {
        (_, []) => bail!("the repository has no snapshot that Seawall made"),
        (Some(given), _) if names.contains(&given) => Ok(given.to_owned()),
        (Some(given), _) => bail!("the repository has no snapshot of a host {given}; it has those of {all}"),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) if names.contains(&options.host.as_str()) => Ok(options.host.clone()),
        (None, _) => {
            bail!("the repository has snapshots of several hosts: {all}. Say with `--host` which of them is gone")
        }
    }
}

fn found(adapter: &RepositoryAdapter, all: &[Arc<SnapshotRecord>], host: &str) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for snapshot in recovery::newest(all, host) {
        let Some(source) = snapshot.source.clone() else { continue };
        let manifest = adapter.manifest(&snapshot.id).map_err(told)?;
        found.push(Found { source, snapshot, manifest: Manifest::read(manifest) });
    }
    Ok(found)
}

/// Has databases go where a person said.
fn direct(items: &mut [Item], databases: &[(String, String)]) -> anyhow::Result<()> {
    for (policy, to) in databases {
        let of = |item: &&mut Item| item.kind == Kind::Database && item.source.policy == *policy;
        let item = items.iter_mut().find(of);
        let item = item.with_context(|| format!("no database of a policy {policy} comes back, for `--to-database`"))?;
        item.to = Some(to.clone());
    }
    Ok(())
}

/// Looks at what is in the place of each item now.
pub(super) fn again(options: &Options, recovery: &Recovery, mut items: Vec<Item>) -> anyhow::Result<Vec<Item>> {
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let docker = if items.iter().any(|item| item.kind == Kind::Volume) {
        block_on(async { Ok(docker.look(SystemClock.now()).await?) }).context("Docker has to run first")?
    } else {
        DockerState::default()
    };
    let state = StateDir::open_read_only(&options.state)?;
    let undos = Shelf::look(&options.state.join("restores")).context("cannot read what restores left")?;
    for item in &mut items {
        let there = match item.kind {
            Kind::Volume => volume(&docker, item),
            Kind::Path => path(Path::new(&item.source.source)),
            Kind::Database | Kind::Bucket | Kind::Other => {
                let (place, there) = outside::look(recovery, item);
                item.place = place;
                there
            }
        };
        item.there = match there {
            There::Something | There::Holds { .. } => brought(&state, &undos, item, there)?,
            there => there,
        };
    }
    Ok(items)
}

fn volume(docker: &DockerState, item: &Item) -> There {
    match docker.volumes.get(&item.source.source).map(|volume| &volume.readable) {
        None => There::Nothing,
        Some(Readable::At(root)) => directory(root),
        Some(Readable::No { reason, message }) => There::Unknown { why: format!("{message} ({reason})") },
    }
}

fn path(path: &Path) -> There {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => directory(path),
        Ok(_) => There::Something,
        Err(_) if fs::symlink_metadata(path).is_ok() => There::Something,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => There::Nothing,
        Err(error) => There::Unknown { why: format!("{} cannot be looked at: {error}", path.display()) },
    }
}

fn directory(path: &Path) -> There {
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => There::Empty,
        Ok(false) => There::Something,
        Err(error) => There::Unknown { why: format!("{} cannot be looked into: {error}", path.display()) },
    }
}

/// Whether an earlier attempt brought it back: the history knows, or the record of a restore that was cut off late.
fn brought(state: &StateDir, undos: &[Undo], item: &Item, there: There) -> anyhow::Result<There> {
    let key = &item.source;
    let filter = RunFilter { policy: Some(key.policy.clone()), source: Some(key.source.clone()), limit: None };
    let runs = state.runs(&filter).map_err(anyhow::Error::msg)?;
    let did = runs.iter().find(|run| {
        let what = run.restored.as_ref().map(|restored| restored.snapshot.as_str());
        run.operation == Operation::Restore && run.result == RunResult::Success && what == Some(&item.snapshot)
    });
    let cut_off = || undos.iter().find(|u| u.source == *key && u.snapshot == item.snapshot && !u.undone);
    let at = did.map(|run| run.finished).or_else(|| cut_off().map(|undo| undo.at));
    // A bucket was empty when an attempt began that was cut off; what is there of another content stays as it is.
    let begun = || Ok::<_, anyhow::Error>(state.interrupted()?.iter().any(|run| super::brings(&run.action, item)));
    if at.is_none() && item.kind == Kind::Bucket && begun()? {
        return Ok(There::Empty);
    }
    Ok(at.map_or(there, |at| There::Restored { at }))
}

/// Where the files of an item are.
pub(super) fn root(options: &Options, item: &Item) -> anyhow::Result<PathBuf> {
    if item.kind == Kind::Path {
        return Ok(fs::canonicalize(&item.source.source)?);
    }
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let volume = block_on(async { Ok(docker.volume(&item.source.source, SystemClock.now()).await?) })?;
    match volume.readable {
        Readable::At(root) => Ok(root),
        Readable::No { message, .. } => bail!(message),
    }
}

/// Compose projects all of whose files are where they were.
fn projects_here(found: &[Found]) -> BTreeSet<String> {
    let is_here = |project: &Project| {
        let at = Path::new(&project.directory);
        !project.files.is_empty() && project.files.iter().all(|file| at.join(file).is_file())
    };
    recovery::projects(found).into_iter().filter(|(_, project)| is_here(project)).map(|(name, _)| name).collect()
}

async fn missing_images(options: &Options, found: &[Found]) -> anyhow::Result<BTreeSet<String>> {
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let users = found.iter().flat_map(|found| &found.manifest.containers);
    let images: BTreeSet<&str> = users.map(|user| user.image.as_str()).filter(|image| !image.is_empty()).collect();
    let mut missing = BTreeSet::new();
    for image in images {
        // What cannot be told is better asked for once too often.
        if !docker.has_image(image).await.unwrap_or(false) {
            missing.insert(image.to_owned());
        }
    }
    Ok(missing)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(work)
}
