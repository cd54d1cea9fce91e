//! `seawall describe policy NAME`: everything about one policy on one page.

use super::args::Output;
use super::data::{self, Runs, Wanted};
use super::exit::Exit;
use super::get::known_policy;
use super::human::{absolute_or, bytes, count, relative, seconds, short_id, span_words};
use super::output::{Lines, emit, indent, one_line, render};
use super::plan::retention_text;
use super::style::{Style, Tone};
use super::trouble::Advice;
use super::{outside, tables, verification};
use crate::app::{Look, Options};
use crate::controller::ports::CountedEvent;
use crate::reconcile::{Attempt, Outcome, Undo};
use crate::status::model::{FileStatus, PolicyStatus, QuiesceStatus, SourceStatus, StatusSnapshot};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// `describe`.
#[derive(Debug, clap::Args)]
pub struct Describe {
    /// What to show
    #[command(subcommand)]
    pub what: DescribeWhat,
}

/// What `describe` shows.
#[derive(Debug, Subcommand)]
pub enum DescribeWhat {
    /// One policy: conditions, sources, retention, last runs, events, errors in its file
    Policy {
        /// Its name
        name: String,
        /// How it is printed
        #[command(flatten)]
        format: Output,
    },
}

/// Most runs that a description lists.
const RUNS: u32 = 10;

/// Everything about one policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described<'a> {
    /// What is in force; `None`: it exists in an invalid file only.
    pub policy: Option<&'a PolicyStatus>,
    /// Its file, where that is not valid.
    pub file: Option<&'a FileStatus>,
    /// The newest runs, newest first.
    pub runs: Vec<&'a Outcome>,
    /// Its events, newest first.
    pub events: Vec<&'a CountedEvent>,
}

/// Shows one object.
///
/// # Errors
/// It cannot be looked at, or there is no such object.
pub fn run(options: &Options, args: &Describe, style: Style, now: Timestamp) -> anyhow::Result<Exit> {
    let DescribeWhat::Policy { name, format } = &args.what;
    let runs = Runs { policy: Some(name.clone()), source: None, limit: RUNS };
    let look = data::look(options, &Wanted { runs: Some(runs), events: true, snapshots: false })?;
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let described = gather(name, &look, read)?;
    let text = render(format.output, &described, || text(name, &described, &look.status, style, now, read))?;
    emit(&text)?;
    Ok(Exit::Ok)
}

/// What a look holds about the policy; `read` opens the policy files.
///
/// # Errors
/// There is no such policy, and no invalid file that could hold it.
pub fn gather<'a>(name: &str, look: &'a Look, read: impl Fn(&Path) -> Option<String>) -> Result<Described<'a>, Advice> {
    let policy = look.status.policies.get(name).map(Arc::as_ref);
    let file = invalid_file(&look.status, name, read);
    if file.is_none() {
        known_policy(&look.status, name)?;
    }
    let objects = [Some(format!("policy/{name}")), file.map(|file| format!("file/{}", file.file.display()))];
    let events = look.events.iter().filter(|counted| objects.iter().flatten().any(|it| *it == counted.event.object));
    Ok(Described { policy, file, runs: look.runs.iter().collect(), events: events.collect() })
}

/// The invalid file that holds the policy: the one it is in force from, or one that is named after it or speaks of it.
fn invalid_file<'a>(
    status: &'a StatusSnapshot,
    name: &str,
    read: impl Fn(&Path) -> Option<String>,
) -> Option<&'a FileStatus> {
    let mut invalid = status.config.files.iter().filter(|file| !file.valid);
    if let Some(policy) = status.policies.get(name) {
        return invalid.find(|file| file.file == policy.file);
    }
    invalid.find(|file| {
        file.file.file_stem().is_some_and(|stem| stem == name)
            || read(&status.config.directory.join(&file.file)).is_some_and(|text| mentions(&text, name))
    })
}

/// Whether some line of the text gives something this name. The text cannot be parsed, or it would not be looked at.
fn mentions(text: &str, name: &str) -> bool {
    text.split([',', '{', '}', '\n']).any(|part| {
        part.trim()
            .strip_prefix("name:")
            .is_some_and(|value| value.split('#').next().unwrap_or("").trim().trim_matches(['"', '\'']) == name)
    })
}

