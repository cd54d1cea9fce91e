//! `seawall restore`: says what will happen, asks, has it done, and tells how it went.

mod archive;
mod bucket;
mod choose;
mod database;
mod directory;
mod plan;
mod undo;

use super::archive::Opening;
use super::client::{Operator, escape};
use super::data::{self, Runs};
use super::exit::Exit;
use super::human::span_words;
use super::output::{Lines, emit, indent, one_line, remark};
use super::person::ask;
use super::progress::Bars;
use super::style::{Style, Tone};
use super::tables::{file_problems, result_tone};
use super::trouble::Advice;
use super::waiting::{Pause, shown};
use crate::app::{self, Options, Peek};
use crate::clock::Clock;
use crate::policy::postgres::short_name;
use crate::policy::{SecretRef, quantity};
use crate::reconcile::restore::{Manner, Over};
use crate::reconcile::{Operation, Outcome, Request, RestoreAction, RestoreStep, RunResult, SourceKey, Wish};
use crate::status::model::StatusSnapshot;
use anyhow::{Context, bail};
use jiff::Timestamp;
use plan::Plan;
use std::path::PathBuf;
use std::time::Duration;

/// `restore`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// The policy whose source is brought back; its snapshots are enough, it need not be in force
    #[arg(value_name = "POLICY", required_unless_present_any = ["undo", "discard"])]
    pub name: Option<String>,
    /// Which of its sources, where it has several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Which repository [default: the first of the policy's that has such a snapshot]
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// Which snapshot: the beginning of its id, or `latest`, the newest complete one
    #[arg(long, value_name = "ID", default_value = "latest")]
    pub snapshot: String,
    /// The newest complete snapshot of this time or before: `2026-01-23`, `2026-01-23 14:05`, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    pub at: Option<String>,
    /// Only this file or directory, relative to the root of the source; of a bucket, objects whose keys begin so
    #[arg(long, value_name = "SUBTREE")]
    pub path: Option<String>,
    /// Into this volume, which is empty or made, or this bucket of the same server, or into this directory (a name with a
    /// `/`), in place of where it came from
    #[arg(long, value_name = "VOLUME|BUCKET|DIR")]
    pub to: Option<String>,
    /// Not a snapshot, but this archive as it is: a tar file, plain, `.gz`, `.zst`, or encrypted by `openssl enc`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["snapshot", "at", "repository"])]
    pub from_archive: Option<PathBuf>,
    /// How the archive is opened
    #[command(flatten)]
    pub opening: Opening,
    /// Where a database goes.
    #[command(flatten)]
    pub database: database::Target,
    /// Of a bucket: also replace objects that were written after the snapshot
    #[arg(long)]
    pub over_newer: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How long what is replaced is kept for `--undo`, such as `30d` [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse, conflicts_with_all = ["to", "undo", "discard"])]
    pub keep: Option<Duration>,
    /// Put back what the last restore replaced, and keep what it had brought
    #[arg(long, conflicts_with_all = ["discard", "snapshot", "at", "path", "to", "repository", "from_archive"])]
    pub undo: bool,
    /// Remove what restores replaced
    #[arg(long, conflicts_with_all = ["snapshot", "at", "path", "to", "repository", "from_archive"])]
    pub discard: bool,
}

