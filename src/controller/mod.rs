//! The loop: looks, decides, starts runs, folds outcomes, publishes. Knows the edges only as [`ports`].
//!
//! One task owns all state. Everything else hands it views, commands and outcomes; it never waits for a run.
//! A pass is level-triggered: whatever woke the loop, it looks at everything that is newest.

pub mod backoff;
mod commands;
mod events;
pub mod once;
pub mod ports;
pub mod requests;
mod runs;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::policy::Desired;
use crate::reconcile::plan::Plan;
use crate::reconcile::{Facts, Observed, Outcome, Request, RunId, decide, lint};
use crate::status::fold;
use crate::status::model::StatusSnapshot;
use jiff::{SignedDuration, Timestamp};
use ports::{Begun, Command, Entry, Event, Execute, Record, Refresh, Views};
use runs::Runs;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A pass is made at least this often, whatever does not happen.
const HEARTBEAT: Duration = Duration::from_mins(5);

/// How often it is looked whether the wall clock was moved, or the host slept: then a pass is made.
const GLANCE: Duration = Duration::from_secs(30);

/// The same while something runs, and how often its progress is published.
const PROGRESS: Duration = Duration::from_secs(1);

/// A wall clock that is off by less was put right, and not moved.
const DRIFT: SignedDuration = SignedDuration::from_secs(1);

/// How long runs are waited for at shutdown. With the grace of the endpoints (3 s) and of threads that still read or
/// write (1 s), this stays below the 10 s after which Docker kills.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the loop is made of.
pub struct Parts {
    /// Where to look.
    pub views: Views,
    /// Who does the work.
    pub execute: Arc<dyn Execute>,
    /// Who looks again.
    pub refresh: Arc<dyn Refresh>,
    /// Who remembers.
    pub record: Arc<dyn Record>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The name under which this host writes snapshots.
    pub host: String,
    /// Most runs at once.
    pub max_runs: usize,
    /// What was remembered when the process began.
    pub facts: Arc<Facts>,
    /// Runs that were under way when the last process ended.
    pub interrupted: Vec<Begun>,
    /// The program's version and the commit that it was built from.
    pub build: (&'static str, &'static str),
}

/// The loop. See the module.
pub struct Controller {
    parts: Parts,
    observed: Observed,
    plan: Arc<Plan>,
    runs: Runs,
    status: watch::Sender<Arc<StatusSnapshot>>,
    entry: Entry,
    reconciles: u64,
    state_error: Option<String>,
}

