//! The status that follows from everything that is known.

use super::{conditions, verification};
use crate::policy::{Desired, Policy, Source, Treatment};
use crate::reconcile::compose;
use crate::reconcile::observed::{Observed, Readable, RepositoryHealth};
use crate::reconcile::plan::{Decision, Plan};
use crate::reconcile::watch::Watched;
use crate::reconcile::{Quiesced, RunResult, SourceKey, Undo};
use crate::status::model::{
    ConfigStatus, DockerStatus, FileStatus, PolicyStatus, QuiesceStatus, RepositoryStatus, RunCount, RunningStatus,
    SourceRepositoryStatus, SourceStatus, StatusSnapshot, VolumeStatus,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::sync::Arc;

/// Everything that the status is made of.
pub struct Inputs<'a> {
    /// What is in force.
    pub desired: &'a Desired,
    /// The files.
    pub config: &'a ConfigStatus,
    /// What was seen and is remembered.
    pub observed: &'a Observed,
    /// What was decided on it.
    pub plan: Arc<Plan>,
    /// Runs under way with their progress.
    pub running: Vec<RunningStatus>,
    /// What stands still because of Seawall.
    pub quiesced: Arc<Vec<Quiesced>>,
    /// What restores replaced.
    pub undos: Arc<Vec<Undo>>,
    /// The status before: conditions keep the time of their last change.
    pub previous: &'a StatusSnapshot,
    /// What could not be written to the state directory, if writing fails.
    pub state_error: Option<String>,
    /// Passes so far.
    pub reconciles: u64,
    /// The program's version.
    pub version: &'a str,
    /// The commit that the program was built from.
    pub revision: &'a str,
}

/// What there is about one policy. Looked up, since each of thousands would search among thousands.
pub(super) struct About<'a> {
    pub decisions: &'a [&'a Decision],
    /// The file that it is in, if that was read.
    pub file: Option<&'a FileStatus>,
    pub watched: Option<&'a Watched>,
}

/// The status at `now`.
#[must_use]
pub fn view(inputs: Inputs<'_>, now: Timestamp) -> StatusSnapshot {
    let mut decisions: BTreeMap<&str, Vec<&Decision>> = BTreeMap::new();
    for decision in &inputs.plan.decisions {
        decisions.entry(&decision.policy).or_default().push(decision);
    }
    let files: HashMap<&OsStr, _> = inputs.config.files.iter().map(|file| (file.file.as_os_str(), file)).collect();
    let watched: HashMap<&str, _> =
        inputs.plan.watched.iter().map(|watched| (watched.policy.as_str(), watched)).collect();
    let policies = inputs
        .desired
        .policies
        .values()
        .map(|p| {
            let about = About {
                decisions: decisions.get(p.name.as_str()).map_or(&[][..], Vec::as_slice),
                file: files.get(p.file.as_os_str()).copied(),
                watched: watched.get(p.name.as_str()).copied(),
            };
            let next = policy(&inputs, p, &about, now);
            let before = inputs.previous.policies.get(&p.name).filter(|before| ***before == next);
            (p.name.clone(), before.map_or_else(|| Arc::new(next), Arc::clone))
        })
        .collect();
    let docker = &inputs.observed.docker;
    StatusSnapshot {
        at: Some(now),
        host: inputs.observed.host.clone(),
        version: inputs.version.to_owned(),
        revision: inputs.revision.to_owned(),
        config: inputs.config.clone(),
        docker: DockerStatus {
            up: docker.up,
            message: docker.message.clone(),
            version: docker.version.clone(),
            seen_at: docker.seen_at,
        },
        policies,
        repositories: repositories(&inputs),
        volumes: volumes(&inputs),
        projects: compose::projects(inputs.observed.docker.containers.values().map(|container| &container.labels)),
        runs: run_counts(&inputs),
        running: inputs.running,
        quiesced: inputs.quiesced,
        undos: inputs.undos,
        plan: inputs.plan,
        reconciled_at: Some(now),
        reconciles: inputs.reconciles,
        state_error: inputs.state_error,
    }
}