/// The page for people.
#[must_use]
pub fn text(
    name: &str,
    described: &Described<'_>,
    status: &StatusSnapshot,
    style: Style,
    now: Timestamp,
    read: impl Fn(&Path) -> Option<String>,
) -> String {
    let mut out = String::new();
    field(&mut out, "Name", name);
    match described.policy {
        Some(policy) => out += &policy_text(policy, status, style, now),
        None => field(&mut out, "In force", &style.paint(Tone::Bad, "no: its file has never been valid")),
    }
    if let Some(file) = described.file {
        let kept = if described.policy.is_some() { "; what was last valid stays in force" } else { "" };
        let errors = count(file.errors.len() as u64, "error");
        section(&mut out, style, &format!("File {} has {errors}{kept}", file.file.display()));
        let text = super::validate::show(&file.errors, &status.config.directory, style, read);
        out += &indent(&text, 2);
    }
    if described.policy.is_some_and(|policy| policy.exempt.is_none() && policy.is_copied())
        || !described.runs.is_empty()
    {
        section(&mut out, style, "Last runs");
        let runs = tables::runs(&[], &described.runs, style, now);
        out += &indent(&runs, 2);
        if let Some(run) = described.runs.iter().find(|run| run.problem_count > 0) {
            let files = count(run.problem_count, "file");
            out.line(format!("  In run {}, {files} could not be taken as they were:", run.run));
            out += &indent(&tables::file_problems(run), 4);
        }
    }
    section(&mut out, style, "Events");
    out += &indent(&tables::events(&described.events, style, now), 2);
    out
}

fn policy_text(policy: &PolicyStatus, status: &StatusSnapshot, style: Style, now: Timestamp) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| field(&mut out, name, value);
    if !policy.description.is_empty() {
        line("Description", &one_line(&policy.description));
    }
    let labels: Vec<String> = policy.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !labels.is_empty() {
        line("Labels", &labels.join(", "));
    }
    line("Criticality", &policy.criticality);
    line("File", &format!("{}:{}", policy.file.display(), policy.line));
    let revision = policy.observed_revision.as_deref().map_or(String::new(), |id| format!(", read at commit {id}"));
    line("Generation", &format!("{} (acted upon: {}){revision}", policy.generation, policy.observed_generation));
    if policy.suspended {
        line("Suspended", &absolute_or(policy.suspended_since, now, "yes"));
    }
    if let Some(reason) = &policy.exempt {
        line("Exempt", &one_line(reason));
    } else if !policy.is_copied() {
        line("Looked at by", policy.schedule.as_deref().unwrap_or("none"));
        line("Objectives", &promises(policy));
    } else {
        line("Schedule", policy.schedule.as_deref().unwrap_or("none"));
        line("Repositories", &policy.repositories.join(", "));
        line("Objectives", &promises(policy));
        if let Some(timeout) = policy.timeout_seconds {
            line("Timeout", &span_words(Duration::from_secs(timeout)));
        }
        line("Missed slots", &policy.missed_slots.to_string());
    }
    section(&mut out, style, "Conditions");
    out += &indent(&tables::conditions(&policy.conditions, style, now), 2);
    section(&mut out, style, "Sources");
    if let Some(watched) = &policy.watched {
        out += &indent(&outside::described(watched, style, now), 2);
        if !policy.is_copied() {
            return out;
        }
    }
    if policy.sources.is_empty() {
        out += "  none\n";
    }
    for source in &policy.sources {
        out += &indent(&source_text(source, policy.exempt.is_some(), status, style, now), 2);
    }
    out
}

fn promises(policy: &PolicyStatus) -> String {
    let promise =
        |seconds: Option<u64>| seconds.map_or_else(|| "none given".to_owned(), |s| span_words(Duration::from_secs(s)));
    format!("RPO {}, RTO {}", promise(policy.rpo_seconds), promise(policy.rto_seconds))
}

