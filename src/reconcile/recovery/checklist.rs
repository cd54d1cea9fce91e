//! What a recovery cannot do, as steps for a person. Each follows from what was found.

use super::{Found, Item, Kind, SourceKey, Written, policy};
use crate::policy::shell::word;
use crate::policy::{Source, Treatment};
use crate::reconcile::compose::{self, Project};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Todo {
    /// What it is about: `images`, `env`, `network`, `dns`, …
    pub about: &'static str,
    /// A sentence.
    pub text: String,
    /// What to type, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// What was found, here and in the repository.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The host that is gone.
    pub host: &'a str,
    /// Its snapshots.
    pub found: &'a [Found],
    /// What comes back.
    pub items: &'a [Item],
    /// Its documents.
    pub documents: &'a [Written],
    /// The repository that it is recovered from.
    pub repository: &'a str,
    /// Compose projects whose files are here.
    pub projects_here: &'a BTreeSet<String>,
    /// Images of its containers that this host does not have.
    pub missing_images: &'a BTreeSet<String>,
    /// Secrets that documents name and this host does not have, in words.
    pub missing_secrets: &'a BTreeSet<String>,
}

/// The steps, in the order of the runbook's page: what the applications need, then the databases, then starting, then names.
#[must_use]
pub fn checklist(known: &Surroundings<'_>) -> Vec<Todo> {
    let projects = projects(known.found);
    let mut list = Vec::new();
    let mut add = |about, text: String, commands: Vec<String>| list.push(Todo { about, text, commands });
    for (name, project) in projects.iter().filter(|(name, _)| !known.projects_here.contains(*name)) {
        let place = if project.directory.is_empty() { "this host" } else { &project.directory };
        let text = format!("Bring the Compose files of {name} to {place}, where they were");
        add("compose", text, Vec::new());
    }
    for (what, missing) in environment(known, &projects) {
        add("env", what, missing);
    }
    if !known.missing_images.is_empty() {
        let images: Vec<&str> = known.missing_images.iter().map(String::as_str).collect();
        let text = format!("Fetch or build the images that this host does not have: {}", images.join(", "));
        add("images", text, Vec::new());
    }
    let networks = networks(known.found);
    if !networks.is_empty() {
        let commands = networks.iter().map(|name| format!("docker network create {}", word(name))).collect();
        add("network", "Make the networks that Compose calls external".to_owned(), commands);
    }
    for secret in known.missing_secrets {
        add("secrets", format!("Provide {secret}"), Vec::new());
    }
    elsewhere(known, &mut add);
    for (name, project) in &projects {
        add("start", format!("Start {name}, and see that it is healthy"), vec![project.command(name, "up -d")]);
    }
    let text = format!(
        "Start Seawall. It goes on under the name {0}, so the old host must never come back under it",
        known.host
    );
    add("seawall", text, Vec::new());
    add("dns", "Move the DNS names, if the address of the host has changed".to_owned(), Vec::new());
    list
}

/// What a restore step is called that is left over.
const LEFT: &str = "restore";

/// Puts what did not come back, each with the reason, where it belongs in a checklist: before anything is started. What was
/// left there before goes.
pub fn add_left<'a>(list: &mut Vec<Todo>, left: impl Iterator<Item = (&'a Item, &'a str)>) {
    list.retain(|todo| todo.about != LEFT);
    let at = list.iter().position(|todo| matches!(todo.about, "start" | "seawall")).unwrap_or(list.len());
    let steps = left.map(|(item, why)| {
        let roles = format!("seawall cat {}:globals.sql | psql …", word(&item.source.policy));
        let roles = item.globals.then_some(roles);
        let text = format!("Bring {} back, which is not done: {why}", item.source);
        Todo { about: LEFT, text, commands: roles.into_iter().chain([command(item)]).collect() }
    });
    let steps: Vec<Todo> = steps.collect();
    list.splice(at..at, steps);
}

