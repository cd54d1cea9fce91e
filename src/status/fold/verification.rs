//! What is remembered of drills and checks after something happened, and what is published of it.

use super::Inputs;
use crate::policy::{Desired, Policy};
use crate::reconcile::observed::RepositoryHealth;
use crate::reconcile::plan::Decision;
use crate::reconcile::verification::{CheckFacts, DrillFacts, Duty, DutyFacts, MissedDuty};
use crate::reconcile::{Attempt, Facts, Outcome, RunResult, SourceKey};
use crate::status::verification::{CheckStatus, DrillStatus};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A schedule that is new begins now; one that is gone is forgotten, and what was found stays.
pub(super) fn settle_in(
    facts: &mut Facts,
    desired: &Desired,
    present: &BTreeSet<SourceKey>,
    known: bool,
    now: Timestamp,
) {
    let scheduled = |key: &SourceKey| {
        let spec = desired.policies.get(&key.policy).and_then(|p| p.backup());
        spec.map(|spec| spec.drill.is_some())
    };
    facts.drills.retain(|key, _| scheduled(key).is_some() && (present.contains(key) || !known));
    for key in present.iter().filter(|key| scheduled(key) == Some(true)) {
        facts.drills.entry(key.clone()).or_default().duty.since.get_or_insert(now);
    }
    for (_, drill) in facts.drills.iter_mut().filter(|(key, _)| scheduled(key) == Some(false)) {
        unschedule(&mut drill.duty);
    }
    for repository in desired.repositories.values() {
        if repository.check.is_some() {
            let remembered = facts.repositories.entry(repository.name.clone()).or_default();
            remembered.check.duty.since.get_or_insert(now);
        } else if let Some(remembered) = facts.repositories.get_mut(&repository.name) {
            unschedule(&mut remembered.check.duty);
        }
    }
}

fn unschedule(duty: &mut DutyFacts) {
    duty.since = None;
    duty.accounted = None;
}

/// After the missed slots of a plan were counted.
pub(super) fn account(facts: &mut Facts, missed: &MissedDuty) {
    let (duty, owner) = match &missed.duty {
        Duty::Drill(source) => (&mut facts.drills.entry(source.clone()).or_default().duty, source.policy.clone()),
        Duty::Check(repository) => {
            let remembered = facts.repositories.entry(repository.clone()).or_default();
            (&mut remembered.check.duty, format!("@{repository}"))
        }
    };
    duty.accounted = duty.accounted.max(Some(missed.accounted));
    *facts.missed_slots.entry(owner).or_default() += u64::from(missed.count);
}

fn ended(duty: &mut DutyFacts, outcome: &Outcome, attempt: Arc<Attempt>, retry_at: Option<Timestamp>) {
    if outcome.result == RunResult::Success {
        duty.accounted = duty.accounted.max(outcome.slot);
        duty.last_success = duty.last_success.max(Some(outcome.finished));
        duty.last_success_slot = duty.last_success_slot.max(outcome.slot);
        duty.failures = 0;
        duty.retry_at = None;
    } else {
        duty.failures = duty.failures.saturating_add(1);
        duty.retry_at = retry_at;
    }
    if outcome.result != RunResult::Interrupted {
        duty.judged = Some(attempt.clone());
    }
    duty.last_run = Some(attempt);
}

/// After a drill.
pub(super) fn drilled(
    facts: &mut Facts,
    source: &SourceKey,
    outcome: &Outcome,
    attempt: Arc<Attempt>,
    retry_at: Option<Timestamp>,
) {
    let drill: &mut DrillFacts = facts.drills.entry(source.clone()).or_default();
    ended(&mut drill.duty, outcome, attempt, retry_at);
    if outcome.result != RunResult::Interrupted {
        drill.report = outcome.drill.as_deref().cloned();
    }
    if let (RunResult::Success, Some(report)) = (outcome.result, &outcome.drill) {
        drill.seconds = Some(report.seconds);
    }
}

/// After a check.
pub(super) fn checked(facts: &mut Facts, outcome: &Outcome, attempt: Arc<Attempt>, retry_at: Option<Timestamp>) {
    let check: &mut CheckFacts = &mut facts.repositories.entry(outcome.repository.clone()).or_default().check;
    ended(&mut check.duty, outcome, attempt, retry_at);
    // One that did not come to its end says nothing about the repository: what was known stays known.
    let Some(report) = &outcome.check else { return };
    // Also when it found something: what that was is looked at again by name, and the other shares have their turn.
    if let Some(portion) = report.portion {
        if check.portions != portion.of {
            check.portions = portion.of;
            check.read.clear();
        }
        check.read.insert(portion.nth, outcome.finished);
    }
    // It has looked at everything that was known to be damaged, so what it found is all there is to know.
    check.report = Some((**report).clone());
}

/// The drills of one source, as they are published.
pub(super) fn drill(inputs: &Inputs<'_>, policy: &Policy, decision: &Decision, key: &SourceKey) -> Option<DrillStatus> {
    let (spec, decided) = (policy.backup()?, decision.drill.as_ref()?);
    let facts = inputs.observed.facts.drills.get(key);
    if spec.drill.is_none() && facts.is_none() {
        return None;
    }
    Some(DrillStatus {
        schedule: spec.drill.as_ref().map(|drill| drill.schedule.to_string()),
        repository: spec.drill_repository().to_owned(),
        verdict: decided.verdict,
        why: decided.why.clone(),
        next_run: decided.next_run,
        deadline: decided.deadline,
        last_success: decided.last_success,
        last_run: facts.and_then(|f| f.duty.judged.clone()),
        seconds: facts.and_then(|f| f.seconds),
        report: facts.and_then(|f| f.report.clone()),
    })
}

/// The checks of one repository, as they are published.
pub(super) fn check(inputs: &Inputs<'_>, name: &str) -> Option<CheckStatus> {
    let spec = inputs.desired.repositories.get(name)?.check.as_ref();
    let facts = inputs.observed.facts.repositories.get(name).map(|f| &f.check);
    let facts = facts.filter(|f| f.duty.last_run.is_some());
    let decided = inputs.plan.checks.iter().find(|check| check.repository == name)?;
    if spec.is_none() && facts.is_none() {
        return None;
    }
    let all_read_since = facts.filter(|f| usize::try_from(f.portions).is_ok_and(|of| of > 0 && f.read.len() == of));
    Some(CheckStatus {
        schedule: spec.map(|spec| spec.schedule.to_string()),
        read_data_percent: spec.map_or(0, |spec| spec.read_data_percent),
        verdict: decided.duty.verdict,
        why: decided.duty.why.clone(),
        next_run: decided.duty.next_run,
        deadline: decided.duty.deadline,
        last_success: decided.duty.last_success,
        last_run: facts.and_then(|f| f.duty.last_run.clone()),
        report: facts.and_then(|f| f.report.clone()),
        all_read_since: all_read_since.and_then(|f| f.read.values().min().copied()),
        all_read_by: decided.all_read_by,
    })
}

/// Whether a repository can be relied upon: it can be used, and no check has found it damaged.
pub(super) fn health(inputs: &Inputs<'_>, name: &str, seen: &RepositoryHealth) -> RepositoryHealth {
    let damage = inputs.observed.facts.repositories.get(name).and_then(|f| f.check.damage());
    match (seen, damage) {
        (RepositoryHealth::Healthy, Some(message)) => {
            RepositoryHealth::Unhealthy { reason: "Damaged".to_owned(), message }
        }
        (seen, _) => seen.clone(),
    }
}
