//! The conditions of a policy. Observations, never a state machine; what nobody knows is `Unknown`, and `Unknown` is
//! never good.

use super::{About, Inputs};
use crate::policy::quantity::{count, display};
use crate::reconcile::RunResult;
use crate::reconcile::observed::{Readable, RepositoryHealth};
use crate::reconcile::plan::{Decision, Verdict};
use crate::reconcile::watch::{Judgement, Watched};
use crate::status::model::{Condition, FileStatus, PolicyStatus, Truth};
use jiff::Timestamp;
use std::borrow::Cow;
use std::time::Duration;

/// Words that are mostly the same for thousands of policies.
type Words = Cow<'static, str>;
/// A finding without its time.
type Finding = (Truth, Words, Words);

fn found(status: Truth, reason: &'static str, message: impl Into<Words>) -> Finding {
    (status, reason.into(), message.into())
}

/// All conditions of a policy, `Ready` first.
pub(super) fn of(
    policy: &PolicyStatus,
    about: &About<'_>,
    inputs: &Inputs<'_>,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let mut found: Vec<(&'static str, Finding)> = vec![("Accepted", accepted(policy, about.file, inputs))];
    let decisions = about.decisions;
    if let Some(watched) = &policy.watched {
        found.extend(outside(watched));
    }
    if policy.exempt.is_none() && policy.is_copied() {
        found.push(("SourceReadable", readable(policy, decisions, inputs)));
        found.push(("BackupFresh", fresh(policy, decisions, now)));
        found.push(("RetentionApplied", retention(policy)));
        found.push(("RepositoryHealthy", repository(policy, inputs)));
        found.push(("Verified", verified(policy, now)));
        found.push(("ObjectivesMet", objectives(policy, now)));
    }
    let ready = ready(policy, &found);
    found.push((
        "Suspended",
        flag(policy.suspended, "SuspendedByPolicy", "NotSuspended", "the policy says suspend: true"),
    ));
    let running = inputs.running.iter().find(|r| r.running.source.as_ref().is_some_and(|s| s.policy == policy.name));
    let under_way = running.map(|r| format!("run {} is under way", r.running.run)).unwrap_or_default();
    found.push(("Progressing", flag(running.is_some(), "RunUnderWay", "Idle", under_way)));
    found.insert(0, ("Ready", ready));
    found.into_iter().map(|(kind, finding)| condition(kind, finding, before, now)).collect()
}

fn condition(kind: &'static str, finding: Finding, before: &[Condition], now: Timestamp) -> Condition {
    let (status, reason, message) = finding;
    let earlier = before.iter().find(|c| c.kind == kind && c.status == status);
    Condition {
        kind: kind.into(),
        status,
        reason,
        message,
        last_transition_time: earlier.and_then(|c| c.last_transition_time).or(Some(now)),
    }
}

fn flag(on: bool, yes: &'static str, no: &'static str, message: impl Into<Words>) -> Finding {
    if on { found(Truth::True, yes, message) } else { found(Truth::False, no, "") }
}

fn accepted(policy: &PolicyStatus, file: Option<&FileStatus>, inputs: &Inputs<'_>) -> Finding {
    if let Some(problem) = &inputs.config.problem {
        return found(Truth::False, "DirectoryUnavailable", format!("the last known good stays in force: {problem}"));
    }
    match file {
        Some(f) if f.valid => found(Truth::True, "Valid", format!("generation {} is in force", policy.generation)),
        Some(f) => {
            let errors: Vec<String> = f.errors.iter().map(ToString::to_string).collect();
            let message =
                format!("the last known good (generation {}) stays in force: {}", policy.generation, errors.join("; "));
            found(Truth::False, "InvalidSpec", message)
        }
        None => found(
            Truth::Unknown,
            "FileNotSeen",
            format!("{} is not among the files that were read", policy.file.display()),
        ),
    }
}

/// What was concluded about a source outside the host.
fn outside(watched: &Watched) -> Vec<(&'static str, Finding)> {
    fn finding(judgement: &Judgement) -> Finding {
        (judgement.status, judgement.reason.clone().into(), judgement.message.clone().into())
    }
    let verdict = (watched.kind.condition(), finding(&watched.verdict));
    let objective = watched.objective.as_ref().map(|judgement| ("ObjectivesMet", finding(judgement)));
    std::iter::once(verdict).chain(objective).collect()
}