/// What brings an item back later.
#[must_use]
pub fn command(item: &Item) -> String {
    let SourceKey { policy, source } = &item.source;
    let to = item.to.as_ref().map_or_else(String::new, |to| format!(" --to-database {}", word(to)));
    format!("seawall restore {} --source {}{to}", word(policy), word(source))
}

/// The Compose projects whose containers used what is in the snapshots.
#[must_use]
pub fn projects(found: &[Found]) -> BTreeMap<String, Project> {
    let users = found.iter().flat_map(|found| &found.manifest.containers);
    compose::projects(users.map(|user| &user.compose))
}

/// What is kept neither here nor in a snapshot of this repository.
fn elsewhere(known: &Surroundings<'_>, add: &mut impl FnMut(&'static str, String, Vec<String>)) {
    let mut other_repositories = BTreeSet::new();
    for written in known.documents.iter().filter(|written| written.is_policy()) {
        let Some(policy) = policy(&written.text) else {
            let text = format!("Look at the policy {}: this version of Seawall cannot read it", written.name);
            add("policies", text, Vec::new());
            continue;
        };
        let name = &policy.name;
        if let Treatment::Backup(spec) = &policy.treatment {
            other_repositories.extend(spec.repositories.iter().filter(|name| *name != known.repository).cloned());
        }
        match &policy.source {
            Source::Volume(_) | Source::Path(_) | Source::Postgres(_) => {}
            Source::ManagedDatabase(database) => {
                let text = format!(
                    "Look after the database of policy {name}: {} keeps its backups. It is there still, unless it was lost \
                     too; then restore it in the provider's console",
                    database.provider.as_str()
                );
                add("database", text, vec![format!("seawall describe policy {}", word(name))]);
            }
            // Its objects come back as an item, or are named as one that did not.
            Source::Bucket(bucket) if known.items.iter().any(|item| item.source.source == bucket.source) => {}
            Source::Bucket(bucket) => {
                let text = format!(
                    "See that the bucket {} can be reached from here, and that it is protected: what is in it was not on the host",
                    bucket.source
                );
                add("bucket", text, vec![format!("seawall describe policy {}", word(name))]);
            }
        }
    }
    for name in other_repositories {
        let text = format!(
            "See to the repository {name}, which policies also use: where it was on the old host's disk it begins anew, with a \
             backup of everything and with a key of its own"
        );
        add("repository", text, vec!["seawall get repositories".to_owned()]);
    }
}

/// `.env` files that no snapshot has.
fn environment(known: &Surroundings<'_>, projects: &BTreeMap<String, Project>) -> Vec<(String, Vec<String>)> {
    let paths = || known.items.iter().filter(|item| item.kind == Kind::Path).map(|item| &item.source.source);
    let covered = |file: &str| paths().any(|path| Path::new(file).starts_with(path));
    let mut missing: Vec<(String, Vec<String>)> = projects
        .iter()
        .filter(|(_, project)| !project.directory.is_empty())
        .map(|(name, project)| (name, format!("{}/.env", project.directory.trim_end_matches('/'))))
        .filter(|(_, file)| !covered(file))
        .map(|(name, file)| {
            (format!("Bring the `.env` of {name} from where you keep it: no policy covered {file}"), Vec::new())
        })
        .collect();
    if projects.is_empty() && !paths().any(|path| path.contains(".env")) {
        let text = "Bring the `.env` files of the applications from where you keep them: no `path` policy covered one";
        missing.push((text.to_owned(), Vec::new()));
    }
    missing
}

/// Networks that Compose did not make for the project itself.
fn networks(found: &[Found]) -> BTreeSet<String> {
    let users = found.iter().flat_map(|found| &found.manifest.containers);
    users
        .flat_map(|user| {
            let project = user.compose.get("com.docker.compose.project");
            user.networks.iter().filter(move |name| {
                let own = project.is_some_and(|project| name.starts_with(&format!("{project}_")));
                !own && !["bridge", "host", "none"].contains(&name.as_str())
            })
        })
        .cloned()
        .collect()
}
