//! `seawall restore`: says what will happen, asks, has it done, and tells how it went.

mod choose;
mod directory;
mod undo;

use super::client::{Operator, escape};
use super::data::{self, Runs, Wanted};
use super::exit::Exit;
use super::human::{bytes, count, relative, seconds, short_id, span_words};
use super::output::{Lines, emit, one_line, remark};
use super::progress::Bars;
use super::style::{Style, Tone};
use super::tables::result_tone;
use super::trouble::Advice;
use crate::adapters::repository::Size;
use crate::app::{self, Options, Peek};
use crate::clock::Clock;
use crate::reconcile::restore::is_path;
use crate::reconcile::{Operation, Outcome, Request, RestoreAction, RestoreStep, RunResult, SourceKey, Wish};
use crate::status::model::StatusSnapshot;
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `restore`.
#[derive(Debug, clap::Args)]
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
    /// Only this file or directory, relative to the root of the source
    #[arg(long, value_name = "SUBTREE")]
    pub path: Option<String>,
    /// Into this volume, which is empty or made, or into this directory (a name with a `/`), in place of where it came from
    #[arg(long, value_name = "VOLUME|DIR")]
    pub to: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Put back what the last restore replaced, and keep what it had brought
    #[arg(long, conflicts_with_all = ["discard", "snapshot", "at", "path", "to", "repository"])]
    pub undo: bool,
    /// Remove what restores replaced
    #[arg(long, conflicts_with_all = ["snapshot", "at", "path", "to", "repository"])]
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
    let peek = Peek::open(options)?;
    let chosen = choose::choose(&peek, options, args)?;
    let path = PathBuf::from(args.path.as_deref().unwrap_or("").trim_matches('/'));
    let size = peek.with(&chosen.repository, |adapter| adapter.size_of(&chosen.snapshot.id, &path))?;
    let to = args.to.as_deref();
    let what = Plan { options, chosen: &chosen, path: &path, to, size, now: clock.now() };
    if let Some(directory) = to.filter(|to| is_directory(to)) {
        remark(what.text(style, &[])?.trim_end());
        return directory::run(&peek, &chosen, &path, Path::new(directory), size);
    }
    let source = chosen.source.clone();
    let step = RestoreStep::Bring {
        repository: chosen.repository.clone(),
        snapshot: chosen.snapshot.id.clone(),
        path: path.display().to_string(),
        to: to.filter(|to| *to != source.source).map(ToOwned::to_owned),
    };
    let action = RestoreAction { source, step };
    let history = history(options, &action);
    remark(what.text(style, &history)?.trim_end());
    // What is replaced can be had back, but it is a person's to say that the application may stop.
    if !what.replaces_nothing() && !args.yes {
        ask("Go on?")?;
    }
    carry_out(options, &action, size.bytes, style, clock)
}

/// Whether `--to` names a directory and not a volume, whose name has no `/`.
fn is_directory(to: &str) -> bool {
    to.contains('/') || to == "." || to == ".."
}

/// Earlier restores of the source that did their work: what they brought back and how long it took.
fn history(options: &Options, action: &RestoreAction) -> Vec<Outcome> {
    let key = &action.source;
    let runs = Runs { policy: Some(key.policy.clone()), source: Some(key.source.clone()), limit: 200 };
    // That there is none, for whatever reason, makes the plan poorer and no more.
    let mut runs =
        data::look(options, &Wanted { runs: Some(runs), ..Wanted::default() }).map_or(Vec::new(), |look| look.runs);
    runs.retain(|run| {
        run.operation == Operation::Restore && run.result == RunResult::Success && run.restored.is_some()
    });
    runs
}

/// What is about to happen.
struct Plan<'a> {
    options: &'a Options,
    chosen: &'a choose::Chosen,
    path: &'a Path,
    to: Option<&'a str>,
    size: Size,
    now: Timestamp,
}

