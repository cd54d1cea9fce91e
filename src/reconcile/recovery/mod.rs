//! What a repository knows of a host that is gone: which of its snapshots come back, in which order, and what a person has to
//! do besides.

mod checklist;
mod manifest;

pub use checklist::{Surroundings, Todo, add_left, checklist, command, projects};
pub use manifest::{HostPath, Manifest, User, VolumeMade, Written};

use super::{SnapshotRecord, SourceKey};
use crate::policy::{self, Criticality, Document, Policy};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// One host that has snapshots in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostFound {
    /// The name under which it wrote them.
    pub name: String,
    /// The policies that they are of.
    pub policies: BTreeSet<String>,
    /// How many there are.
    pub snapshots: u64,
    /// When the newest was begun.
    pub newest: Timestamp,
}

/// The hosts whose snapshots are in a repository, by name.
#[must_use]
pub fn hosts(all: &[Arc<SnapshotRecord>]) -> Vec<HostFound> {
    let mut found: BTreeMap<&str, HostFound> = BTreeMap::new();
    for (snapshot, source) in all.iter().filter_map(|snapshot| Some((snapshot, snapshot.source.as_ref()?))) {
        let host = found.entry(&snapshot.host).or_insert_with(|| HostFound {
            name: snapshot.host.clone(),
            policies: BTreeSet::new(),
            snapshots: 0,
            newest: snapshot.time,
        });
        host.policies.insert(source.policy.clone());
        host.snapshots += 1;
        host.newest = host.newest.max(snapshot.time);
    }
    found.into_values().collect()
}

/// The newest complete snapshot of each source of a host; where there is none, the newest partial one.
#[must_use]
pub fn newest(all: &[Arc<SnapshotRecord>], host: &str) -> Vec<Arc<SnapshotRecord>> {
    let mut found: BTreeMap<&SourceKey, &Arc<SnapshotRecord>> = BTreeMap::new();
    for snapshot in all.iter().filter(|snapshot| snapshot.host == host) {
        let Some(source) = &snapshot.source else { continue };
        let best = found.entry(source).or_insert(snapshot);
        if (snapshot.complete, snapshot.time) > (best.complete, best.time) {
            *best = snapshot;
        }
    }
    found.into_values().cloned().collect()
}

/// A snapshot that may come back, with what travelled with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whose it is.
    pub source: SourceKey,
    /// The snapshot.
    pub snapshot: Arc<SnapshotRecord>,
    /// What travelled with it.
    pub manifest: Manifest,
}

/// What kind of thing comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A Docker volume.
    Volume,
    /// A path of the host.
    Path,
    /// A database that was dumped.
    Database,
    /// A bucket whose objects were copied.
    Bucket,
    /// Something of which this Seawall knows nothing.
    Other,
}

impl Kind {
    /// Whether it lies on the disk of the host. What does comes back first: servers may run on it.
    #[must_use]
    pub const fn is_on_disk(self) -> bool {
        matches!(self, Self::Volume | Self::Path)
    }
}

/// What there is on this host in the place of something that is to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum There {
    /// Nothing: it is made.
    Nothing,
    /// A volume or directory with nothing in it.
    Empty,
    /// What an earlier attempt brought back.
    Restored {
        /// When.
        at: Timestamp,
    },
    /// Something else, which is left alone unless it turns out to be equal.
    Something,
    /// A database or a bucket that holds something.
    Holds {
        /// What, in words.
        what: String,
    },
    /// That could not be found out, or is nothing that can be restored here.
    Unknown {
        /// Why, and what to do.
        why: String,
    },
}

impl There {
    /// Whether something is brought back into its place.
    #[must_use]
    pub const fn takes(&self) -> bool {
        matches!(self, Self::Nothing | Self::Empty)
    }
}

/// One source that comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Whose it is.
    pub source: SourceKey,
    /// What it is.
    pub kind: Kind,
    /// How bad its loss is.
    pub criticality: Criticality,
    /// The whole id of its snapshot.
    pub snapshot: String,
    /// Of when that is.
    pub time: Timestamp,
    /// Whether every file is in it.
    pub complete: bool,
    /// Files in it.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// The driver of a volume; empty for anything else.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// The volume's labels.
    pub labels: BTreeMap<String, String>,
    /// The place that a database or bucket has, in words, where it could be looked at; empty for anything else.
    pub place: String,
    /// The database that a person named for it, in place of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether the roles of its server are with the dump.
    pub globals: bool,
    /// What there is in its place.
    pub there: There,
}

/// A source that has snapshots and does not come back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Whose they are.
    pub source: SourceKey,
    /// Why not.
    pub why: String,
}

