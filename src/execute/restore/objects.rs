//! Objects of a snapshot, back into the bucket that they came from, where nothing of another content is.

use super::{Done, Task, refused};
use crate::adapters::repository::{Control, Over, RepositoryError, Wanted};
use crate::adapters::s3::S3;
use crate::execute::quiesce::Closed;
use crate::execute::{blocking, fail_point::fail_point, unknown_repository};
use crate::policy::Bucket;
use crate::policy::quantity::{bytes, count};
use crate::reconcile::{RestoreStep, Restored};
use std::sync::Arc;

/// Nothing is replaced: that, a person does by `seawall restore`, which asks.
pub(super) async fn run(task: &Task<'_>, bucket: &Bucket, step: &RestoreStep) -> Result<Done, RepositoryError> {
    let RestoreStep::Bring { repository, snapshot, path, to: None, .. } = step else {
        return Err(refused("Into another bucket objects are put by `seawall restore` itself"));
    };
    let found = task.work.desired.repositories.get(repository).cloned();
    let repository = found.ok_or_else(|| unknown_repository(repository))?;
    let access = bucket.s3.clone().ok_or_else(|| refused("The policy gives no access key"))?;
    let (registry, key, run) = (Arc::clone(&task.executor.registry), task.source.clone(), task.control.clone());
    let (id, prefix) = (snapshot.clone(), path.clone());
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
            let wanted = Wanted { prefix: &prefix, over: Over::Nothing };
            let report = adapter.put_back(&snapshot.id, &s3, wanted, &control)?;
            fail_point("put");
            Ok((report, snapshot.time, format!("the bucket {} at {}", s3.bucket(), s3.host())))
        })
    })
    .await?;
    if let Some(first) = report.problems.first() {
        let failed = count(report.problems.len() as u64, "object");
        return Err(refused(format!("{failed} could not be put back, the first: {}", first.problem)));
    }
    if let Some(first) = report.kept.first() {
        let kept = count(report.kept.len() as u64, "object");
        return Err(refused(format!(
            "{kept} of another content are there, the first: {first}; they were left as they are"
        )));
    }
    let (put, size) = (count(report.objects, "object"), bytes(report.bytes));
    let same = if report.same > 0 { format!("; {} were there already", report.same) } else { String::new() };
    let restored = Restored { snapshot: snapshot.clone(), files: report.objects, bytes: report.bytes, kept: None };
    let message = format!("{put}, {size}, as of {at}, are in {place}{same}");
    Ok(Done { message, restored: Some(restored), closed: Closed::default() })
}
