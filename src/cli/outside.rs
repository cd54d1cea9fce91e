//! What is shown of a source outside the host: the verdict, and what it rests on.

use super::human::absolute_or;
use super::output::{Lines, indent, one_line};
use super::style::{Style, Tone};
use super::tables::{truth_tone, truth_word};
use crate::reconcile::watch::{Kind, Watched};
use jiff::Timestamp;

/// The source with all that is known of it.
#[must_use]
pub fn described(watched: &Watched, style: Style, now: Timestamp) -> String {
    let mut out = format!("{}: {}\n", style.paint(Tone::Bold, &watched.source), verdict(watched, style));
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| lines.line(format!("{:<16}{value}", format!("{name}:")));
    line("Looked at", &absolute_or(watched.looked_at, now, "never"));
    if !watched.known {
        line("Last answer", &absolute_or(watched.answered_at, now, "never"));
    }
    line("Next look", &absolute_or(watched.next_look, now, "none"));
    match watched.kind {
        Kind::Database => {
            line("Newest backup", &absolute_or(watched.newest, now, "none is known"));
            if let Some(deadline) = watched.deadline.filter(|_| watched.newest.is_some()) {
                line("Too old from", &absolute_or(Some(deadline), now, ""));
            }
        }
        Kind::Bucket => line("Protection", watched.protection.as_deref().unwrap_or("unknown")),
    }
    if !watched.evidence.is_empty() {
        lines.line("Evidence:");
        for finding in &watched.evidence {
            lines.line(format!("  {}", one_line(finding)));
        }
    }
    out += &indent(&lines, 2);
    out
}

/// One line of a plan.
#[must_use]
pub fn planned(watched: &Watched, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    out.line(format!("{} {}", style.paint(Tone::Bold, "policy"), watched.policy));
    out.line(format!("  {} {}: {}", style.paint(Tone::Bold, "source"), watched.source, verdict(watched, style)));
    let next = absolute_or(watched.next_look, now, "none");
    let copied = if watched.copied { "it is copied, and looked at" } else { "no copy is made, it is looked at" };
    out.line(format!("    {copied}; next look {next}"));
    out.push('\n');
    out
}

fn verdict(watched: &Watched, style: Style) -> String {
    let verdict = &watched.verdict;
    let said = format!("{} {} ({})", watched.kind.condition(), truth_word(verdict.status), verdict.reason);
    format!("{}: {}", style.paint(truth_tone(verdict.status), &said), one_line(&verdict.message))
}
