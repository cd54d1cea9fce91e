//! The runbook of a host, as Markdown: what is protected, how well, and what to type when it is lost.
//!
//! A pure function of the status, so that it cannot say anything else than the metrics and the command line do, and so
//! that nobody has to keep it up to date.

mod scenarios;
mod words;

use super::model::{Condition, PolicyStatus, SourceStatus, StatusSnapshot, Truth};
use crate::policy::quantity::{bytes, count};
use crate::reconcile::plan::{Coverage, Verdict};
use crate::reconcile::watch::Kind;
use jiff::Timestamp;
use std::sync::Arc;
use words::{age, cell, clean, code, id, seconds, when};

/// The runbook at `now`.
#[must_use]
pub fn render(status: &StatusSnapshot, now: Timestamp) -> String {
    let mut book = Book::default();
    head(&mut book, status, now);
    trouble(&mut book, status);
    glance(&mut book, status, now);
    for policy in by_criticality(status).filter(|policy| policy.exempt.is_none()) {
        protected(&mut book, policy, status, now);
    }
    storage(&mut book, status, now);
    left_out(&mut book, status);
    book.heading(2, "When something is lost");
    scenarios::all(&mut book, status);
    book.text
}

/// Policies, the worst loss first, then by name.
fn by_criticality(status: &StatusSnapshot) -> impl Iterator<Item = &PolicyStatus> {
    const ORDER: [&str; 4] = ["critical", "high", "medium", "low"];
    let rank = |policy: &&PolicyStatus| ORDER.iter().position(|word| *word == policy.criticality);
    let mut policies: Vec<_> = status.policies.values().map(Arc::as_ref).collect();
    policies.sort_by_key(rank);
    policies.into_iter()
}

/// Markdown as it grows.
#[derive(Default)]
struct Book {
    text: String,
}

impl Book {
    fn heading(&mut self, level: usize, title: &str) {
        let gap = if self.text.ends_with("\n\n") { "" } else { "\n" };
        self.line(format!("{gap}{} {title}\n", "#".repeat(level)));
    }

    fn line(&mut self, text: impl AsRef<str>) {
        self.text += text.as_ref();
        self.text.push('\n');
    }

    fn item(&mut self, text: impl AsRef<str>) {
        self.line(format!("- {}", text.as_ref()));
    }

    fn step(&mut self, number: usize, text: impl AsRef<str>) {
        self.line(format!("{number}. {}", text.as_ref()));
    }

    fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        self.line(format!("| {} |", head.join(" | ")));
        self.line(format!("|{}", " --- |".repeat(N)));
        for row in rows {
            self.line(format!("| {} |", row.map(|text| cell(&text)).join(" | ")));
        }
    }

    fn commands<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.line("```sh");
        for line in lines {
            self.line(line);
        }
        self.line("```");
    }
}

fn head(book: &mut Book, status: &StatusSnapshot, now: Timestamp) {
    book.line(format!("# Runbook of {}", clean(&status.host)));
    book.line("");
    let revision = status.config.revision.as_deref();
    let policies = revision.map_or_else(
        || format!("the policies in {}", code(&status.config.directory.display().to_string())),
        |revision| format!("the policies at commit {}", code(revision)),
    );
    book.line(format!(
        "Written by Seawall {} on {} from {policies} and from what exists. Do not edit it: `seawall runbook` writes it anew.",
        clean(&status.version),
        when(now)
    ));
}

fn trouble(book: &mut Book, status: &StatusSnapshot) {
    let mut lines = Vec::new();
    if !status.docker.up {
        lines.push(format!("Docker does not answer: {}", clean(&status.docker.message)));
    }
    lines.extend(status.config.problem.iter().map(|text| format!("The policies directory: {}", clean(text))));
    for file in status.config.files.iter().filter(|file| !file.valid) {
        let errors = count(file.errors.len() as u64, "error");
        lines.push(format!("The file {} has {errors}: `seawall validate`", code(&file.file.display().to_string())));
    }
    lines.extend(status.state_error.iter().map(|text| format!("The state directory: {}", clean(text))));
    for repository in status.repositories.values().filter(|repository| repository.key_export_pending) {
        lines.push(format!(
            "Nobody has taken a copy of the key of the repository {name} off this host; when the host is lost, so is every snapshot \
             in it: `seawall key export {name} --output FILE`",
            name = clean(&repository.name)
        ));
    }
    for policy in by_criticality(status) {
        lines.extend(policy.conditions.iter().filter(|condition| tells(condition)).map(|condition| {
            format!("{}: {} ({}): {}", clean(&policy.name), condition.kind, condition.reason, clean(&condition.message))
        }));
    }
    let unprotected = status.volumes.values().filter(|volume| volume.coverage == Coverage::Unprotected).count();
    if unprotected > 0 {
        let volumes = count(unprotected as u64, "volume");
        lines.push(format!("{volumes} of this host that nobody protects, see below"));
    }
    book.heading(2, "What is wrong now");
    if lines.is_empty() {
        book.line("Nothing that Seawall knows of.");
    }
    for line in lines {
        book.item(line);
    }
}

