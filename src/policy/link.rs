//! The documents of all files, put together.

use super::finding::{nearest, short};
use super::{Desired, Diagnostic, Document, Kind, Policy, Repository, RepositoryLocation};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Puts the documents of all files together. What two files disagree about is an error of both; the first by file and
/// line is then in the result.
#[must_use]
pub fn link(mut documents: Vec<(PathBuf, Document)>) -> (Desired, Vec<Diagnostic>) {
    documents.sort_by(|(a, x), (b, y)| (a, x.line()).cmp(&(b, y.line())));
    let mut desired = Desired::default();
    let mut errors = Vec::new();
    let mut seen: BTreeMap<(Kind, String), (PathBuf, usize)> = BTreeMap::new();
    let mut policies = Vec::new();
    for (file, document) in documents {
        let key = (document.kind(), document.name().to_owned());
        let line = document.line();
        if let Some((first, first_line)) = seen.get(&key) {
            errors.push(twice(&key, (&file, line), (first, *first_line)));
            errors.push(twice(&key, (first, *first_line), (&file, line)));
            continue;
        }
        seen.insert(key, (file, line));
        match document {
            Document::Policy(policy) => policies.push(policy),
            Document::Repository { repository, .. } => {
                desired.repositories.insert(repository.name.clone(), repository);
            }
        }
    }
    desired.repositories.entry("default".to_owned()).or_insert_with(|| Arc::new(embedded()));
    for policy in policies {
        errors.extend(unknown_repositories(&policy, &desired));
        desired.policies.insert(policy.name.clone(), policy);
    }
    errors.sort();
    errors.dedup();
    (desired, errors)
}

fn twice(
    (kind, name): &(Kind, String),
    (file, line): (&Path, usize),
    (other, other_line): (&Path, usize),
) -> Diagnostic {
    let kind = kind.as_str();
    Diagnostic {
        file: file.to_owned(),
        line,
        column: 1,
        field: "metadata.name".to_owned(),
        message: format!("{kind} `{name}` is defined twice, here and at {}:{other_line}", other.display()),
        help: Some("rename one, or take it out".to_owned()),
    }
}

fn unknown_repositories(policy: &Policy, desired: &Desired) -> Vec<Diagnostic> {
    let known = &desired.repositories;
    let names = policy.backup().into_iter().flat_map(|backup| &backup.repositories);
    let unknown = names.filter(|name| !known.contains_key(*name)).map(|name| Diagnostic {
        file: policy.file.clone(),
        line: policy.line,
        column: 1,
        field: "spec.repositories".to_owned(),
        message: format!("no Repository document defines `{}`", short(name)),
        help: nearest(name, known.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?")),
    });
    unknown.collect()
}

/// The repository that is there when no document defines `default`.
fn embedded() -> Repository {
    Repository {
        name: "default".to_owned(),
        location: RepositoryLocation::Local { path: None },
        password_from: None,
        check: None,
        file: PathBuf::new(),
        text: "".into(),
        digest: "embedded".to_owned(),
    }
}
