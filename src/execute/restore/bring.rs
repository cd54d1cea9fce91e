//! From a snapshot or an archive to a volume that holds it.

use super::content::{self, Wanted};
use super::{Done, Task, engine, exchange, record, refused};
use crate::adapters::docker::{Docker, DockerError};
use crate::adapters::exchange::Place;
use crate::adapters::repository::{Control, EntryKind, Reason, RepositoryError, RestoreReport, Size};
use crate::execute::restore::shelf::Kept;
use crate::execute::{Executor, blocking, fail_point::fail_point};
use crate::policy::quantity::{bytes, count};
use crate::reconcile::restore::{KEPT, is_path};
use crate::reconcile::{Readable, RestoreStep, Restored, Undo, Volume};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn run(task: &Task<'_>, step: &RestoreStep) -> Result<Done, RepositoryError> {
    let (RestoreStep::Bring { to, keep, .. } | RestoreStep::Unpack { to, keep, .. }) = step else {
        return Err(refused("This is nothing to bring back"));
    };
    let wanted = content::look_up(task, step).await?;
    let volume = to.as_ref().unwrap_or(&task.source.source);
    let elsewhere = *volume != task.source.source;
    if elsewhere && wanted.kind != EntryKind::Directory {
        return Err(refused(
            "Into another volume goes a whole directory; name one, or restore the file into a directory",
        ));
    }
    let made = make(task, volume, elsewhere, &wanted).await?;
    let brought = into(task, &wanted, volume, elsewhere, made, keep.unwrap_or(KEPT)).await;
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

async fn into(
    task: &Task<'_>,
    wanted: &Wanted,
    name: &str,
    elsewhere: bool,
    made: bool,
    keep: Duration,
) -> Result<Done, RepositoryError> {
    let Target { root, place, at } = target(task, wanted, name, elsewhere).await?;
    let kept = Kept {
        undo: Undo {
            restore: task.control.run.clone(),
            source: task.source.clone(),
            target: name.to_owned(),
            snapshot: wanted.what.id().to_owned(),
            path: at.display().to_string(),
            at: task.control.started,
            expires: task.control.started.saturating_add(keep).unwrap_or(task.control.started),
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
    if elsewhere || made {
        // It replaced nothing.
        forget(task, kept).await;
    } else {
        kept.undo.at = now;
        record(task, kept).await;
    }
    let what =
        if wanted.path.as_os_str().is_empty() { String::new() } else { format!(" at {}", wanted.path.display()) };
    let undo = if elsewhere || made { String::new() } else { format!("; what it replaced is kept until {expires:.0}") };
    let (files, size) = (count(report.files, "file"), bytes(report.bytes));
    let message = format!("{files}{what}, {size}, {}, are in {name} again and verified{undo}", wanted.what.origin());
    let restored =
        Restored { snapshot: wanted.what.id().to_owned(), files: report.files, bytes: report.bytes, kept: None };
    let mut closed = closed;
    closed.warnings.extend(report.problems.iter().map(|one| format!("{}: {}", one.path, one.problem)));
    Ok(Done { message, restored: Some(restored), closed, ..Done::default() })
}

/// Lays the snapshot down in the scratch, compares it, and has it on the disk.
async fn lay_down(task: &Task<'_>, wanted: &Wanted, mut kept: Kept) -> Result<(RestoreReport, Kept), RepositoryError> {
    let (registry, shelf) = (Arc::clone(&task.executor.registry), Arc::clone(&task.restores.shelf));
    let (wanted, run, now) = (wanted.clone(), task.control.clone(), task.executor.clock.now());
    blocking(move || {
        // Where no operator runs, nobody else makes this room.
        shelf.expire(now);
        let io = |what: &'static str| {
            move |error: std::io::Error| RepositoryError::because(Reason::Unavailable, what, &error)
        };
        let free = kept.place.free().map_err(io("The free space cannot be asked for"))?;
        check_room(&wanted.size, free, &shelf)?;
        shelf.put(&kept).map_err(io("The restore cannot be put on record, so nothing was touched"))?;
        kept.place.prepare().map_err(refused)?;
        fail_point("laying");
        let control = Control { cancel: run.cancel.clone(), progress: Arc::clone(&run.progress), ..Control::default() };
        let report = wanted.lay_down(&registry, &kept.place, &control)?;
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

/// What is laid down lies beside what is there.
fn check_room(size: &Size, free: u64, shelf: &super::Shelf) -> Result<(), RepositoryError> {
    let needed = size.needed();
    if needed <= free {
        return Ok(());
    }
    // A database lies on its server.
    let here = |undo: &&Undo| undo.place.is_absolute();
    let kept: u64 = shelf.view().borrow().iter().filter(here).map(|undo| undo.bytes).sum();
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
