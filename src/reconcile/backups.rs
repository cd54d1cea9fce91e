//! Whether a backup of one source is due, and what stands in its way.

use super::duties::is_alone;
use super::freshness::{Target, deadline};
use super::observed::{Readable, Running, Volume};
use super::plan::{BackupAction, Cause, Missed, Verdict};
use super::slots::Turn;
use super::sources::Place;
use super::{Observed, Operation, SourceKey};
use crate::policy::{BackupSpec, Policy};
use jiff::Timestamp;

/// What was concluded about the backups of one source.
pub(super) struct Conclusion {
    pub verdict: Verdict,
    pub why: String,
    pub action: Option<BackupAction>,
    pub missed: Vec<Missed>,
    pub next_run: Option<Timestamp>,
    pub deadline: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub wake_at: Option<Timestamp>,
}

/// One repository that wants a run.
struct Want<'a> {
    target: &'a Target<'a>,
    slot: Timestamp,
    cause: Cause,
}

pub(super) fn conclude(
    policy: &Policy,
    spec: &BackupSpec,
    key: &SourceKey,
    place: Place<'_>,
    targets: &[Target<'_>],
    observed: &Observed,
    now: Timestamp,
) -> Conclusion {
    let seed = key.to_string();
    let schedule = &spec.schedule;
    let first_seen = observed.facts.first_seen.get(key).copied().unwrap_or(now);
    let requested = observed.is_asked(Operation::Backup, key);

    // The recovery point is what every repository can give back.
    let last_success = targets.iter().map(|t| t.last_success).min().flatten();
    let proven = targets.iter().map(|t| t.last_success_slot).min().flatten();
    let overdue_at = deadline(schedule, &seed, proven.unwrap_or(first_seen).min(now));

    let mut missed = Vec::new();
    let mut wants = Vec::new();
    let mut next_run: Option<Timestamp> = None;
    let mut retry_at: Option<Timestamp> = None;
    for target in targets {
        let accounted = target.accounted();
        let turned = Turn {
            schedule,
            seed: &seed,
            since: first_seen,
            accounted,
            remembered: target.facts.is_some_and(|f| f.accounted.is_some()),
            attempted: target.facts.and_then(|f| f.last_run.as_ref()).and_then(|run| run.slot),
            retry_at: target.facts.and_then(|f| f.retry_at),
            // Nothing to restore from yet: the first backup does not wait for a slot.
            at_once: accounted.is_none() && target.last_success.is_none(),
            requested,
        }
        .at(now);
        next_run = earliest(next_run, turned.next_run);
        retry_at = earliest(retry_at, turned.retry_at);
        missed.extend(turned.missed.map(|(count, accounted)| Missed {
            target: key.target(target.repository),
            count,
            accounted,
        }));
        wants.extend(turned.want.map(|(slot, cause)| Want { target, slot, cause }));
    }
    if requested {
        wants = targets.iter().map(|target| Want { target, slot: now, cause: Cause::Manual }).collect();
    }

    let mut conclusion = Conclusion {
        verdict: Verdict::UpToDate,
        why: String::new(),
        action: None,
        missed,
        next_run,
        deadline: overdue_at,
        last_success,
        wake_at: earliest(next_run, retry_at),
    };
    let (verdict, why, action) = verdict(policy, key, place, &wants, retry_at, observed);
    conclusion.verdict = verdict;
    conclusion.why = why;
    conclusion.action = action;
    if policy.suspend {
        conclusion.deadline = None;
        conclusion.next_run = None;
        conclusion.missed.clear();
        conclusion.wake_at = None;
    }
    conclusion
}

fn verdict(
    policy: &Policy,
    key: &SourceKey,
    place: Place<'_>,
    wants: &[Want<'_>],
    retry_at: Option<Timestamp>,
    observed: &Observed,
) -> (Verdict, String, Option<BackupAction>) {
    if let Some(run) = observed.running.iter().find(|r| holds_source(r) && r.source.as_ref() == Some(key)) {
        return (Verdict::Running, format!("run {} is under way", run.run), None);
    }
    if policy.suspend {
        return (Verdict::Suspended, "the policy says suspend: true".to_owned(), None);
    }
    if matches!(place, Place::Volume(None)) && observed.docker.seen_at.is_some() {
        return (Verdict::NoMatch, format!("this host has no volume named {}", key.source), None);
    }
    if wants.is_empty() {
        return match retry_at {
            Some(at) => (Verdict::Waiting, format!("the last attempt failed; the next is at {at}"), None),
            None => (Verdict::UpToDate, "no slot is open".to_owned(), None),
        };
    }
    let (usable, blocked): (Vec<_>, Vec<_>) = wants.iter().partition(|w| w.target.obstacle().is_none());
    let waiting = |why: String| (Verdict::Waiting, why, None);
    if let Place::Volume(volume) = place {
        if !observed.docker.up {
            return waiting(format!("Docker does not answer: {}", observed.docker.message));
        }
        if let Some(Volume { readable: Readable::No { message, .. }, .. }) = volume {
            return waiting(format!("the volume cannot be read: {message}"));
        }
    }
    let same = |r: &&Running| holds_source(r) && r.source.as_ref().is_some_and(|s| s.source == key.source);
    if let Some(other) = observed.running.iter().find(same) {
        return waiting(format!("run {} works on the same source", other.run));
    }
    if usable.is_empty() {
        return waiting(blocked.first().and_then(|w| w.target.obstacle()).unwrap_or_default());
    }
    let repositories: Vec<String> = usable.iter().map(|w| w.target.repository.to_owned()).collect();
    let alone =
        |r: &&Running| r.source.is_none() && is_alone(r) && r.repositories.iter().any(|n| repositories.contains(n));
    if let Some(busy) = observed.running.iter().find(alone) {
        return waiting(format!("run {} works on repository {}", busy.run, busy.repositories.join(", ")));
    }
    let slot = usable.iter().map(|w| w.slot).max().unwrap_or_default();
    let cause = usable.iter().map(|w| w.cause).max_by_key(|c| urgency(*c)).unwrap_or(Cause::Scheduled);
    let why = match cause {
        Cause::Initial => "there is no complete snapshot yet".to_owned(),
        Cause::Scheduled => format!("its slot {slot} has come"),
        Cause::CatchUp => format!("its slot {slot} was missed"),
        Cause::Retry => format!("the last attempt for slot {slot} did not succeed"),
        Cause::Manual => "a person asked for it".to_owned(),
    };
    (Verdict::Due, why, Some(BackupAction { source: key.clone(), repositories, slot, cause }))
}

/// Whether a run keeps backups from its source. A drill reads snapshots, not the volume.
const fn holds_source(run: &Running) -> bool {
    !matches!(run.operation, Operation::Drill)
}

/// Which cause names a run that answers several repositories at once.
const fn urgency(cause: Cause) -> u8 {
    match cause {
        Cause::Scheduled => 0,
        Cause::CatchUp => 1,
        Cause::Retry => 2,
        Cause::Initial => 3,
        Cause::Manual => 4,
    }
}

/// The earlier of two instants that may not exist.
pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
