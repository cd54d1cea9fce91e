//! The ways in: one file's bytes to documents, and the documents of all files to what is desired.

use super::document::{MAX_FILE_BYTES, Node, Place, Value, sections};
use super::structure::{Finding, check, nearest, short};
use super::{Desired, Diagnostic, Policy, Repository, RepositoryLocation, raw, validate};
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// One valid document.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A `BackupPolicy`, with generation 0: the store counts generations.
    Policy(Policy),
    /// A `Repository`, with the text and first line of its document.
    Repository {
        /// The repository.
        repository: Repository,
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

    const fn line(&self) -> usize {
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

/// Reads a file's bytes. Bounded in time and memory whatever they are; never panics.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let text = match text(bytes) {
        Ok(text) => text,
        Err((place, message)) => {
            parsed.errors.push(diagnostic(file, Finding { place, field: String::new(), message, help: None }));
            return parsed;
        }
    };
    for section in sections(text) {
        let findings = match section.tree {
            Err((place, message)) => vec![Finding { place, field: String::new(), message, help: None }],
            Ok(tree) => document(file, &tree, section.text, &mut parsed.documents),
        };
        parsed.errors.extend(findings.into_iter().map(|f| diagnostic(file, f)));
    }
    parsed.errors.sort_by(|a, b| (a.line, a.column, &a.field).cmp(&(b.line, b.column, &b.field)));
    parsed
}

fn text(bytes: &[u8]) -> Result<&str, (Place, String)> {
    let whole = |message: String| Err((Place::default(), message));
    if bytes.len() > MAX_FILE_BYTES {
        return whole(format!("the file has {} bytes; a policy file has at most {MAX_FILE_BYTES}", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].split(|b| *b == b'\n').count();
        (Place { line, column: 1 }, "the file is not UTF-8 text".to_owned())
    })?;
    if let Some(line) = text.split('\n').position(|l| l.contains('\0')) {
        return Err((Place { line: line + 1, column: 1 }, "the file holds a NUL byte: it is no text file".to_owned()));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn document(file: &Path, tree: &Node, text: &str, documents: &mut Vec<Document>) -> Vec<Finding> {
    let kind = match kind(tree) {
        Ok(kind) => kind,
        Err(finding) => return vec![finding],
    };
    let (mut findings, clean) = check(schema_of(kind), tree);
    match kind {
        Kind::BackupPolicy => {
            if let Some(raw) = decode::<raw::BackupPolicy>(clean) {
                let (policy, found) = validate::policy(&raw, tree, file, text);
                findings.extend(found);
                documents.extend(policy.filter(|_| findings.is_empty()).map(Document::Policy));
            }
        }
        Kind::Repository => {
            if let Some(raw) = decode::<raw::RepositoryDocument>(clean) {
                let (repository, found) = validate::repository(&raw, tree, file);
                findings.extend(found);
                let line = tree.place.line;
                let whole = |repository| Document::Repository { repository, line, text: text.into() };
                documents.extend(repository.filter(|_| findings.is_empty()).map(whole));
            }
        }
    }
    // The same place is told once: a field that is missing twice over is missing once.
    findings.dedup_by(|a, b| a.field == b.field && a.message == b.message);
    findings
}

/// What is left of a document after its errors were taken out may lack what it needs; then only those errors are told.
fn decode<T: DeserializeOwned>(clean: Option<Json>) -> Option<T> {
    serde_json::from_value(clean?).ok()
}

fn kind(tree: &Node) -> Result<Kind, Finding> {
    let find = |place: Place, field: &str, message: String, help: Option<String>| {
        Err(Finding { place, field: field.to_owned(), message, help })
    };
    let known = "BackupPolicy and Repository are the kinds there are";
    if !matches!(tree.value, Value::Map(_)) {
        let help = Some("it begins with `apiVersion: seawall.dev/v1`".to_owned());
        return find(tree.place, "", "the document is not a map of fields".to_owned(), help);
    }
    match tree.get("kind").map(|node| (&node.value, node.place)) {
        Some((Value::Text(kind), _)) if kind == "BackupPolicy" => Ok(Kind::BackupPolicy),
        Some((Value::Text(kind), _)) if kind == "Repository" => Ok(Kind::Repository),
        Some((Value::Text(kind), place)) => {
            let near = nearest(kind, ["BackupPolicy", "Repository"].into_iter());
            let help = near.map_or_else(|| known.to_owned(), |n| format!("did you mean `{n}`?"));
            find(place, "kind", format!("`{}` is not a kind", short(kind)), Some(help))
        }
        Some((_, place)) => find(place, "kind", "expected text".to_owned(), Some(known.to_owned())),
        None => find(tree.place, "kind", "the field is missing".to_owned(), Some(known.to_owned())),
    }
}

fn diagnostic(file: &Path, finding: Finding) -> Diagnostic {
    let Finding { place, field, message, help } = finding;
    Diagnostic { file: file.to_owned(), line: place.line, column: place.column, field, message, help }
}

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
            let twice = |file: &Path, line, other: &Path, other_line| Diagnostic {
                file: file.to_owned(),
                line,
                column: 1,
                field: "metadata.name".to_owned(),
                message: format!(
                    "{} `{}` is defined twice, here and at {}:{other_line}",
                    key.0.as_str(),
                    key.1,
                    other.display()
                ),
                help: Some("rename one, or take it out".to_owned()),
            };
            errors.push(twice(&file, line, first, *first_line));
            errors.push(twice(first, *first_line, &file, line));
            continue;
        }
        seen.insert(key, (file, line));
        match document {
            Document::Policy(policy) => policies.push(policy),
            Document::Repository { repository, .. } => {
                desired.repositories.insert(repository.name.clone(), Arc::new(repository));
            }
        }
    }
    desired.repositories.entry("default".to_owned()).or_insert_with(|| Arc::new(embedded()));
    for policy in policies {
        for name in policy.backup().into_iter().flat_map(|b| &b.repositories) {
            if !desired.repositories.contains_key(name) {
                let near = nearest(name, desired.repositories.keys().map(String::as_str));
                errors.push(Diagnostic {
                    file: policy.file.clone(),
                    line: policy.line,
                    column: 1,
                    field: "spec.repositories".to_owned(),
                    message: format!("no Repository document defines `{}`", short(name)),
                    help: near.map(|n| format!("did you mean `{n}`?")),
                });
            }
        }
        desired.policies.insert(policy.name.clone(), Arc::new(policy));
    }
    errors.sort();
    errors.dedup();
    (desired, errors)
}