/// Whether a condition is bad news by itself. `Ready` only sums up the others.
fn tells(condition: &Condition) -> bool {
    match &*condition.kind {
        "Ready" | "Progressing" => false,
        "Suspended" => condition.status == Truth::True,
        _ => condition.status == Truth::False,
    }
}

fn glance(book: &mut Book, status: &StatusSnapshot, now: Timestamp) {
    book.heading(2, "At a glance");
    let mut rows = Vec::new();
    for policy in by_criticality(status) {
        let promised = [policy.rpo_seconds, policy.rto_seconds].map(seconds);
        let row = |source: &str, newest: String, rto: String| {
            let [rpo, promised_rto] = promised.clone();
            [policy.name.clone(), policy.criticality.clone(), source.to_owned(), newest, rpo, rto, promised_rto]
        };
        if let Some(reason) = &policy.exempt {
            rows.push(row(&names(&policy.sources), format!("exempt: {reason}"), "-".to_owned()));
            continue;
        }
        if let Some(watched) = &policy.watched {
            let newest = match watched.kind {
                Kind::Database => {
                    watched.newest.map_or_else(|| "**not known**".to_owned(), |at| format!("{} ago", age(at, now)))
                }
                Kind::Bucket => format!("protection: {}", watched.protection.as_deref().unwrap_or("**unknown**")),
            };
            rows.push(row(&format!("{} at {}", watched.name, watched.provider), newest, "-".to_owned()));
            if !policy.is_copied() {
                continue;
            }
        }
        if policy.sources.is_empty() {
            rows.push(row("nothing matches", "-".to_owned(), "-".to_owned()));
        }
        for source in &policy.sources {
            let newest =
                source.last_success.map_or_else(|| "**never**".to_owned(), |at| format!("{} ago", age(at, now)));
            rows.push(row(&source.source, newest, words::measured(recovery_time(source))));
        }
    }
    let head =
        ["policy", "criticality", "source", "recovery point now", "promised", "recovery time measured", "promised"];
    book.table(head, rows);
}

fn names(sources: &[SourceStatus]) -> String {
    if sources.is_empty() {
        return "nothing on this host now".to_owned();
    }
    sources.iter().map(|source| source.source.as_str()).collect::<Vec<_>>().join(", ")
}

/// What the last drill took until the source was back and looked at.
fn recovery_time(source: &SourceStatus) -> Option<f64> {
    source.drill.as_ref().and_then(|drill| drill.seconds)
}

