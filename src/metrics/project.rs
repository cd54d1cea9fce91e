//! From the status snapshot to samples. Pure: the same status gives the same samples, and nothing else goes in.

use super::names::{self, Metric};
use crate::reconcile::observed::RepositoryHealth;
use crate::reconcile::plan::{Coverage, Verdict};
use crate::reconcile::watch::{Kind, Watched};
use crate::reconcile::{Operation, RunResult};
use crate::status::model::{PolicyStatus, RunCount, SourceStatus, StatusSnapshot, Truth};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// The values of its labels, in its order.
    pub labels: Vec<String>,
    /// The value.
    pub value: f64,
}

/// Every sample of a status. Samples of one metric may be apart from each other.
pub fn project(status: &StatusSnapshot) -> Vec<Sample> {
    let mut samples = Vec::new();
    each(status, &mut samples);
    samples
}

/// Takes the samples of a status.
pub trait Sink {
    /// A sample: its metric, the values of its labels in the metric's order, and its value.
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64);

    /// All samples have been given of one more thing that has series of its own: a file, a policy, a repository.
    fn complete(&mut self, _name: &str) {}
}

impl Sink for Vec<Sample> {
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.push(Sample { metric, labels: labels.iter().map(|&value| value.to_owned()).collect(), value });
    }
}

/// Gives every sample of a status to `sink`, which is cheaper than to make a list of them.
pub fn each(status: &StatusSnapshot, sink: &mut dyn Sink) {
    let mut out = Samples(sink);
    operator(&mut out, status);
    let counts = Runs::of(status);
    let unmatched: BTreeSet<&str> = status
        .plan
        .decisions
        .iter()
        .filter(|decision| decision.verdict == Verdict::NoMatch)
        .map(|decision| decision.policy.as_str())
        .collect();
    for policy in status.policies.values() {
        let name = policy.name.as_str();
        out.add(
            &names::POLICY_INFO,
            &[name, &policy.kind, &policy.criticality, policy.observed_revision.as_deref().unwrap_or("")],
            1.0,
        );
        out.add(&names::POLICY_SUSPENDED, &[name], truth(policy.suspended));
        out.add(&names::SELECTOR_UNMATCHED, &[name], truth(unmatched.contains(name)));
        if let Some(watched) = &policy.watched {
            outside(&mut out, policy, watched);
        }
        if policy.exempt.is_none() && policy.is_copied() {
            counts.add(&mut out, name, &Operation::OF_POLICIES);
            promises(&mut out, policy);
            for source in &policy.sources {
                backup(&mut out, policy, source);
                drill(&mut out, policy, source);
            }
        }
        out.0.complete(name);
    }
    for repository in status.repositories.values() {
        let name = repository.name.as_str();
        counts.add(&mut out, &format!("@{name}"), &Operation::OF_REPOSITORIES);
        let healthy = repository.health == Some(RepositoryHealth::Healthy);
        out.add(&names::REPOSITORY_HEALTHY, &[name], truth(healthy));
        if let Some(check) = &repository.check {
            out.add(&names::REPOSITORY_CHECK_LAST_SUCCESS, &[name], instant(check.last_success));
            if let Some(deadline) = check.deadline {
                out.add(&names::REPOSITORY_CHECK_DEADLINE, &[name], instant(Some(deadline)));
            }
        }
        out.add(&names::REPOSITORY_KEY_EXPORTED, &[name], truth(!repository.key_export_pending));
        out.0.complete(name);
    }
}

