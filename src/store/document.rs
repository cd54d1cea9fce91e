//! What the store asks a document of either kind.

use crate::controller::ports::AcceptedDocument;
use crate::policy::{Document, Kind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Kind and name: what makes a document the same one in another version.
pub(super) type Key = (String, String);

/// A document and the file that it is in.
pub(super) type Placed = (PathBuf, Arc<Document>);

/// The key of a document.
pub(super) fn key(document: &Document) -> Key {
    (document.kind().as_str().to_owned(), document.name().to_owned())
}

/// The key of the policy with this name.
pub(super) fn policy_key(name: &str) -> Key {
    (Kind::BackupPolicy.as_str().to_owned(), name.to_owned())
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

/// The same document with its first key in another line.
pub(super) fn at(mut document: Document, new: usize) -> Document {
    match &mut document {
        Document::Policy(policy) => Arc::make_mut(policy).line = new,
        Document::Repository { line, .. } => *line = new,
    }
    document
}

/// The same policy with this generation; a repository has none.
pub(super) fn counted(mut document: Document, generation: impl FnOnce(&Key, &str) -> u64) -> Document {
    let key = key(&document);
    if let Document::Policy(policy) = &mut document {
        let generation = generation(&key, &policy.digest);
        Arc::make_mut(policy).generation = generation;
    }
    document
}

/// Its name, if it is a repository.
pub(super) fn repository(document: &Document) -> Option<&str> {
    (document.kind() == Kind::Repository).then(|| document.name())
}

/// The repositories that it refers to.
pub(super) fn references(document: &Document) -> impl Iterator<Item = &str> {
    let backup = match document {
        Document::Policy(policy) => policy.backup(),
        Document::Repository { .. } => None,
    };
    backup.into_iter().flat_map(|backup| &backup.repositories).map(String::as_str)
}

/// The document as it was written.
pub(super) fn text(document: &Document) -> &Arc<str> {
    match document {
        Document::Policy(policy) => &policy.text,
        Document::Repository { text, .. } => text,
    }
}

/// Whether a record is of this very document in this file, in force.
pub(super) fn is_recorded(record: &AcceptedDocument, file: &Path, document: &Document) -> bool {
    record.in_force
        && record.file == file
        && record.line == line(document)
        && record.digest == digest(document)
        && record.text == *text(document)
}

/// What is kept of it across restarts.
pub(super) fn record(file: &Path, document: &Document, generation: u64) -> AcceptedDocument {
    let (kind, name) = key(document);
    AcceptedDocument {
        kind,
        name,
        file: file.to_owned(),
        line: line(document),
        text: Arc::clone(text(document)),
        digest: digest(document).to_owned(),
        generation,
        in_force: true,
    }
}
