//! From a snapshot to a volume that holds it.

use super::{Done, Task, engine, exchange, record, refused};
use crate::adapters::docker::{Docker, DockerError};
use crate::adapters::exchange::Place;
use crate::adapters::repository::{Control, EntryKind, Reason, RepositoryError, RestoreReport, Sample, Size};
use crate::execute::restore::shelf::Kept;
use crate::execute::{Executor, blocking, fail_point::fail_point, unknown_repository};
use crate::policy::Repository;
use crate::policy::quantity::{bytes, count};
use crate::reconcile::restore::{KEPT, is_path};
use crate::reconcile::{Readable, RestoreStep, Restored, SnapshotRecord, Undo, Volume};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is brought back, looked up.
#[derive(Clone)]
struct Wanted {
    repository: Arc<Repository>,
    snapshot: SnapshotRecord,
    path: PathBuf,
    /// Whether that is all there is.
    all: bool,
    kind: EntryKind,
    size: Size,
    manifest: Option<Value>,
}

pub(super) async fn run(task: &Task<'_>, step: &RestoreStep) -> Result<Done, RepositoryError> {
    let RestoreStep::Bring { repository, snapshot, path, to } = step else {
        return Err(refused("This is no snapshot to bring back"));
    };
    let wanted = look_up(task, repository, snapshot, path).await?;
    let volume = to.as_ref().unwrap_or(&task.source.source);
    let elsewhere = *volume != task.source.source;
    if elsewhere && wanted.kind != EntryKind::Directory {
        return Err(refused(
            "Into another volume goes a whole directory; name one, or restore the file into a directory",
        ));
    }
    let made = make(task, volume, elsewhere, &wanted).await?;
    let brought = into(task, &wanted, volume, elsewhere).await;
    if brought.is_err() && made {
        // Best effort: an empty volume harms nobody, and the error has more to say than this.
        if let Err(error) = task.restores.docker.remove_volume(volume).await {
            tracing::warn!(%error, "a volume that was made for a restore stays, empty");
        }
    }
    let mut done = brought?;
    if made {
        done.message = format!("The volume {volume} was gone and is made anew. {}", done.message);
    }
    Ok(done)
}

async fn look_up(task: &Task<'_>, repository: &str, id: &str, path: &str) -> Result<Wanted, RepositoryError> {
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
            Ok(Wanted { repository: Arc::clone(&repository), snapshot, path, all, kind, size, manifest })
        })
    })
    .await
}

/// Makes the volume where there is none. Whether it did.
async fn make(task: &Task<'_>, name: &str, elsewhere: bool, wanted: &Wanted) -> Result<bool, RepositoryError> {
    if is_path(name) {
        return Ok(false);
    }
    let docker = &task.restores.docker;
    match docker.volume(name, task.executor.clock.now()).await {
        Ok(_) => return Ok(false),
        Err(DockerError::NotFound { .. }) => {}
        Err(error) => return Err(engine(&error)),
    }
    let of = |key: &str| wanted.manifest.as_ref().and_then(|manifest| manifest["volume"].get(key));
    let map = |key: &str| -> BTreeMap<String, String> {
        of(key).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
    };
    // Options may name a directory or a server, which two volumes must not share.
    let (driver, options, labels) = if elsewhere {
        ("local", BTreeMap::new(), BTreeMap::new())
    } else {
        (of("driver").and_then(Value::as_str).unwrap_or("local"), map("options"), map("labels"))
    };
    docker.create_volume(name, driver, &options, &labels).await.map_err(|error| engine(&error))?;
    fail_point("made");
    Ok(true)
}

/// Where the files of a volume are.
pub(super) async fn root_of(docker: &Docker, name: &str, executor: &Executor) -> Result<PathBuf, RepositoryError> {
    match docker.volume(name, executor.clock.now()).await.map_err(|error| engine(&error))? {
        Volume { readable: Readable::At(path), .. } => Ok(path),
        Volume { readable: Readable::No { reason, message }, .. } => Err(refused(format!("{message} ({reason})"))),
    }
}

/// Where something goes.
struct Target<'a> {
    /// Its root, where it is a volume.
    root: Option<PathBuf>,
    place: Place,
    /// Which part of it is replaced; empty: all.
    at: &'a Path,
}

async fn target<'a>(
    task: &Task<'_>,
    wanted: &'a Wanted,
    name: &str,
    elsewhere: bool,
) -> Result<Target<'a>, RepositoryError> {
    let (whole, run) = (Path::new(""), &task.control.run.0);
    if is_path(name) {
        // A link that a person named stands for what it leads to.
        let real = std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        let (at, place) = if wanted.all {
            (whole, Place::beside(&real, run))
        } else {
            (&*wanted.path, Place::of(&real, &wanted.path, run))
        };
        return Ok(Target { root: None, place: place.map_err(refused)?, at });
    }
    let root = root_of(&task.restores.docker, name, task.executor).await?;
    if elsewhere && std::fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(refused(format!("The volume {name} holds files; name one that is empty, or is not there yet")));
    }
    // In another volume what is brought becomes all there is.
    let at = if elsewhere || wanted.all { whole } else { &*wanted.path };
    let place = Place::of(&root, at, run).map_err(refused)?;
    Ok(Target { root: Some(root), place, at })
}

