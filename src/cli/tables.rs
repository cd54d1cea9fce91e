//! One table for each kind of object. Pure: the same status and instant always give the same text.

use super::human::{bytes, count, relative, relative_or, seconds, short_id, span_words};
use super::output::{Field, Lines, one_line, table};
use super::style::{Style, Tone};
use crate::controller::ports::CountedEvent;
use crate::reconcile::observed::RepositoryHealth;
use crate::reconcile::plan::{Coverage, Verdict};
use crate::reconcile::watch::{Kind, Watched};
use crate::reconcile::{Outcome, RunResult, SourceKey};
use crate::status::model::{
    Condition, FileStatus, PolicyStatus, RepositoryStatus, RunningStatus, StatusSnapshot, StoredSnapshot, Truth,
};
use jiff::Timestamp;

/// The tone of a three-valued truth.
#[must_use]
pub const fn truth_tone(truth: Truth) -> Tone {
    match truth {
        Truth::True => Tone::Good,
        Truth::False => Tone::Bad,
        Truth::Unknown => Tone::Doubt,
    }
}

/// The word for a three-valued truth.
#[must_use]
pub const fn truth_word(truth: Truth) -> &'static str {
    match truth {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    }
}

/// The tone of a run's result.
#[must_use]
pub const fn result_tone(result: RunResult) -> Tone {
    match result {
        RunResult::Success => Tone::Good,
        RunResult::Partial | RunResult::Interrupted | RunResult::Skipped => Tone::Doubt,
        RunResult::Failure | RunResult::Empty => Tone::Bad,
    }
}

/// `seawall get policies` as a table.
#[must_use]
pub fn policies(status: &StatusSnapshot, style: Style, now: Timestamp) -> String {
    let rows = status.policies.values().map(|policy| policy_row(policy, now)).collect();
    let headings = ["NAME", "READY", "SOURCES", "LAST SUCCESS", "NEXT RUN", "SNAPSHOTS", "SIZE", "REASON"];
    table(style, headings, rows, "no policies")
}

fn policy_row(policy: &PolicyStatus, now: Timestamp) -> [Field; 8] {
    let ready = policy.conditions.iter().find(|condition| condition.kind == "Ready");
    let truth = ready.map_or(Truth::Unknown, |condition| condition.status);
    let sources: Vec<_> = policy.sources.iter().filter(|source| source.verdict != Verdict::NoMatch).collect();
    // The oldest of the sources' recovery points: a policy is as safe as its worst source.
    let last_success = sources.iter().map(|source| source.last_success).min().flatten();
    let next_run = sources.iter().filter_map(|source| source.next_run).min();
    let stores = || sources.iter().flat_map(|source| &source.repositories);
    let known = stores().any(|store| store.known);
    if let Some(watched) = policy.watched.as_ref().filter(|_| !policy.is_copied()) {
        return watched_row(policy, watched, ready, now);
    }
    let exempt = policy.exempt.is_some();
    let unless_exempt = |text: String| if exempt { "-".to_owned() } else { text };
    [
        policy.name.as_str().into(),
        Field::toned(truth_word(truth), truth_tone(truth)),
        sources.len().to_string().into(),
        unless_exempt(relative_or(last_success, now, "never")).into(),
        unless_exempt(
            next_run.map_or_else(|| "-".to_owned(), |at| if at <= now { "now".to_owned() } else { relative(at, now) }),
        )
        .into(),
        unless_exempt(if known {
            stores().map(|store| store.snapshots).sum::<u64>().to_string()
        } else {
            "?".to_owned()
        })
        .into(),
        unless_exempt(if known { bytes(size(policy)) } else { "?".to_owned() }).into(),
        ready.map_or("Unknown", |condition| &condition.reason).into(),
    ]
}

/// A source outside the host has no snapshots; what can be restored of it is the provider's.
fn watched_row(policy: &PolicyStatus, watched: &Watched, ready: Option<&Condition>, now: Timestamp) -> [Field; 8] {
    let truth = ready.map_or(Truth::Unknown, |condition| condition.status);
    [
        policy.name.as_str().into(),
        Field::toned(truth_word(truth), truth_tone(truth)),
        "1".into(),
        match watched.kind {
            Kind::Database => relative_or(watched.newest, now, "unknown"),
            Kind::Bucket => "-".to_owned(),
        }
        .into(),
        relative_or(watched.next_look, now, "-").into(),
        "-".into(),
        "-".into(),
        ready.map_or("Unknown", |condition| &condition.reason).into(),
    ]
}

/// Bytes of the sources' newest snapshots, each source counted once however many repositories hold it.
fn size(policy: &PolicyStatus) -> u64 {
    policy.sources.iter().map(|source| source.repositories.iter().map(|store| store.bytes).max().unwrap_or(0)).sum()
}