/// Restores.
///
/// # Errors
/// It could not be done, or was not wanted.
pub fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    if args.undo || args.discard {
        return undo::run(options, args, style, clock);
    }
    if let Some(file) = &args.from_archive {
        return archive::run(options, args, file, style, clock);
    }
    args.opening.is_for_nothing()?;
    let peek = Peek::open(options)?;
    let chosen = choose::choose(&peek, options, args)?;
    if !args.to.as_deref().is_some_and(plan::is_directory)
        && let Some(bucket) = bucket::of(&peek, &chosen)?
    {
        return bucket::run(options, &chosen, bucket, args, style, clock);
    }
    let path = PathBuf::from(args.path.as_deref().unwrap_or("").trim_matches('/'));
    let size = peek.with(&chosen.repository, |adapter| adapter.size_of(&chosen.snapshot.id, &path))?;
    let origin = vec![("Snapshot", chosen.line(clock.now()))];
    let is_database = short_name(&chosen.source.source).is_some();
    let place = if is_database && args.to.is_none() {
        database::place(&peek, &args.database, &chosen.source)
    } else {
        Vec::new()
    };
    let (to, keep) = (args.to.as_deref(), args.keep);
    let what = Plan { options, source: &chosen.source, origin, place, path: &path, to, size, keep };
    if let Some(directory) = what.directory() {
        remark(what.text(style, &[])?.trim_end());
        return directory::run(&peek, &chosen, &path, directory, size);
    }
    if is_database {
        return database::run(&what, &chosen, args, style, clock);
    }
    if args.database.to_database.is_some() || args.database.no_owner {
        return Err(
            Advice::new("what is restored is files, and goes into no database", "leave the options away").into()
        );
    }
    let step = RestoreStep::Bring {
        repository: chosen.repository.clone(),
        snapshot: chosen.snapshot.id.to_string(),
        path: path.display().to_string(),
        to: what.volume(),
        database: Manner::default(),
        keep: args.keep,
        over: Over::default(),
    };
    order(&what, step, args.yes, style, clock)
}

/// Says what will happen, asks where something is replaced, and has it done.
fn order(what: &Plan<'_>, step: RestoreStep, yes: bool, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    let action = RestoreAction { source: what.source.clone(), step };
    let history = plan::history(what.options, &action);
    remark(what.text(style, &history)?.trim_end());
    // What is replaced can be had back, but it is a person's to say that the application may stop.
    if !what.replaces_nothing() && !yes {
        ask("Go on?")?;
    }
    carry_out(what.options, &action, what.size.bytes, style, clock)
}

/// Has it done by the operator, or does it here where none runs.
fn carry_out(
    options: &Options,
    action: &RestoreAction,
    size: u64,
    style: Style,
    clock: &dyn Clock,
) -> anyhow::Result<Exit> {
    let outcomes = if let Some(outcomes) = data::block_on(by_operator(options, action, size, clock))? {
        outcomes
    } else {
        remark(&format!("note: no operator runs on {}; restoring without one", options.state.display()));
        app::carry_out_once(options, &Wish::Restore(action.clone()))?
    };
    let mut exit = if outcomes.is_empty() { Exit::Error } else { Exit::Ok };
    for outcome in &outcomes {
        exit = match outcome.result {
            RunResult::Success => exit,
            RunResult::Partial if exit != Exit::Error => Exit::Partial,
            _ => Exit::Error,
        };
        let result = style.paint(result_tone(outcome.result), outcome.result.as_str());
        let mut text = format!("{}: {result}: {}\n", action.source, one_line(&outcome.message));
        let took = outcome.finished.duration_since(outcome.started).unsigned_abs();
        if outcome.restored.is_some() {
            text.line(format!("  took {}{}", span_words(took), stood_still(outcome)));
        }
        for warning in &outcome.warnings {
            text.line(format!("  {} {}", style.paint(Tone::Doubt, "note:"), one_line(warning)));
        }
        text += &indent(&file_problems(outcome), 2);
        emit(&text)?;
    }
    Ok(exit)
}

fn stood_still(outcome: &Outcome) -> String {
    outcome
        .quiesce_seconds
        .map_or_else(String::new, |seconds| format!(", of which the application stood still for {seconds:.1}s"))
}