impl Controller {
    /// A loop that has not begun, and where its status will appear.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, watch::Receiver<Arc<StatusSnapshot>>) {
        let (status, receiver) = watch::channel(Arc::new(StatusSnapshot {
            host: parts.host.clone(),
            version: parts.build.0.to_owned(),
            revision: parts.build.1.to_owned(),
            quiesced: parts.views.quiesced.borrow().clone(),
            ..StatusSnapshot::default()
        }));
        let observed = Observed { host: parts.host.clone(), facts: parts.facts.clone(), ..Observed::default() };
        let runs = Runs::new(parts.execute.clone(), parts.clock.clone(), CancellationToken::new());
        let controller = Self {
            parts,
            observed,
            plan: Arc::default(),
            runs,
            status,
            entry: Entry::default(),
            reconciles: 0,
            state_error: None,
        };
        (controller, receiver)
    }

    /// Runs until cancelled; then ends what is under way and records how it ended.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, cancel: CancellationToken) {
        self.settle_interrupted();
        loop {
            let wake = self.pass().await;
            if !self.wait(wake, &mut commands, &cancel).await {
                break;
            }
            while let Ok(command) = commands.try_recv() {
                self.obey(command);
            }
            while let Some((run, outcomes)) = self.runs.try_ended() {
                self.fold(&run, &outcomes);
            }
        }
        self.leave().await;
    }

    /// Returns when something may have changed, or after `wake`. Whether the loop goes on.
    async fn wait(
        &mut self,
        wake: Duration,
        commands: &mut mpsc::Receiver<Command>,
        cancel: &CancellationToken,
    ) -> bool {
        let (began, wall) = (Instant::now(), self.parts.clock.now());
        let due = began + wake;
        loop {
            let glance = if self.observed.running.is_empty() { GLANCE } else { PROGRESS };
            // Every arm is cancel safe: receivers and sleeps lose nothing when another arm wins.
            tokio::select! {
                () = cancel.cancelled() => return false,
                Ok(()) = self.parts.views.loaded.changed() => return true,
                Ok(()) = self.parts.views.docker.changed() => return true,
                Ok(()) = self.parts.views.repositories.changed() => return true,
                Ok(()) = self.parts.views.probes.changed() => return true,
                Ok(()) = self.parts.views.quiesced.changed() => return true,
                Ok(()) = self.parts.views.undos.changed() => return true,
                Some(command) = commands.recv() => {
                    self.obey(command);
                    return true;
                }
                Some((run, outcomes)) = self.runs.ended() => {
                    self.fold(&run, &outcomes);
                    return true;
                }
                () = tokio::time::sleep_until(due.min(Instant::now() + glance)) => {}
            }
            let now = self.parts.clock.now();
            let passed = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
            let moved = now.duration_since(wall).saturating_sub(passed).abs() > DRIFT;
            if moved || Instant::now() >= due {
                return true;
            }
            self.publish_progress(now);
        }
    }

    /// Looks, decides, starts what may start, remembers, publishes. Returns how long nothing but an event can change
    /// the answer.
    async fn pass(&mut self) -> Duration {
        let now = self.parts.clock.now();
        let loaded = self.parts.views.loaded.borrow_and_update().clone();
        self.observed.docker = self.parts.views.docker.borrow_and_update().clone();
        self.observed.repositories = self.parts.views.repositories.borrow_and_update().clone();
        self.observed.probes = self.parts.views.probes.borrow_and_update().clone();
        let desired = &loaded.desired;
        if let Some(facts) = fold::found(&self.observed.facts, &self.observed.repositories) {
            self.remember(facts);
        }

        let mut plan = decide(desired, &self.observed, now);
        let known = self.observed.docker.seen_at.is_some();
        let facts = fold::settle_in(&self.observed.facts, desired, &plan, known, now);
        self.entry.audit.extend(events::accepted(&self.observed.facts, desired, now));
        self.remember(if plan.missed.is_empty() { facts } else { fold::account(&facts, &plan) });
        // What was asked for ends with what it was asked of.
        self.observed.requested.retain(|request| plan.takes(request));
        self.refuse(&mut plan, desired, now);
        let work = self.runs.begin(&plan, &loaded.desired, &self.observed.docker, self.parts.max_runs, now);
        let begun = |request: &Request| work.iter().any(|w| request.is_answered_by(&w.work.action));
        self.observed.requested.retain(|request| !begun(request));
        self.entry.begun.extend(work.iter().map(|w| Begun {
            run: w.control.run.clone(),
            started: now,
            action: w.work.action.clone(),
        }));
        // A run is on record before it begins, so that one that dies with the process is known to have been.
        self.write().await;
        self.runs.launch(work);
        self.observed.running = self.runs.running();

        plan.missed.clear();
        let wake_at = plan.wake_at;
        self.plan = Arc::new(plan);
        self.reconciles += 1;
        self.publish(&loaded, now).await;
        Self::wake(wake_at, now)
    }

    /// Takes out of the plan what must never be carried out, loudly: it is a programming error.
    fn refuse(&mut self, plan: &mut Plan, desired: &Desired, now: Timestamp) {
        let violations = lint::lint(plan, desired, &self.observed);
        let refused: BTreeSet<usize> = violations.iter().map(|v| v.action).collect();
        for index in refused.iter().rev() {
            let action = plan.actions.remove(*index);
            let rules: Vec<&str> = violations.iter().filter(|v| v.action == *index).map(|v| v.rule.as_str()).collect();
            let message = format!("refused to carry out {action:?}: it would be {}", rules.join(", and "));
            self.tell(Event { at: now, warning: true, object: "host".into(), reason: "PlanRefused".into(), message });
        }
    }

    fn wake(at: Option<Timestamp>, now: Timestamp) -> Duration {
        let due = at.map_or(SignedDuration::MAX, |at| at.duration_since(now));
        Duration::try_from(due).unwrap_or(Duration::ZERO).clamp(Duration::from_millis(10), HEARTBEAT)
    }

    async fn publish(&mut self, loaded: &ports::Loaded, now: Timestamp) {
        let previous = self.status.borrow().clone();
        let next = fold::view(
            fold::Inputs {
                desired: &loaded.desired,
                config: &loaded.config,
                observed: &self.observed,
                plan: self.plan.clone(),
                running: self.runs.status(),
                quiesced: self.parts.views.quiesced.borrow_and_update().clone(),
                undos: self.parts.views.undos.borrow_and_update().clone(),
                previous: &previous,
                state_error: self.state_error.clone(),
                reconciles: self.reconciles,
                version: self.parts.build.0,
                revision: self.parts.build.1,
            },
            now,
        );
        for event in events::between(&previous, &next, now) {
            self.tell(event);
        }
        self.write().await;
        self.status.send_replace(Arc::new(next));
    }

    /// How far the runs are, and what they keep still: all that changes while nothing happens.
    fn publish_progress(&self, now: Timestamp) {
        let previous = self.status.borrow().clone();
        if !previous.running.is_empty() || !previous.quiesced.is_empty() {
            let next = StatusSnapshot { at: Some(now), running: self.runs.status(), ..(*previous).clone() };
            self.status.send_replace(Arc::new(next));
        }
    }

    fn fold(&mut self, run: &RunId, outcomes: &[Outcome]) {
        self.runs.forget(run);
        let mut facts = (*self.observed.facts).clone();
        for outcome in outcomes {
            let retry_at = runs::retry_at(&facts, outcome, outcome.finished);
            facts = fold::ended(&facts, outcome, retry_at);
            self.entry.audit.push(runs::audit(outcome));
            for event in runs::events(outcome) {
                self.tell(event);
            }
            self.parts.refresh.repository(&outcome.repository);
        }
        self.entry.runs.extend(outcomes.iter().cloned());
        self.observed.running = self.runs.running();
        self.remember(facts);
    }

    fn settle_interrupted(&mut self) {
        let now = self.parts.clock.now();
        for begun in std::mem::take(&mut self.parts.interrupted) {
            self.fold(&begun.run, &runs::interrupted(&begun, now));
        }
    }

    fn remember(&mut self, facts: Facts) {
        if facts != *self.observed.facts {
            self.observed.facts = Arc::new(facts);
            self.entry.facts = Some(self.observed.facts.clone());
        }
    }

    fn tell(&mut self, event: Event) {
        if event.warning {
            tracing::warn!(object = %event.object, reason = %event.reason, "{}", event.message);
        } else {
            tracing::info!(object = %event.object, reason = %event.reason, "{}", event.message);
        }
        self.entry.events.push(event);
    }

    /// Writes what there is to write. What could not be written is kept and tried again with the next pass.
    async fn write(&mut self) {
        let Entry { facts, runs, begun, events, audit } = &self.entry;
        if facts.is_none() && runs.is_empty() && begun.is_empty() && events.is_empty() && audit.is_empty() {
            return;
        }
        let (entry, record) = (self.entry.clone(), self.parts.record.clone());
        let written = tokio::task::spawn_blocking(move || record.record(&entry)).await;
        match written.unwrap_or_else(|e| Err(format!("the task that writes state ended: {e}"))) {
            Ok(()) => {
                self.entry = Entry::default();
                self.state_error = None;
            }
            Err(error) => {
                if self.state_error.as_ref() != Some(&error) {
                    tracing::error!("state could not be written: {error}");
                }
                self.state_error = Some(error);
                self.entry.events.truncate(1000);
            }
        }
    }

    async fn leave(mut self) {
        self.runs.cancel();
        let deadline = tokio::time::Instant::now() + FAREWELL;
        while !self.runs.running().is_empty() {
            let Ok(Some((run, outcomes))) = tokio::time::timeout_at(deadline, self.runs.ended()).await else { break };
            self.fold(&run, &outcomes);
        }
        self.write().await;
    }
}
