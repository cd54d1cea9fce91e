//! What a restore is about to do, in words.

use crate::adapters::repository::Size;
use crate::app::{self, Options};
use crate::cli::data::{self, Runs, Wanted};
use crate::cli::human::{bytes, count, span_words};
use crate::cli::output::{Lines, one_line};
use crate::cli::style::{Style, Tone};
use crate::reconcile::restore::{KEPT, is_path};
use crate::reconcile::{Operation, Outcome, RestoreAction, RunResult, SourceKey};
use std::path::Path;
use std::time::Duration;

/// What is about to happen.
pub(super) struct Plan<'a> {
    pub options: &'a Options,
    pub source: &'a SourceKey,
    /// What it comes from, line by line.
    pub origin: Vec<(&'static str, String)>,
    /// Where a database goes, line by line; empty: it is none.
    pub place: Vec<(&'static str, String)>,
    pub path: &'a Path,
    pub to: Option<&'a str>,
    pub size: Size,
    /// How long what is replaced is kept, where it is not as usual.
    pub keep: Option<Duration>,
}

impl Plan<'_> {
    /// The directory that it goes into, where it is no volume: the name of one has no `/`.
    pub fn directory(&self) -> Option<&Path> {
        self.to.filter(|to| is_directory(to)).map(Path::new)
    }

    /// The other volume that it goes into.
    pub fn volume(&self) -> Option<String> {
        self.to.filter(|to| *to != self.source.source).map(ToOwned::to_owned)
    }

    pub fn replaces_nothing(&self) -> bool {
        self.volume().is_some()
    }

    pub fn text(&self, style: Style, history: &[Outcome]) -> anyhow::Result<String> {
        let mut text = String::new();
        text.line(style.paint(Tone::Bold, &format!("Restore of {}", self.source)));
        let mut line = |name: &str, value: &str| text.line(format!("  {:<11} {}", format!("{name}:"), one_line(value)));
        for (name, value) in &self.origin {
            line(name, value);
        }
        let part =
            if self.path.as_os_str().is_empty() { "all of it".to_owned() } else { self.path.display().to_string() };
        line("Brings back", &format!("{part}: {}, {}", count(self.size.files, "file"), bytes(self.size.bytes)));
        match (self.directory(), self.volume()) {
            (Some(to), _) => line("Into", &format!("the directory {}; nothing is replaced", to.display())),
            (None, Some(to)) => {
                let here = Path::new(&to).is_dir();
                let hint = if here { format!(" (not the directory: that is `./{to}`)") } else { String::new() };
                line("Into", &format!("the volume {to}{hint}; nothing is replaced"));
            }
            (None, None) if !self.place.is_empty() => self.place.iter().for_each(|(name, value)| line(name, value)),
            (None, None) => self.in_place(&mut line)?,
        }
        if let Some(took) = expected(history, self.size.bytes) {
            line("Takes", &format!("about {}, as earlier restores did", span_words(took)));
        } else if self.directory().is_none() {
            line("Takes", "not known yet: no restore of this source has been measured");
        }
        Ok(text)
    }

    fn in_place(&self, line: &mut impl FnMut(&str, &str)) -> anyhow::Result<()> {
        let name = &self.source.source;
        let what = if self.path.as_os_str().is_empty() {
            "what is there now".to_owned()
        } else {
            format!("{} as it is now", self.path.display())
        };
        let kept = span_words(self.keep.unwrap_or(KEPT));
        let text = format!("{what} in {name}; kept for {kept}: `seawall restore {} --undo`", self.source.policy);
        line("Replaces", &text);
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

/// Earlier restores of the source that did their work: what they brought back and how long it took.
pub(super) fn history(options: &Options, action: &RestoreAction) -> Vec<Outcome> {
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

/// Whether `--to` names a directory, and not a volume or a bucket.
pub(super) fn is_directory(to: &str) -> bool {
    to.contains('/') || to == "." || to == ".."
}
