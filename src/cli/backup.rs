//! `seawall backup`: asks the operator, or does it itself, and tells how it went.

use super::client::{Operator, escape};
use super::data::{self, Runs};
use super::exit::Exit;
use super::get::known_policy;
use super::human::{bytes, count, short_id, span_words};
use super::output::{Lines, emit, indent, one_line, remark};
use super::progress::Bars;
use super::style::{Style, Tone};
use super::tables::{file_problems, result_tone};
use super::waiting::{Pause, shown};
use crate::app::{self, Options};
use crate::clock::Clock;
use crate::reconcile::plan::Verdict;
use crate::reconcile::{Operation, Outcome, Request, RunResult, SourceKey, Wish};
use crate::status::model::StatusSnapshot;
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// `backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy
    pub name: String,
    /// Only this source of it [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Return as soon as the operator has accepted the request
    #[arg(long)]
    pub no_wait: bool,
}

/// Most runs that are asked for while waiting; a policy with more sources is read in what the newest say.
const RUNS: u32 = 1_000;

/// Backs up a policy now.
///
/// # Errors
/// It could not be begun, or the operator went away while it was waited for.
pub fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    if let Some(exit) = data::block_on(ask(options, args, style, clock))? {
        return Ok(exit);
    }
    remark(&format!("note: no operator runs on {}; backing up without one", options.state.display()));
    let wish = Wish::Backup { policy: args.name.clone(), source: args.source.clone() };
    let outcomes = app::carry_out_once(options, &wish)?;
    for outcome in &outcomes {
        emit(&outcome_text(outcome, style))?;
    }
    Ok(verdict(&outcomes))
}

