//! `seawall plan`: what would be done now, why, and what would be left alone.

use super::args::Plan as Args;
use super::exit::Exit;
use super::get::known_policy;
use super::human::{absolute_or, count, seconds, short_id};
use super::output::{Lines, emit, indent, one_line, remark, render};
use super::style::{Style, Tone};
use super::tables::warnings;
use super::verification;
use crate::app::{self, Options};
use crate::reconcile::plan::{Action, Coverage, Decision, RetentionDecision, Verdict};
use crate::reconcile::verification::Duty;
use crate::reconcile::{BackupAction, ForgetAction, Plan, PruneAction};
use crate::status::model::StatusSnapshot;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Looks at --policies as they are and prints the plan.
///
/// # Errors
/// It cannot be looked at, or there is no policy with the name.
pub fn run(options: &Options, args: &Args, style: Style, now: Timestamp) -> anyhow::Result<Exit> {
    let status = app::look_once(options)?.status;
    let invalid = super::validate::report(&status.config, style);
    if !invalid.is_empty() {
        remark(invalid.trim_end());
    }
    if let Some(name) = &args.name {
        known_policy(&status, name)?;
    }
    let plan = narrow(&status.plan, args.name.as_deref());
    emit(&render(args.format.output, &plan, || text(&status, &plan, args.name.is_none(), style, now))?)?;
    Ok(verdict(!invalid.is_empty(), &plan))
}

/// A plan made of files that are not valid is no plan to rely on, whatever is in it.
#[must_use]
pub fn verdict(invalid: bool, plan: &Plan) -> Exit {
    match (invalid, plan.actions.is_empty()) {
        (true, _) => Exit::Error,
        (false, false) => Exit::Pending,
        (false, true) => Exit::Ok,
    }
}

/// The part of the plan that concerns one policy. What concerns a repository stays out.
#[must_use]
pub fn narrow(plan: &Plan, policy: Option<&str>) -> Plan {
    let mut plan = plan.clone();
    if let Some(name) = policy {
        plan.actions.retain(|action| match action {
            Action::Backup(backup) => backup.source.policy == name,
            Action::Forget(forget) => forget.target.policy == name,
            Action::Drill(drill) => drill.source.policy == name,
            Action::Restore(restore) => restore.source.policy == name,
            Action::Prune(_) | Action::Check(_) => false,
        });
        plan.checks.clear();
        plan.missed_duties.retain(|missed| matches!(&missed.duty, Duty::Drill(source) if source.policy == name));
        plan.decisions.retain(|decision| decision.policy == name);
        plan.watched.retain(|watched| watched.policy == name);
        plan.missed.retain(|missed| missed.target.policy == name);
        plan.coverage.retain(|volume| volume.policies.iter().any(|policy| policy == name));
    }
    plan
}

/// The plan for people; `whole`: not narrowed to one policy, so that what concerns the host is said as well.
#[must_use]
pub fn text(status: &StatusSnapshot, plan: &Plan, whole: bool, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    for warning in warnings(status) {
        out.line(style.paint(Tone::Bad, &warning));
    }
    let mut by_policy: BTreeMap<&str, Vec<&Decision>> = BTreeMap::new();
    for decision in &plan.decisions {
        by_policy.entry(&decision.policy).or_default().push(decision);
    }
    for (policy, decisions) in by_policy {
        out.line(format!("{} {policy}", style.paint(Tone::Bold, "policy")));
        for decision in decisions {
            out += &indent(&decision_text(plan, decision, style, now), 2);
        }
        out.push('\n');
    }
    for watched in &plan.watched {
        out += &super::outside::planned(watched, style, now);
    }
    if whole {
        out += &host_text(status, plan, style, now);
    }
    out += &summary(plan, style, now);
    out
}

fn decision_text(plan: &Plan, decision: &Decision, style: Style, now: Timestamp) -> String {
    let (word, tone) = match decision.verdict {
        Verdict::Due => ("due", Tone::Doubt),
        Verdict::Waiting => ("waiting", Tone::Bad),
        Verdict::Running => ("running", Tone::Doubt),
        Verdict::UpToDate => ("up to date", Tone::Good),
        Verdict::Suspended => ("suspended", Tone::Doubt),
        Verdict::Exempt => ("exempt", Tone::Dim),
        Verdict::NoMatch => ("matches nothing", Tone::Bad),
    };
    let mut out = match &decision.source {
        Some(source) => format!("{} {source}: {}: ", style.paint(Tone::Bold, "source"), style.paint(tone, word)),
        None => format!("{}: ", style.paint(tone, word)),
    };
    out.line(one_line(&decision.why));
    if matches!(decision.verdict, Verdict::Exempt | Verdict::NoMatch) {
        return out;
    }
    let mut lines = String::new();
    for action in &plan.actions {
        if let Action::Backup(backup) = action
            && backup.source.policy == decision.policy
            && Some(&backup.source.source) == decision.source.as_ref()
        {
            lines.line(style.paint(Tone::Doubt, &backup_words(backup)));
        }
    }
    if let Some(drill) = &decision.drill {
        lines += &verification::drill_text(plan, decision, drill, style, now);
    }
    for missed in &plan.missed {
        if missed.target.policy == decision.policy && Some(&missed.target.source) == decision.source.as_ref() {
            let slots = count(u64::from(missed.count), "missed slot");
            lines.line(format!("{slots} up to {} in {}", seconds(missed.accounted), missed.target.repository));
        }
    }
    lines.line(format!("last success  {}", absolute_or(decision.last_success, now, "never")));
    if decision.verdict != Verdict::Suspended {
        lines.line(format!("next run      {}", absolute_or(decision.next_run, now, "none")));
        lines.line(format!("deadline      {}", absolute_or(decision.deadline, now, "none")));
    }
    for retention in &decision.retention {
        lines += &retention_text(retention, style);
    }
    out + &indent(&lines, 2)
}

