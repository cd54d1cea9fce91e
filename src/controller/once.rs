//! One backup without the loop: decided, linted, carried out, folded and recorded by the same pieces.

use super::ports::{Begun, Entry, Execute, Record};
use super::runs::{self, Runs};
use crate::clock::Clock;
use crate::policy::Desired;
use crate::reconcile::plan::{Action, Plan, Verdict};
use crate::reconcile::{Observed, Outcome, SourceKey, decide, lint};
use crate::status::fold;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The sources that a request means, or why there is nothing to begin.
///
/// # Errors
/// A sentence for the person who asked.
pub fn request(desired: &Desired, plan: &Plan, policy: &str, source: Option<&str>) -> Result<Vec<SourceKey>, String> {
    let known = desired.policies.get(policy).ok_or_else(|| format!("no policy {policy} is in force"))?;
    if known.backup().is_none() {
        return Err(format!("policy {policy} is an exemption: there is nothing to back up"));
    }
    if known.suspend {
        return Err(format!("policy {policy} is suspended; take `suspend: true` out of {}", known.file.display()));
    }
    let (mut keys, mut obstacle) = (Vec::new(), None);
    for decision in plan.decisions.iter().filter(|d| d.policy == policy) {
        let wanted = source.is_none_or(|s| decision.source.as_deref() == Some(s));
        match (&decision.source, decision.verdict) {
            _ if !wanted => {}
            (Some(name), verdict) if verdict != Verdict::NoMatch => {
                keys.push(SourceKey { policy: policy.to_owned(), source: name.clone() });
            }
            _ => obstacle = Some(decision.why.clone()),
        }
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    let none = source.map_or_else(
        || format!("policy {policy} has no source on this host"),
        |s| format!("policy {policy} has no source {s}"),
    );
    Err(obstacle.map_or(none.clone(), |why| format!("{none}: {why}")))
}

/// What [`backup`] is to do: the requested sources of `observed`, in the world that it saw.
pub struct Job {
    /// What is in force.
    pub desired: Arc<Desired>,
    /// The world, with `requested` filled in.
    pub observed: Observed,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run; its outcome is then `interrupted`.
    pub cancel: CancellationToken,
}

/// Backs up the requested sources one after the other, and records each.
///
/// # Errors
/// A sentence that says what stands in the way, or what could not be recorded.
pub async fn backup(job: Job, execute: Arc<dyn Execute>, record: Arc<dyn Record>) -> Result<Vec<Outcome>, String> {
    let Job { desired, mut observed, clock, cancel } = job;
    let mut runs = Runs::new(execute, clock.clone(), cancel);
    let mut all = Vec::new();
    while let Some(key) = observed.requested.first().cloned() {
        let now = clock.now();
        let mut plan = decide(&desired, &observed, now);
        if let Some(violation) = lint::lint(&plan, &desired, &observed).first() {
            return Err(format!("the plan was refused: it would be {}", violation.rule));
        }
        let wanted = |a: &Action| matches!(a, Action::Backup(b) if b.source == key);
        plan.actions.retain(wanted);
        let started = runs.begin(&plan, &desired, &observed.docker, 1, now);
        let Some(first) = started.first() else {
            let mine = plan.decisions.iter().find(|d| d.policy == key.policy && d.source.as_ref() == Some(&key.source));
            return Err(format!("{key} cannot be backed up now: {}", mine.map(|d| d.why.as_str()).unwrap_or_default()));
        };
        let begun = Begun { run: first.control.run.clone(), started: now, action: first.work.action.clone() };
        write(&record, Entry { begun: vec![begun], facts: Some(observed.facts.clone()), ..Entry::default() }).await?;
        runs.launch(started);
        let Some((run, outcomes)) = runs.ended().await else { break };
        runs.forget(&run);
        let mut facts = (*observed.facts).clone();
        for outcome in &outcomes {
            let retry_at = runs::retry_at(&facts, outcome, outcome.finished);
            facts = fold::ended(&facts, outcome, retry_at);
        }
        observed.facts = Arc::new(facts);
        let entry = Entry {
            facts: Some(observed.facts.clone()),
            events: outcomes.iter().flat_map(runs::events).collect(),
            audit: outcomes.iter().map(runs::audit).collect(),
            runs: outcomes.clone(),
            ..Entry::default()
        };
        write(&record, entry).await?;
        all.extend(outcomes);
        observed.requested.remove(0);
    }
    Ok(all)
}

async fn write(record: &Arc<dyn Record>, entry: Entry) -> Result<(), String> {
    let record = record.clone();
    tokio::task::spawn_blocking(move || record.record(&entry)).await.unwrap_or_else(|e| Err(e.to_string()))
}