/// What is true of the process and its world.
fn operator(out: &mut Samples<'_>, status: &StatusSnapshot) {
    let config = &status.config;
    out.add(&names::BUILD_INFO, &[&status.version, &status.revision], 1.0);
    out.add(&names::DOCKER_UP, &[], truth(status.docker.up));
    out.add(&names::RECONCILE_LAST_SUCCESS, &[], instant(status.reconciled_at));
    out.add(&names::RECONCILES, &[], number(status.reconciles));
    out.add(&names::STATE_WRITE_OK, &[], truth(status.state_error.is_none()));
    out.add(&names::CONFIG_LAST_RELOAD_SUCCESSFUL, &[], truth(config.last_reload_successful));
    out.add(&names::CONFIG_LAST_RELOAD_SUCCESS, &[], instant(config.last_reload_success));
    out.add(&names::CONFIG_RELOADS, &["success"], number(config.reloads.success));
    out.add(&names::CONFIG_RELOADS, &["failure"], number(config.reloads.failure));
    out.add(&names::WATCH_DEGRADED, &[], truth(config.watch_problem.is_some()));
    for file in &config.files {
        let name = file.file.to_string_lossy();
        out.add(&names::POLICY_FILE_VALID, &[&name], truth(file.valid));
        out.0.complete(&name);
    }
    // One container may be told by several commands.
    let still: BTreeSet<&str> = status.quiesced.iter().map(|quiesced| quiesced.container.as_str()).collect();
    out.add(&names::QUIESCED_CONTAINERS, &[], number(still.len() as u64));
    out.add(&names::QUIESCE_DEADLINE, &[], instant(status.quiesced.iter().map(|quiesced| quiesced.deadline).min()));
    out.add(&names::RESTORE_UNDO_BYTES, &[], number(status.undos.iter().map(|undo| undo.bytes).sum()));
    for state in Coverage::ALL {
        let count = status.volumes.values().filter(|volume| volume.coverage == state).count();
        out.add(&names::VOLUME_COVERAGE, &[state.as_str()], number(count as u64));
    }
}

/// What is true of a source outside the host.
fn outside(out: &mut Samples<'_>, policy: &PolicyStatus, watched: &Watched) {
    if !policy.is_copied() {
        objectives(out, policy);
    }
    match watched.kind {
        Kind::Database => {
            let labels = [policy.name.as_str(), watched.provider.as_str(), watched.name.as_str()];
            out.add(&names::PROVIDER_NEWEST, &labels, instant(watched.newest));
            if let Some(deadline) = watched.deadline {
                out.add(&names::PROVIDER_DEADLINE, &labels, instant(Some(deadline)));
            }
            out.add(&names::PROVIDER_SUCCESSFUL, &labels, truth(watched.known && !watched.failed));
            out.add(&names::PROVIDER_CHECK_SUCCESSFUL, &labels, truth(watched.known));
            out.add(&names::PROVIDER_CHECK_LAST_SUCCESS, &labels, instant(watched.answered_at));
        }
        Kind::Bucket => {
            let labels = [policy.name.as_str(), watched.name.as_str()];
            out.add(&names::BUCKET_PROTECTED, &labels, truth(watched.verdict.status == Truth::True));
            out.add(&names::BUCKET_CHECK_SUCCESSFUL, &labels, truth(watched.known));
            out.add(&names::BUCKET_CHECK_LAST_SUCCESS, &labels, instant(watched.answered_at));
        }
    }
}

/// What a policy promises, and what it has not kept.
fn promises(out: &mut Samples<'_>, policy: &PolicyStatus) {
    out.add(&names::MISSED_SLOTS, &[&policy.name], number(policy.missed_slots));
    objectives(out, policy);
}

fn objectives(out: &mut Samples<'_>, policy: &PolicyStatus) {
    let name = [policy.name.as_str()];
    let promised = [
        (&names::OBJECTIVE_RPO, policy.rpo_seconds),
        (&names::OBJECTIVE_RTO, policy.rto_seconds),
        (&names::RUN_TIMEOUT, policy.timeout_seconds),
    ];
    for (metric, seconds) in promised {
        if let Some(seconds) = seconds {
            out.add(metric, &name, number(seconds));
        }
    }
    if policy.suspended {
        out.add(&names::POLICY_SUSPENDED_SINCE, &name, instant(policy.suspended_since));
    }
}

/// What is true of the drills of one source.
fn drill(out: &mut Samples<'_>, policy: &PolicyStatus, source: &SourceStatus) {
    let Some(drill) = &source.drill else { return };
    let labels = [policy.name.as_str(), source.source.as_str()];
    let passed = drill.last_run.as_ref().is_some_and(|run| run.result == RunResult::Success);
    out.add(&names::DRILL_LAST_SUCCESS, &labels, instant(drill.last_success));
    out.add(&names::DRILL_LAST_RUN, &labels, instant(drill.last_run.as_ref().map(|run| run.finished)));
    out.add(&names::DRILL_LAST_RUN_SUCCESSFUL, &labels, truth(passed));
    out.add(&names::RESTORE_DRILL_DURATION, &labels, drill.seconds.unwrap_or(0.0));
    if let Some(deadline) = drill.deadline.filter(|_| !policy.suspended) {
        out.add(&names::DRILL_DEADLINE, &labels, instant(Some(deadline)));
    }
}