impl Plan<'_> {
    fn replaces_nothing(&self) -> bool {
        self.to.is_some_and(|to| to != self.chosen.source.source)
    }

    fn text(&self, style: Style, history: &[Outcome]) -> anyhow::Result<String> {
        let choose::Chosen { source, repository, snapshot, others_host } = self.chosen;
        let mut text = String::new();
        let title = format!("Restore of {source}");
        text.line(style.paint(Tone::Bold, &title));
        let mut line = |name: &str, value: &str| text.line(format!("  {:<11} {}", format!("{name}:"), one_line(value)));
        let partial = if snapshot.complete { "" } else { ", partial: not every file could be taken" };
        let host = if *others_host { format!(", made by host {}", snapshot.host) } else { String::new() };
        let (id, at, ago) = (short_id(&snapshot.id), seconds(snapshot.time), relative(snapshot.time, self.now));
        line("Snapshot", &format!("{id} in {repository}, as of {at} ({ago}){partial}{host}"));
        let part =
            if self.path.as_os_str().is_empty() { "all of it".to_owned() } else { self.path.display().to_string() };
        line("Brings back", &format!("{part}: {}, {}", count(self.size.files, "file"), bytes(self.size.bytes)));
        match self.to {
            Some(to) if is_directory(to) => line("Into", &format!("the directory {to}; nothing is replaced")),
            Some(to) if to != source.source => line("Into", &format!("the volume {to}; nothing is replaced")),
            _ => self.in_place(&mut line)?,
        }
        if let Some(took) = expected(history, self.size.bytes) {
            line("Takes", &format!("about {}, as earlier restores did", span_words(took)));
        } else if !self.to.is_some_and(is_directory) {
            line("Takes", "not known yet: no restore of this source has been measured");
        }
        Ok(text)
    }

    fn in_place(&self, line: &mut impl FnMut(&str, &str)) -> anyhow::Result<()> {
        let name = &self.chosen.source.source;
        let what = if self.path.as_os_str().is_empty() {
            "what is there now".to_owned()
        } else {
            format!("{} as it is now", self.path.display())
        };
        line(
            "Replaces",
            &format!("{what} in {name}; kept for 7 days: `seawall restore {} --undo`", self.chosen.source.policy),
        );
        if is_path(name) {
            line("Stops", "nothing; whatever has it open goes on with what was replaced until it is started anew");
            return Ok(());
        }
        let containers = app::containers(self.options)?;
        let users = containers.iter().filter(|c| c.state == "running" && c.volumes.contains_key(name));
        let names: Vec<&str> = users.map(|c| c.name.as_str()).collect();
        let text = if names.is_empty() {
            "no container: none that uses it runs".to_owned()
        } else {
            format!("{}, once all is laid down and verified, and starts them again", names.join(", "))
        };
        line("Stops", &text);
        Ok(())
    }
}

/// How long so many bytes took per byte, at the median, and so how long these will.
fn expected(history: &[Outcome], size: u64) -> Option<Duration> {
    let mut rates: Vec<f64> = history
        .iter()
        .filter_map(|run| {
            let brought = run.restored.as_ref()?.bytes;
            let took = run.finished.duration_since(run.started).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a guess")]
            (brought > 0).then(|| took / brought as f64)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let rate = rates.get(rates.len() / 2)?;
    #[expect(clippy::cast_precision_loss, reason = "a guess")]
    Duration::try_from_secs_f64((rate * size as f64).max(1.0)).ok()
}

/// Has a person say yes.
fn ask(question: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Advice::new(
            "nothing was done: nobody is there to be asked",
            "add `--yes` if this is what you want",
        )
        .into());
    }
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { bail!("nothing was done") }
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
    let mut good = !outcomes.is_empty();
    for outcome in &outcomes {
        good &= outcome.result == RunResult::Success;
        let result = style.paint(result_tone(outcome.result), outcome.result.as_str());
        let mut text = format!("{}: {result}: {}\n", action.source, one_line(&outcome.message));
        let took = outcome.finished.duration_since(outcome.started).unsigned_abs();
        if outcome.restored.is_some() {
            text.line(format!("  took {}{}", span_words(took), stood_still(outcome)));
        }
        for warning in &outcome.warnings {
            text.line(format!("  {} {}", style.paint(Tone::Doubt, "note:"), one_line(warning)));
        }
        emit(&text)?;
    }
    Ok(if good { Exit::Ok } else { Exit::Error })
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
        RestoreStep::Bring { repository, snapshot, path, to } => {
            let to = to.as_ref().map_or_else(String::new, |to| format!("&to={}", escape(to)));
            format!("restore?repository={}&snapshot={snapshot}&path={}{to}", escape(repository), escape(path))
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

/// Waits until the operator has done it, showing progress.
async fn wait(operator: &Operator, action: &RestoreAction, size: u64, asked_at: Timestamp) -> anyhow::Result<Outcome> {
    let request = Request::Restore(action.clone());
    let key = &action.source;
    let runs = Runs { policy: Some(key.policy.clone()), source: Some(key.source.clone()), limit: 50 }.path();
    let (mut bars, mut told, mut pause) = (Bars::new(), String::new(), Duration::from_millis(20));
    loop {
        // In this order: what runs no more is recorded before it is seen to run no more.
        let status: StatusSnapshot = operator.get("/api/v1/status").await?;
        let ended: Vec<Outcome> = operator.get(&runs).await?;
        let mine = |run: &&Outcome| run.operation == Operation::Restore && run.started >= asked_at;
        if let Some(run) = ended.iter().filter(mine).min_by_key(|run| run.started) {
            bars.end(key);
            return Ok(run.clone());
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
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}

/// Has SIGINT and SIGTERM cancel what this process does itself.
fn on_interrupt(cancel: &tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let kinds = [tokio::signal::unix::SignalKind::interrupt(), tokio::signal::unix::SignalKind::terminate()];
            let [Ok(mut interrupt), Ok(mut terminate)] = kinds.map(tokio::signal::unix::signal) else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            cancel.cancel();
        });
    });
    Ok(())
}
