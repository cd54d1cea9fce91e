//! `resources`, as a person writes it.

use super::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a backup may take of a busy host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Most bytes that are read from the source in a second, on average: `50MiB`.
    pub read_rate: Option<Size>,
    /// `low`: on one core, and only when nothing else wants it.
    #[serde(default)]
    pub cpu: Cpu,
    /// `idle`: disks are read and written only when nothing else wants them. Linux follows the scheduling class in this, so
    /// that such a run leaves the processor to all others too.
    #[serde(default)]
    pub io_priority: IoPriority,
}

/// How much of the processor a backup takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cpu {
    /// Its share of all cores.
    #[default]
    Normal,
    /// What is left of one.
    Low,
}

/// When a backup gets at disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IoPriority {
    /// In turn.
    #[default]
    Normal,
    /// When nobody else does.
    Idle,
}