/// `seawall get snapshots` as a table.
#[must_use]
pub fn snapshots(list: &[StoredSnapshot], style: Style, now: Timestamp) -> String {
    let rows = list
        .iter()
        .map(|StoredSnapshot { repository, snapshot }| {
            let key = snapshot.source.as_ref();
            [
                short_id(&snapshot.id).into(),
                key.map_or("-", |key| &key.policy).into(),
                key.map_or("-", |key| &key.source).into(),
                repository.as_str().into(),
                relative(snapshot.time, now).into(),
                snapshot.files.to_string().into(),
                bytes(snapshot.bytes).into(),
                bytes(snapshot.added_bytes).into(),
                match (snapshot.complete, &snapshot.imported) {
                    (true, None) => Field::toned("yes", Tone::Good),
                    (true, Some(_)) => Field::toned("imported", Tone::Good),
                    (false, _) => Field::toned("partial", Tone::Doubt),
                },
            ]
        })
        .collect();
    let headings = ["ID", "POLICY", "SOURCE", "REPOSITORY", "TIME", "FILES", "SIZE", "ADDED", "COMPLETE"];
    table(style, headings, rows, "no snapshots")
}

/// `seawall get runs` as a table.
#[must_use]
pub fn runs(running: &[&RunningStatus], ended: &[&Outcome], style: Style, now: Timestamp) -> String {
    let object = |source: Option<&SourceKey>| source.map_or_else(|| "-".to_owned(), ToString::to_string);
    let mut rows: Vec<[Field; 8]> = Vec::with_capacity(running.len() + ended.len());
    for RunningStatus { running: run, bytes_done, files_done } in running {
        rows.push([
            run.run.0.as_str().into(),
            run.operation.as_str().into(),
            object(run.source.as_ref()).into(),
            run.repositories.join(",").into(),
            relative(run.started, now).into(),
            span_words(now.duration_since(run.started).unsigned_abs()).into(),
            Field::toned("running", Tone::Doubt),
            format!("{files_done} files, {} so far", bytes(*bytes_done)).into(),
        ]);
    }
    for run in ended {
        rows.push([
            run.run.0.as_str().into(),
            run.operation.as_str().into(),
            object(run.source.as_ref()).into(),
            run.repository.as_str().into(),
            relative(run.started, now).into(),
            span_words(run.finished.duration_since(run.started).unsigned_abs()).into(),
            Field::toned(run.result.as_str(), result_tone(run.result)),
            run.message.as_str().into(),
        ]);
    }
    let headings = ["RUN", "OPERATION", "SOURCE", "REPOSITORY", "STARTED", "TOOK", "RESULT", "MESSAGE"];
    table(style, headings, rows, "no runs")
}

/// `seawall get volumes` as a table.
#[must_use]
pub fn volumes(status: &StatusSnapshot, style: Style) -> String {
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(",") };
    let rows = status
        .volumes
        .values()
        .map(|volume| {
            let (word, tone) = match (volume.coverage, &volume.unreadable) {
                (Coverage::Protected, None) => ("protected", Tone::Good),
                // A policy speaks of it, but its files cannot be read, so nothing new is being saved.
                (Coverage::Protected, Some(_)) => ("protected", Tone::Doubt),
                (Coverage::Exempt, _) => ("exempt", Tone::Dim),
                (Coverage::Unprotected, _) => ("unprotected", Tone::Bad),
            };
            [
                volume.name.as_str().into(),
                Field::toned(word, tone),
                list(&volume.policies).into(),
                list(&volume.used_by).into(),
                if volume.unreadable.is_some() { Field::toned("no", Tone::Bad) } else { "yes".into() },
                match &volume.unreadable {
                    Some(why) if volume.coverage == Coverage::Protected => why.as_str().into(),
                    _ => volume.reason.as_str().into(),
                },
            ]
        })
        .collect();
    let headings = ["NAME", "COVERAGE", "POLICIES", "USED BY", "READABLE", "REASON"];
    table(style, headings, rows, "no volumes on this host")
}

/// What makes a table look better than things are, one line each: Docker away, the policies directory in trouble.
#[must_use]
pub fn warnings(status: &StatusSnapshot) -> Vec<String> {
    let mut lines = Vec::new();
    if !status.docker.up {
        lines.push(format!("Docker does not answer: {}", status.docker.message));
    }
    let directory = status.config.directory.display();
    lines.extend(status.config.problem.iter().map(|problem| format!("policies directory {directory}: {problem}")));
    lines.extend(status.config.watch_problem.iter().map(|why| format!("changes of policies are seen late: {why}")));
    lines.extend(status.state_error.iter().map(|error| format!("the state cannot be written: {error}")));
    lines.extend(status.stuck().map(|one| {
        format!(
            "{} stands still since {} ({}, for {}) and should be back: the operator brings it back when it starts, and \
             tries again for as long as it runs",
            one.container,
            seconds(one.since),
            one.mode,
            one.source
        )
    }));
    lines.into_iter().map(|line| format!("warning: {}", one_line(&line))).collect()
}

