//! The way in: one file's bytes to its documents and everything that is wrong with them.

use super::document::{MAX_FILE_BYTES, Node, Value, sections};
use super::finding::{Finding, Place, list, nearest, short};
use super::{Diagnostic, Policy, Repository, raw, repository, schema, structure, validate};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// Of the errors of one file no more than this are told.
const MAX_ERRORS: usize = 100;

/// One valid document.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A `BackupPolicy`, with generation 0: the store counts generations.
    Policy(Arc<Policy>),
    /// A `Repository`, with the text and first line of its document.
    Repository {
        /// The repository.
        repository: Arc<Repository>,
        /// Line of the document's first key, counted from 1.
        line: usize,
        /// The document as it was written.
        text: Arc<str>,
    },
}

impl Document {
    /// Its kind, as written.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Policy(_) => Kind::BackupPolicy,
            Self::Repository { .. } => Kind::Repository,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Policy(p) => &p.name,
            Self::Repository { repository, .. } => &repository.name,
        }
    }

    pub(super) fn line(&self) -> usize {
        match self {
            Self::Policy(p) => p.line,
            Self::Repository { line, .. } => *line,
        }
    }
}

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A policy.
    BackupPolicy,
    /// A repository.
    Repository,
}

impl Kind {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackupPolicy => "BackupPolicy",
            Self::Repository => "Repository",
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// Its valid documents, in order.
    pub documents: Vec<Document>,
    /// Everything that is wrong with it, in order.
    pub errors: Vec<Diagnostic>,
}

/// Reads a file's bytes. Bounded in time and memory whatever they are; never panics. A file without a single character
/// in it is an error: it is a write that was cut short more often than it is meant.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8]) -> Parsed {
    let mut documents = Vec::new();
    let lossy = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_FILE_BYTES)]);
    let mut findings = match text(bytes).and_then(|text| sections(text).map(|sections| (text, sections))) {
        Err(finding) => vec![finding],
        Ok((text, _)) if text.trim().is_empty() => {
            let help = "to withdraw its policies, take the file away, or leave a comment in it";
            vec![Finding::new(Place::default(), "", "the file is empty").help(help)]
        }
        Ok((_, sections)) => {
            let each = sections.into_iter().map(|section| match section.tree {
                Err(finding) => vec![finding],
                Ok(tree) => document(file, tree, section.text, &mut documents),
            });
            each.flatten().collect()
        }
    };
    findings.sort_by(|a, b| (a.place, &a.field).cmp(&(b.place, &b.field)));
    if findings.len() > MAX_ERRORS {
        let rest = format!("{} more errors are not shown", findings.len() - MAX_ERRORS);
        findings.truncate(MAX_ERRORS);
        findings.push(Finding::new(Place::default(), "", rest));
    }
    let errors = findings.into_iter().map(|finding| finding.diagnostic(file, &lossy)).collect();
    Parsed { documents, errors }
}

fn text(bytes: &[u8]) -> Result<&str, Finding> {
    let at = |before: &[u8], message: &str, help: &str| {
        let mut lines = before.split(|b| *b == b'\n');
        let line = lines.clone().count();
        let column = lines.next_back().map_or(0, |last| String::from_utf8_lossy(last).chars().count()) + 1;
        Err(Finding::new(Place { line, column }, "", message).help(help))
    };
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file has {} bytes; a policy file has at most {MAX_FILE_BYTES}", bytes.len());
        return Err(Finding::new(Place::default(), "", message));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return at(&[], "the file is UTF-16 text", "save it as UTF-8");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return at(&bytes[..error.valid_up_to()], "this is not UTF-8 text", "save the file as UTF-8"),
    };
    if let Some(i) = text.find('\0') {
        return at(&bytes[..i], "a NUL byte: the file is no text file", "write it anew");
    }
    // YAML counts one as a line break; editors and the rest of this file do not.
    if let Some((i, _)) = text.match_indices('\r').find(|(i, _)| bytes.get(i + 1) != Some(&b'\n')) {
        return at(&bytes[..i], "a carriage return without a line feed", "end lines by a line feed");
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn document(file: &Path, mut tree: Node, text: &str, documents: &mut Vec<Document>) -> Vec<Finding> {
    let kind = match kind(&tree) {
        Ok(kind) => kind,
        Err(finding) => return vec![finding],
    };
    let (mut findings, clean) = structure::check(schema::of(kind), &mut tree);
    let (document, found) = match kind {
        Kind::BackupPolicy => decode::<raw::BackupPolicy>(kind, clean).map_or_else(Default::default, |raw| {
            let (policy, found) = validate::policy(&raw, &tree, file, text);
            (policy.map(|policy| Document::Policy(Arc::new(policy))), found)
        }),
        Kind::Repository => decode::<raw::RepositoryDocument>(kind, clean).map_or_else(Default::default, |raw| {
            let (repository, found) = repository::check(&raw, &tree, file, text);
            let line = tree.place.line;
            let document =
                |repository| Document::Repository { repository: Arc::new(repository), line, text: text.into() };
            (repository.map(document), found)
        }),
    };
    // What has a structural error was left out; that it is missing then is no second error.
    for finding in found {
        let told = |f: &Finding| f.field == finding.field || f.field.starts_with(&format!("{}.", finding.field));
        if !findings.iter().any(told) {
            findings.push(finding);
        }
    }
    documents.extend(document.filter(|_| findings.is_empty()));
    findings
}

/// Reads what is left of a document after its errors were taken out. What it needs and lacks is an error already, and
/// stands in as something harmless, so that the sense of the rest is judged all the same; such a document is never used.
fn decode<T: DeserializeOwned>(kind: Kind, clean: Option<Json>) -> Option<T> {
    let mut clean = clean?;
    let root = clean.as_object_mut()?;
    root.entry("apiVersion").or_insert_with(|| "seawall.dev/v1".into());
    root.entry("kind").or_insert_with(|| kind.as_str().into());
    root.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?.entry("name").or_insert_with(|| "x".into());
    let spec = root.entry("spec").or_insert_with(|| json!({})).as_object_mut()?;
    if kind == Kind::BackupPolicy {
        spec.entry("source").or_insert_with(|| json!({"volume": {"name": "x"}}));
    }
    serde_json::from_value(clean).ok()
}

fn kind(tree: &Node) -> Result<Kind, Finding> {
    const KINDS: [Kind; 2] = [Kind::BackupPolicy, Kind::Repository];
    let names = || KINDS.iter().map(|kind| kind.as_str());
    let known = format!("the kinds are {}", list(names()));
    let Value::Map(entries) = &tree.value else {
        let help = "it begins with `apiVersion: seawall.dev/v1`";
        return Err(Finding::new(tree.place, "", "the document is not a map of fields").help(help));
    };
    let Some(node) = tree.get("kind") else {
        let near = entries.iter().find(|(_, key, _)| nearest(key, ["kind"].into_iter()).is_some());
        return Err(match near {
            Some((place, key, _)) => Finding::new(*place, key, format!("there is no field `{}` here", short(key)))
                .help("did you mean `kind`?"),
            None => Finding::new(tree.place, "kind", "the field is missing").help(known),
        });
    };
    let Value::Text(text) = &node.value else {
        return Err(Finding::new(node.place, "kind", "expected the name of a kind").help(known));
    };
    KINDS.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let near = nearest(text, names());
        Finding::new(node.place, "kind", format!("`{}` is not a kind", short(text)))
            .help(near.map_or(known, |near| format!("did you mean `{near}`?")))
    })
}
