//! What changed from one status to the next, for people and for the audit trail.

use super::ports::{AuditEntry, Event};
use crate::policy::Desired;
use crate::reconcile::{Facts, RepositoryHealth};
use crate::status::model::{StatusSnapshot, Truth};
use jiff::Timestamp;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::Arc;

/// Events and audit records for the step from one status to the next. At the first step of a process the conditions
/// as they are make no events: nothing happened.
pub(super) fn between(before: &StatusSnapshot, after: &StatusSnapshot, now: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    let mut tell = |warning: bool, object: &str, reason: &str, message: &str| {
        let (object, reason, message) = (object.to_owned(), reason.to_owned(), message.to_owned());
        events.push(Event { at: now, warning, object, reason, message });
    };
    for (name, policy) in &after.policies {
        let old = before.policies.get(name);
        if old.is_some_and(|old| Arc::ptr_eq(old, policy)) {
            continue;
        }
        let object = format!("policy/{name}");
        if before.at.is_some() && old.is_none_or(|o| o.generation != policy.generation) {
            tell(false, &object, "PolicyAccepted", &format!("generation {} is in force", policy.generation));
        }
        for condition in &policy.conditions {
            let was = old.and_then(|o| o.conditions.iter().find(|c| c.kind == condition.kind));
            let quiet = matches!(&*condition.kind, "Ready" | "Progressing" | "ObjectivesMet");
            let same = was.is_none_or(|w| w.status == condition.status && w.reason == condition.reason);
            // A removal that is due comes and goes with every backup; its run makes an event of its own.
            let passing = condition.reason == "RemovalDue" || was.is_some_and(|w| w.reason == "RemovalDue");
            if !quiet && !same && !passing && before.at.is_some() {
                let good = if condition.kind == "Suspended" { Truth::False } else { Truth::True };
                let warning = condition.status == Truth::False && good == Truth::True;
                let reason = format!("{}{}", condition.kind, reason_of(condition.status));
                let colon = if condition.message.is_empty() { "" } else { ": " };
                tell(warning, &object, &reason, &format!("{}{colon}{}", condition.reason, condition.message));
            }
        }
    }
    for name in before.policies.keys() {
        if !after.policies.contains_key(name) {
            let object = format!("policy/{name}");
            tell(true, &object, "PolicyWithdrawn", "its document is gone; its snapshots stay where they are");
        }
    }
    let files: HashMap<&OsStr, _> = before.config.files.iter().map(|file| (file.file.as_os_str(), file)).collect();
    for file in &after.config.files {
        let was = files.get(file.file.as_os_str());
        let object = format!("file/{}", file.file.display());
        if !file.valid && was.is_none_or(|w| w.errors != file.errors) {
            let errors: Vec<String> = file.errors.iter().map(ToString::to_string).collect();
            tell(true, &object, "FileInvalid", &errors.join("; "));
        } else if file.valid && was.is_some_and(|w| !w.valid) {
            tell(false, &object, "FileValid", "the file is valid again");
        }
    }
    for (old, new, reason) in [
        (&before.config.problem, &after.config.problem, "DirectoryProblem"),
        (&before.config.watch_problem, &after.config.watch_problem, "WatchProblem"),
    ] {
        match new {
            Some(problem) if new != old => tell(true, "host", reason, problem),
            None if old.is_some() => tell(false, "host", &format!("{reason}Gone"), "all is well again"),
            _ => {}
        }
    }
    if before.at.is_some() && before.docker.up != after.docker.up {
        if after.docker.up {
            tell(false, "host", "DockerUp", &format!("Docker {} answers", after.docker.version));
        } else {
            tell(true, "host", "DockerDown", &after.docker.message);
        }
    }
    for (name, repository) in &after.repositories {
        let old = before.repositories.get(name).and_then(|r| r.health.as_ref());
        let object = format!("repository/{name}");
        match &repository.health {
            Some(RepositoryHealth::Unhealthy { reason, message }) if repository.health.as_ref() != old => {
                tell(true, &object, reason, message);
            }
            Some(RepositoryHealth::Healthy) if old.is_some() && repository.health.as_ref() != old => {
                tell(false, &object, "Healthy", "the repository can be used again");
            }
            _ => {}
        }
    }
    events
}

const fn reason_of(status: Truth) -> &'static str {
    match status {
        Truth::True => "",
        Truth::False => "Lost",
        Truth::Unknown => "Unknown",
    }
}

/// Audit records for the policies whose meaning is not the one that is remembered, and for those that are gone.
pub(super) fn accepted(facts: &Facts, desired: &Desired, now: Timestamp) -> Vec<AuditEntry> {
    let record = |action: &str, name: &str, detail: String| AuditEntry {
        at: now,
        actor: "seawall".to_owned(),
        action: action.to_owned(),
        object: format!("policy/{name}"),
        result: "success".to_owned(),
        detail,
    };
    let revision = desired.revision.as_deref().map(|r| format!(" at revision {r}")).unwrap_or_default();
    let changed =
        desired.policies.values().filter(|p| facts.generations.get(&p.name) != Some(&p.generation)).map(|p| {
            let detail = format!("generation {} from {}:{}{revision}", p.generation, p.file.display(), p.line);
            record("policy.accept", &p.name, detail)
        });
    let gone = facts.generations.iter().filter(|(name, _)| !desired.policies.contains_key(*name));
    changed
        .chain(gone.map(|(name, g)| record("policy.withdraw", name, format!("was generation {g}{revision}"))))
        .collect()
}
