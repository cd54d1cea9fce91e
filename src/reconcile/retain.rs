//! What retention concludes about one source in one repository, and when it has to wait.

use super::freshness::{Target, later};
use super::plan::{ForgetAction, Held, RetentionDecision};
use super::{Observed, RunResult, SourceKey};
use crate::policy::retention::{evaluate, guard};
use crate::policy::{BackupSpec, Policy};
use jiff::Timestamp;
use std::time::Duration;

/// After a forget that failed, the next one waits this long.
const RETRY: Duration = Duration::from_hours(1);

/// What is kept and why, and the removal if nothing holds it back. `None` when the snapshots are not known.
pub(super) fn conclude(
    policy: &Policy,
    spec: &BackupSpec,
    key: &SourceKey,
    target: &Target<'_>,
    deadline: Option<Timestamp>,
    observed: &Observed,
    now: Timestamp,
) -> Option<(RetentionDecision, Option<ForgetAction>)> {
    target.state?;
    let candidates = target.snapshots.iter().map(|s| s.candidate()).collect();
    let evaluation = evaluate(spec.retention.as_ref(), candidates, &spec.schedule.time_zone, now);
    let oldest_first = evaluation.snapshots.iter().rev();
    let remove: Vec<String> = oldest_first.filter(|s| !s.keep).map(|s| s.id.to_string()).collect();
    let mut held = None;
    let mut action = None;
    if !remove.is_empty() {
        held = obstacle(policy, target, deadline, now).or_else(|| {
            let rule = spec.retention.as_ref()?;
            let back = guard(&evaluation, &rule.guard, &key.target(target.repository).to_string())?;
            Some(Held { reason: "ShrinkGuard".to_owned(), message: back.message })
        });
        // What was forgotten after the listing was made is still in it.
        let forgot = target.facts.and_then(|f| f.last_forget.as_ref());
        let stale = forgot.is_some_and(|f| target.state.and_then(|s| s.listed_at).is_some_and(|l| l <= f.finished));
        // It needs the repository for itself.
        let busy = observed
            .running
            .iter()
            .any(|r| r.source.as_ref() == Some(key) || r.repositories.iter().any(|n| n == target.repository));
        if held.is_none() && !busy && !stale {
            action = Some(ForgetAction { target: key.target(target.repository), remove });
        }
    }
    Some((
        RetentionDecision { repository: target.repository.to_owned(), snapshots: evaluation.snapshots, held },
        action,
    ))
}

/// Why nothing may be removed now, whatever the rules say: old snapshots are worth more while new ones fail to come.
fn obstacle(policy: &Policy, target: &Target<'_>, deadline: Option<Timestamp>, now: Timestamp) -> Option<Held> {
    let held = |reason: &str, message: String| Some(Held { reason: reason.to_owned(), message });
    if policy.suspend {
        return held("Suspended", "the policy is suspended; nothing is removed until it runs again".to_owned());
    }
    if let Some(message) = target.obstacle() {
        return held("RepositoryUnavailable", message);
    }
    if let Some(damage) = &target.damage {
        let message =
            format!("the repository is damaged, and older snapshots may be the ones that are whole: {damage}");
        return held("RepositoryDamaged", message);
    }
    // One that was ended from outside says nothing against the next.
    let went_wrong = |result| !matches!(result, RunResult::Success | RunResult::Interrupted);
    let failed = target.facts.and_then(|f| f.last_forget.as_ref()).filter(|f| went_wrong(f.result));
    if let Some(run) = failed.filter(|f| now < later(f.finished, RETRY)) {
        let (reason, what) = match run.result {
            RunResult::Partial => ("RetainedByLock", "a lock holds some of them, and they are tried again"),
            _ => ("LastForgetFailed", "the last attempt failed and is repeated"),
        };
        return held(reason, format!("{what} within the hour: {}", run.message));
    }
    match target.facts.and_then(|f| f.last_run.as_ref()) {
        None => {
            held("NoRunYet", "nothing is removed before a backup has succeeded under this state directory".to_owned())
        }
        Some(run) if run.result != RunResult::Success => held(
            "LastRunNotSuccessful",
            format!("the last backup run ended as {}; nothing is removed until one succeeds", run.result.as_str()),
        ),
        Some(_) if deadline.is_some_and(|d| now > d) => {
            held("Overdue", "the source is overdue; nothing is removed until a new backup has succeeded".to_owned())
        }
        Some(_) => None,
    }
}