/// The repository that is there when no document defines `default`.
fn embedded() -> Repository {
    Repository {
        name: "default".to_owned(),
        location: RepositoryLocation::Local { path: None },
        password_from: None,
        file: PathBuf::new(),
        digest: "embedded".to_owned(),
    }
}

/// The JSON Schema (2020-12) of a kind of document.
#[must_use]
pub fn schema(kind: Kind) -> Json {
    schema_of(kind).clone()
}

fn schema_of(kind: Kind) -> &'static Json {
    static SCHEMAS: OnceLock<[Json; 2]> = OnceLock::new();
    let [policy, repository] = SCHEMAS.get_or_init(|| {
        let generate = || SchemaSettings::draft2020_12().into_generator();
        [
            finish(generate().into_root_schema_for::<raw::BackupPolicy>().to_value(), Kind::BackupPolicy),
            finish(generate().into_root_schema_for::<raw::RepositoryDocument>().to_value(), Kind::Repository),
        ]
    });
    match kind {
        Kind::BackupPolicy => policy,
        Kind::Repository => repository,
    }
}

fn finish(mut schema: Json, kind: Kind) -> Json {
    if let Some(map) = schema.as_object_mut() {
        let id = format!("https://seawall.dev/schema/{}.v1.schema.json", kind.as_str().to_lowercase());
        map.insert("$id".to_owned(), id.into());
        map.insert("title".to_owned(), kind.as_str().into());
    }
    schema
}
