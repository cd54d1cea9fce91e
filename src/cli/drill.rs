//! `seawall drill`: restores where nobody needs it, now, and tells what came of it.

use super::client::{Operator, escape};
use super::data;
use super::exit::Exit;
use super::get::known_policy;
use super::output::{Lines, emit, indent, one_line, remark};
use super::style::{Style, Tone};
use super::tables::result_tone;
use super::waiting;
use crate::app::{self, Options};
use crate::clock::Clock;
use crate::policy::quantity::display;
use crate::reconcile::{DrillReport, Outcome, Request, RunResult, SourceKey, Wish};
use anyhow::Context;
use std::time::Duration;

/// `drill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub name: String,
    /// Only this source of the policy, such as one volume of a selector
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    pub no_wait: bool,
}

/// Drills a policy now.
///
/// # Errors
/// It could not be begun, or the operator went away while it was waited for.
pub fn run(options: &Options, args: &Args, style: Style, clock: &dyn Clock) -> anyhow::Result<Exit> {
    let outcomes = if let Some(outcomes) = data::block_on(ask(options, args, clock))? {
        outcomes
    } else {
        remark(&format!("note: no operator runs on {}; drilling without one", options.state.display()));
        let wish = Wish::Drill { policy: args.name.clone(), source: args.source.clone() };
        app::carry_out_once(options, &wish)?
    };
    for outcome in &outcomes {
        emit(&outcome_text(outcome, style))?;
    }
    let passed = outcomes.iter().all(|outcome| outcome.result == RunResult::Success);
    Ok(if passed { Exit::Ok } else { Exit::Error })
}

/// Asks the operator, if one runs.
async fn ask(options: &Options, args: &Args, clock: &dyn Clock) -> anyhow::Result<Option<Vec<Outcome>>> {
    let Some(operator) = Operator::find(&options.state).await? else { return Ok(None) };
    known_policy(&operator.get("/api/v1/status").await?, &args.name)?;
    let mut path = format!("/api/v1/policies/{}/drill", escape(&args.name));
    if let Some(source) = &args.source {
        path = format!("{path}?source={}", escape(source));
    }
    let asked_at = clock.now();
    let sources: Vec<SourceKey> = operator.post(&path).await?;
    let mut outcomes = Vec::new();
    for source in sources {
        if args.no_wait {
            emit(&format!("{source}: accepted\n"))?;
            continue;
        }
        let ended = waiting::answer(&operator, &Request::Drill(source), asked_at).await;
        outcomes.push(ended.context("lost sight of the drill, which may be going on: see `seawall get runs`")?);
    }
    Ok(Some(outcomes))
}

/// How a drill ended, with what each of its checks found.
#[must_use]
pub fn outcome_text(outcome: &Outcome, style: Style) -> String {
    let who = outcome.source.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let result = style.paint(result_tone(outcome.result), outcome.result.as_str());
    let mut text = format!("{who} from {}: {result}: {}\n", outcome.repository, one_line(&outcome.message));
    if let Some(report) = &outcome.drill {
        text += &indent(&checks_text(report, style), 2);
    }
    for warning in &outcome.warnings {
        text.line(format!("  {} {}", style.paint(Tone::Bad, "note:"), one_line(warning)));
    }
    text
}

/// One line per check.
#[must_use]
pub fn checks_text(report: &DrillReport, style: Style) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (word, tone) = if check.passed { ("pass", Tone::Good) } else { ("FAIL", Tone::Bad) };
        let took = display(Duration::try_from_secs_f64(check.seconds).unwrap_or_default());
        text.line(format!("{}  {}: {} ({took})", style.paint(tone, word), check.check, one_line(&check.message)));
    }
    text
}
