//! From the directory to what is in force.

use super::document::{self, Placed};
use super::last_known_good::LastKnownGood;
use super::look::{Look, Looker, Understood};
use super::read::{self, Limit};
use super::resolve::{self, Errors, Resolved};
use crate::policy::{self, Desired, Diagnostic, Document};
use crate::status::model::FileStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rounds of putting in force what the last round found; the second already finds nothing new.
const MAX_WEIGHINGS: usize = 4;

/// What is in force after a look.
pub(super) struct View {
    pub desired: Desired,
    pub files: Vec<FileStatus>,
    pub problem: Option<String>,
    /// Whether what has to be kept across restarts changed.
    pub changed: bool,
}

/// Reads the directory and knows what was in force before.
pub(super) struct Loader {
    pub looker: Looker,
    /// The look that what is in force was last decided upon.
    decided: Option<Look>,
    pub good: LastKnownGood,
}

impl Loader {
    /// For an absolute directory.
    pub fn new(directory: PathBuf, good: LastKnownGood) -> Self {
        Self { looker: Looker::new(directory), decided: None, good }
    }

    /// Looks at the directory.
    pub fn look(&mut self) -> Look {
        self.looker.look(&self.good)
    }

    /// Whether a file whose documents are in force is not there. It may just be on its way, as when an editor writes
    /// it anew or a link is exchanged by hand, so it is worth a second look.
    pub fn misses_something(&self, look: &Look) -> bool {
        self.good
            .in_force()
            .keys()
            .any(|file| !look.files.contains_key(file) && !look.listing.troubles.contains_key(file))
    }

    /// Whether what is in force was decided upon just this.
    pub fn has_decided(&mut self, look: &Look) -> bool {
        let Some(decided) = self.decided.as_mut().filter(|decided| decided.is_as(look)) else { return false };
        // Of two looks that say the same, one is enough, and the next is compared with it at once.
        *decided = look.clone();
        true
    }

    /// Decides what is in force now.
    pub fn decide(&mut self, look: &Look) -> View {
        self.decided = Some(look.clone());
        let (mut resolved, mut files, mut problem) = self.weigh(look);
        let mut changed = false;
        // What is in force takes part where there are errors, so weigh again with what just came to be: the next look
        // at the same files must not see it otherwise.
        for _ in 0..MAX_WEIGHINGS {
            if !self.good.accept(&resolved.documents) {
                break;
            }
            changed = true;
            if files.iter().all(|file| file.valid) {
                // Then what was in force played no part.
                break;
            }
            (resolved, files, problem) = self.weigh(look);
        }
        let mut desired = resolved.desired;
        for policy in desired.policies.values_mut() {
            let generation = self.good.generation(&document::policy_key(&policy.name));
            if policy.generation != generation {
                Arc::make_mut(policy).generation = generation;
            }
        }
        desired.revision.clone_from(&look.revision.commit);
        View { desired, files, problem, changed }
    }

    fn weigh(&self, look: &Look) -> (Resolved, Vec<FileStatus>, Option<String>) {
        let emptied =
            look.listing.problem.is_none() && !look.listing.any_policy_name && !self.good.in_force().is_empty();
        let problem = if emptied { Some("holds no policy file any more") } else { look.listing.problem.as_deref() };
        let problem = problem.map(|what| self.in_words(what));

        let mut errors = Errors::new();
        let mut fresh = BTreeMap::new();
        for (file, content) in &*look.files {
            match content {
                Ok(Understood { said, .. }) if said.errors.is_empty() => {
                    fresh.insert(file.clone(), said.documents.as_slice());
                }
                Ok(Understood { said, .. }) => {
                    errors.insert(file.clone(), said.errors.clone());
                }
                Err(trouble) => {
                    errors.insert(file.clone(), vec![about_file(file, &trouble.message, &trouble.help)]);
                }
            }
        }
        for (path, trouble) in &look.listing.troubles {
            errors.insert(path.clone(), vec![about_file(path, &trouble.message, &trouble.help)]);
        }
        for file in self.good.in_force().keys() {
            let seen = fresh.contains_key(file) || errors.contains_key(file);
            if !seen && (emptied || look.listing.overlooks(file)) {
                let help = "bring it back, or remove it while other policy files are there";
                let message = "cannot be seen; its documents stay in force";
                errors.insert(file.clone(), vec![about_file(file, message, help)]);
            }
        }
        self.tell_unreadable(&mut errors);
        let mentioned = self.mentioned(&fresh, &errors);

        let resolved = resolve::resolve(&fresh, &mentioned, &self.good, &mut errors);
        let files = files(&resolved.documents, fresh.into_keys(), errors);
        (resolved, files, problem)
    }