fn readable(policy: &PolicyStatus, decisions: &[&Decision], inputs: &Inputs<'_>) -> Finding {
    if matches!(policy.kind.as_str(), "path" | "postgres" | "bucket") {
        return readable_by_runs(policy);
    }
    let docker = &inputs.observed.docker;
    if docker.seen_at.is_none() {
        return found(Truth::Unknown, "DockerNotSeen", docker.message.clone());
    }
    if decisions.iter().any(|d| d.verdict == Verdict::NoMatch) {
        let why: Vec<&str> =
            decisions.iter().filter(|d| d.verdict == Verdict::NoMatch).map(|d| d.why.as_str()).collect();
        return found(Truth::False, "NoMatch", why.join("; "));
    }
    for source in &policy.sources {
        if let Some(Readable::No { message, .. }) = docker.volumes.get(&source.source).map(|v| &v.readable) {
            return found(Truth::False, "Unreadable", format!("{}: {message}", source.source));
        }
    }
    if docker.up {
        found(Truth::True, "Readable", "")
    } else {
        found(Truth::Unknown, "DockerDown", docker.message.clone())
    }
}

/// A path, a database or a bucket is looked at by the runs that read it, and by nothing else.
fn readable_by_runs(policy: &PolicyStatus) -> Finding {
    match policy.sources.first().and_then(|source| source.last_run.as_ref()) {
        None => found(Truth::Unknown, "NotReadYet", "no run has read it yet"),
        Some(run) if matches!(run.result, RunResult::Success | RunResult::Partial | RunResult::Empty) => {
            found(Truth::True, "Readable", "")
        }
        Some(run) => found(Truth::Unknown, "LastRunFailed", run.message.clone()),
    }
}

fn fresh(policy: &PolicyStatus, decisions: &[&Decision], now: Timestamp) -> Finding {
    if let Some(source) = policy.sources.iter().find(|s| s.deadline.is_some_and(|d| now > d)) {
        let since = source.deadline.map(|d| d.to_string()).unwrap_or_default();
        return found(Truth::False, "Overdue", format!("{} is overdue since {since}: {}", source.source, source.why));
    }
    if let Some(source) = policy.sources.iter().find(|s| s.last_run_successful == Some(false)) {
        let run =
            source.repositories.iter().filter_map(|r| r.last_run.as_ref()).find(|r| r.result != RunResult::Success);
        let message = run.map(|r| format!("{}: {}", source.source, r.message)).unwrap_or_default();
        let reason =
            if run.is_some_and(|r| r.result == RunResult::Partial) { "LastRunPartial" } else { "LastRunFailed" };
        return found(Truth::False, reason, message);
    }
    if let Some(source) = policy.sources.iter().find(|s| s.last_success.is_none()) {
        return found(Truth::Unknown, "NoBackupYet", format!("{} has no complete snapshot yet", source.source));
    }
    if policy.sources.is_empty() {
        let why = decisions.first().map(|d| d.why.clone()).unwrap_or_default();
        return found(Truth::Unknown, "NoSource", why);
    }
    found(Truth::True, "Fresh", "every source has a complete snapshot in time")
}

fn retention(policy: &PolicyStatus) -> Finding {
    let held = policy.sources.iter().flat_map(|s| s.retention.iter().map(move |r| (s, r)));
    for (source, decision) in held {
        if let Some(held) = &decision.held {
            let message = format!("{} in {}: {}", source.source, decision.repository, held.message);
            let reason = if held.reason == "ShrinkGuard" { "ShrinkGuard" } else { "Waiting" };
            return found(Truth::False, reason, message);
        }
    }
    let known = policy.sources.iter().all(|s| s.repositories.iter().all(|r| r.known));
    if policy.sources.is_empty() || !known {
        return found(Truth::Unknown, "SnapshotsUnknown", "the snapshots could not be listed");
    }
    let due = policy.sources.iter().flat_map(|s| &s.retention).flat_map(|r| &r.snapshots).filter(|s| !s.keep).count();
    if due > 0 {
        return found(
            Truth::False,
            "RemovalDue",
            format!("{} to be forgotten at the next occasion", count(due as u64, "snapshot")),
        );
    }
    found(Truth::True, "Applied", "every snapshot that is there is wanted")
}

fn repository(policy: &PolicyStatus, inputs: &Inputs<'_>) -> Finding {
    for name in &policy.repositories {
        let seen = inputs.observed.repositories.get(name);
        match seen.map(|r| super::verification::health(inputs, name, &r.health)) {
            None => return found(Truth::Unknown, "NotSeen", format!("repository {name} has not been looked at yet")),
            Some(RepositoryHealth::Unhealthy { message, .. }) => {
                return found(Truth::False, "Unhealthy", format!("{name}: {message}"));
            }
            Some(RepositoryHealth::Healthy) => {}
        }
    }
    found(Truth::True, "Healthy", "")
}

