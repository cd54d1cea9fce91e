//! Bringing a host back on another one that has nothing but a repository and its key.

mod look;
mod outside;
mod place;
mod secrets;
pub mod url;

use super::Options;
use super::once::Hands;
use crate::adapters::key::Secret;
use crate::adapters::repository::{Control, Registry, RepositoryAdapter, Sample};
use crate::controller::once::Watcher;
use crate::policy::{Repository, Source};
use crate::reconcile::recovery::{self, HostFound, Item, Kind, LeftOut, There, Todo};
use crate::reconcile::restore::{Manner, Over};
use crate::reconcile::{Action, RestoreAction, RestoreStep, RunResult, SourceKey, Wish};
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is to be recovered.
pub struct Wanted<'a> {
    /// Where from.
    pub repository: Repository,
    /// Its key.
    pub key: Secret,
    /// The host, where the person named one.
    pub host: Option<&'a str>,
    /// Where databases go whose policies' own addresses do not hold here: the policy, and what `restore --to-database` takes.
    pub databases: &'a [(String, String)],
    /// Policies that were named; empty: all that were in force.
    pub policies: &'a [String],
    /// Whether a source is wanted.
    pub wants: &'a dyn Fn(&SourceKey, Kind) -> bool,
}

/// What a recovery will do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The host that is gone, whose name this one takes over.
    pub host: String,
    /// The repository's name, as the policies call it.
    pub repository: String,
    /// Where it is.
    pub location: String,
    /// Every host that has snapshots in it.
    pub hosts: Vec<HostFound>,
    /// What comes back, in this order.
    pub items: Vec<Item>,
    /// What does not.
    pub left_out: Vec<LeftOut>,
    /// Files that are put in their place.
    pub files: Vec<Placed>,
    /// What is for a person to do.
    pub checklist: Vec<Todo>,
    #[serde(skip)]
    documents: Vec<place::Document>,
    #[serde(skip)]
    secrets: Vec<place::Kept>,
    #[serde(skip)]
    sources: BTreeMap<String, Source>,
}

impl Recovery {
    /// Says in the checklist what does not come back, or, of those that have ended, did not.
    pub fn settle(&mut self, results: &[Recovered]) {
        let ended = |item: &Item| results.iter().find(|one| one.source == item.source);
        let left = self.items.iter().filter_map(|item| match (ended(item), &item.there) {
            (Some(one), _) => one.left.as_deref().map(|why| (item, why)),
            (None, There::Holds { what }) => Some((item, &**what)),
            (None, There::Unknown { why }) => Some((item, &**why)),
            (None, There::Nothing | There::Empty | There::Restored { .. } | There::Something) => None,
        });
        recovery::add_left(&mut self.checklist, left);
    }
}

/// A file that is put in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// What it is, in words.
    pub what: String,
    /// Where.
    pub path: PathBuf,
    /// Why it is not written; `None`: it is.
    pub kept: Option<String>,
}

/// What became of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Which.
    pub source: SourceKey,
    /// How it ended.
    pub result: Ended,
    /// A sentence.
    pub message: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// Why it is still to be brought back.
    #[serde(skip)]
    left: Option<String>,
}

/// How the recovery of one source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// It is back, and verified.
    Restored,
    /// It was back already.
    AlreadyThere,
    /// It was left alone.
    LeftAlone,
    /// It could not be brought back.
    Failed,
}

/// Finds out what there is to recover and what there is here. Writes nothing.
///
/// # Errors
/// The repository cannot be read with this key, has no such host, Docker does not answer, or what is here stands in the way.
pub fn look(options: &Options, wanted: &Wanted<'_>) -> anyhow::Result<Recovery> {
    look::look(options, wanted)
}

/// A recovery under way: the state directory is held, and key, documents and name are in their place.
pub struct Recovering {
    hands: Hands,
    adapter: RepositoryAdapter,
    recovery: Recovery,
}

impl Recovering {
    /// Takes the state directory, and puts everything in its place that is not a source.
    ///
    /// # Errors
    /// An operator runs; something cannot be written.
    pub fn begin(options: &Options, wanted: &Wanted<'_>, mut recovery: Recovery) -> anyhow::Result<Self> {
        let options = Options { host: recovery.host.clone(), ..options.clone() };
        let registry = Registry::new(&options.state);
        let adapter =
            registry.open_with(&wanted.repository, &wanted.key).map_err(|e| anyhow::anyhow!("{}", e.told()))?;
        let hands = Hands::new(&options, "seawall recover")?;
        place::all(&options, &hands, &recovery)?;
        // What an earlier attempt left has been put right only now.
        let items = std::mem::take(&mut recovery.items);
        recovery.items = look::again(&options, &recovery, items)?;
        Ok(Self { hands, adapter, recovery })
    }

