//! What Seawall remembers between two looks at the world: history, and nothing that the world itself can tell.
//!
//! Persisted in the state directory. Losing it loses history and nothing else: [`super::decide`] takes freshness
//! from the snapshots that exist.

use super::verification::{CheckFacts, DrillFacts};
use super::{Operation, RunResult, SourceKey, TargetKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When each source was first seen under its policy. A slot before this is nobody's.
    #[serde(with = "pairs")]
    pub first_seen: BTreeMap<SourceKey, Timestamp>,
    /// Per source and repository.
    #[serde(with = "pairs")]
    pub targets: BTreeMap<TargetKey, TargetFacts>,
    /// Per repository.
    pub repositories: BTreeMap<String, RepositoryFacts>,
    /// Since when each policy is suspended.
    pub suspended_since: BTreeMap<String, Timestamp>,
    /// Runs by policy (empty for a repository's own runs: then the repository's name with a leading `@`),
    /// operation and result.
    #[serde(with = "pairs")]
    pub runs: BTreeMap<(String, Operation, RunResult), u64>,
    /// The generation of each policy that was last accepted on record.
    #[serde(default)]
    pub generations: BTreeMap<String, u64>,
    /// Slots that no run answered, by policy; a repository's own by `@` and its name.
    pub missed_slots: BTreeMap<String, u64>,
    /// Drills, by source.
    #[serde(default, with = "pairs")]
    pub drills: BTreeMap<SourceKey, DrillFacts>,
    /// The newest window of each source whose containers were made to stand still.
    #[serde(with = "pairs", default)]
    pub windows: BTreeMap<SourceKey, Window>,
}

/// How long an application stood still for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The run.
    pub run: super::RunId,
    /// When that run ended.
    pub ended: Timestamp,
    /// From the first container touched to the last one back, seconds.
    pub seconds: f64,
}

/// What is remembered of one source in one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetFacts {
    /// Every slot up to and including this instant has been answered by a run or counted as missed.
    pub accounted: Option<Timestamp>,
    /// The newest backup run that ended, however it ended.
    pub last_run: Option<Arc<Attempt>>,
    /// When the newest successful backup began: the recovery point that it gives.
    pub last_success: Option<Timestamp>,
    /// The slot that it was for.
    pub last_success_slot: Option<Timestamp>,
    /// Backup runs that ended without settling their slot since the last that did.
    pub failures: u32,
    /// No further attempt is made before this instant.
    pub retry_at: Option<Timestamp>,
    /// The newest forget run that ended.
    pub last_forget: Option<Arc<Attempt>>,
}

/// One ended run, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The run.
    pub run: super::RunId,
    /// The slot it was for.
    pub slot: Option<Timestamp>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub result: RunResult,
    /// One sentence.
    pub message: String,
}

/// What is remembered of one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryFacts {
    /// When something was last forgotten in it.
    pub last_forget: Option<Timestamp>,
    /// The newest prune that ended.
    pub last_prune: Option<Arc<Attempt>>,
    /// No prune is tried before this instant.
    pub retry_at: Option<Timestamp>,
    /// Prunes that failed since the last success.
    pub failures: u32,
    /// Checks of what it holds.
    #[serde(default)]
    pub check: CheckFacts,
    /// Whether a person has taken a copy of the key that Seawall made (`seawall key export`).
    pub key_exported: bool,
}

/// Maps with structured keys, written as lists of pairs.
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer, K: Serialize, V: Serialize>(map: &BTreeMap<K, V>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map)
    }

    pub fn deserialize<'de, D, K, V>(d: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(d)?.into_iter().collect())
    }
}
