//! `seawall recover`: a host that is gone, brought back on one that has nothing.

mod key;
mod meter;
mod text;

use super::args::{Format, Output};
use super::exit::Exit;
use super::output::{emit, remark, render};
use super::person::ask;
use super::style::Style;
use crate::app::Options;
use crate::app::recover::{self, Ended, Recovered, Recovering, Recovery, Wanted, url};
use crate::clock::Clock;
use crate::policy::{Repository, RepositoryLocation};
use crate::reconcile::SourceKey;
use crate::reconcile::recovery::Kind;
use anyhow::Context;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use meter::Meter;
use serde::Serialize;
use std::path::PathBuf;

/// `recover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository: an absolute path, `local:` and one, or a bucket as restic names it, `s3:https://SERVER/BUCKET/PREFIX`,
    /// whose keys are in the variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`
    #[arg(long, value_name = "URL", value_parser = location)]
    pub repository: RepositoryLocation,
    /// The file that holds its key [default: asked for on the terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    pub key_file: Option<PathBuf>,
    /// The environment variable that holds its key
    #[arg(long, value_name = "NAME")]
    pub password_env: Option<String>,
    /// Only this policy; may be given several times [default: all that were in force]
    #[arg(long = "policy", value_name = "NAME")]
    pub only: Vec<String>,
    /// Only volumes whose name matches, and nothing else; may be given several times [default: all]
    #[arg(long = "volume", value_name = "GLOB")]
    pub volumes: Vec<String>,
    /// The database of this policy goes into another one than its address says: see `seawall restore --to-database`. It is
    /// empty or made; may be given several times
    #[arg(long = "to-database", value_name = "POLICY=NAME|env:NAME|file:PATH", value_parser = database)]
    pub databases: Vec<(String, String)>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is printed
    #[command(flatten)]
    pub format: Output,
}

fn location(text: &str) -> Result<RepositoryLocation, String> {
    url::location(text, |name| std::env::var(name).ok())
}

fn database(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((policy, to)) if !policy.is_empty() && !to.is_empty() => Ok((policy.to_owned(), to.to_owned())),
        _ => Err("write the policy, `=`, and the database: `db=file:/run/secrets/database_url`".to_owned()),
    }
}

/// What was to be done, and what became of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    plan: &'a Recovery,
    results: &'a [Recovered],
}

/// Recovers. `host` is the name that was given, if one was.
///
/// # Errors
/// There is nothing to recover, or something stands in the way; nothing was restored then.
pub fn run(
    options: &Options,
    args: &Args,
    host: Option<&str>,
    style: Style,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    let repository = Repository {
        name: "default".to_owned(),
        location: args.repository.clone(),
        password_from: None,
        check: None,
        file: PathBuf::new(),
        text: "".into(),
        digest: String::new(),
    };
    let key = key::get(options, args, &repository)?;
    let volumes = globs(&args.volumes)?;
    let wants = |source: &SourceKey, kind: Kind| {
        let policy = args.only.is_empty() || args.only.contains(&source.policy);
        let volume = args.volumes.is_empty() || kind == Kind::Volume && volumes.is_match(&source.source);
        policy && volume
    };
    let wanted = Wanted { repository, key, host, databases: &args.databases, policies: &args.only, wants: &wants };
    let mut plan = recover::look(options, &wanted)?;
    let table = args.format.output == Format::Table;
    if args.dry_run {
        let report = Report { plan: &plan, results: &[] };
        let human = || text::plan(&plan, options, style, clock.now()) + &text::checklist(&plan, style);
        emit(&render(args.format.output, &report, human)?)?;
        return Ok(Exit::Ok);
    }
    remark(text::plan(&plan, options, style, clock.now()).trim_end());
    if !args.yes {
        ask("Go on?")?;
    }
    let recovering = Recovering::begin(options, &wanted, plan.clone())?;
    let results = bring(&recovering, table, style)?;
    plan.settle(&results);
    let report = Report { plan: &plan, results: &results };
    emit(&render(args.format.output, &report, || text::checklist(&plan, style))?)?;
    let bad = results.iter().any(|one| matches!(one.result, Ended::Failed | Ended::LeftAlone));
    Ok(if recovering.is_ended() {
        Exit::Error
    } else if bad {
        Exit::Partial
    } else {
        Exit::Ok
    })
}

/// One after the other, most critical first.
fn bring(recovering: &Recovering, table: bool, style: Style) -> anyhow::Result<Vec<Recovered>> {
    let items = recovering.items();
    let expected: u64 = items.iter().filter(|item| item.there.takes()).map(|item| item.bytes).sum();
    let mut meter = Meter::new(expected);
    let mut results = Vec::new();
    for (nth, item) in items.iter().enumerate() {
        if recovering.is_ended() {
            remark("ended by a signal; the same command goes on where it stopped");
            break;
        }
        let watcher = meter.begin(&item.source, item.bytes);
        let one = recovering.bring(item, Some(watcher));
        meter.end(if item.there.takes() { item.bytes } else { 0 });
        let line = text::result(&one, nth + 1, items.len(), meter.left(), style);
        if table {
            emit(&line)?;
        } else {
            remark(line.trim_end());
        }
        results.push(one);
    }
    Ok(results)
}

fn globs(patterns: &[String]) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.with_context(|| format!("`{pattern}` is not a glob"))?);
    }
    set.build().context("the globs cannot be used")
}