async fn into(task: &Task<'_>, wanted: &Wanted, name: &str, elsewhere: bool) -> Result<Done, RepositoryError> {
    let Target { root, place, at } = target(task, wanted, name, elsewhere).await?;
    let kept = Kept {
        undo: Undo {
            restore: task.control.run.clone(),
            source: task.source.clone(),
            target: name.to_owned(),
            snapshot: wanted.snapshot.id.clone(),
            path: at.display().to_string(),
            at: task.control.started,
            expires: task.control.started.saturating_add(KEPT).unwrap_or(task.control.started),
            place: place.held(),
            bytes: 0,
            undone: false,
        },
        place,
        laid: None,
        exchanged: false,
    };
    let laid = lay_down(task, wanted, kept.clone()).await;
    let (report, mut kept) = match laid {
        Ok(laid) => laid,
        Err(error) => {
            forget(task, kept).await;
            return Err(error);
        }
    };
    fail_point("laid");
    let closed = match exchange(task, root.map(|root| (root, name.to_owned())), &kept.place).await {
        Ok(closed) => closed,
        Err(error) => {
            forget(task, kept).await;
            return Err(error);
        }
    };
    kept.exchanged = true;
    let (now, expires) = (task.executor.clock.now(), kept.undo.expires);
    if elsewhere {
        // It replaced nothing.
        forget(task, kept).await;
    } else {
        kept.undo.at = now;
        record(task, kept).await;
    }
    let what =
        if wanted.path.as_os_str().is_empty() { String::new() } else { format!(" at {}", wanted.path.display()) };
    let undo = if elsewhere { String::new() } else { format!("; what it replaced is kept until {expires}") };
    let (files, size) = (count(report.files, "file"), bytes(report.bytes));
    let message =
        format!("{files}{what}, {size}, as of {}, are in {name} again and verified{undo}", wanted.snapshot.time);
    let restored = Restored { snapshot: wanted.snapshot.id.clone(), files: report.files, bytes: report.bytes };
    Ok(Done { message, restored: Some(restored), closed })
}

/// Lays the snapshot down in the scratch, compares it, and has it on the disk.
async fn lay_down(task: &Task<'_>, wanted: &Wanted, mut kept: Kept) -> Result<(RestoreReport, Kept), RepositoryError> {
    let (registry, shelf) = (Arc::clone(&task.executor.registry), Arc::clone(&task.restores.shelf));
    let (wanted, run) = (wanted.clone(), task.control.clone());
    blocking(move || {
        let io = |what: &'static str| {
            move |error: std::io::Error| RepositoryError::because(Reason::Unavailable, what, &error)
        };
        let free = kept.place.free().map_err(io("The free space cannot be asked for"))?;
        check_room(&wanted.size, free, &shelf)?;
        shelf.put(&kept).map_err(io("The restore cannot be put on record, so nothing was touched"))?;
        kept.place.prepare().map_err(refused)?;
        fail_point("laying");
        let whole = wanted.kind == EntryKind::Directory;
        let into = if whole { kept.place.directory().map_err(refused)? } else { kept.place.above_file().to_owned() };
        let control = Control { cancel: run.cancel.clone(), progress: Arc::clone(&run.progress), ..Control::default() };
        let id = &wanted.snapshot.id;
        let report = registry.with_existing(&wanted.repository, |adapter| {
            let report = adapter.restore(id, &wanted.path, &into, &control)?;
            if report.problem_count > 0 {
                return Err(refused(told("Not everything could be given back as it was", &report)));
            }
            let verified = adapter.verify(id, &wanted.path, &into, Sample::default(), &control)?;
            let first = verified.differences.first().map(|one| format!("{} {}", one.path, one.problem));
            first.map_or(Ok(report), |first| {
                Err(refused(format!("What was laid down is not what the snapshot holds: {first}")))
            })
        })?;
        kept.place.sync().map_err(io("What was laid down could not be written out"))?;
        kept.laid = kept.place.identity().map_err(io("What was laid down is not there any more"))?;
        shelf.put(&kept).map_err(io("The restore cannot be put on record, so nothing was touched"))?;
        Ok((report, kept))
    })
    .await
    .map_err(|error| match error.kind() {
        Reason::Interrupted => {
            let message =
                "The restore was ended from outside before anything was replaced; what it had laid down is removed";
            RepositoryError::new(Reason::Interrupted, message)
        }
        _ => error,
    })
}

fn told(what: &str, report: &RestoreReport) -> String {
    let first = report.problems.first().map(|one| format!("{} ({})", one.path, one.problem)).unwrap_or_default();
    format!("{what}: {} of its entries, the first: {first}. Nothing was replaced", report.problem_count)
}

/// What is laid down lies beside what is there.
fn check_room(size: &Size, free: u64, shelf: &super::Shelf) -> Result<(), RepositoryError> {
    let needed = size.needed();
    if needed <= free {
        return Ok(());
    }
    let kept: u64 = shelf.view().borrow().iter().map(|undo| undo.bytes).sum();
    let help = if kept > 0 {
        format!("; {} are held by what earlier restores replaced: `seawall restore --discard` frees them", bytes(kept))
    } else {
        String::new()
    };
    Err(RepositoryError::new(
        Reason::NoSpace,
        format!(
            "{} are needed beside what is there and {} are free; nothing was touched{help}",
            bytes(needed),
            bytes(free)
        ),
    ))
}

/// Removes what was laid down in vain. What cannot be removed now goes at the next start.
async fn forget(task: &Task<'_>, kept: Kept) {
    let shelf = Arc::clone(&task.restores.shelf);
    let removed = blocking(move || {
        shelf.remove(&kept).map_err(|error| {
            RepositoryError::because(Reason::Unavailable, "What was laid down stays until the next start", &error)
        })
    });
    if let Err(error) = removed.await {
        tracing::warn!("{}", error.told());
    }
}
