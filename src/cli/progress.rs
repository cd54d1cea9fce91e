//! How far backups are: bars on a terminal, plain lines in a pipe.

use super::human::{bytes, count};
use super::output::emit;
use crate::reconcile::{RunId, SourceKey};
use crate::status::model::RunningStatus;
use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

/// One bar for each source that is being backed up.
pub struct Bars {
    /// Bars are drawn on standard error, lines go to standard output, so both have to be a terminal to be mixed.
    terminal: Option<MultiProgress>,
    shown: BTreeMap<SourceKey, ProgressBar>,
    /// In a pipe, only the beginning of a run is worth a line.
    begun: Vec<RunId>,
}

impl Bars {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        Self { terminal: terminal.then(MultiProgress::new), shown: BTreeMap::new(), begun: Vec::new() }
    }

    /// The source's run is so far; `expected` bytes are a guess, 0 for none.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn advance(&mut self, source: &SourceKey, expected: u64, run: &RunningStatus) -> anyhow::Result<()> {
        let Some(terminal) = &self.terminal else {
            if !self.begun.contains(&run.running.run) {
                self.begun.push(run.running.run.clone());
                let began = format!("{source} in {}: began\n", run.running.repositories.join(", "));
                emit(&began)?;
            }
            return Ok(());
        };
        let bar = self.shown.entry(source.clone()).or_insert_with(|| {
            let bar = terminal.add(if expected > 0 { ProgressBar::new(expected) } else { ProgressBar::new_spinner() });
            let template = if expected > 0 {
                "{prefix} [{bar:30}] {msg} {elapsed_precise}"
            } else {
                "{prefix} {spinner} {msg} {elapsed_precise}"
            };
            // A template that does not parse only costs the looks.
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(source.to_string());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        // More than was expected fills the bar and no more.
        bar.set_position(if expected > 0 { run.bytes_done.min(expected) } else { run.bytes_done });
        bar.set_message(format!("{}, {}", bytes(run.bytes_done), count(run.files_done, "file")));
        Ok(())
    }

    /// The source's run has ended.
    pub fn end(&mut self, source: &SourceKey) {
        if let Some(bar) = self.shown.remove(source) {
            bar.finish_and_clear();
        }
    }

    /// A line above the bars.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn say(&self, line: &str) -> anyhow::Result<()> {
        let print = || emit(&format!("{line}\n"));
        self.terminal.as_ref().map_or_else(print, |terminal| terminal.suspend(print))
    }
}

/// That something is being done, on a terminal; nothing in a pipe. Gone with the value.
#[must_use]
pub fn spinner(what: String) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what).with_finish(ProgressFinish::AndClear);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}
