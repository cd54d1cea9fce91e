//! How containers stand still while a volume is read.

use super::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How containers are made to stand still while their volume is read, and brought back. Only what runs is touched, and
/// only that comes back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quiesce {
    /// By which means.
    pub mode: QuiesceMode,
    /// The longest that one step may take: a container's own grace to stop, a start until it is healthy, a command
    /// that names no timeout of its own. Default `60s`.
    pub timeout: Option<Duration>,
    /// The longest that the application may stand still in all. Past it, it is brought back and the run is a failure.
    /// Default `10m`.
    pub max_duration: Option<Duration>,
    /// Containers to be treated alike although they do not write to the volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ContainerSelector>,
    /// Commands to run before the volume is read, in this order. Only with the mode `hooks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre: Vec<Hook>,
    /// Commands to run once it has been read, each undoing the one at the same place in `pre`: it runs whenever that
    /// one was begun, in reverse order. Only with the mode `hooks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<Hook>,
}

/// By which means containers are made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum QuiesceMode {
    /// By none.
    None,
    /// They are frozen: nothing restarts, and what is read is as after a crash of the application.
    Pause,
    /// They are stopped with their own signal, and started again. A Swarm service is scaled to zero and back.
    Stop,
    /// By commands that run in them.
    Hooks,
}

/// Which containers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContainerSelector {
    /// The one of this name.
    Name(String),
    /// Those that carry these labels, all of them.
    Labels(BTreeMap<String, String>),
}

/// A command in a container.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments. No shell reads them unless it is the program.
    pub command: Vec<String>,
    /// The container's name. May be left out where just one container is concerned.
    pub container: Option<String>,
    /// As whom, as Docker writes it: `USER[:GROUP]`. Default: the container's own.
    pub user: Option<String>,
    /// It is given up after so long. Default: the `timeout` of `quiesce`.
    pub timeout: Option<Duration>,
    /// What follows when it fails.
    #[serde(default)]
    pub on_error: OnError,
}

/// What follows when a command fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The run is a failure; before the volume was read, it is not read.
    #[default]
    Fail,
    /// It is reported, and the run goes on.
    Continue,
}