/// Every document that was in force when the newest snapshot was made. Where an older Seawall made it, the policies of the
/// snapshots themselves.
#[must_use]
pub fn documents(found: &[Found]) -> Vec<Written> {
    let with = found.iter().filter(|found| !found.manifest.documents.is_empty());
    if let Some(newest) = with.max_by_key(|found| found.snapshot.time) {
        return newest.manifest.documents.clone();
    }
    let policies = found.iter().filter_map(|found| found.manifest.policy.as_ref());
    let by_name: BTreeMap<&str, &Written> = policies.map(|policy| (policy.name.as_str(), policy)).collect();
    by_name.into_values().cloned().collect()
}

/// The name that the repository went by on the host that is gone.
#[must_use]
pub fn repository(found: &[Found]) -> String {
    let named = found.iter().filter(|found| !found.manifest.repository.is_empty());
    let newest = named.max_by_key(|found| found.snapshot.time).map(|found| found.manifest.repository.clone());
    let asked = || {
        let mut policies = found.iter().filter_map(|found| policy(&found.manifest.policy.as_ref()?.text));
        policies.find_map(|policy| policy.backup()?.repositories.first().cloned())
    };
    newest.or_else(asked).unwrap_or_else(|| "default".to_owned())
}

/// The policy that a text is, if this Seawall can read it.
#[must_use]
pub fn policy(text: &str) -> Option<Policy> {
    policy::parse(Path::new("document.yaml"), text.as_bytes()).documents.into_iter().find_map(|document| match document
    {
        Document::Policy(policy) => Some(Arc::unwrap_or_clone(policy)),
        Document::Repository { .. } => None,
    })
}

/// What comes back, and what does not: volumes and paths, then databases and buckets; of each the most critical first and of
/// those the smallest.
///
/// A policy that was no longer in force does not, unless it is `named`; of several that speak of one volume, the newest
/// snapshot does.
#[must_use]
pub fn choose(
    found: &[Found],
    wanted: &dyn Fn(&SourceKey, Kind) -> bool,
    named: &[String],
) -> (Vec<Item>, Vec<LeftOut>) {
    let documents = documents(found);
    let in_force = |name: &str| documents.iter().any(|known| known.is_policy() && known.name == name);
    let mut winners: BTreeMap<(&str, &str), &Found> = BTreeMap::new();
    let mut left_out = Vec::new();
    let mut leave = |found: &Found, why: String| left_out.push(LeftOut { source: found.source.clone(), why });
    for one in found.iter().filter(|one| wanted(&one.source, kind(&one.manifest))) {
        let SourceKey { policy, source } = &one.source;
        if !in_force(policy) && !named.contains(policy) {
            leave(one, format!("the policy was no longer in force; `--policy {policy}` brings it back all the same"));
            continue;
        }
        // A name of a volume or path is one thing on a host; databases of two servers may share theirs.
        let server = if kind(&one.manifest).is_on_disk() { "" } else { policy };
        match winners.get(&(server, source.as_str())) {
            Some(other) if other.snapshot.time >= one.snapshot.time => {
                leave(one, format!("policy {} has a newer snapshot of it", other.source.policy));
            }
            Some(other) => {
                leave(other, format!("policy {policy} has a newer snapshot of it"));
                winners.insert((server, source), one);
            }
            None => drop(winners.insert((server, source), one)),
        }
    }
    let mut items: Vec<Item> = winners.into_values().map(|found| item(found, &documents)).collect();
    let order = |item: &Item| (!item.kind.is_on_disk(), item.criticality, item.bytes, item.source.clone());
    items.sort_by_cached_key(order);
    (items, left_out)
}

fn kind(manifest: &Manifest) -> Kind {
    match manifest {
        Manifest { volume: Some(_), .. } => Kind::Volume,
        Manifest { path: Some(_), .. } => Kind::Path,
        Manifest { postgres: Some(_), .. } => Kind::Database,
        Manifest { bucket: Some(_), .. } => Kind::Bucket,
        _ => Kind::Other,
    }
}

fn item(found: &Found, documents: &[Written]) -> Item {
    let Found { source, snapshot, manifest } = found;
    let own = documents.iter().find(|known| known.is_policy() && known.name == source.policy);
    let text = own.or(manifest.policy.as_ref()).map_or("", |written| written.text.as_str());
    let made = manifest.volume.clone().unwrap_or_default();
    Item {
        source: source.clone(),
        kind: kind(manifest),
        criticality: policy(text).map_or_else(Criticality::default, |policy| policy.criticality),
        snapshot: snapshot.id.to_string(),
        time: snapshot.time,
        complete: snapshot.complete,
        files: snapshot.files,
        bytes: snapshot.bytes,
        driver: made.driver,
        options: made.options,
        labels: made.labels,
        place: String::new(),
        to: None,
        globals: manifest.postgres.as_ref().is_some_and(|dumped| dumped.globals),
        there: There::Nothing,
    }
}

#[cfg(test)]
mod tests;
