//! Drills and checks in words.

use super::drill::checks_text;
use super::human::{absolute_or, count, seconds};
use super::output::{Lines, indent, one_line};
use super::style::{Style, Tone};
use super::tables::result_tone;
use crate::policy::quantity::display;
use crate::reconcile::plan::{Action, Decision, Verdict};
use crate::reconcile::verification::{CheckDecision, Duty, DutyDecision};
use crate::reconcile::{CheckAction, Plan};
use crate::status::verification::DrillStatus;
use jiff::Timestamp;
use std::time::Duration;

/// What a plan says of the drills of one source; nothing where none is scheduled and none is to be made.
#[must_use]
pub fn drill_text(plan: &Plan, decision: &Decision, drill: &DutyDecision, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    let source = decision.source.as_deref();
    for action in &plan.actions {
        if let Action::Drill(action) = action
            && action.source.policy == decision.policy
            && Some(action.source.source.as_str()) == source
        {
            let (snapshot, slot) = (super::human::short_id(&action.snapshot), seconds(action.slot));
            let cause = action.cause.as_str();
            let words = format!("would drill {snapshot} from {} now ({cause}, slot {slot})", action.repository);
            out.line(style.paint(Tone::Doubt, &words));
        }
    }
    for missed in &plan.missed_duties {
        if matches!(&missed.duty, Duty::Drill(of) if of.policy == decision.policy && Some(of.source.as_str()) == source)
        {
            let drills = count(u64::from(missed.count), "missed drill");
            out.line(format!("{drills} up to {}", seconds(missed.accounted)));
        }
    }
    if drill.scheduled {
        let waits = match drill.verdict {
            Verdict::Waiting => format!(", waiting: {}", one_line(&drill.why)),
            _ => String::new(),
        };
        let (next, last) = (absolute_or(drill.next_run, now, "none"), absolute_or(drill.last_success, now, "never"));
        out.line(format!("drill         last success {last}, next {next}{waits}"));
    }
    out
}

/// What is true of the drills of one source.
#[must_use]
pub fn drill_status_text(drill: &DrillStatus, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    out.line(format!(
        "drills from {}: {}",
        drill.repository,
        drill.schedule.as_deref().unwrap_or("only when asked for")
    ));
    let mut line = |name: &str, value: &str| out.line(format!("  {name:<14}{value}"));
    let took = drill.seconds.map_or_else(String::new, |seconds| {
        format!(", verified in {}", display(Duration::try_from_secs_f64(seconds).unwrap_or_default()))
    });
    line("last success", &format!("{}{took}", absolute_or(drill.last_success, now, "never")));
    if let Some(run) = &drill.last_run {
        let result = style.paint(result_tone(run.result), run.result.as_str());
        line("last drill", &format!("{result}: {}", one_line(&run.message)));
    }
    if drill.schedule.is_some() {
        line("next", &absolute_or(drill.next_run, now, "none"));
        let deadline = absolute_or(drill.deadline, now, "none");
        let late = drill.deadline.is_some_and(|at| at < now);
        line("deadline", &if late { style.paint(Tone::Bad, &format!("{deadline}: overdue")) } else { deadline });
    }
    if let Some(report) = &drill.report {
        out += &indent(&checks_text(report, style), 2);
    }
    out
}

/// What a planned check would do.
#[must_use]
pub fn check_words(check: &CheckAction) -> String {
    let read = match check.portion {
        None => "its structure".to_owned(),
        Some(portion) if portion.of == 1 => "its structure and all of its data".to_owned(),
        Some(portion) => format!("its structure, and share {} of {} of its data", portion.nth + 1, portion.of),
    };
    format!("would check {read} ({}, slot {})", check.cause.as_str(), seconds(check.slot))
}

/// What a plan says of the checks of one repository.
#[must_use]
pub fn check_text(check: &CheckDecision, now: Timestamp) -> String {
    let duty = &check.duty;
    let waits = match duty.verdict {
        Verdict::Waiting => format!(", waiting: {}", one_line(&duty.why)),
        _ => String::new(),
    };
    let (next, last) = (absolute_or(duty.next_run, now, "none"), absolute_or(duty.last_success, now, "never"));
    format!("repository {}: check: last success {last}, next {next}{waits}\n", check.repository)
}