fn policy(inputs: &Inputs<'_>, policy: &Policy, about: &About<'_>, now: Timestamp) -> PolicyStatus {
    let mut sources: Vec<SourceStatus> = about.decisions.iter().filter_map(|d| source(inputs, policy, d)).collect();
    // Mostly one, where there is room for four.
    sources.shrink_to_fit();
    let facts = &inputs.observed.facts;
    let mut status = PolicyStatus {
        name: policy.name.clone(),
        description: policy.description.clone(),
        labels: policy.labels.clone(),
        criticality: policy.criticality.as_str().to_owned(),
        kind: policy.source.kind().to_owned(),
        file: policy.file.clone(),
        line: policy.line,
        generation: policy.generation,
        observed_generation: policy.generation,
        observed_revision: inputs.desired.revision.clone(),
        suspended: policy.suspend,
        suspended_since: facts.suspended_since.get(&policy.name).copied(),
        exempt: match &policy.treatment {
            Treatment::Exempt { reason } => Some(reason.clone()),
            Treatment::Backup(_) | Treatment::Watch(_) => None,
        },
        schedule: policy.schedule().map(ToString::to_string),
        repositories: policy.backup().map(|b| b.repositories.clone()).unwrap_or_default(),
        rpo_seconds: policy.objectives.rpo.map(|d| d.as_secs()),
        rto_seconds: policy.objectives.rto.map(|d| d.as_secs()),
        timeout_seconds: policy.backup().map(|b| b.timeout.as_secs()),
        missed_slots: facts.missed_slots.get(&policy.name).copied().unwrap_or(0),
        conditions: Vec::new(),
        sources,
        watched: about.watched.cloned().map(Box::new),
    };
    let before = inputs.previous.policies.get(&policy.name).map_or(&[][..], |p| p.conditions.as_slice());
    status.conditions = conditions::of(&status, about, inputs, before, now);
    status
}

fn source(inputs: &Inputs<'_>, policy: &Policy, decision: &Decision) -> Option<SourceStatus> {
    let name = decision.source.as_ref()?;
    let spec = policy.backup();
    let key = SourceKey { policy: policy.name.clone(), source: name.clone() };
    let facts = &inputs.observed.facts;
    let repositories: Vec<SourceRepositoryStatus> =
        spec.map(|s| s.repositories.iter().map(|r| in_repository(inputs, &key, r)).collect()).unwrap_or_default();
    let last_run = repositories.iter().filter_map(|r| r.last_run.clone()).max_by_key(|run| run.finished);
    let results: Vec<Option<RunResult>> =
        repositories.iter().map(|r| r.last_run.as_ref().map(|run| run.result)).collect();
    let last_run_successful = if results.iter().all(Option::is_none) {
        None
    } else {
        Some(results.iter().all(|r| *r == Some(RunResult::Success)))
    };
    Some(SourceStatus {
        source: name.clone(),
        verdict: decision.verdict,
        why: decision.why.clone(),
        first_seen: facts.first_seen.get(&key).copied(),
        last_success: decision.last_success,
        last_run,
        last_run_successful,
        deadline: decision.deadline,
        next_run: decision.next_run,
        jitter_seconds: spec.map_or(0.0, |s| s.schedule.jitter_for(&key.to_string()).as_secs_f64()),
        retry_at: spec
            .into_iter()
            .flat_map(|s| &s.repositories)
            .filter_map(|r| facts.targets.get(&key.target(r))?.retry_at)
            .min(),
        repositories,
        retention: decision.retention.clone(),
        quiesce: quiesce(inputs, policy, &key).map(Box::new),
        drill: verification::drill(inputs, policy, decision, &key).map(Box::new),
    })
}

