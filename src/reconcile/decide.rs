//! The decision: desired and observed in, a plan out.

use super::freshness::Target;
use super::plan::{Action, BackupAction, Decision, ForgetAction, Plan, PruneAction, Verdict};
use super::verification::{CheckAction, DrillAction};
use super::{Observed, SourceKey, TargetKey, backups, coverage, duties, prune, restore, retain, sources, turns, watch};
use crate::policy::{BackupSpec, Desired, Policy, Treatment};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

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
    let mut drills = Vec::new();
    for policy in desired.policies.values() {
        match &policy.treatment {
            Treatment::Exempt { reason } => exempt(policy, reason, observed, &mut plan),
            Treatment::Watch(_) => {}
            Treatment::Backup(spec) => {
                let found = protect(policy, spec, observed, now, &mut plan);
                backups.extend(found.0);
                forgets.extend(found.1);
                drills.extend(found.2);
            }
        }
    }
    turns::backups(&mut backups, &observed.facts);
    turns::drills(&mut drills, &observed.facts);
    let mut checks = Vec::new();
    for found in duties::checks(desired, observed, now) {
        plan.wake_at = backups::earliest(plan.wake_at, found.wake_at);
        plan.missed_duties.extend(found.missed);
        plan.checks.push(found.decision);
        checks.extend(found.action.map(Action::Check));
    }
    let (prunes, prune_at) = prune::conclude(desired, observed, now);
    plan.wake_at = backups::earliest(plan.wake_at, prune_at);
    let (watched, overdue_at) = watch::conclude(desired, observed, now);
    plan.watched = watched;
    plan.wake_at = backups::earliest(plan.wake_at, overdue_at);
    let (restores, waiting) = restore::conclude(observed);
    plan.waiting = waiting;
    let mut claims = Claims::default();
    let restores = restores.into_iter().map(Action::Restore);
    let verification = drills.into_iter().map(Action::Drill).chain(checks);
    let upkeep = forgets.into_iter().chain(verification).chain(prunes.into_iter().map(Action::Prune));
    // What a person waits for does not wait for upkeep that is only due.
    let (asked, due): (Vec<_>, Vec<_>) =
        upkeep.partition(|action| observed.requested.iter().any(|request| request.is_answered_by(action)));
    for action in restores.chain(backups.into_iter().map(Action::Backup)).chain(asked).chain(due) {
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
        drill: None,
    }
}

fn protect(
    policy: &Policy,
    spec: &BackupSpec,
    observed: &Observed,
    now: Timestamp,
    plan: &mut Plan,
) -> (Vec<BackupAction>, Vec<Action>, Vec<DrillAction>) {
    let (mut backups, mut forgets, mut drills) = (Vec::new(), Vec::new(), Vec::new());
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
        let mut retention = Vec::with_capacity(targets.len());
        for target in &targets {
            let kept = retain::conclude(policy, spec, &key, target, conclusion.deadline, observed, now);
            if let Some((decision, forget)) = kept {
                retention.push(decision);
                forgets.extend(forget.map(Action::Forget));
            }
        }
        let target = Target::of(&key, spec.drill_repository(), observed);
        let drill = duties::drill(policy, spec, &key, &target, observed, now);
        // What is overdue is so from its deadline on, and a recovery point older than promised from the second after,
        // whoever looks when.
        let exceeded = policy.objectives.rpo.zip(conclusion.last_success);
        let exceeded = exceeded.and_then(|(rpo, last)| last.checked_add(rpo + Duration::from_secs(1)).ok());
        let deadlines = [conclusion.deadline, drill.decision.deadline, exceeded];
        let deadlines = deadlines.into_iter().flatten().filter(|at| *at >= now);
        let wakes = [conclusion.wake_at, drill.wake_at].into_iter().flatten().chain(deadlines).min();
        plan.wake_at = backups::earliest(plan.wake_at, wakes);
        plan.missed_duties.extend(drill.missed);
        drills.extend(drill.action);
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
            drill: Some(drill.decision),
        });
    }
    (backups, forgets, drills)
}

/// What the actions of one plan hold: no volume twice, no repository beside one that is changed in place, no two drills.
#[derive(Default)]
struct Claims {
    volumes: BTreeSet<String>,
    shared: BTreeSet<String>,
    exclusive: BTreeSet<String>,
    drilled: bool,
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
            Action::Restore(restore) => {
                let volumes = [Some(restore.source.source.as_str()), restore.volume()];
                if volumes.iter().flatten().any(|name| self.volumes.contains(*name)) {
                    return false;
                }
                self.volumes.extend(volumes.into_iter().flatten().map(str::to_owned));
                self.shared.extend(restore.repository().map(str::to_owned));
            }
            Action::Drill(drill) => {
                if self.drilled || self.exclusive.contains(&drill.repository) {
                    return false;
                }
                self.drilled = true;
                self.shared.insert(drill.repository.clone());
            }
            Action::Check(CheckAction { repository, repair: None, .. }) => {
                if self.exclusive.contains(repository) {
                    return false;
                }
                self.shared.insert(repository.clone());
            }
            Action::Check(CheckAction { repository, repair: Some(_), .. })
            | Action::Forget(ForgetAction { target: TargetKey { repository, .. }, .. })
            | Action::Prune(PruneAction { repository }) => {
                if self.shared.contains(repository) || !self.exclusive.insert(repository.clone()) {
                    return false;
                }
            }
        }
        true
    }
}
