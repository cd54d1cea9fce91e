//! How containers are made to stand still while a volume is read.

use super::raw;
use super::validate::Check;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use super::raw::OnError;

/// The longest that one step may take when the policy does not say.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The longest that an application stands still when the policy does not say.
const MAX_DURATION: Duration = Duration::from_mins(10);

/// How containers are made to stand still, and brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiesce {
    /// By which means.
    pub means: Means,
    /// The longest that one step may take.
    pub timeout: Duration,
    /// The longest that the application may stand still in all.
    pub max_duration: Duration,
    /// Containers to be treated alike although they do not write to the volume.
    pub also: Vec<ContainerSelector>,
}

/// By which means containers are made to stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// They are frozen.
    Pause,
    /// They are stopped, and started again.
    Stop,
    /// Commands run in them, in pairs of which at least one half is there. The second half runs whenever the first was
    /// begun.
    Hooks(Vec<(Option<Hook>, Option<Hook>)>),
}

impl Means {
    /// The word in the policy file.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Pause => Mode::Pause,
            Self::Stop => Mode::Stop,
            Self::Hooks(_) => Mode::Hooks,
        }
    }
}

/// The word for a means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Frozen.
    Pause,
    /// Stopped.
    Stop,
    /// Told by commands.
    Hooks,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Hooks => "hooks",
        })
    }
}

/// Which containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerSelector {
    /// The one of this name.
    Name(String),
    /// Those that carry all these labels; at least one.
    Labels(BTreeMap<String, String>),
}

/// A command in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    /// The container's name; `None`: the only one concerned.
    pub container: Option<String>,
    /// As whom; `None`: the container's own user.
    pub user: Option<String>,
    /// It is given up after so long.
    pub timeout: Duration,
    /// What follows when it fails.
    pub on_error: OnError,
}

const FIELD: &str = "spec.source.volume.quiesce";

pub(super) fn check(check: &mut Check<'_>, raw: &raw::Quiesce) -> Option<Quiesce> {
    let timeout = check.positive(&format!("{FIELD}.timeout"), raw.timeout.as_ref()).unwrap_or(TIMEOUT);
    let longest = check.positive(&format!("{FIELD}.maxDuration"), raw.max_duration.as_ref()).unwrap_or(MAX_DURATION);
    let also = raw.also.iter().enumerate().map(|(i, selector)| also(check, i, selector)).collect();
    let mut hooks = |name: &str, raw: &[raw::Hook]| -> Vec<Hook> {
        raw.iter().enumerate().map(|(i, raw)| hook(check, &format!("{FIELD}.{name}[{i}]"), raw, timeout)).collect()
    };
    let (pre, post) = (hooks("pre", &raw.pre), hooks("post", &raw.post));
    let given = !pre.is_empty() || !post.is_empty();
    if raw.mode == raw::QuiesceMode::Hooks && !given {
        check.find(FIELD, "the mode `hooks` needs commands: add `pre`, `post`, or both");
    } else if raw.mode != raw::QuiesceMode::Hooks && given {
        let field = if pre.is_empty() { "post" } else { "pre" };
        check.find(&format!("{FIELD}.{field}"), "commands belong to the mode `hooks`");
    }
    let means = match raw.mode {
        raw::QuiesceMode::None => return None,
        raw::QuiesceMode::Pause => Means::Pause,
        raw::QuiesceMode::Stop => Means::Stop,
        raw::QuiesceMode::Hooks => {
            let pairs = pre.len().max(post.len());
            let (mut pre, mut post) = (pre.into_iter(), post.into_iter());
            Means::Hooks((0..pairs).map(|_| (pre.next(), post.next())).collect())
        }
    };
    Some(Quiesce { means, timeout, max_duration: longest, also })
}

fn also(check: &mut Check<'_>, nth: usize, selector: &raw::ContainerSelector) -> ContainerSelector {
    match selector {
        raw::ContainerSelector::Name(name) => {
            if name.is_empty() {
                check.find(&format!("{FIELD}.also[{nth}].name"), "a container's name is needed");
            }
            ContainerSelector::Name(name.clone())
        }
        raw::ContainerSelector::Labels(labels) => {
            if labels.is_empty() {
                check.find(&format!("{FIELD}.also[{nth}].labels"), "at least one label is needed");
            }
            ContainerSelector::Labels(labels.clone())
        }
    }
}

fn hook(check: &mut Check<'_>, field: &str, raw: &raw::Hook, timeout: Duration) -> Hook {
    if raw.command.first().is_none_or(String::is_empty) {
        check.find(&format!("{field}.command"), "a program is needed, and its arguments: [\"sync\"]");
    }
    Hook {
        command: raw.command.clone(),
        container: raw.container.clone(),
        user: raw.user.clone(),
        timeout: check.positive(&format!("{field}.timeout"), raw.timeout.as_ref()).unwrap_or(timeout),
        on_error: raw.on_error,
    }
}
