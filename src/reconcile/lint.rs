//! What no plan may ever contain (DESIGN section 5), checked by other means than those that made the plan.
//!
//! The loop refuses every action that has a violation. In tests every plan passes through here.

use super::duties::is_alone;
use super::observed::{Observed, Running};
use super::plan::{Action, BackupAction, ForgetAction, Plan};
use super::verification::DrillAction;
use super::{Operation, RepositoryHealth, Request, RunResult, restore};
use crate::policy::{Desired, Source};
use std::collections::BTreeSet;

/// One action that must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Index in [`Plan::actions`].
    pub action: usize,
    /// Which rule it breaks, for a person.
    pub rule: String,
}

/// Every violation in a plan; empty for a plan that may be carried out as it is.
#[must_use]
pub fn lint(plan: &Plan, desired: &Desired, observed: &Observed) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut volumes = BTreeSet::new();
    let mut drilled = false;
    for (index, action) in plan.actions.iter().enumerate() {
        let mut broken: Vec<String> = Vec::new();
        match action {
            Action::Backup(backup) => {
                broken.extend(backup_rules(backup, desired, observed));
                if !volumes.insert(backup.source.source.clone()) {
                    broken.push(format!("two runs on volume {} at once", backup.source.source));
                }
            }
            Action::Forget(forget) => broken.extend(forget_rules(forget, desired, observed)),
            Action::Drill(drill) => {
                broken.extend(drill_rules(drill, desired, observed));
                if std::mem::replace(&mut drilled, true) {
                    broken.push("two drills at once".to_owned());
                }
            }
            Action::Check(check) => {
                let alone = |r: &&Running| is_alone(r) || check.repair.is_some();
                let beside = observed.running.iter().filter(alone).any(|r| r.repositories.contains(&check.repository));
                if beside {
                    broken.push(format!("a check of {} beside a run that needs it alone", check.repository));
                }
                if !desired.repositories.contains_key(&check.repository) {
                    broken.push(format!("a check of repository {}, which is not in force", check.repository));
                }
            }
            Action::Restore(restore) => {
                if !observed.requested.contains(&Request::Restore(restore.clone())) {
                    broken.push(format!("a {restore} that nobody asked for"));
                }
                if observed.running.iter().any(|run| restore::touches(run, restore))
                    || !volumes.insert(restore.source.source.clone())
                {
                    broken.push(format!("two runs on volume {} at once", restore.source.source));
                }
            }
            Action::Prune(prune) => {
                if observed.running.iter().any(|r| r.repositories.contains(&prune.repository)) {
                    broken.push(format!("a prune of {} beside another run", prune.repository));
                }
                broken.extend(removal_from_damaged(&prune.repository, observed));
            }
        }
        violations.extend(broken.into_iter().map(|rule| Violation { action: index, rule }));
    }
    violations
}

fn backup_rules(backup: &BackupAction, desired: &Desired, observed: &Observed) -> Vec<String> {
    let mut broken = Vec::new();
    match desired.policies.get(&backup.source.policy).map(|p| (p.suspend, p.backup())) {
        Some((false, Some(spec))) => {
            if let Some(name) = backup.repositories.iter().find(|r| !spec.repositories.contains(r)) {
                broken.push(format!("a backup into repository {name}, which the policy does not name"));
            }
        }
        Some((true, _)) => broken.push("a backup of a suspended policy".to_owned()),
        Some((_, None)) => broken.push("a backup of an exempt source".to_owned()),
        None => broken.push("a backup for a policy that is not in force".to_owned()),
    }
    if backup.repositories.is_empty() {
        broken.push("a backup into no repository".to_owned());
    }
    let in_volume = desired.policies.get(&backup.source.policy).is_none_or(|p| matches!(p.source, Source::Volume(_)));
    if in_volume && !observed.docker.volumes.contains_key(&backup.source.source) {
        broken.push(format!("a backup of volume {}, which does not exist", backup.source.source));
    }
    let same = |r: &Running| {
        r.operation != Operation::Drill && r.source.as_ref().is_some_and(|s| s.source == backup.source.source)
    };
    if observed.running.iter().any(same) {
        broken.push(format!("a second run on volume {}", backup.source.source));
    }
    broken
}

fn removal_from_damaged(repository: &str, observed: &Observed) -> Option<String> {
    let report = observed.facts.repositories.get(repository).and_then(|f| f.check.report.as_ref())?;
    let broken = report.damage.iter().any(|damage| damage.repairable);
    broken.then(|| format!("a removal from {repository}, which is damaged"))
}

fn drill_rules(drill: &DrillAction, desired: &Desired, observed: &Observed) -> Vec<String> {
    let mut broken = Vec::new();
    match desired.policies.get(&drill.source.policy).map(|p| (p.suspend, p.backup())) {
        Some((false, Some(spec))) if spec.repositories.contains(&drill.repository) => {}
        Some((false, Some(_))) => broken.push("a drill from a repository that the policy does not name".to_owned()),
        Some((true, _)) => broken.push("a drill of a suspended policy".to_owned()),
        Some((_, None)) | None => broken.push("a drill of what no policy backs up".to_owned()),
    }
    let own = observed.repositories.get(&drill.repository).and_then(|r| r.own.get(&drill.source));
    if !own.is_some_and(|own| own.iter().any(|s| *s.id == *drill.snapshot && s.complete && s.host == observed.host)) {
        broken.push(format!("a drill of {}, which is no complete snapshot of this source", drill.snapshot));
    }
    if observed.running.iter().any(|r| r.operation == Operation::Drill) {
        broken.push("a second drill at once".to_owned());
    }
    let busy = |r: &Running| is_alone(r) && r.repositories.contains(&drill.repository);
    if observed.running.iter().any(busy) {
        broken.push(format!("a drill from {} beside a run that needs it alone", drill.repository));
    }
    broken
}

fn forget_rules(forget: &ForgetAction, desired: &Desired, observed: &Observed) -> Vec<String> {
    let mut broken = Vec::new();
    let target = &forget.target;
    let rule = desired.policies.get(&target.policy).and_then(|p| p.backup()).and_then(|b| b.retention.as_ref());
    if rule.is_none() {
        broken.push("a removal that no retention rule in force asks for".to_owned());
    }
    let last = observed.facts.targets.get(target).and_then(|f| f.last_run.as_ref());
    if last.is_none_or(|run| run.result != RunResult::Success) {
        broken.push("a removal although the last backup run did not succeed".to_owned());
    }
    broken.extend(removal_from_damaged(&target.repository, observed));
    let own = observed
        .repositories
        .get(&target.repository)
        .filter(|r| r.listed_at.is_some() && r.health == RepositoryHealth::Healthy)
        .and_then(|r| r.own.get(&target.source_key()));
    let Some(own) = own else {
        broken.push("a removal from a repository whose snapshots are not known".to_owned());
        return broken;
    };
    let newest = own.iter().filter(|s| s.complete).max_by_key(|s| s.time);
    for id in &forget.remove {
        match own.iter().find(|s| *s.id == **id) {
            None => broken.push(format!("the removal of {id}, which is no snapshot of this source made by Seawall")),
            Some(_) if newest.is_none_or(|n| *n.id == **id) => {
                broken.push(format!("the removal of {id}, the newest complete snapshot"));
            }
            Some(s) if s.host != observed.host => broken.push(format!("the removal of {id}, made by host {}", s.host)),
            Some(_) => {}
        }
    }
    broken
}