fn quiesce(inputs: &Inputs<'_>, policy: &Policy, key: &SourceKey) -> Option<QuiesceStatus> {
    let Source::Volume(volume) = &policy.source else { return None };
    let quiesce = volume.quiesce.as_ref()?;
    Some(QuiesceStatus {
        mode: quiesce.means.mode(),
        max_duration_seconds: quiesce.max_duration.as_secs_f64(),
        last: inputs.observed.facts.windows.get(key).cloned(),
    })
}

fn in_repository(inputs: &Inputs<'_>, key: &SourceKey, repository: &str) -> SourceRepositoryStatus {
    let state = inputs.observed.repositories.get(repository).filter(|r| r.listed_at.is_some());
    let list = state.and_then(|r| r.own.get(key)).map_or(&[][..], |l| l.as_slice());
    let newest = list.iter().rev().find(|s| s.complete);
    SourceRepositoryStatus {
        repository: repository.to_owned(),
        known: state.is_some_and(|r| r.health == RepositoryHealth::Healthy),
        snapshots: list.len() as u64,
        bytes: newest.map_or(0, |s| s.bytes),
        newest: newest.cloned(),
        last_run: inputs.observed.facts.targets.get(&key.target(repository)).and_then(|t| t.last_run.clone()),
    }
}

fn repositories(inputs: &Inputs<'_>) -> BTreeMap<String, RepositoryStatus> {
    let facts = &inputs.observed.facts.repositories;
    let one = |name: &String| {
        let state = inputs.observed.repositories.get(name);
        let remembered = facts.get(name);
        RepositoryStatus {
            name: name.clone(),
            location: state.map(|s| s.location.clone()).unwrap_or_default(),
            health: state.map(|s| verification::health(inputs, name, &s.health)),
            listed_at: state.and_then(|s| s.listed_at),
            snapshots: state.map_or(0, |s| s.own.values().map(|l| l.len() as u64).sum()),
            foreign_snapshots: state.map_or(0, |s| s.foreign),
            key_export_pending: state.is_some_and(|s| s.generated_key) && !remembered.is_some_and(|r| r.key_exported),
            last_forget: remembered.and_then(|r| r.last_forget),
            last_prune: remembered.and_then(|r| r.last_prune.clone()),
            check: verification::check(inputs, name),
        }
    };
    inputs.desired.repositories.keys().map(|name| (name.clone(), one(name))).collect()
}

fn volumes(inputs: &Inputs<'_>) -> BTreeMap<String, VolumeStatus> {
    let coverage = &inputs.plan.coverage;
    coverage
        .iter()
        .map(|c| {
            let volume = inputs.observed.docker.volumes.get(&c.volume);
            let status = VolumeStatus {
                name: c.volume.clone(),
                driver: volume.map(|v| v.driver.clone()).unwrap_or_default(),
                coverage: c.coverage,
                policies: c.policies.clone(),
                reason: c.reason.clone(),
                used_by: c.used_by.clone(),
                unreadable: volume.and_then(|v| match &v.readable {
                    Readable::At(_) => None,
                    Readable::No { message, .. } => Some(message.clone()),
                }),
            };
            (c.volume.clone(), status)
        })
        .collect()
}

/// Of what is in force: facts may still hold what was counted for a policy that went with this pass.
fn run_counts(inputs: &Inputs<'_>) -> Vec<RunCount> {
    let owns = |owner: &str| match owner.strip_prefix('@') {
        Some(repository) => inputs.desired.repositories.contains_key(repository),
        None => inputs.desired.policies.get(owner).is_some_and(|policy| policy.backup().is_some()),
    };
    let runs = inputs.observed.facts.runs.iter().filter(|((owner, ..), _)| owns(owner));
    runs.map(|((owner, operation, result), &count)| RunCount {
        policy: owner.clone(),
        operation: *operation,
        result: *result,
        count,
    })
    .collect()
}
