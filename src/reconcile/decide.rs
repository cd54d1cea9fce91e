//! The decision: desired and observed in, a plan out.

use super::freshness::Target;
use super::plan::{Action, BackupAction, Decision, ForgetAction, Plan, PruneAction, Verdict};
use super::{Observed, SourceKey, TargetKey, backups, coverage, prune, retain, sources, watch};
use crate::policy::{BackupSpec, Desired, Policy, Treatment};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is to be done now, and why.
///
/// Level-triggered: the answer depends on what is, not on what happened, so an event that got lost costs time and never
/// correctness. Equal input gives an equal plan. No action of the plan touches what a run under way holds, and no two
/// actions of one plan touch the same volume, or one repository exclusively.
#[must_use]
pub fn decide(desired: &Desired, observed: &Observed, now: Timestamp) -> Plan {
    let mut plan = Plan { coverage: coverage::conclude(desired, &observed.docker), ..Plan::default() };
    let mut backups = Vec::new();
    let mut forgets = Vec::new();
    for policy in desired.policies.values() {
        match &policy.treatment {
            Treatment::Exempt { reason } => exempt(policy, reason, observed, &mut plan),
            Treatment::Watch(_) => {}
            Treatment::Backup(spec) => protect(policy, spec, observed, now, &mut plan, &mut backups, &mut forgets),
        }
    }
    backups.sort_by(|a, b| {
        (backups::urgency(b.cause), a.slot, &a.source).cmp(&(backups::urgency(a.cause), b.slot, &b.source))
    });
    let (prunes, prune_at) = prune::conclude(desired, observed, now);
    plan.wake_at = backups::earliest(plan.wake_at, prune_at);
    let (watched, overdue_at) = watch::conclude(desired, observed, now);
    plan.watched = watched;
    plan.wake_at = backups::earliest(plan.wake_at, overdue_at);
    let mut claims = Claims::default();
    for action in backups.into_iter().map(Action::Backup).chain(forgets).chain(prunes.into_iter().map(Action::Prune)) {
        if claims.take(&action) {
            plan.actions.push(action);
        }
    }
    plan
}

fn exempt(policy: &Policy, reason: &str, observed: &Observed, plan: &mut Plan) {
    for matched in sources::of(policy, &observed.docker) {
        plan.decisions.push(simple(policy, Some(matched.name), Verdict::Exempt, reason));
    }
}

fn simple(policy: &Policy, source: Option<&str>, verdict: Verdict, why: &str) -> Decision {
    Decision {
        policy: policy.name.clone(),
        source: source.map(str::to_owned),
        verdict,
        why: why.to_owned(),
        next_run: None,
        deadline: None,
        last_success: None,
        retention: Vec::new(),
    }
}

fn protect(
    policy: &Policy,
    spec: &BackupSpec,
    observed: &Observed,
    now: Timestamp,
    plan: &mut Plan,
    backups: &mut Vec<BackupAction>,
    forgets: &mut Vec<Action>,
) {
    let matched = sources::of(policy, &observed.docker);
    if matched.is_empty() {
        let (verdict, why) = if observed.docker.seen_at.is_some() {
            (Verdict::NoMatch, "the selector matches no volume of this host")
        } else {
            (Verdict::Waiting, "Docker has not been seen yet")
        };
        plan.decisions.push(simple(policy, None, verdict, why));
    }
    for source in matched {
        let key = SourceKey { policy: policy.name.clone(), source: source.name.to_owned() };
        let targets: Vec<Target<'_>> = spec.repositories.iter().map(|r| Target::of(&key, r, observed)).collect();
        let conclusion = backups::conclude(policy, spec, &key, source.place, &targets, observed, now);
        let mut retention = Vec::new();
        for target in &targets {
            let kept = retain::conclude(policy, spec, &key, target, conclusion.deadline, observed, now);
            if let Some((decision, forget)) = kept {
                retention.push(decision);
                forgets.extend(forget.map(Action::Forget));
            }
        }
        plan.wake_at = backups::earliest(plan.wake_at, conclusion.wake_at);
        plan.missed.extend(conclusion.missed);
        backups.extend(conclusion.action);
        plan.decisions.push(Decision {
            policy: key.policy,
            source: Some(key.source),
            verdict: conclusion.verdict,
            why: conclusion.why,
            next_run: conclusion.next_run,
            deadline: conclusion.deadline,
            last_success: conclusion.last_success,
            retention,
        });
    }
}

/// What the actions of one plan hold: no volume twice, no repository beside one that is changed in place.
#[derive(Default)]
struct Claims {
    volumes: BTreeSet<String>,
    shared: BTreeSet<String>,
    exclusive: BTreeSet<String>,
}

impl Claims {
    /// Takes what the action needs, or nothing if any of it is taken.
    fn take(&mut self, action: &Action) -> bool {
        match action {
            Action::Backup(b) => {
                if self.volumes.contains(&b.source.source) || b.repositories.iter().any(|r| self.exclusive.contains(r))
                {
                    return false;
                }
                self.volumes.insert(b.source.source.clone());
                self.shared.extend(b.repositories.iter().cloned());
            }
            Action::Forget(ForgetAction { target: TargetKey { repository, .. }, .. })
            | Action::Prune(PruneAction { repository }) => {
                if self.shared.contains(repository) || !self.exclusive.insert(repository.clone()) {
                    return false;
                }
            }
        }
        true
    }
}
