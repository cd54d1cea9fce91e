//! Which documents are in force: those of the files as they are, or, where a file has an error, its last known good.

use super::document::{self, Placed};
use super::last_known_good::LastKnownGood;
use crate::policy::{self, Desired, Diagnostic, Document, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Errors by file.
pub(super) type Errors = BTreeMap<PathBuf, Vec<Diagnostic>>;

/// What came of it.
pub(super) struct Resolved {
    /// In force, without generations.
    pub desired: Desired,
    /// The documents that `desired` was made of.
    pub documents: Vec<Placed>,
}

/// Links the documents of all files together. Files with an entry in `errors` keep their last known good; those whose
/// documents do not go together with the others get an entry and keep theirs, too. Ends: every round but the last takes
/// one more file back to what is known to go together.
///
/// `mentioned`: names that appear in files that cannot be understood.
pub(super) fn resolve(
    fresh: &BTreeMap<PathBuf, &[Arc<Document>]>,
    mentioned: &BTreeSet<String>,
    good: &LastKnownGood,
    errors: &mut Errors,
) -> Resolved {
    loop {
        let mut documents = candidates(fresh, good, errors);
        let held = held(&documents, fresh, mentioned, good, errors);
        documents.extend(held);
        let kept = still_referred_to(&documents, good);
        let missed = gone(&documents, &kept);
        documents.extend(kept);
        let (desired, findings) = policy::link(copies(&documents));
        let mut settled = true;
        for finding in findings.into_iter().chain(missed) {
            let of_file = errors.entry(finding.file.clone()).or_default();
            settled &= !(of_file.is_empty() && fresh.contains_key(&finding.file));
            if !of_file.contains(&finding) {
                of_file.push(finding);
            }
        }
        if settled {
            return Resolved { desired, documents };
        }
    }
}

/// What `link` takes is its own; the policies are shared.
fn copies(documents: &[Placed]) -> Vec<(PathBuf, Document)> {
    documents.iter().map(|(file, document)| (file.clone(), Document::clone(document))).collect()
}

/// What is in no file any more, but may have moved to one with an error: not yet withdrawn.
fn held(
    candidates: &[Placed],
    fresh: &BTreeMap<PathBuf, &[Arc<Document>]>,
    mentioned: &BTreeSet<String>,
    good: &LastKnownGood,
    errors: &Errors,
) -> Vec<Placed> {
    let is_wrong = |file: &PathBuf| errors.contains_key(file);
    if mentioned.is_empty() && !fresh.keys().any(is_wrong) {
        return Vec::new();
    }
    let there: BTreeSet<_> = candidates.iter().map(|(_, document)| document::key(document)).collect();
    let wrong = fresh.iter().filter(|(file, _)| is_wrong(file));
    let claimed: BTreeSet<_> =
        wrong.flat_map(|(_, documents)| documents.iter().map(|document| document::key(document))).collect();
    good.documents(|key| !there.contains(key) && (claimed.contains(key) || mentioned.contains(&key.1)))
}

/// What the files say, or said when they last had no error.
fn candidates(fresh: &BTreeMap<PathBuf, &[Arc<Document>]>, good: &LastKnownGood, errors: &Errors) -> Vec<Placed> {
    let kept = errors.keys().map(|file| (file, good.of(file)));
    let fresh = fresh.iter().filter(|(file, _)| !errors.contains_key(*file)).map(|(file, all)| (file, *all));
    let with_file = |(file, all): (&PathBuf, &[Arc<Document>])| -> Vec<_> {
        all.iter().map(|document| (file.clone(), Arc::clone(document))).collect()
    };
    kept.chain(fresh).flat_map(with_file).collect()
}

/// Repositories in force that have gone from the files while policies refer to them.
fn still_referred_to(documents: &[Placed], good: &LastKnownGood) -> Vec<Placed> {
    let there: BTreeSet<_> = documents.iter().filter_map(|(_, document)| document::repository(document)).collect();
    let wanted: BTreeSet<&str> = documents.iter().flat_map(|(_, document)| document::references(document)).collect();
    good.documents(|(kind, name)| {
        kind == Kind::Repository.as_str() && !there.contains(name.as_str()) && wanted.contains(name.as_str())
    })
}

/// An error for every policy that refers to a repository that has gone.
fn gone(documents: &[Placed], kept: &[Placed]) -> Vec<Diagnostic> {
    let kept: BTreeSet<_> = kept.iter().filter_map(|(_, document)| document::repository(document)).collect();
    let refers = documents.iter().flat_map(|(file, document)| {
        document::references(document).filter(|name| kept.contains(name)).map(move |name| (file, document, name))
    });
    refers
        .map(|(file, document, name)| Diagnostic {
            file: file.clone(),
            line: document::line(document),
            column: 1,
            field: "spec.repositories".to_owned(),
            message: format!("repository `{name}` is gone from the files; it stays in force as it was"),
            help: Some("bring the Repository document back, or name another repository here".to_owned()),
        })
        .collect()
}