    /// What comes back, in its order, as it is now.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.recovery.items
    }

    /// Whether a signal has ended it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.hands.is_ended()
    }

    /// Brings one source back, or says why it is left alone.
    pub fn bring(&self, item: &Item, begun: Option<Watcher>) -> Recovered {
        let told = |result, message: String, seconds| Recovered {
            source: item.source.clone(),
            result,
            left: matches!(result, Ended::LeftAlone | Ended::Failed).then(|| message.clone()),
            message,
            seconds,
        };
        let kept = |what: &str| {
            let message = format!("{what}, and nothing is written over; `{}` replaces it", recovery::command(item));
            Recovered { left: Some(what.to_owned()), ..told(Ended::LeftAlone, message, 0.0) }
        };
        match &item.there {
            There::Restored { at } => told(Ended::AlreadyThere, format!("was brought back on {at:.0}"), 0.0),
            There::Unknown { why } if item.kind.is_on_disk() => told(Ended::Failed, why.clone(), 0.0),
            There::Unknown { why } => told(Ended::LeftAlone, why.clone(), 0.0),
            There::Holds { what } => kept(what),
            There::Something => match self.is_equal(item) {
                Ok(true) => told(Ended::AlreadyThere, "is there, and equal to the snapshot".to_owned(), 0.0),
                Ok(false) => kept("holds something else"),
                Err(error) => {
                    told(Ended::LeftAlone, format!("holds something that cannot be compared: {error:#}"), 0.0)
                }
            },
            There::Nothing | There::Empty => match self.restore(item, begun) {
                Ok((true, message, seconds)) => told(Ended::Restored, message, seconds),
                Ok((false, message, seconds)) => told(Ended::Failed, message, seconds),
                Err(error) => told(Ended::Failed, format!("{error:#}"), 0.0),
            },
        }
    }

    fn restore(&self, item: &Item, begun: Option<Watcher>) -> anyhow::Result<(bool, String, f64)> {
        if let (Kind::Path, Some(parent)) = (item.kind, Path::new(&item.source.source).parent()) {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let step = RestoreStep::Bring {
            repository: self.recovery.repository.clone(),
            snapshot: item.snapshot.clone(),
            path: String::new(),
            to: outside::database_of(item, self.recovery.sources.get(&item.source.policy)),
            database: Manner::default(),
            keep: None,
            over: Over::Nothing,
        };
        let wish = Wish::Restore(RestoreAction { source: item.source.clone(), step });
        let outcomes = self.hands.carry_out(&wish, begun)?;
        let outcome = outcomes.first().context("the restore told nothing of its end")?;
        let seconds = outcome.finished.duration_since(outcome.started).as_secs_f64();
        Ok((outcome.result == RunResult::Success, outcome.message.clone(), seconds))
    }

    fn is_equal(&self, item: &Item) -> anyhow::Result<bool> {
        let root = look::root(self.hands.options(), item)?;
        if !root.is_dir() {
            return self.is_equal_file(item, &root);
        }
        let verified =
            self.adapter.verify(&item.snapshot, Path::new(""), &root, Sample::default(), &Control::default());
        let verified = verified.map_err(|error| anyhow::anyhow!("{}", error.told()))?;
        Ok(verified.difference_count == 0)
    }

    /// The directory of the file may hold other things here.
    fn is_equal_file(&self, item: &Item, file: &Path) -> anyhow::Result<bool> {
        let told = |error: crate::adapters::repository::RepositoryError| anyhow::anyhow!("{}", error.told());
        let name = self.adapter.only_file(&item.snapshot).map_err(told)?;
        let stored = self.adapter.entry(&item.snapshot, &name).map_err(told)?;
        let mut same = Same { file: fs::File::open(file)?, equal: fs::metadata(file)?.len() == stored.size };
        if same.equal {
            self.adapter.cat(&item.snapshot, &name, &mut same).map_err(told)?;
        }
        Ok(same.equal)
    }
}

/// Whether an action brings the snapshot of an item back.
fn brings(action: &Action, item: &Item) -> bool {
    let Action::Restore(RestoreAction { source, step: RestoreStep::Bring { snapshot, .. } }) = action else {
        return false;
    };
    *source == item.source && *snapshot == item.snapshot
}

/// Compares what is written to it with a file.
struct Same {
    file: fs::File,
    equal: bool,
}

impl std::io::Write for Same {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut here = vec![0; bytes.len()];
        self.equal &= self.file.read_exact(&mut here).is_ok() && here == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The key of a repository that a document here speaks of already, as after an attempt that was cut off.
#[must_use]
pub fn known_key(options: &Options, repository: &Repository) -> Option<Secret> {
    let peek = super::Peek::open(options).ok()?;
    let registry = Registry::new(&options.state);
    let here = registry.location(repository);
    let known = peek.desired().repositories.values().find(|known| registry.location(known) == here)?;
    registry.key(known).ok()
}
