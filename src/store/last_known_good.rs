//! What was accepted last, and how often each name has changed its meaning.

use super::document::{self, Key, Placed};
use crate::controller::ports::AcceptedDocument;
use crate::policy::{self, Document};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The documents in force, and the record of all that ever were.
#[derive(Debug, Default)]
pub(super) struct LastKnownGood {
    records: BTreeMap<Key, AcceptedDocument>,
    in_force: BTreeMap<PathBuf, Vec<Arc<Document>>>,
    unreadable: BTreeMap<PathBuf, Vec<String>>,
}

impl LastKnownGood {
    /// Reads the documents of the records again. One that this version of Seawall does not accept any more cannot be
    /// in force; see [`Self::unreadable`].
    pub fn restore(records: Vec<AcceptedDocument>) -> Self {
        let mut good = Self::default();
        for record in &records {
            if record.in_force {
                let parsed = policy::parse(&record.file, record.text.as_bytes());
                if parsed.errors.is_empty() {
                    let documents = parsed.documents.into_iter().map(|document| {
                        let document = document::counted(document, |_, _| record.generation);
                        Arc::new(document::at(document, record.line))
                    });
                    good.in_force.entry(record.file.clone()).or_default().extend(documents);
                } else {
                    good.unreadable.entry(record.file.clone()).or_default().push(record.name.clone());
                }
            }
        }
        // All at once: a map that is filled in order is half empty.
        good.records = records.into_iter().map(|record| ((record.kind.clone(), record.name.clone()), record)).collect();
        good
    }

    /// The documents in force, by file.
    pub fn in_force(&self) -> &BTreeMap<PathBuf, Vec<Arc<Document>>> {
        &self.in_force
    }

    /// The documents in force from one file.
    pub fn of(&self, file: &Path) -> &[Arc<Document>] {
        self.in_force.get(file).map_or(&[], Vec::as_slice)
    }

    /// Those of the documents in force that are wanted, each with its file.
    pub fn documents(&self, wanted: impl Fn(&Key) -> bool) -> Vec<Placed> {
        let all = self.in_force.iter().flat_map(|(file, all)| all.iter().map(move |document| (file, document)));
        all.filter(|(_, document)| wanted(&document::key(document)))
            .map(|(file, document)| (file.clone(), Arc::clone(document)))
            .collect()
    }

    /// Names of documents that were in force from a file when they were accepted by another version of Seawall.
    pub fn unreadable(&self, file: &Path) -> &[String] {
        self.unreadable.get(file).map_or(&[], Vec::as_slice)
    }

    /// Puts these documents in force in place of all others. Returns whether a record changed.
    pub fn accept(&mut self, documents: &[Placed]) -> bool {
        let (mut changed, mut there) = (false, BTreeSet::new());
        self.in_force.clear();
        for (file, document) in documents {
            let key = document::key(document);
            match self.records.get_mut(&key) {
                // One text for both, where a start has made two.
                Some(record) if document::is_recorded(record, file, document) => {
                    record.text = Arc::clone(document::text(document));
                }
                _ => {
                    let generation = self.next_generation(&key, document::digest(document));
                    self.records.insert(key.clone(), document::record(file, document, generation));
                    changed = true;
                }
            }
            there.insert(key);
            self.in_force.entry(file.clone()).or_default().push(Arc::clone(document));
        }
        for (_, record) in self.records.iter_mut().filter(|(key, record)| record.in_force && !there.contains(*key)) {
            record.in_force = false;
            changed = true;
        }
        for names in self.unreadable.values_mut() {
            names.retain(|name| !there.iter().any(|(_, known)| known == name));
        }
        changed
    }

    /// Changes of meaning of a name since it was first accepted.
    pub fn generation(&self, key: &Key) -> u64 {
        self.records.get(key).map_or(1, |record| record.generation)
    }

    /// The generation that a document with this key and digest has once it is accepted.
    pub fn next_generation(&self, key: &Key, digest: &str) -> u64 {
        let same_meaning = |record: &AcceptedDocument| record.digest == digest;
        self.records.get(key).map_or(1, |r| if same_meaning(r) { r.generation } else { r.generation + 1 })
    }

    /// What to keep across restarts.
    pub fn records(&self) -> Vec<AcceptedDocument> {
        self.records.values().cloned().collect()
    }
}