/// What is true of one source.
fn backup(out: &mut Samples<'_>, policy: &PolicyStatus, source: &SourceStatus) {
    let labels = [policy.name.as_str(), source.source.as_str()];
    out.add(&names::BACKUP_LAST_SUCCESS, &labels, instant(source.last_success));
    out.add(&names::BACKUP_FIRST_SEEN, &labels, instant(source.first_seen));
    out.add(&names::BACKUP_LAST_RUN, &labels, instant(source.last_run.as_ref().map(|run| run.finished)));
    out.add(&names::BACKUP_LAST_RUN_SUCCESSFUL, &labels, truth(source.last_run_successful == Some(true)));
    if let Some(deadline) = source.deadline.filter(|_| !policy.suspended) {
        out.add(&names::BACKUP_DEADLINE, &labels, instant(Some(deadline)));
    }
    if let Some(next) = source.next_run {
        out.add(&names::BACKUP_NEXT_RUN, &labels, instant(Some(next)));
    }
    if let Some(quiesce) = &source.quiesce {
        let last = quiesce.last.as_ref().map_or(0.0, |window| window.seconds);
        out.add(&names::QUIESCE_DURATION, &labels, last);
    }
    for repository in &policy.repositories {
        let labels = [labels[0], labels[1], repository.as_str()];
        let store = source.repositories.iter().find(|store| store.repository == *repository);
        out.add(&names::SNAPSHOTS, &labels, number(store.map_or(0, |store| store.snapshots)));
        out.add(&names::SNAPSHOT_BYTES, &labels, number(store.map_or(0, |store| store.bytes)));
        let retention = source.retention.iter().find(|retention| retention.repository == *repository);
        out.add(&names::RETENTION_HELD, &labels, truth(retention.is_some_and(|retention| retention.held.is_some())));
    }
}

/// Runs, by the policy that they count for (`@` and a name for a repository's own).
struct Runs<'a> {
    ended: BTreeMap<&'a str, Vec<&'a RunCount>>,
    running: BTreeMap<String, BTreeMap<Operation, (u64, Timestamp)>>,
}

impl<'a> Runs<'a> {
    fn of(status: &'a StatusSnapshot) -> Self {
        let mut ended: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for run in &status.runs {
            ended.entry(&run.policy).or_default().push(run);
        }
        let mut running: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
        for run in status.running.iter().map(|run| &run.running) {
            let owners = match &run.source {
                Some(source) => vec![source.policy.clone()],
                None => run.repositories.iter().map(|name| format!("@{name}")).collect(),
            };
            for owner in owners {
                let (count, oldest) =
                    running.entry(owner).or_default().entry(run.operation).or_insert((0, run.started));
                *count += 1;
                *oldest = run.started.min(*oldest);
            }
        }
        Self { ended, running }
    }

    /// Every combination, since what never happened yet has a series all the same.
    fn add(&self, out: &mut Samples<'_>, owner: &str, operations: &[Operation]) {
        let ended = self.ended.get(owner).map_or(&[][..], Vec::as_slice);
        let running = self.running.get(owner);
        for &operation in operations {
            let word = operation.as_str();
            for result in RunResult::ALL {
                let count = ended.iter().find(|run| (run.operation, run.result) == (operation, result));
                out.add(&names::RUNS, &[owner, word, result.as_str()], number(count.map_or(0, |run| run.count)));
            }
            let running = running.and_then(|running| running.get(&operation));
            out.add(&names::RUN_IN_PROGRESS, &[owner, word], number(running.map_or(0, |(count, _)| *count)));
            out.add(&names::RUN_START, &[owner, word], instant(running.map(|(_, oldest)| *oldest)));
        }
    }
}

struct Samples<'a>(&'a mut dyn Sink);

impl Samples<'_> {
    fn add(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        self.0.sample(metric, labels, value);
    }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Seconds since 1970; 0 for what has not happened yet.
fn instant(at: Option<Timestamp>) -> f64 {
    at.map_or(0.0, |at| at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other number; whole ones are exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