/// What retention concluded in one repository: every snapshot, with what happens to it and why.
#[must_use]
pub fn retention_text(retention: &RetentionDecision, style: Style) -> String {
    let removed = retention.snapshots.iter().filter(|snapshot| !snapshot.keep).count();
    let kept = retention.snapshots.len() - removed;
    let gone = match (removed, &retention.held) {
        (0, _) => String::new(),
        (n, None) => format!(", {n} to remove"),
        (n, Some(_)) => format!(", {n} to remove, but held back"),
    };
    let mut out = format!("retention in {}: {kept} kept{gone}\n", retention.repository);
    if let Some(held) = &retention.held {
        let said = format!("held back ({}):", held.reason);
        out.line(format!("  {} {}", style.paint(Tone::Bad, &said), held.message.trim_end()));
    }
    for snapshot in &retention.snapshots {
        let (word, tone) = match (snapshot.keep, &retention.held) {
            (true, _) => ("keep  ", Tone::Good),
            (false, None) => ("remove", Tone::Bad),
            (false, Some(_)) => ("held  ", Tone::Doubt),
        };
        out.line(format!(
            "  {}  {}  {}  {}",
            style.paint(tone, word),
            short_id(&snapshot.id),
            seconds(snapshot.time),
            one_line(&snapshot.why())
        ));
    }
    out
}

fn backup_words(backup: &BackupAction) -> String {
    let BackupAction { repositories, slot, cause, .. } = backup;
    format!("would back up now to {} ({}, slot {})", repositories.join(", "), cause.as_str(), seconds(*slot))
}

/// What concerns the host and no policy: repositories and volumes.
fn host_text(status: &StatusSnapshot, plan: &Plan, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    for repository in status.repositories.values() {
        let (health, tone, message) = super::tables::health(repository);
        if tone != Tone::Good {
            let said = style.paint(tone, health);
            out.line(format!("repository {}: {said}: {}", repository.name, one_line(message)));
        }
    }
    for action in &plan.actions {
        let (repository, said) = match action {
            Action::Prune(PruneAction { repository }) => {
                (repository, "would free the space of forgotten snapshots".to_owned())
            }
            Action::Check(check) => (&check.repository, verification::check_words(check)),
            Action::Backup(_) | Action::Forget(_) | Action::Drill(_) | Action::Restore(_) => continue,
        };
        out.line(format!("repository {repository}: {}", style.paint(Tone::Doubt, &said)));
    }
    for check in plan.checks.iter().filter(|check| check.duty.scheduled) {
        out += &verification::check_text(check, now);
    }
    let open: Vec<_> = plan.coverage.iter().filter(|volume| volume.coverage == Coverage::Unprotected).collect();
    if !open.is_empty() {
        out.line(style.paint(Tone::Bad, "unprotected volumes"));
        for volume in open {
            let used = match volume.used_by.as_slice() {
                [] => String::new(),
                names => format!(" (used by {})", names.join(", ")),
            };
            out.line(format!("  {}: {}{used}", volume.volume, one_line(&volume.reason)));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn summary(plan: &Plan, style: Style, now: Timestamp) -> String {
    let (mut backups, mut forgotten, mut prunes, mut drills, mut checks) = (0, 0, 0, 0, 0);
    for action in &plan.actions {
        match action {
            Action::Backup(_) => backups += 1,
            Action::Forget(ForgetAction { remove, .. }) => forgotten += remove.len() as u64,
            Action::Prune(_) => prunes += 1,
            Action::Drill(_) => drills += 1,
            Action::Check(_) => checks += 1,
            Action::Restore(_) => {}
        }
    }
    let mut words = vec![if plan.actions.is_empty() {
        style.paint(Tone::Good, "Nothing to do now.")
    } else {
        let mut parts = Vec::new();
        if backups > 0 {
            parts.push(format!("make {}", count(backups, "backup")));
        }
        if forgotten > 0 {
            parts.push(format!("forget {}", count(forgotten, "snapshot")));
        }
        if drills > 0 {
            parts.push(format!("make {}", count(drills, "drill")));
        }
        let repositories = |n: u64| if n == 1 { "repository" } else { "repositories" };
        if checks > 0 {
            parts.push(format!("check {checks} {}", repositories(checks)));
        }
        if prunes > 0 {
            parts.push(format!("prune {prunes} {}", repositories(prunes)));
        }
        style.paint(Tone::Doubt, &format!("The operator would now {}.", parts.join(", ")))
    }];
    let held =
        plan.decisions.iter().flat_map(|decision| &decision.retention).filter(|kept| kept.held.is_some()).count();
    if held > 0 {
        words.push(style.paint(Tone::Bad, &format!("{} held back.", count(held as u64, "retention"))));
    }
    if plan.wake_at.is_some() {
        words.push(format!("Next change by time alone: {}.", absolute_or(plan.wake_at, now, "")));
    }
    words.join(" ") + "\n"
}
