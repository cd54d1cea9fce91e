//! Drills of sources and checks of repositories: which is due, and what stands in its way.

use super::backups::earliest;
use super::freshness::{Target, deadline, later};
use super::observed::{RepositoryHealth, Running};
use super::plan::{Cause, Verdict};
use super::slots::Turn;
use super::verification::{
    CheckAction, CheckDecision, CheckFacts, DrillAction, Duty, DutyDecision, DutyFacts, MissedDuty, Portion,
};
use super::{Observed, Operation, Request, SourceKey};
use crate::policy::{BackupSpec, Desired, Policy, Repository, Schedule, Source};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A check of a repository that takes longer is ended as a failure.
pub const CHECK_TIMEOUT: Duration = Duration::from_hours(6);

/// What was concluded about one duty, beside the decision itself.
pub(super) struct Conclusion<D, A> {
    pub decision: D,
    pub action: Option<A>,
    pub missed: Option<MissedDuty>,
    pub wake_at: Option<Timestamp>,
}

/// What schedule and memory say, before anything else is looked at.
struct Clockwork {
    want: Option<(Timestamp, Cause)>,
    retry_at: Option<Timestamp>,
    missed: Option<(u32, Timestamp)>,
    next_run: Option<Timestamp>,
    deadline: Option<Timestamp>,
}

/// `within`: how long a run may take. One that begins and ends in time is never overdue.
fn clockwork(
    schedule: Option<&Schedule>,
    facts: Option<&DutyFacts>,
    seed: &str,
    within: Duration,
    requested: bool,
    now: Timestamp,
) -> Clockwork {
    let mut found = Clockwork { want: None, retry_at: None, missed: None, next_run: None, deadline: None };
    if let Some(schedule) = schedule {
        let since = facts.and_then(|f| f.since).unwrap_or(now);
        let accounted = facts.and_then(|f| f.accounted.max(f.last_success_slot));
        let turned = Turn {
            schedule,
            seed,
            since,
            accounted: Some(accounted.unwrap_or(since)),
            remembered: facts.is_some_and(|f| f.since.is_some()),
            attempted: facts.and_then(|f| f.last_run.as_ref()).and_then(|run| run.slot),
            retry_at: facts.and_then(|f| f.retry_at),
            at_once: false,
            requested,
        }
        .at(now);
        let proven = facts.and_then(|f| f.last_success_slot).unwrap_or(since).min(now);
        found.deadline = deadline(schedule, seed, proven).map(|at| later(at, within));
        (found.want, found.missed, found.next_run, found.retry_at) =
            (turned.want, turned.missed, turned.next_run, turned.retry_at);
    }
    if requested {
        found.want = Some((now, Cause::Manual));
    }
    found
}

/// Whether a run keeps all others from its repositories.
pub(super) fn is_alone(run: &Running) -> bool {
    matches!(run.operation, Operation::Forget | Operation::Prune) || run.alone
}

