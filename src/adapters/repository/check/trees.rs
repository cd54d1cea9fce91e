//! What the snapshots refer to, followed from their roots.

use super::packs::Packs;
use super::{Blob, Found};
use crate::adapters::repository::index::Index;
use crate::adapters::repository::{RepositoryAdapter, RepositoryError};
use rustic_core::TreeId;
use rustic_core::repofile::{BlobType, SnapshotFile};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Deeper than any path can be that a system would open.
const DEEPEST: usize = 4096;
/// Paths that are remembered of one damage; of more, only that there are more.
const REMEMBERED: usize = 1000;

/// Indices of damages.
type Blame = BTreeSet<usize>;

pub(super) struct Trees<'a, 'b, 'c> {
    index: Arc<Index>,
    known: HashSet<Blob>,
    found: &'b mut Found<'c>,
    adapter: &'a RepositoryAdapter,
    /// Trees that were followed, and what is wrong below them.
    seen: HashMap<TreeId, Option<Arc<Blame>>>,
    /// The damage that is to blame for what no pack holds.
    nowhere: Option<usize>,
}

impl<'a, 'b, 'c> Trees<'a, 'b, 'c> {
    pub(super) fn new(
        adapter: &'a RepositoryAdapter,
        packs: Packs,
        found: &'b mut Found<'c>,
    ) -> Result<Self, RepositoryError> {
        let known = packs.known(adapter, found);
        let index = adapter.resident()?;
        Ok(Self { index, known, found, adapter, seen: HashMap::new(), nowhere: None })
    }

    /// Follows every snapshot, and tells of each damage which of them and which of their paths it touches.
    pub(super) fn follow(mut self, snapshots: &[(String, SnapshotFile)]) -> Result<(), RepositoryError> {
        for (id, snapshot) in snapshots {
            let blame = self.tree(snapshot.tree, Path::new("/"), 0)?;
            for at in blame.iter().flat_map(|blame| blame.iter()) {
                self.found.damage[*at].snapshots.push(id.clone());
            }
        }
        Ok(())
    }

    fn tree(&mut self, id: TreeId, path: &Path, depth: usize) -> Result<Option<Arc<Blame>>, RepositoryError> {
        if let Some(seen) = self.seen.get(&id) {
            return Ok(seen.clone());
        }
        self.found.go_on()?;
        let mut blame = Blame::new();
        let blob = (BlobType::Tree, id.into());
        if !self.known.contains(&blob) {
            blame.insert(self.blame(blob, path));
        } else if depth < DEEPEST {
            match self.adapter.children(&self.index, id) {
                Ok(nodes) => {
                    for node in nodes {
                        let path = path.join(node.name());
                        if let Some(subtree) = node.subtree {
                            let below = self.tree(subtree, &path, depth + 1)?;
                            blame.extend(below.iter().flat_map(|below| below.iter().copied()));
                        }
                        // One path is told once, by the first of its contents that is lost.
                        let lost = node.content.iter().flatten().map(|data| (BlobType::Data, (*data).into()));
                        if let Some(blob) = lost.into_iter().find(|blob| !self.known.contains(blob)) {
                            blame.insert(self.blame(blob, &path));
                        }
                    }
                }
                Err(error) => {
                    let what = format!("a tree cannot be read: {}", error.told());
                    let at = self.found.add(what, None);
                    self.found.damage[at].paths.push(shown(path));
                    blame.insert(at);
                }
            }
        }
        let blame = (!blame.is_empty()).then(|| Arc::new(blame));
        self.seen.insert(id, blame.clone());
        Ok(blame)
    }

    /// Which damage is to blame for what cannot be read, with the path that suffers from it.
    fn blame(&mut self, blob: Blob, path: &Path) -> usize {
        let at = match (self.found.lost.get(&blob), self.nowhere) {
            (Some(&at), _) | (None, Some(at)) => at,
            (None, None) => {
                let at = self.found.add("contents are in no pack that the index knows".to_owned(), None);
                *self.nowhere.insert(at)
            }
        };
        let paths = &mut self.found.damage[at].paths;
        if paths.len() < REMEMBERED {
            paths.push(shown(path));
        }
        at
    }
}

fn shown(path: &Path) -> String {
    PathBuf::from(path).to_string_lossy().into_owned()
}