fn source_text(source: &SourceStatus, exempt: bool, status: &StatusSnapshot, style: Style, now: Timestamp) -> String {
    let mut out = format!("{}: {}\n", style.paint(Tone::Bold, &source.source), one_line(&source.why));
    if exempt {
        return out;
    }
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| field(&mut lines, name, value);
    line("First seen", &absolute_or(source.first_seen, now, "just now"));
    line("Last success", &absolute_or(source.last_success, now, "never"));
    if let Some(run) = &source.last_run {
        line("Last run", &attempt(run, now));
    }
    line("Next run", &absolute_or(source.next_run, now, "none"));
    line("Jitter", &format!("{:.0}s after the slot", source.jitter_seconds));
    line("Deadline", &deadline(source.deadline, now, style));
    if let Some(at) = source.retry_at {
        line("Retry", &absolute_or(Some(at), now, ""));
    }
    if let Some(why) = status.volumes.get(&source.source).and_then(|volume| volume.unreadable.as_ref()) {
        line("Unreadable", &style.paint(Tone::Bad, &one_line(why)));
    }
    for run in &status.running {
        if run.running.source.as_ref().is_some_and(|key| key.source == source.source) {
            let so_far = format!("{}, {} so far", count(run.files_done, "file"), bytes(run.bytes_done));
            line("Running", &format!("{} began {}, {so_far}", run.running.run, relative(run.running.started, now)));
        }
    }
    if let Some(quiesce) = &source.quiesce {
        line("Quiesce", &quiesce_text(quiesce, now));
    }
    for one in status.quiesced.iter().filter(|one| one.source.source == source.source) {
        let text = format!(
            "{} ({}) since {}; back by {} at the latest",
            one.container,
            one.mode,
            absolute_or(Some(one.since), now, ""),
            absolute_or(Some(one.deadline), now, "")
        );
        let stuck = status.stuck().any(|stuck| stuck == one);
        line("Stands still", &if stuck { style.paint(Tone::Bad, &format!("{text}: should be back")) } else { text });
    }
    for undo in status.undos.iter().filter(|undo| undo.source.source == source.source) {
        line("Kept", &undo_text(undo, now));
    }
    for store in &source.repositories {
        let held = if store.known {
            let newest = store.newest.as_ref().map_or_else(
                || "no complete one".to_owned(),
                |newest| {
                    format!(
                        "newest complete {} of {}, {}, {}",
                        short_id(&newest.id),
                        relative(newest.time, now),
                        count(newest.files, "file"),
                        bytes(newest.bytes)
                    )
                },
            );
            format!("{}, {newest}", count(store.snapshots, "snapshot"))
        } else {
            style.paint(Tone::Doubt, "unknown: the repository has not been listed")
        };
        line(&format!("In {}", store.repository), &held);
    }
    for retention in &source.retention {
        lines += &retention_text(retention, style);
    }
    if let Some(drill) = &source.drill {
        lines += &verification::drill_status_text(drill, style, now);
    }
    out += &indent(&lines, 2);
    out
}

fn undo_text(undo: &Undo, now: Timestamp) -> String {
    let policy = &undo.source.policy;
    let held = if undo.undone { "what the undone restore had brought" } else { "what the restore replaced" };
    format!(
        "{held} {}, {}, until {}: `seawall restore {policy} --undo`, or `--discard`",
        relative(undo.at, now),
        bytes(undo.bytes),
        seconds(undo.expires)
    )
}

fn quiesce_text(quiesce: &QuiesceStatus, now: Timestamp) -> String {
    let longest = quiesce.max_duration_seconds;
    let last = quiesce.last.as_ref().map_or_else(
        || "no window yet".to_owned(),
        |window| {
            let share = if longest > 0.0 { window.seconds / longest * 100.0 } else { 100.0 };
            format!("the last window took {:.1}s ({share:.0}%), {}", window.seconds, relative(window.ended, now))
        },
    );
    format!("{}, for {} at most; {last}", quiesce.mode, span_words(Duration::from_secs_f64(longest.max(0.0))))
}

fn deadline(at: Option<Timestamp>, now: Timestamp, style: Style) -> String {
    let text = absolute_or(at, now, "none");
    if at.is_some_and(|at| at <= now) { style.paint(Tone::Bad, &format!("{text}: overdue")) } else { text }
}

fn attempt(run: &Attempt, now: Timestamp) -> String {
    format!("{} {}: {}", run.result.as_str(), relative(run.finished, now), one_line(&run.message))
}

fn field(out: &mut String, name: &str, value: &str) {
    out.line(format!("{:<16}{value}", format!("{name}:")));
}

fn section(out: &mut String, style: Style, title: &str) {
    out.line(format!("\n{}", style.paint(Tone::Bold, &format!("{title}:"))));
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn finds_a_name_in_text_that_does_not_parse() {
        assert!(mentions("metadata:\n  name: n8n-data # ours\n spec: [", "n8n-data"));
        assert!(mentions("metadata: {name: \"n8n-data\", labels: {}", "n8n-data"));
        assert!(!mentions("metadata:\n  name: n8n-data-2\n", "n8n-data"));
        assert!(!mentions("description: n8n-data\n", "n8n-data"));
    }
}
