//! Where the commands that show something get it from: the running operator, or one look of their own.

use super::client::{Operator, escape};
use super::output::remark;
use crate::app::{self, Look, Options};
use anyhow::Context;
use std::fmt::Write;

/// What is asked for beside the status, which is always asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// This host's snapshots.
    pub snapshots: bool,
    /// Ended runs.
    pub runs: Option<Runs>,
    /// Events.
    pub events: bool,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// Of this policy only.
    pub policy: Option<String>,
    /// Of this source only.
    pub source: Option<String>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Runs {
    /// The query of the API that answers this.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = format!("/api/v1/runs?limit={}", self.limit);
        for (name, value) in [("policy", &self.policy), ("source", &self.source)] {
            if let Some(value) = value {
                let _infallible = write!(path, "&{name}={}", escape(value));
            }
        }
        path
    }
}

/// Runs the future on a runtime of its own: commands are short, and `run` makes its own.
///
/// # Errors
/// Those of the future, or the runtime cannot be made.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that talks to the operator")?
        .block_on(future)
}

/// The operator's view where one runs on the state directory; otherwise a look of our own, and a remark that says so,
/// because a host on which no operator runs is not being backed up.
///
/// # Errors
/// The operator does not answer, or this process cannot look.
pub fn look(options: &Options, wanted: &Wanted) -> anyhow::Result<Look> {
    if let Some(look) = block_on(ask(options, wanted))? {
        return Ok(look);
    }
    remark(&format!("note: no operator runs on {}; this is what one look finds now", options.state.display()));
    let mut look = app::look_once(options)?;
    if let Some(runs) = &wanted.runs {
        let fits = |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|name| is == Some(name));
        look.runs.retain(|run| {
            fits(&runs.policy, run.source.as_ref().map(|key| key.policy.as_str()))
                && fits(&runs.source, run.source.as_ref().map(|key| key.source.as_str()))
        });
        look.runs.truncate(runs.limit as usize);
    }
    Ok(look)
}

async fn ask(options: &Options, wanted: &Wanted) -> anyhow::Result<Option<Look>> {
    let Some(operator) = Operator::find(&options.state).await? else { return Ok(None) };
    let mut look = Look { status: operator.get("/api/v1/status").await?, ..Look::default() };
    if wanted.snapshots {
        look.snapshots = operator.get("/api/v1/snapshots").await?;
    }
    if let Some(runs) = &wanted.runs {
        look.runs = operator.get(&runs.path()).await?;
    }
    if wanted.events {
        look.events = operator.get("/api/v1/events").await?;
    }
    Ok(Some(look))
}