async fn by_operator(
    options: &Options,
    action: &RestoreAction,
    size: u64,
    clock: &dyn Clock,
) -> anyhow::Result<Option<Vec<Outcome>>> {
    let Some(operator) = Operator::find(&options.state).await? else { return Ok(None) };
    let key = &action.source;
    let query = match &action.step {
        RestoreStep::Bring { repository, snapshot, path, to, database, keep, over } => {
            let mut to = to.as_ref().map_or_else(String::new, |to| format!("&to={}", escape(to)));
            for (asked, text) in [(database.clean, "&clean=true"), (database.no_owner, "&noOwner=true")] {
                to += if asked { text } else { "" };
            }
            to += match over {
                Over::Nothing => "",
                Over::Older => "&over=older",
                Over::Anything => "&over=anything",
            };
            let (repository, path, keep) = (escape(repository), escape(path), kept(*keep));
            format!("restore?repository={repository}&snapshot={snapshot}&path={path}{to}{keep}")
        }
        RestoreStep::Unpack { file, digest, root, path, passphrase, to, keep } => {
            let to = to.as_ref().map_or_else(String::new, |to| format!("&to={}", escape(to)));
            let passphrase = match passphrase {
                Some(SecretRef::File(path)) => format!("&passphrase={}", escape(&path.display().to_string())),
                // What is in this process's environment is nothing that another can read.
                Some(SecretRef::Env(_)) => bail!(Advice::new(
                    "an operator runs, which reads the archive itself and does not have this environment",
                    "write the passphrase to a file that only root can read, and name it with `--passphrase-file`",
                )),
                None => String::new(),
            };
            let [file, root, path] = [file, root, path].map(|text| escape(text));
            let keep = kept(*keep);
            format!("unpack?file={file}&digest={digest}&root={root}&path={path}{passphrase}{to}{keep}")
        }
        RestoreStep::Undo(restore) => format!("undo?restore={}", escape(&restore.0)),
        RestoreStep::Discard(restore) => format!("discard?restore={}", escape(&restore.0)),
    };
    let path = format!("/api/v1/policies/{}/{query}&source={}", escape(&key.policy), escape(&key.source));
    let asked_at = clock.now();
    let _sources: Vec<SourceKey> = operator.post(&path).await?;
    let outcome = wait(&operator, action, size, asked_at).await;
    outcome
        .map(|outcome| Some(vec![outcome]))
        .context("lost sight of the restore, which may be going on: see `seawall get runs`")
}

fn kept(keep: Option<Duration>) -> String {
    keep.map_or_else(String::new, |keep| format!("&keep={}", quantity::display(keep)))
}

/// Waits until the operator has done it, showing progress.
async fn wait(operator: &Operator, action: &RestoreAction, size: u64, asked_at: Timestamp) -> anyhow::Result<Outcome> {
    let request = Request::Restore(action.clone());
    let key = &action.source;
    let runs = Runs { policy: Some(key.policy.clone()), source: Some(key.source.clone()), limit: 50 }.path();
    let (mut bars, mut told, mut pause) = (Bars::new(), String::new(), Pause::default());
    loop {
        // In this order: what runs no more is recorded before it is seen to run no more.
        let status: StatusSnapshot = operator.get("/api/v1/status").await?;
        let ended: Vec<Outcome> = operator.get(&runs).await?;
        let mine = |run: &&Outcome| run.operation == Operation::Restore && run.started >= asked_at;
        if let Some(run) = ended.iter().filter(mine).min_by_key(|run| run.started) {
            bars.end(key);
            let run = run.clone();
            shown(operator, std::slice::from_ref(&run)).await;
            return Ok(run);
        }
        if let Some(run) = status
            .running
            .iter()
            .find(|run| run.running.operation == Operation::Restore && run.running.source.as_ref() == Some(key))
        {
            // It is written once and read once.
            bars.advance(key, size * 2, run)?;
        } else if let Some(why) = status.plan.obstacle(&request).filter(|why| *why != told) {
            bars.say(&format!("waiting: {}", one_line(why)))?;
            why.clone_into(&mut told);
        }
        pause.wait().await;
    }
}
