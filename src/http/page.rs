//! The status page: what `/api/v1/status` says, for eyes. No script, nothing loaded from elsewhere.

use crate::policy::quantity::bytes;
use crate::reconcile::observed::RepositoryHealth;
use crate::reconcile::plan::Coverage;
use crate::status::model::{PolicyStatus, RepositoryStatus, StatusSnapshot, Truth};
use crate::status::runbook;
use askama::Template;
use jiff::Timestamp;
use pulldown_cmark::{Event as Markdown, Options, Parser};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    status: &'a StatusSnapshot,
    now: String,
    trouble: Vec<String>,
    tiles: Vec<Tile>,
    policies: Vec<PolicyRow<'a>>,
    held: Vec<HeldRow<'a>>,
    repositories: Vec<RepositoryRow<'a>>,
    running: Vec<RunningRow<'a>>,
    still: Vec<StillRow<'a>>,
    volumes: Vec<VolumeRow<'a>>,
}

/// One number at the head of the page.
struct Tile {
    value: String,
    label: &'static str,
    tone: &'static str,
}

struct PolicyRow<'a> {
    policy: &'a PolicyStatus,
    badges: Vec<Badge<'a>>,
    last: String,
    next: String,
    snapshots: u64,
    bytes: String,
}

struct Badge<'a> {
    kind: &'a str,
    tone: &'static str,
    title: String,
}

struct HeldRow<'a> {
    policy: &'a str,
    source: &'a str,
    repository: &'a str,
    message: &'a str,
}

struct RepositoryRow<'a> {
    repository: &'a RepositoryStatus,
    tone: &'static str,
    health: String,
}

struct RunningRow<'a> {
    operation: &'static str,
    what: String,
    repositories: &'a [String],
    since: String,
    bytes: String,
    files: u64,
}

struct StillRow<'a> {
    container: &'a str,
    mode: String,
    source: String,
    since: String,
    left: String,
}

struct VolumeRow<'a> {
    name: &'a str,
    coverage: &'static str,
    tone: &'static str,
    policies: &'a [String],
    reason: &'a str,
    used_by: &'a [String],
}

/// The runbook as a page.
#[derive(Template)]
#[template(path = "runbook.html")]
struct Runbook<'a> {
    host: &'a str,
    body: String,
}

pub(super) fn runbook(status: &StatusSnapshot, now: Timestamp) -> Result<String, askama::Error> {
    let text = runbook::render(status, now);
    let mut body = String::new();
    // What looks like HTML in a name is shown, not obeyed; the text has been freed of markup already.
    let events = Parser::new_ext(&text, Options::ENABLE_TABLES).map(|event| match event {
        Markdown::Html(html) | Markdown::InlineHtml(html) => Markdown::Text(html),
        other => other,
    });
    pulldown_cmark::html::push_html(&mut body, events);
    Runbook { host: &status.host, body }.render()
}

pub(super) fn render(status: &StatusSnapshot, now: Timestamp) -> Result<String, askama::Error> {
    let coverage = |wanted| status.volumes.values().filter(|volume| volume.coverage == wanted).count();
    let ready = |policy: &&PolicyStatus| policy.conditions.first().is_some_and(|ready| ready.status == Truth::True);
    let (all, good) = (status.policies.len(), status.policies.values().map(Arc::as_ref).filter(ready).count());
    let unprotected = coverage(Coverage::Unprotected);
    let tile = |value: String, label, bad: bool| Tile { value, label, tone: if bad { "bad" } else { "good" } };
    let mut volumes: Vec<_> = status.volumes.values().collect();
    volumes.sort_by_key(|volume| std::cmp::Reverse(volume.coverage));
    Page {
        status,
        now: format!("{now:.0}"),
        trouble: trouble(status),
        tiles: vec![
            tile(format!("{good} of {all}"), "policies ready", good < all || all == 0),
            tile(coverage(Coverage::Protected).to_string(), "volumes protected", false),
            tile(coverage(Coverage::Exempt).to_string(), "volumes exempt", false),
            tile(unprotected.to_string(), "volumes unprotected", unprotected > 0),
            tile(if status.docker.up { "up".to_owned() } else { "away".to_owned() }, "Docker", !status.docker.up),
        ],
        policies: status.policies.values().map(|policy| policy_row(policy, now)).collect(),
        held: held(status),
        repositories: status.repositories.values().map(repository_row).collect(),
        running: running(status, now),
        still: still(status, now),
        volumes: volumes
            .into_iter()
            .map(|volume| VolumeRow {
                name: &volume.name,
                coverage: volume.coverage.as_str(),
                tone: match volume.coverage {
                    Coverage::Protected => "good",
                    Coverage::Exempt => "calm",
                    Coverage::Unprotected => "bad",
                },
                policies: &volume.policies,
                reason: volume.unreadable.as_deref().unwrap_or(&volume.reason),
                used_by: &volume.used_by,
            })
            .collect(),
    }
    .render()
}