fn protected(book: &mut Book, policy: &PolicyStatus, status: &StatusSnapshot, now: Timestamp) {
    book.heading(2, &format!("{} ({})", clean(&policy.name), policy.criticality));
    if !policy.description.is_empty() {
        book.line(format!("{}\n", clean(&policy.description)));
    }
    let place = format!("{}:{}", policy.file.display(), policy.line);
    book.item(format!("Policy: {}; schedule: {}", code(&place), clean(policy.schedule.as_deref().unwrap_or("none"))));
    if policy.suspended {
        book.item("**Suspended**: no run begins");
    }
    if let Some(watched) = &policy.watched {
        let provider = clean(&watched.provider);
        let name = code(&watched.name);
        book.item(match watched.kind {
            Kind::Database => {
                let newest = watched
                    .newest
                    .map_or_else(|| "**not known**".to_owned(), |at| format!("{} ({} ago)", when(at), age(at, now)));
                format!("Database {name}, kept by {provider}; its newest restorable backup: {newest}")
            }
            Kind::Bucket => {
                let protection = watched.protection.as_deref().unwrap_or("**unknown**");
                format!("Bucket {name} at {provider}; protection: {protection}: {}", clean(&watched.verdict.message))
            }
        });
        for line in &watched.evidence {
            book.line(format!("  - {}", clean(line)));
        }
    }
    for source in &policy.sources {
        let users = status.volumes.get(&source.source).map_or(&[][..], |volume| volume.used_by.as_slice());
        let users = if users.is_empty() { "no container".to_owned() } else { clean(&users.join(", ")) };
        let verdict = match source.verdict {
            Verdict::UpToDate => String::new(),
            _ => format!("; now: {}", clean(&source.why)),
        };
        let users = if matches!(policy.kind.as_str(), "path" | "bucket") {
            String::new()
        } else {
            format!(", used by {users}")
        };
        book.item(format!("{} {}{users}{verdict}", noun(policy), code(&source.source)));
        for store in &source.repositories {
            let newest = match (&store.newest, store.known) {
                (_, false) => "unknown: it has not been listed".to_owned(),
                (None, true) => "**no complete snapshot**".to_owned(),
                (Some(newest), true) => format!(
                    "newest complete snapshot {} of {} ({} ago), {}, {}",
                    code(id(&newest.id)),
                    when(newest.time),
                    age(newest.time, now),
                    count(newest.files, "file"),
                    bytes(newest.bytes)
                ),
            };
            book.line(format!("  - in {}: {}, {newest}", clean(&store.repository), count(store.snapshots, "snapshot")));
        }
        if let Some(run) = source.last_run.as_ref().filter(|_| source.last_run_successful == Some(false)) {
            let result = run.result.as_str();
            book.line(format!("  - **last run: {result}** on {}: {}", when(run.finished), clean(&run.message)));
        }
        if let Some(run) = source.drill.as_ref().and_then(|drill| drill.last_run.as_ref()) {
            let result = run.result.as_str();
            book.line(format!("  - last drill: {result} on {}: {}", when(run.finished), clean(&run.message)));
        }
        if let Some(next) = source.next_run {
            book.line(format!("  - next backup {}", when(next)));
        }
    }
}

/// What the sources of a policy are.
fn noun(policy: &PolicyStatus) -> &'static str {
    match policy.kind.as_str() {
        "path" => "Path",
        "postgres" => "Database",
        "bucket" => "Bucket",
        _ => "Volume",
    }
}

fn storage(book: &mut Book, status: &StatusSnapshot, now: Timestamp) {
    book.heading(2, "Where the snapshots are");
    let rows = status.repositories.values().map(|repository| {
        let health = match &repository.health {
            None => "not looked at yet".to_owned(),
            Some(crate::reconcile::RepositoryHealth::Healthy) => "healthy".to_owned(),
            Some(crate::reconcile::RepositoryHealth::Unhealthy { reason, message }) => {
                format!("**{reason}**: {message}")
            }
        };
        let key = if repository.key_export_pending { "**on this host only**" } else { "a copy is elsewhere" };
        let listed = repository.listed_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, now)));
        [
            repository.name.clone(),
            format!("`{}`", repository.location.replace('`', "")),
            repository.snapshots.to_string(),
            health,
            listed,
            key.to_owned(),
        ]
    });
    book.table(["repository", "location", "snapshots of this host", "health", "listed", "key"], rows);
    book.line(
        "\nEncrypted and in restic's format: with the key, `restic` itself reads them. What is on this host's own disks is lost \
         with the host.",
    );
}

fn left_out(book: &mut Book, status: &StatusSnapshot) {
    book.heading(2, "What is not backed up");
    let mut rows: Vec<[String; 3]> = Vec::new();
    for volume in status.volumes.values().filter(|volume| volume.coverage != Coverage::Protected) {
        let who = match volume.coverage {
            Coverage::Exempt => format!("exempt by {}", volume.policies.join(", ")),
            _ => "**nobody protects it**".to_owned(),
        };
        rows.push([volume.name.clone(), who, volume.reason.clone()]);
    }
    for policy in status.policies.values().filter(|policy| policy.sources.is_empty()) {
        if let Some(reason) = &policy.exempt {
            let who = format!("exempt by {}; not on this host now", policy.name);
            rows.push([policy.description.clone(), who, reason.clone()]);
        }
    }
    if rows.is_empty() {
        book.line("Every volume of this host is in a policy that backs it up.");
    } else {
        book.table(["volume", "who says so", "why"], rows);
    }
}