fn verified(policy: &PolicyStatus, now: Timestamp) -> Finding {
    let drills: Vec<_> = policy.sources.iter().filter_map(|s| Some((s.source.as_str(), s.drill.as_ref()?))).collect();
    if drills.is_empty() {
        return found(Truth::Unknown, "NoDrill", "no drill proves that a restore would do");
    }
    for (source, drill) in &drills {
        if let Some(run) = drill.last_run.as_ref().filter(|run| run.result != RunResult::Success) {
            return found(Truth::False, "DrillFailed", format!("{source}: {}", run.message));
        }
    }
    for (source, drill) in &drills {
        if let Some(deadline) = drill.deadline.filter(|deadline| now > *deadline) {
            let message = format!("the drill of {source} is overdue since {deadline}: {}", drill.why);
            return found(Truth::False, "DrillOverdue", message);
        }
    }
    match drills.iter().find(|(_, drill)| drill.last_success.is_none()) {
        Some((source, _)) => found(Truth::Unknown, "NotDrilledYet", format!("{source} has not been drilled yet")),
        None => found(Truth::True, "DrillPassed", ""),
    }
}

fn objectives(policy: &PolicyStatus, now: Timestamp) -> Finding {
    if policy.rpo_seconds.is_none() && policy.rto_seconds.is_none() {
        return found(Truth::Unknown, "NoObjective", "the policy promises nothing");
    }
    if policy.sources.is_empty() {
        return found(Truth::Unknown, "NoSource", "");
    }
    for source in policy.sources.iter().filter(|_| policy.rpo_seconds.is_some()) {
        let Some(last) = source.last_success else {
            return found(Truth::Unknown, "NoBackupYet", format!("{} has no complete snapshot yet", source.source));
        };
        let age = u64::try_from(now.duration_since(last).as_secs()).unwrap_or(0);
        if policy.rpo_seconds.is_some_and(|rpo| age > rpo) {
            let message =
                format!("the newest complete snapshot of {} is of {last}, older than promised", source.source);
            return found(Truth::False, "RecoveryPointExceeded", message);
        }
    }
    let Some(rto) = policy.rto_seconds.map(Duration::from_secs) else {
        return found(Truth::True, "RecoveryPointMet", "");
    };
    let mut unmeasured = None;
    for source in &policy.sources {
        match source.drill.as_ref().and_then(|drill| drill.seconds) {
            Some(seconds) if seconds > rto.as_secs_f64() => {
                let took = display(Duration::try_from_secs_f64(seconds).unwrap_or_default());
                let message =
                    format!("the drill of {} took {took}, longer than the promised {}", source.source, display(rto));
                return found(Truth::False, "RecoveryTimeExceeded", message);
            }
            Some(_) => {}
            None => unmeasured = Some(format!("no drill has measured how long {} takes to restore", source.source)),
        }
    }
    match unmeasured {
        Some(message) => found(Truth::Unknown, "RecoveryTimeUnmeasured", message),
        None => found(Truth::True, "ObjectivesMet", ""),
    }
}

fn ready(policy: &PolicyStatus, all: &[(&'static str, Finding)]) -> Finding {
    // What nobody asked for, or what is not due yet, is no trouble; a suspended policy is told apart from a broken one.
    let counts = |(kind, (_, reason, _)): &&(&'static str, Finding)| {
        reason != "Suspended"
            && !matches!(
                (*kind, &**reason),
                ("ObjectivesMet", "NoObjective" | "RecoveryTimeUnmeasured")
                    | ("RetentionApplied", "RemovalDue")
                    | ("Verified", "NoDrill" | "NotDrilledYet")
            )
    };
    for wanted in [Truth::False, Truth::Unknown] {
        if let Some((_, (_, reason, message))) = all.iter().filter(counts).find(|(_, (status, ..))| *status == wanted) {
            return (wanted, reason.clone(), message.clone());
        }
    }
    if policy.suspended {
        return found(Truth::False, "Suspended", "the policy says suspend: true");
    }
    match &policy.exempt {
        Some(reason) => found(Truth::True, "Exempt", reason.clone()),
        None => found(Truth::True, "Protected", ""),
    }
}
