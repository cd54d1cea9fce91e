//! What the store asks a document of either kind.

use crate::controller::ports::AcceptedDocument;
use crate::policy::Document;
use std::path::Path;

/// Kind and name.
pub(super) type Key = (String, String);

const POLICY: &str = "BackupPolicy";
/// The kind of a repository.
pub(super) const REPOSITORY: &str = "Repository";

/// What makes a document the same one in another version.
pub(super) fn key(document: &Document) -> Key {
    match document {
        Document::Policy(policy) => policy_key(&policy.name),
        Document::Repository { repository, .. } => (REPOSITORY.to_owned(), repository.name.clone()),
    }
}

/// The key of a policy with this name.
pub(super) fn policy_key(name: &str) -> Key {
    (POLICY.to_owned(), name.to_owned())
}

/// Hash of its meaning.
pub(super) fn digest(document: &Document) -> &str {
    match document {
        Document::Policy(policy) => &policy.digest,
        Document::Repository { repository, .. } => &repository.digest,
    }
}

/// Line of its first key.
pub(super) fn line(document: &Document) -> usize {
    match document {
        Document::Policy(policy) => policy.line,
        Document::Repository { line, .. } => *line,
    }
}

/// Its name, if it is a repository.
pub(super) fn repository(document: &Document) -> Option<&str> {
    match document {
        Document::Policy(_) => None,
        Document::Repository { repository, .. } => Some(&repository.name),
    }
}

/// The repositories that it refers to.
pub(super) fn references(document: &Document) -> impl Iterator<Item = &str> {
    let backup = match document {
        Document::Policy(policy) => policy.backup(),
        Document::Repository { .. } => None,
    };
    backup.into_iter().flat_map(|backup| &backup.repositories).map(String::as_str)
}

/// What is kept of it across restarts.
pub(super) fn record(file: &Path, document: &Document, generation: u64) -> AcceptedDocument {
    let text = match document {
        Document::Policy(policy) => &policy.text,
        Document::Repository { text, .. } => text,
    };
    let (kind, name) = key(document);
    AcceptedDocument {
        kind,
        name,
        file: file.to_owned(),
        line: line(document),
        text: text.to_string(),
        digest: digest(document).to_owned(),
        generation,
        in_force: true,
    }
}
