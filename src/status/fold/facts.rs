//! Facts after something happened.

use super::verification;
use crate::policy::Desired;
use crate::reconcile::plan::Plan;
use crate::reconcile::{Attempt, Facts, Operation, Outcome, RunResult, SourceKey, Window};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Facts after the set of sources or policies may have changed: new sources are first seen now; what is no longer
/// there is forgotten, so that its series end and a policy that comes back starts anew.
///
/// `known` says that Docker has been seen, so that a source missing from the plan really is gone.
#[must_use]
pub fn settle_in(facts: &Facts, desired: &Desired, plan: &Plan, known: bool, now: Timestamp) -> Facts {
    let mut facts = facts.clone();
    let present: BTreeSet<SourceKey> = plan
        .decisions
        .iter()
        .filter(|d| desired.policies.get(&d.policy).is_some_and(|p| p.backup().is_some()))
        .filter_map(|d| Some(SourceKey { policy: d.policy.clone(), source: d.source.clone()? }))
        .collect();
    for key in &present {
        facts.first_seen.entry(key.clone()).or_insert(now);
    }
    let lives = |policy: &str| desired.policies.contains_key(policy);
    facts.first_seen.retain(|key, _| present.contains(key) || (lives(&key.policy) && !known));
    facts.windows.retain(|key, _| present.contains(key) || (lives(&key.policy) && !known));
    facts.targets.retain(|key, _| {
        let source = key.source_key();
        let named = desired
            .policies
            .get(&key.policy)
            .and_then(|p| p.backup())
            .is_some_and(|spec| spec.repositories.contains(&key.repository));
        named && (present.contains(&source) || !known)
    });
    facts.repositories.retain(|name, _| desired.repositories.contains_key(name));
    verification::settle_in(&mut facts, desired, &present, known, now);
    let owns = |owner: &str| match owner.strip_prefix('@') {
        Some(repository) => desired.repositories.contains_key(repository),
        None => lives(owner),
    };
    facts.runs.retain(|(owner, _, _), _| owns(owner));
    facts.missed_slots.retain(|owner, _| owns(owner));
    facts.generations = desired.policies.values().map(|p| (p.name.clone(), p.generation)).collect();
    facts.suspended_since.retain(|policy, _| desired.policies.get(policy).is_some_and(|p| p.suspend));
    for policy in desired.policies.values().filter(|p| p.suspend) {
        facts.suspended_since.entry(policy.name.clone()).or_insert(now);
    }
    facts
}

/// Facts after the missed slots of a plan were counted. Counting the same plan twice counts nothing the second time,
/// since the next decision starts after what is accounted for.
#[must_use]
pub fn account(facts: &Facts, plan: &Plan) -> Facts {
    let mut facts = facts.clone();
    // A policy with two repositories misses a slot once.
    let mut per_source = std::collections::BTreeMap::<SourceKey, u32>::new();
    for missed in &plan.missed {
        let target = facts.targets.entry(missed.target.clone()).or_default();
        target.accounted = target.accounted.max(Some(missed.accounted));
        let most = per_source.entry(missed.target.source_key()).or_default();
        *most = (*most).max(missed.count);
    }
    for (source, count) in per_source {
        *facts.missed_slots.entry(source.policy).or_default() += u64::from(count);
    }
    for missed in &plan.missed_duties {
        verification::account(&mut facts, missed);
    }
    facts
}

/// Facts after a run ended. `retry_at`: when a run that did not do its work is tried again.
#[must_use]
pub fn ended(facts: &Facts, outcome: &Outcome, retry_at: Option<Timestamp>) -> Facts {
    let mut facts = facts.clone();
    let owner = outcome.source.as_ref().map_or_else(|| format!("@{}", outcome.repository), |s| s.policy.clone());
    *facts.runs.entry((owner, outcome.operation, outcome.result)).or_default() += 1;
    let attempt = Arc::new(Attempt {
        run: outcome.run.clone(),
        slot: outcome.slot,
        started: outcome.started,
        finished: outcome.finished,
        result: outcome.result,
        message: outcome.message.clone(),
    });
    if let (Some(source), Some(seconds)) = (&outcome.source, outcome.quiesce_seconds) {
        let window = Window { run: outcome.run.clone(), ended: outcome.finished, seconds };
        facts.windows.insert(source.clone(), window);
    }
    match (outcome.operation, &outcome.source) {
        (Operation::Backup, Some(source)) => {
            let target = facts.targets.entry(source.target(&outcome.repository)).or_default();
            if outcome.result.settles_slot() {
                target.accounted = target.accounted.max(outcome.slot);
                target.failures = 0;
                target.retry_at = None;
            } else {
                target.failures = target.failures.saturating_add(1);
                target.retry_at = retry_at;
            }
            if outcome.result == RunResult::Success {
                let began = outcome.snapshot.as_ref().map_or(outcome.started, |s| s.time);
                target.last_success = target.last_success.max(Some(began));
                target.last_success_slot = target.last_success_slot.max(outcome.slot);
            }
            target.last_run = Some(attempt);
        }
        (Operation::Forget, Some(source)) => {
            if !outcome.forgotten.is_empty() {
                facts.repositories.entry(outcome.repository.clone()).or_default().last_forget = Some(outcome.finished);
            }
            facts.targets.entry(source.target(&outcome.repository)).or_default().last_forget = Some(attempt);
        }
        (Operation::Prune, _) => {
            let repository = facts.repositories.entry(outcome.repository.clone()).or_default();
            let done = outcome.result == RunResult::Success;
            repository.failures = if done { 0 } else { repository.failures.saturating_add(1) };
            repository.retry_at = if done { None } else { retry_at };
            repository.last_prune = Some(attempt);
        }
        (Operation::Drill, Some(source)) => verification::drilled(&mut facts, source, outcome, attempt, retry_at),
        (Operation::Check, _) => verification::checked(&mut facts, outcome, attempt, retry_at),
        (Operation::Restore, _) | (_, None) => {}
    }
    facts
}
