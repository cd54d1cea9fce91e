//! `seawall get`: one row each.

use super::args::Output;
use super::data::{self, Runs, Wanted};
use super::exit::Exit;
use super::output::{emit, remark, render};
use super::style::Style;
use super::{tables, trouble};
use crate::app::Options;
use crate::status::model::{
    PolicyStatus, RepositoryStatus, RunningStatus, StatusSnapshot, StoredSnapshot, VolumeStatus,
};
use clap::Subcommand;
use jiff::Timestamp;
use std::sync::Arc;

/// `get`.
#[derive(Debug, clap::Args)]
pub struct Get {
    /// What to list
    #[command(subcommand)]
    pub what: GetWhat,
}

/// What `get` lists.
#[derive(Debug, Subcommand)]
pub enum GetWhat {
    /// Policies in force, and whether their sources are safe
    #[command(visible_alias = "policy")]
    Policies(Output),
    /// This host's own snapshots, newest first
    #[command(visible_alias = "snapshot")]
    Snapshots {
        /// Only of this policy
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Only of this source
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// Only in this repository
        #[arg(long, value_name = "NAME")]
        repository: Option<String>,
        /// How the list is printed
        #[command(flatten)]
        format: Output,
    },
    /// Runs that ended, newest first, after those under way
    #[command(visible_alias = "run")]
    Runs {
        /// Only of this policy
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// Only of this source
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// How the list is printed
        #[command(flatten)]
        format: Output,
    },
    /// Every volume of this host: protected, exempt with the reason, or unprotected
    #[command(visible_alias = "volume")]
    Volumes(Output),
    /// Where snapshots live, and whether it can be used
    #[command(visible_alias = "repository")]
    Repositories(Output),
    /// What people should know, newest first
    #[command(visible_alias = "event")]
    Events(Output),
}

/// Lists what is asked for.
///
/// # Errors
/// It cannot be looked at, or a filter names a policy that does not exist.
pub fn run(options: &Options, get: &Get, style: Style, now: Timestamp) -> anyhow::Result<Exit> {
    let see = |wanted: Wanted| data::look(options, &wanted);
    let text = match &get.what {
        GetWhat::Policies(Output { output }) => {
            let status = see(Wanted::default())?.status;
            warn(tables::warnings(&status));
            warn(tables::invalid_files(&status));
            let list: Vec<&PolicyStatus> = status.policies.values().map(Arc::as_ref).collect();
            render(*output, &list, || tables::policies(&status, style, now))?
        }
        GetWhat::Snapshots { policy, source, repository, format } => {
            let look = see(Wanted { snapshots: true, ..Wanted::default() })?;
            let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|name| name == is);
            let list: Vec<StoredSnapshot> = look
                .snapshots
                .into_iter()
                .filter(|stored| {
                    let key = stored.snapshot.source.as_ref();
                    fits(repository, &stored.repository)
                        && fits(policy, key.map_or("", |key| &key.policy))
                        && fits(source, key.map_or("", |key| &key.source))
                })
                .collect();
            // Snapshots outlive their policy, so an unknown name is an error only when it found nothing.
            if let (Some(name), true) = (policy, list.is_empty()) {
                known_policy(&look.status, name)?;
            }
            render(format.output, &list, || tables::snapshots(&list, style, now))?
        }
        GetWhat::Runs { policy, source, limit, format } => {
            let runs = Runs { policy: policy.clone(), source: source.clone(), limit: *limit };
            let look = see(Wanted { runs: Some(runs), ..Wanted::default() })?;
            if let (Some(name), true) = (policy, look.runs.is_empty()) {
                known_policy(&look.status, name)?;
            }
            let running: Vec<&RunningStatus> = look
                .status
                .running
                .iter()
                .filter(|run| {
                    let key = run.running.source.as_ref();
                    policy.as_deref().is_none_or(|name| key.is_some_and(|key| key.policy == name))
                        && source.as_deref().is_none_or(|name| key.is_some_and(|key| key.source == name))
                })
                .collect();
            render(format.output, &look.runs, || {
                tables::runs(&running, &look.runs.iter().collect::<Vec<_>>(), style, now)
            })?
        }
        GetWhat::Volumes(Output { output }) => {
            let status = see(Wanted::default())?.status;
            warn(tables::warnings(&status));
            let list: Vec<&VolumeStatus> = status.volumes.values().collect();
            render(*output, &list, || tables::volumes(&status, style))?
        }
        GetWhat::Repositories(Output { output }) => {
            let status = see(Wanted::default())?.status;
            let list: Vec<&RepositoryStatus> = status.repositories.values().collect();
            render(*output, &list, || tables::repositories(&list, style, now))?
        }
        GetWhat::Events(Output { output }) => {
            let list = see(Wanted { events: true, ..Wanted::default() })?.events;
            render(*output, &list, || tables::events(&list.iter().collect::<Vec<_>>(), style, now))?
        }
    };
    emit(&text)?;
    Ok(Exit::Ok)
}

fn warn(lines: Vec<String>) {
    for line in lines {
        remark(&line);
    }
}

/// An error that names the nearest policy, unless there is a policy with the name.
///
/// # Errors
/// See above.
pub fn known_policy(status: &StatusSnapshot, name: &str) -> Result<(), trouble::Advice> {
    if status.policies.contains_key(name) {
        return Ok(());
    }
    Err(trouble::unknown("policy", name, status.policies.keys().map(String::as_str), "seawall get policies"))
}
