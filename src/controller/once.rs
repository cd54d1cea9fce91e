//! What a person asked for, without the loop: decided, linted, carried out, folded and recorded by the same pieces.

use super::ports::{Begun, Entry, Execute, Progress, Record};
use super::runs::{self, Runs};
use crate::clock::Clock;
use crate::policy::Desired;
use crate::reconcile::{Observed, Outcome, decide, lint};
use crate::status::fold;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What [`carry_out`] is to do: what is requested in `observed`, in the world that it saw.
pub struct Job {
    /// What is in force.
    pub desired: Arc<Desired>,
    /// The world, with `requested` filled in.
    pub observed: Observed,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run; its outcome is then `interrupted`.
    pub cancel: CancellationToken,
    /// Is told of each run that begins, with what counts how far it is.
    pub begun: Option<Watcher>,
}

/// Whoever wants to see how far a run is.
pub type Watcher = Arc<dyn Fn(&Arc<Progress>) + Send + Sync>;

/// Does what was asked for, one after the other, and records each.
///
/// # Errors
/// A sentence that says what stands in the way, or what could not be recorded.
pub async fn carry_out(job: Job, execute: Arc<dyn Execute>, record: Arc<dyn Record>) -> Result<Vec<Outcome>, String> {
    let Job { desired, mut observed, clock, cancel, begun: watcher } = job;
    let mut runs = Runs::new(execute, clock.clone(), cancel);
    let mut all = Vec::new();
    while let Some(request) = observed.requested.first().cloned() {
        let now = clock.now();
        let mut plan = decide(&desired, &observed, now);
        if let Some(violation) = lint::lint(&plan, &desired, &observed).first() {
            return Err(format!("the plan was refused: it would be {}", violation.rule));
        }
        plan.actions.retain(|action| request.is_answered_by(action));
        let started = runs.begin(&plan, &desired, &observed.docker, 1, now);
        let Some(first) = started.first() else {
            return Err(format!("no {request} can begin now: {}", plan.obstacle(&request).unwrap_or_default()));
        };
        let begun = Begun { run: first.control.run.clone(), started: now, action: first.work.action.clone() };
        if let Some(tell) = &watcher {
            tell(&first.control.progress);
        }
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