/// The drill of one source.
pub(super) fn drill(
    policy: &Policy,
    spec: &BackupSpec,
    key: &SourceKey,
    target: &Target<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Conclusion<DutyDecision, DrillAction> {
    let facts = observed.facts.drills.get(key).map(|f| &f.duty);
    let requested = observed.is_asked(Operation::Drill, key);
    let schedule = spec.drill.as_ref().map(|drill| &drill.schedule);
    let seed = format!("drill {key}");
    let clock = clockwork(schedule, facts, &seed, spec.drill_timeout(), requested, now);
    let decide = || -> (Verdict, String, Option<DrillAction>) {
        let mine = |run: &&Running| run.operation == Operation::Drill && run.source.as_ref() == Some(key);
        if let Some(run) = observed.running.iter().find(mine) {
            return (Verdict::Running, format!("run {} is under way", run.run), None);
        }
        if policy.suspend {
            return (Verdict::Suspended, "the policy says suspend: true".to_owned(), None);
        }
        let Some((slot, cause)) = clock.want else { return idle(&clock, "drill") };
        let waiting = |why: String| (Verdict::Waiting, why, None);
        // A database needs a scratch of another kind.
        if !observed.docker.up && !matches!(policy.source, Source::Postgres(_)) {
            return waiting(format!("Docker does not answer: {}", observed.docker.message));
        }
        if let Some(why) = target.obstacle() {
            return waiting(why);
        }
        let Some(snapshot) = target.snapshots.iter().rev().find(|s| s.complete) else {
            return waiting(format!("there is no complete snapshot in {} to restore", target.repository));
        };
        // One at a time: what one measures, another would disturb.
        if let Some(run) = observed.running.iter().find(|run| run.operation == Operation::Drill) {
            return waiting(format!("drill {} is under way", run.run));
        }
        if let Some(run) = holder(observed, target.repository) {
            return waiting(format!("run {} works on repository {}", run.run, target.repository));
        }
        let (repository, snapshot) = (target.repository.to_owned(), snapshot.id.to_string());
        let action = DrillAction { source: key.clone(), repository, snapshot, slot, cause };
        (Verdict::Due, why(cause, slot), Some(action))
    };
    let (verdict, why, action) = decide();
    finish(&clock, policy.suspend, facts, Duty::Drill(key.clone()), schedule.is_some(), (verdict, why, action))
}

/// The check of one repository.
pub(super) fn check(
    repository: &Repository,
    observed: &Observed,
    now: Timestamp,
) -> Conclusion<CheckDecision, CheckAction> {
    let name = &repository.name;
    let remembered = observed.facts.repositories.get(name).map(|f| &f.check);
    let facts = remembered.map(|f| &f.duty);
    let asked = observed.requested.iter().find_map(|request| match request {
        Request::Check { repository, read_percent, repair } if repository == name => Some((*read_percent, repair)),
        _ => None,
    });
    let spec = repository.check.as_ref();
    let seed = format!("check {name}");
    let clock = clockwork(spec.map(|s| &s.schedule), facts, &seed, CHECK_TIMEOUT, asked.is_some(), now);
    let repair = asked.and_then(|(_, repair)| repair.clone());
    let percent = asked.and_then(|(percent, _)| percent).or(spec.map(|s| s.read_data_percent)).unwrap_or(0);
    let decide = || -> (Verdict, String, Option<CheckAction>) {
        let mine = |run: &&Running| run.operation == Operation::Check && run.repositories.contains(name);
        if let Some(run) = observed.running.iter().find(mine) {
            return (Verdict::Running, format!("run {} is under way", run.run), None);
        }
        let Some((slot, cause)) = clock.want else { return idle(&clock, "check") };
        let waiting = |why: String| (Verdict::Waiting, why, None);
        match observed.repositories.get(name).map(|r| &r.health) {
            Some(RepositoryHealth::Healthy) => {}
            Some(RepositoryHealth::Unhealthy { message, .. }) => {
                return waiting(format!("repository {name} cannot be used: {message}"));
            }
            None => return waiting(format!("repository {name} has not been looked at yet")),
        }
        let holder = holder(observed, name)
            .or_else(|| observed.running.iter().find(|r| repair.is_some() && r.repositories.contains(name)));
        if let Some(run) = holder {
            return waiting(format!("run {} works on repository {name}", run.run));
        }
        let portion = match &repair {
            // What the person has seen is what is looked for.
            Some(_) => remembered.and_then(|f| f.report.as_ref()?.portion),
            None => portions(percent).map(|of| remembered.cloned().unwrap_or_default().next_portion(of)),
        };
        let suspects = remembered.map(CheckFacts::suspects).unwrap_or_default();
        let action = CheckAction { repository: name.clone(), portion, suspects, slot, cause, repair: repair.clone() };
        (Verdict::Due, why(cause, slot), Some(action))
    };
    let decided = decide();
    let all_read_by = spec.and_then(|spec| {
        let of = portions(spec.read_data_percent)?;
        let read = remembered.filter(|f| f.portions == of).map_or(0, |f| f.read.len());
        let left = usize::try_from(of).unwrap_or(usize::MAX).saturating_sub(read).max(1);
        let first = clock.next_run.into_iter().chain(clock.want.map(|_| now)).min()?;
        (1..left).try_fold(first, |at, _| spec.schedule.slot_after(at))
    });
    let done = finish(&clock, false, facts, Duty::Check(name.clone()), spec.is_some(), decided);
    Conclusion {
        decision: CheckDecision { repository: name.clone(), duty: done.decision, all_read_by },
        action: done.action,
        missed: done.missed,
        wake_at: done.wake_at,
    }
}

/// The checks of every repository in force.
pub(super) fn checks(
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Conclusion<CheckDecision, CheckAction>> {
    desired.repositories.values().map(|repository| check(repository, observed, now)).collect()
}

/// Into how many shares data is divided that is read by this percentage; `None`: it is not read.
#[must_use]
pub fn portions(percent: u8) -> Option<u32> {
    (percent > 0).then(|| 100_u32.div_ceil(u32::from(percent.min(100))))
}

fn holder<'a>(observed: &'a Observed, repository: &str) -> Option<&'a Running> {
    observed.running.iter().find(|run| is_alone(run) && run.repositories.iter().any(|name| name == repository))
}

fn idle<A>(clock: &Clockwork, what: &str) -> (Verdict, String, Option<A>) {
    match (clock.retry_at, clock.next_run) {
        (Some(at), _) => (Verdict::Waiting, format!("the last {what} failed; the next is at {at}"), None),
        (None, Some(_)) => (Verdict::UpToDate, "no slot is open".to_owned(), None),
        (None, None) => (Verdict::UpToDate, format!("no {what} is scheduled"), None),
    }
}

fn why(cause: Cause, slot: Timestamp) -> String {
    match cause {
        Cause::Manual => "a person asked for it".to_owned(),
        Cause::Retry => format!("the last attempt for slot {slot} did not succeed"),
        Cause::CatchUp => format!("its slot {slot} was missed"),
        Cause::Initial | Cause::Scheduled => format!("its slot {slot} has come"),
    }
}

fn finish<A>(
    clock: &Clockwork,
    suspended: bool,
    facts: Option<&DutyFacts>,
    duty: Duty,
    scheduled: bool,
    (verdict, why, action): (Verdict, String, Option<A>),
) -> Conclusion<DutyDecision, A> {
    let unless = |at: Option<Timestamp>| at.filter(|_| !suspended);
    let last_success = facts.and_then(|f| f.last_success);
    let (next_run, deadline) = (unless(clock.next_run), unless(clock.deadline));
    let missed = clock.missed.filter(|_| !suspended);
    Conclusion {
        decision: DutyDecision { verdict, why, scheduled, next_run, deadline, last_success },
        action,
        missed: missed.map(|(count, accounted)| MissedDuty { duty, count, accounted }),
        wake_at: unless(earliest(clock.next_run, clock.retry_at)),
    }
}

/// After a drill or check that found something wrong, the next attempt. What was found does not go away by itself, and
/// looking costs something.
pub const AFTER_A_FINDING: SignedDuration = SignedDuration::from_hours(24);

/// The share of a name that is a hash in hex: even over all shares, and always the same.
#[must_use]
pub fn portion_of(name: &str, of: u32) -> u32 {
    let number = name.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0);
    number % of.max(1)
}

impl Portion {
    /// Whether a file with this name is in it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        portion_of(name, self.of) == self.nth
    }
}