/// A warning for each file that is not valid.
#[must_use]
pub fn invalid_files(status: &StatusSnapshot) -> Vec<String> {
    let invalid = status.config.files.iter().filter(|file| !file.valid);
    let line = |file: &FileStatus| {
        let errors = count(file.errors.len() as u64, "error");
        format!(
            "warning: {}: {errors}; what was last valid stays in force: see `seawall validate`",
            file.file.display()
        )
    };
    invalid.map(line).collect()
}

/// `seawall get repositories` as a table.
#[must_use]
pub fn repositories(list: &[&RepositoryStatus], style: Style, now: Timestamp) -> String {
    let rows = list
        .iter()
        .map(|repository| {
            let (health, tone, message) = health(repository);
            [
                repository.name.as_str().into(),
                Field::toned(health, tone),
                repository.snapshots.to_string().into(),
                repository.foreign_snapshots.to_string().into(),
                relative_or(repository.listed_at, now, "never").into(),
                relative_or(repository.last_prune.as_ref().map(|prune| prune.finished), now, "never").into(),
                checked(repository, now),
                repository.location.as_str().into(),
                if repository.key_export_pending && message.is_empty() {
                    Field::toned("key not exported: seawall key export", Tone::Doubt)
                } else {
                    message.into()
                },
            ]
        })
        .collect();
    let headings = ["NAME", "HEALTH", "SNAPSHOTS", "FOREIGN", "LISTED", "PRUNED", "CHECKED", "LOCATION", "MESSAGE"];
    table(style, headings, rows, "no repositories")
}

/// When a repository was last found whole, and by when all of its data will have been read.
fn checked(repository: &RepositoryStatus, now: Timestamp) -> Field {
    let Some(check) = &repository.check else { return Field::toned("no schedule", Tone::Dim) };
    let all = match (check.all_read_since, check.all_read_by) {
        (Some(since), _) => format!(", all data since {}", relative(since, now)),
        (None, Some(by)) => format!(", all data by {}", by.strftime("%Y-%m-%d")),
        (None, None) => String::new(),
    };
    let text = format!("{}{all}", relative_or(check.last_success, now, "never"));
    if check.deadline.is_some_and(|at| at < now) { Field::toned(text, Tone::Bad) } else { text.into() }
}

/// The word, its tone and the sentence for a repository's health.
#[must_use]
pub fn health(repository: &RepositoryStatus) -> (&str, Tone, &str) {
    match &repository.health {
        Some(RepositoryHealth::Healthy) => ("Healthy", Tone::Good, ""),
        Some(RepositoryHealth::Unhealthy { reason, message }) => (reason, Tone::Bad, message),
        None => ("Unknown", Tone::Doubt, "not looked at yet"),
    }
}

/// `seawall get events` as a table.
#[must_use]
pub fn events(list: &[&CountedEvent], style: Style, now: Timestamp) -> String {
    let rows = list
        .iter()
        .map(|CountedEvent { event, first_at, count }| {
            let seen = if *count > 1 {
                format!(
                    "{} (x{count} over {})",
                    relative(event.at, now),
                    span_words(event.at.duration_since(*first_at).unsigned_abs())
                )
            } else {
                relative(event.at, now)
            };
            [
                seen.into(),
                if event.warning { Field::toned("Warning", Tone::Doubt) } else { "Normal".into() },
                event.object.as_str().into(),
                event.reason.as_str().into(),
                event.message.as_str().into(),
            ]
        })
        .collect();
    table(style, ["LAST SEEN", "TYPE", "OBJECT", "REASON", "MESSAGE"], rows, "no events")
}

/// Conditions as a table.
#[must_use]
pub fn conditions(list: &[Condition], style: Style, now: Timestamp) -> String {
    let rows = list
        .iter()
        .map(|condition| {
            [
                (&*condition.kind).into(),
                Field::toned(truth_word(condition.status), truth_tone(condition.status)),
                relative_or(condition.last_transition_time, now, "-").into(),
                (&*condition.reason).into(),
                (&*condition.message).into(),
            ]
        })
        .collect();
    table(style, ["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"], rows, "none yet")
}

/// The first files that a run could not take as they were, one a line.
#[must_use]
pub fn file_problems(run: &Outcome) -> String {
    const SHOWN: usize = 10;
    let mut text = String::new();
    for problem in run.problems.iter().take(SHOWN) {
        text.line(format!("{}: {}", one_line(&problem.path), one_line(&problem.problem)));
    }
    let shown = run.problems.len().min(SHOWN) as u64;
    if run.problem_count > shown {
        text.line(format!("and {} more", run.problem_count - shown));
    }
    text
}
