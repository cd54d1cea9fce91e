//! Objects of a snapshot, back into the bucket that they came from, or into another one.

use super::{Done, Task, refused};
use crate::adapters::repository::{Control, Keys, PutBack, Reason, RepositoryError, Wanted};
use crate::adapters::s3::S3;
use crate::execute::quiesce::Closed;
use crate::execute::{blocking, fail_point::fail_point, unknown_repository};
use crate::policy::Bucket;
use crate::policy::quantity::{bytes, count};
use crate::reconcile::restore::Over;
use crate::reconcile::{RestoreStep, Restored};
use std::sync::Arc;

/// What is replaced, and what is left because it is newer, is named.
pub(super) async fn run(task: &Task<'_>, bucket: &Bucket, step: &RestoreStep) -> Result<Done, RepositoryError> {
    let RestoreStep::Bring { repository, snapshot, path, to, over, .. } = step else {
        return Err(refused("An archive of files does not go into a bucket"));
    };
    let found = task.work.desired.repositories.get(repository).cloned();
    let repository = found.ok_or_else(|| unknown_repository(repository))?;
    let mut access = bucket.s3.clone().ok_or_else(|| refused("The policy gives no access key"))?;
    if let Some(to) = to {
        access.bucket.clone_from(to);
    }
    let (registry, key, run) = (Arc::clone(&task.executor.registry), task.source.clone(), task.control.clone());
    let (id, prefix, over) = (snapshot.clone(), path.clone(), *over);
    let (report, at, place) = blocking(move || {
        let s3 = S3::patient(&access)
            .map_err(|error| refused(format!("The bucket {} cannot be used: {error}", key.source)))?;
        let control = Control { cancel: run.cancel.child_token(), progress: run.progress, ..Control::default() };
        registry.with_existing(&repository, |adapter| {
            let snapshot = adapter.snapshot(&id)?;
            if snapshot.source.as_ref() != Some(&key) {
                return Err(refused(format!(
                    "The snapshot {} is not of {key}",
                    snapshot.id.get(..8).unwrap_or_default()
                )));
            }
            let wanted = Wanted { prefix: &prefix, over };
            let report = adapter.put_back(&snapshot.id, &s3, wanted, &control)?;
            fail_point("put");
            Ok((report, snapshot.time, format!("the bucket {} at {}", s3.bucket(), s3.host())))
        })
    })
    .await
    .map_err(|error| match error.kind() {
        Reason::Interrupted => RepositoryError::new(
            Reason::Interrupted,
            "The restore was ended from outside; what was put back until then stays, and the next one leaves it as it is",
        ),
        _ => error,
    })?;
    if over == Over::Nothing {
        untouched(&report)?;
    }
    let (put, size) = (count(report.objects, "object"), bytes(report.bytes));
    let mut message = format!("{put}, {size}, as of {at:.0}, are in {place}");
    for (number, what) in [
        (report.same, "there already"),
        (report.replaced.count, "in the place of another content"),
        (report.kept.count, "left as they are, being newer"),
        (report.problems.len() as u64, "failed"),
    ] {
        if number > 0 {
            message = format!("{message}; {number} {what}");
        }
    }
    let warnings = named(&report.replaced, "another content was there, which is replaced")
        .chain(named(&report.kept, "left as it is, it was written after the snapshot; `--over-newer` replaces it"))
        .collect();
    let restored = Restored { snapshot: snapshot.clone(), files: report.objects, bytes: report.bytes, kept: None };
    let closed = Closed { warnings, ..Closed::default() };
    Ok(Done { message, restored: Some(restored), closed, problems: report.problems })
}

/// That nothing but what is in the snapshot was there.
fn untouched(report: &PutBack) -> Result<(), RepositoryError> {
    if let Some(first) = report.problems.first() {
        let failed = count(report.problems.len() as u64, "object");
        return Err(refused(format!("{failed} could not be put back, the first: {}", first.problem)));
    }
    if let Some(first) = report.kept.first.first() {
        let kept = count(report.kept.count, "object");
        return Err(refused(format!(
            "{kept} of another content are there, the first: {first}; they were left as they are"
        )));
    }
    Ok(())
}

/// What was done with each, as far as they are named.
fn named(keys: &Keys, what: &str) -> impl Iterator<Item = String> {
    let more = keys.count - keys.first.len() as u64;
    let more = (more > 0).then(|| format!("{more} more: {what}"));
    keys.first.iter().map(|key| format!("{key}: {what}")).chain(more).collect::<Vec<_>>().into_iter()
}