/// What is wrong with the operator itself, as sentences.
fn trouble(status: &StatusSnapshot) -> Vec<String> {
    let mut list = Vec::new();
    if !status.docker.up {
        list.push(format!("Docker does not answer: {}", status.docker.message));
    }
    list.extend(status.config.problem.iter().map(|text| format!("Policies directory: {text}")));
    for file in status.config.files.iter().filter(|file| !file.valid) {
        list.extend(file.errors.iter().map(ToString::to_string));
    }
    list.extend(status.config.watch_problem.iter().map(|text| format!("Changes are seen late: {text}")));
    list.extend(status.state_error.iter().map(|text| format!("State directory: {text}")));
    list.extend(status.stuck().map(|one| {
        format!(
            "{} stands still since {:.0} ({}, for {}) and should be back",
            one.container, one.since, one.mode, one.source
        )
    }));
    list
}

fn policy_row(policy: &PolicyStatus, now: Timestamp) -> PolicyRow<'_> {
    // The worst source speaks for the policy.
    let watched = policy.watched.as_ref();
    let last = policy.sources.iter().map(|source| source.last_success).min().flatten();
    let last = last.or(watched.and_then(|watched| watched.newest));
    let next = policy.sources.iter().filter_map(|source| source.next_run).min();
    let next = next.or(watched.and_then(|watched| watched.next_look));
    let stores = || policy.sources.iter().flat_map(|source| &source.repositories);
    PolicyRow {
        policy,
        badges: policy
            .conditions
            .iter()
            .map(|condition| Badge {
                kind: &condition.kind,
                tone: match (&*condition.kind, condition.status) {
                    // These two say what is going on, not whether it is well.
                    ("Suspended", Truth::True) => "warn",
                    ("Suspended" | "Progressing", _) | (_, Truth::Unknown) => "calm",
                    (_, Truth::True) => "good",
                    (_, Truth::False) => "bad",
                },
                title: format!("{:?} ({}): {}", condition.status, condition.reason, condition.message),
            })
            .collect(),
        last: match (last, &policy.exempt) {
            (_, Some(_)) => "exempt".to_owned(),
            (Some(at), None) => format!("{} ago", span(now.duration_since(at).as_secs())),
            (None, None) => "never".to_owned(),
        },
        next: next.map_or_else(String::new, |at| {
            let seconds = at.duration_since(now).as_secs();
            if seconds <= 0 { "now".to_owned() } else { format!("in {}", span(seconds)) }
        }),
        snapshots: stores().map(|store| store.snapshots).sum(),
        bytes: bytes(stores().map(|store| store.bytes).sum()),
    }
}

fn held(status: &StatusSnapshot) -> Vec<HeldRow<'_>> {
    let sources = status.policies.values().flat_map(|policy| policy.sources.iter().map(move |source| (policy, source)));
    sources
        .flat_map(|(policy, source)| source.retention.iter().map(move |retention| (policy, source, retention)))
        .filter_map(|(policy, source, retention)| {
            retention.held.as_ref().map(|held| HeldRow {
                policy: &policy.name,
                source: &source.source,
                repository: &retention.repository,
                message: &held.message,
            })
        })
        .collect()
}

fn repository_row(repository: &RepositoryStatus) -> RepositoryRow<'_> {
    let (tone, health) = match &repository.health {
        Some(RepositoryHealth::Healthy) => ("good", "healthy".to_owned()),
        Some(RepositoryHealth::Unhealthy { reason, message }) => ("bad", format!("{reason}: {message}")),
        None => ("calm", "not looked at yet".to_owned()),
    };
    RepositoryRow { repository, tone, health }
}

fn running(status: &StatusSnapshot, now: Timestamp) -> Vec<RunningRow<'_>> {
    let rows = status.running.iter().map(|run| RunningRow {
        operation: run.running.operation.as_str(),
        what: run.running.source.as_ref().map(ToString::to_string).unwrap_or_default(),
        repositories: &run.running.repositories,
        since: span(now.duration_since(run.running.started).as_secs()),
        bytes: bytes(run.bytes_done),
        files: run.files_done,
    });
    rows.collect()
}

fn still(status: &StatusSnapshot, now: Timestamp) -> Vec<StillRow<'_>> {
    let rows = status.quiesced.iter().map(|one| StillRow {
        container: &one.container,
        mode: one.mode.to_string(),
        source: one.source.to_string(),
        since: span(now.duration_since(one.since).as_secs()),
        left: match one.deadline.duration_since(now).as_secs() {
            seconds @ 1.. => format!("in {}", span(seconds)),
            _ => "now".to_owned(),
        },
    });
    rows.collect()
}

/// Seconds in the largest unit that leaves two digits of sense.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