    /// Names of documents in force that are in no file, but appear in one that cannot be understood.
    fn mentioned(&self, fresh: &BTreeMap<PathBuf, &[Arc<Document>]>, errors: &Errors) -> BTreeSet<String> {
        if errors.is_empty() {
            return BTreeSet::new();
        }
        let there: BTreeSet<_> =
            fresh.values().flat_map(|documents| documents.iter().map(|document| document::key(document))).collect();
        let missing = self.good.documents(|key| !there.contains(key));
        let missing = missing.into_iter().filter(|(file, _)| !errors.contains_key(file));
        let missing: BTreeSet<String> = missing.map(|(_, document)| document::key(&document).1).collect();
        let mut mentioned = BTreeSet::new();
        for file in errors.keys().filter(|_| !missing.is_empty()) {
            let bytes =
                read::regular(&self.looker.directory().join(file), Limit(policy::MAX_FILE_BYTES)).unwrap_or_default();
            let words = bytes.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
            let words = words.filter_map(|word| std::str::from_utf8(word).ok()).filter(|word| missing.contains(*word));
            mentioned.extend(words.map(str::to_owned));
        }
        mentioned
    }

    fn in_words(&self, problem: &str) -> String {
        let kept = self.good.in_force().values().map(Vec::len).sum::<usize>();
        let then = match kept {
            0 => "nothing is in force from before".to_owned(),
            1 => "1 document stays in force as it was".to_owned(),
            _ => format!("{kept} documents stay in force as they were"),
        };
        format!("the policies directory {} {problem}; {then}", self.looker.directory().display())
    }

    fn tell_unreadable(&self, errors: &mut Errors) {
        for (file, of_file) in errors {
            for name in self.good.unreadable(file) {
                let message = format!("`{name}` was in force before, in words that this version does not accept");
                of_file.push(about_file(file, &message, "correct the file"));
            }
        }
    }
}

fn files(documents: &[Placed], fresh: impl Iterator<Item = PathBuf>, mut errors: Errors) -> Vec<FileStatus> {
    let mut names: BTreeMap<PathBuf, Vec<String>> = fresh.map(|file| (file, Vec::new())).collect();
    names.extend(
        errors
            .keys()
            .filter(|file| !names.contains_key(*file))
            .map(|file| (file.clone(), Vec::new()))
            .collect::<Vec<_>>(),
    );
    let seen: BTreeSet<PathBuf> = names.keys().cloned().collect();
    for (file, document) in documents {
        names.entry(file.clone()).or_default().push(document::key(document).1);
        if !seen.contains(file) {
            errors.entry(file.clone()).or_insert_with(|| {
                let message =
                    "is gone, but other files need what was in it or may hold it; those documents stay in force";
                vec![about_file(file, message, "correct the errors of the other files, or bring this one back")]
            });
        }
    }
    names
        .into_iter()
        .map(|(file, mut documents)| {
            documents.sort();
            let errors = errors.remove(&file).unwrap_or_default();
            FileStatus { valid: errors.is_empty(), file, errors, documents }
        })
        .collect()
}

fn about_file(file: &Path, message: &str, help: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        field: String::new(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
    }
}
