//! `seawall check`: looks through repositories now, and mends one on a person's word.

use super::client::{Operator, escape};
use super::data;
use super::exit::Exit;
use super::output::{Lines, emit, one_line, remark};
use super::style::{Style, Tone};
use super::tables::result_tone;
use super::trouble::{Advice, unknown};
use super::waiting;
use crate::app::{self, Options};
use crate::clock::Clock;
use crate::policy::quantity::count;
use crate::reconcile::verification::Damage;
use crate::reconcile::{CheckReport, Outcome, Request, RunResult, Wish};
use crate::status::model::StatusSnapshot;
use anyhow::Context;
use std::fmt::Write;
use std::io::{IsTerminal, stdin};

/// `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository [default: all]
    #[arg(value_name = "REPOSITORY", required_if_eq("repair", "true"))]
    pub name: Option<String>,
    /// Read this share of the data as well, the one that was read longest ago; 100 reads all [default: as its document says]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub read_data: Option<u8>,
    /// Show what could be mended, ask, and do it
    #[arg(long)]
    pub repair: bool,
    /// Do not ask: what is found is to be mended
    #[arg(long, requires = "repair")]
    pub yes: bool,
}

/// Looks through repositories.
///
/// # Errors
/// It could not be begun, or the operator went away while it was waited for.
pub fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    let outcomes = carry_out(options, args, None, clock)?;
    for outcome in &outcomes {
        emit(&outcome_text(outcome, style))?;
    }
    let whole = |outcomes: &[Outcome]| outcomes.iter().all(|outcome| outcome.result == RunResult::Success);
    let found = outcomes.first().and_then(|outcome| outcome.check.as_deref()).filter(|report| report.damage_count > 0);
    let Some(report) = found.filter(|_| args.repair) else {
        return Ok(if whole(&outcomes) { Exit::Ok } else { Exit::Error });
    };
    emit(&plan_text(report))?;
    if !report.damage.iter().any(|damage| damage.repairable) || !agreed(args.yes)? {
        return Ok(Exit::Error);
    }
    let outcomes = carry_out(options, args, Some(&report.digest), clock)?;
    for outcome in &outcomes {
        emit(&outcome_text(outcome, style))?;
    }
    Ok(if whole(&outcomes) { Exit::Ok } else { Exit::Error })
}

/// By the operator, or without one.
fn carry_out(
    options: &Options,
    args: &Args,
    repair: Option<&String>,
    clock: &dyn Clock,
) -> anyhow::Result<Vec<Outcome>> {
    if let Some(outcomes) = data::block_on(ask(options, args, repair, clock))? {
        return Ok(outcomes);
    }
    remark(&format!("note: no operator runs on {}; checking without one", options.state.display()));
    let (repository, read_percent, repair) = (args.name.clone(), args.read_data, repair.cloned());
    app::carry_out_once(options, &Wish::Check { repository, read_percent, repair })
}

async fn ask(
    options: &Options,
    args: &Args,
    repair: Option<&String>,
    clock: &dyn Clock,
) -> anyhow::Result<Option<Vec<Outcome>>> {
    let Some(operator) = Operator::find(&options.state).await? else { return Ok(None) };
    let status: StatusSnapshot = operator.get("/api/v1/status").await?;
    let known = || status.repositories.keys().map(String::as_str);
    if let Some(name) = args.name.as_ref().filter(|name| !status.repositories.contains_key(*name)) {
        return Err(unknown("repository", name, known(), "seawall get repositories").into());
    }
    let names: Vec<&str> = known().filter(|known| args.name.as_ref().is_none_or(|name| name == known)).collect();
    let mut outcomes = Vec::new();
    for name in names {
        let mut path = format!("/api/v1/repositories/{}/check?", escape(name));
        if let Some(percent) = args.read_data {
            let _infallible = write!(path, "readData={percent}&");
        }
        if let Some(digest) = repair {
            let _infallible = write!(path, "repair={}", escape(digest));
        }
        let asked_at = clock.now();
        let _accepted: serde_json::Value = operator.post(&path).await?;
        let request =
            Request::Check { repository: name.to_owned(), read_percent: args.read_data, repair: repair.cloned() };
        let ended = waiting::answer(&operator, &request, asked_at).await;
        outcomes.push(ended.context("lost sight of the check, which may be going on: see `seawall get runs`")?);
    }
    Ok(Some(outcomes))
}

/// Whether the person says yes.
fn agreed(yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        let help = "run it on a terminal, or add --yes once you have read the plan";
        return Err(Advice::new("nothing was repaired: nobody is there to be asked", help).into());
    }
    remark("Do this? Type yes: ");
    let mut line = String::new();
    stdin().read_line(&mut line).context("the answer could not be read")?;
    let agreed = line.trim() == "yes";
    if !agreed {
        remark("nothing was repaired");
    }
    Ok(agreed)
}

/// What a repair would do, and what it would not.
#[must_use]
pub fn plan_text(report: &CheckReport) -> String {
    let packs = report.damage.iter().filter(|damage| damage.pack.is_some()).count() as u64;
    let others = report.damage.iter().filter(|damage| damage.repairable && damage.pack.is_none()).count() as u64;
    let mut text = String::from("\n");
    if packs + others == 0 {
        text.line(
            "There is nothing to mend: no pack and no index file is damaged. What the snapshots above have lost comes back \
             with the next backup that finds the same contents, and goes with them when retention removes them.",
        );
        return text;
    }
    text.line("A repair would:");
    if packs > 0 {
        text.line(format!(
            "  - write what can still be read of {} into new packs, and move the damaged ones into the repository's \
             directory `damaged`",
            count(packs, "pack")
        ));
    }
    if others > 0 {
        text.line(format!("  - move {} there as well", count(others, "index file")));
    }
    text.line("  - rebuild the index, so that the next backup stores again what the volumes still hold of it");
    text.line(
        "It removes no snapshot. What the snapshots named above have lost stays lost, unless a backup brings it back.",
    );
    text
}

/// How a check ended, with all damage.
#[must_use]
pub fn outcome_text(outcome: &Outcome, style: Style) -> String {
    let result = style.paint(result_tone(outcome.result), outcome.result.as_str());
    let mut text = format!("{}: {result}: {}\n", outcome.repository, one_line(&outcome.message));
    if let Some(report) = outcome.check.as_ref().filter(|report| report.damage_count > 0) {
        for damage in &report.damage {
            text += &damage_text(damage, style);
        }
        let untold = report.damage_count - report.damage.len() as u64;
        if untold > 0 {
            text.line(format!("  and {untold} more"));
        }
    }
    text
}

fn damage_text(damage: &Damage, style: Style) -> String {
    let mut text = String::new();
    text.line(format!("  {} {}", style.paint(Tone::Bad, "damage"), one_line(&damage.what)));
    for snapshot in &damage.snapshots {
        text.line(format!("    snapshot {snapshot}"));
    }
    for path in &damage.paths {
        text.line(format!("    path     {}", one_line(path)));
    }
    text
}