/// Asks the operator, if one runs.
async fn ask(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Option<Exit>> {
    let Some(operator) = Operator::find(&options.state).await? else { return Ok(None) };
    // The operator refuses an unknown name as well, but only the list of all names tells which one was meant.
    known_policy(&operator.get("/api/v1/status").await?, &args.name)?;
    let mut path = format!("/api/v1/policies/{}/backup", escape(&args.name));
    if let Some(source) = &args.source {
        path = format!("{path}?source={}", escape(source));
    }
    let asked_at = clock.now();
    let sources: Vec<SourceKey> = operator.post(&path).await?;
    if args.no_wait {
        for source in &sources {
            emit(&format!("{source}: accepted\n"))?;
        }
        return Ok(Some(Exit::Ok));
    }
    let outcomes = wait(&operator, &args.name, &sources, asked_at, style)
        .await
        .context("lost sight of the backup, which may be going on: see `seawall get runs`")?;
    Ok(Some(verdict(&outcomes)))
}

/// Waits until every source has outcomes that began after `asked_at`, showing progress and printing them.
async fn wait(
    operator: &Operator,
    policy: &str,
    sources: &[SourceKey],
    asked_at: Timestamp,
    style: Style,
) -> anyhow::Result<Vec<Outcome>> {
    let mut open: BTreeSet<&SourceKey> = sources.iter().collect();
    let mut bars = Bars::new();
    let mut waiting: BTreeMap<&SourceKey, String> = BTreeMap::new();
    let (mut all, mut pause) = (Vec::new(), Pause::default());
    let path = Runs { policy: Some(policy.to_owned()), source: None, limit: RUNS }.path();
    loop {
        // In this order: a source that runs no more has its outcomes recorded before it is seen to run no more.
        let status: StatusSnapshot = operator.get("/api/v1/status").await?;
        let runs: Vec<Outcome> = operator.get(&path).await?;
        for source in sources {
            if !open.contains(source) {
                continue;
            }
            if let Some(run) = status.running.iter().find(|run| run.running.source.as_ref() == Some(source)) {
                bars.advance(source, last_size(&status, source), run)?;
                continue;
            }
            let mut ended: Vec<Outcome> = runs.iter().filter(|run| answers(run, source, asked_at)).cloned().collect();
            if ended.is_empty() && status.state_error.is_some() {
                ended = unrecorded(&status, source, asked_at);
            }
            if ended.is_empty() {
                if !status.plan.takes(&Request::Backup(source.clone())) {
                    bail!("{source} cannot be backed up any more; see `seawall describe policy {policy}`");
                }
                if let Some(why) = in_the_way(&status, source)
                    && waiting.get(source) != Some(&why)
                {
                    bars.say(&format!("{source}: waiting: {}", one_line(&why)))?;
                    waiting.insert(source, why);
                }
                continue;
            }
            open.remove(source);
            bars.end(source);
            for outcome in ended {
                bars.say(outcome_text(&outcome, style).trim_end())?;
                all.push(outcome);
            }
        }
        if open.is_empty() {
            shown(operator, &all).await;
            return Ok(all);
        }
        pause.wait().await;
    }
}

/// Whether the run is one that was begun for the request, or together with it.
fn answers(run: &Outcome, source: &SourceKey, asked_at: Timestamp) -> bool {
    run.operation == Operation::Backup && run.source.as_ref() == Some(source) && run.started >= asked_at
}

/// What the status knows of runs that the operator cannot write down now: how they ended, not what they made.
fn unrecorded(status: &StatusSnapshot, source: &SourceKey, asked_at: Timestamp) -> Vec<Outcome> {
    let sources = status.policies.get(&source.policy).map_or(&[][..], |policy| &policy.sources);
    let stores = sources.iter().filter(|known| known.source == source.source).flat_map(|known| &known.repositories);
    let ended = stores.filter_map(|store| Some((&store.repository, store.last_run.as_ref()?)));
    let ended = ended.filter(|(_, run)| run.started >= asked_at);
    ended
        .map(|(repository, run)| {
            let id = run.run.clone();
            let nothing = Outcome::nothing(id, Operation::Backup, Some(source.clone()), repository, run.started);
            let message = run.message.clone();
            Outcome { slot: run.slot, finished: run.finished, result: run.result, message, ..nothing }
        })
        .collect()
}

/// Why a requested backup does not begin, when something stands in its way.
fn in_the_way(status: &StatusSnapshot, source: &SourceKey) -> Option<String> {
    let policy = status.policies.get(&source.policy)?;
    let source = policy.sources.iter().find(|known| known.source == source.source)?;
    (source.verdict == Verdict::Waiting).then(|| source.why.clone())
}

/// Bytes of the source's newest snapshot: the best guess at how much there is to read.
fn last_size(status: &StatusSnapshot, source: &SourceKey) -> u64 {
    let policy = status.policies.get(&source.policy);
    let known = policy.and_then(|policy| policy.sources.iter().find(|known| known.source == source.source));
    known.and_then(|known| known.repositories.iter().map(|store| store.bytes).max()).unwrap_or(0)
}

/// One run in one line, and the files that it could not take below it.
#[must_use]
pub fn outcome_text(outcome: &Outcome, style: Style) -> String {
    let who = outcome.source.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let mut text = format!(
        "{who} in {}: {}: {}",
        outcome.repository,
        style.paint(result_tone(outcome.result), outcome.result.as_str()),
        one_line(&outcome.message)
    );
    if let Some(snapshot) = &outcome.snapshot {
        let made = [
            format!(" [snapshot {}", short_id(&snapshot.id)),
            count(snapshot.files, "file"),
            bytes(snapshot.bytes),
            format!("{} added", bytes(snapshot.added_bytes)),
            format!("took {}]", span_words(outcome.finished.duration_since(outcome.started).unsigned_abs())),
        ];
        text += &made.join(", ");
    }
    text.push('\n');
    text += &indent(&file_problems(outcome), 2);
    for warning in &outcome.warnings {
        text.line(format!("  {} {}", style.paint(Tone::Doubt, "note:"), one_line(warning)));
    }
    text
}

/// The worst of the outcomes; none at all means that nothing was saved.
#[must_use]
pub fn verdict(outcomes: &[Outcome]) -> Exit {
    let is = |wanted: RunResult| move |outcome: &Outcome| outcome.result == wanted;
    if outcomes.is_empty() || !outcomes.iter().all(|outcome| outcome.result.settles_slot()) {
        Exit::NoSnapshot
    } else if outcomes.iter().any(is(RunResult::Partial)) {
        Exit::Partial
    } else {
        Exit::Ok
    }
}
