//! What an import is about to do, in words.

use super::Found;
use crate::cli::archive;
use crate::cli::human::{bytes, count, relative, seconds};
use crate::cli::output::{Field, Lines, table};
use crate::cli::style::{Style, Tone};
use crate::execute::import::Import;
use crate::policy::retention::{Candidate, evaluate, guard};
use crate::policy::{BackupSpec, Repository};
use jiff::Timestamp;
use std::sync::Arc;

/// The import as it was ordered.
pub(super) struct Plan<'a> {
    pub importing: &'a Import<'a>,
    pub spec: &'a BackupSpec,
    pub repositories: &'a [Arc<Repository>],
    pub found: &'a [Found],
    pub now: Timestamp,
}

/// How much there is.
pub(super) fn holds(files: u64, size: u64) -> String {
    format!("{}, {}", count(files, "file"), bytes(size))
}

impl Plan<'_> {
    pub fn text(&self, style: Style) -> anyhow::Result<String> {
        let names: Vec<&str> = self.repositories.iter().map(|repository| repository.name.as_str()).collect();
        let title = format!("Import into {}, repository {}", self.importing.source, names.join(", "));
        let mut text = String::new();
        text.line(style.paint(Tone::Bold, &title));
        let rows = self.found.iter().map(|one| self.row(one)).collect();
        let headings = ["FILE", "AS OF", "AGE", "HOLDS", "FORM", "ROOT", "DOES"];
        text.push_str(&table(style, headings, rows, "nothing"));
        for repository in self.repositories {
            text.line(format!("Retention in {}: {}", repository.name, self.retention(repository)?));
        }
        Ok(text)
    }

    fn row(&self, one: &Found) -> [Field; 7] {
        let size = one.part.content.size;
        let does = match one.lacking.len() {
            0 => Field::toned("nothing: it is there", Tone::Doubt),
            n if n == self.repositories.len() => Field::toned("a new snapshot", Tone::Good),
            _ => {
                let lacking: Vec<&str> = one.lacking.iter().map(|repository| repository.name.as_str()).collect();
                Field::toned(format!("a new snapshot in {}", lacking.join(", ")), Tone::Good)
            }
        };
        [
            super::file_name(&one.file).into(),
            seconds(one.time).into(),
            relative(one.time, self.now).into(),
            holds(size.files, size.bytes).into(),
            archive::form(&one.survey).into(),
            archive::root(&one.part).into(),
            does,
        ]
    }

    /// What the policy's rules make of them: they are snapshots like any other.
    fn retention(&self, repository: &Repository) -> anyhow::Result<String> {
        let Some(rule) = &self.spec.retention else {
            return Ok("the policy has none, so all of them stay".to_owned());
        };
        let there = self.importing.snapshots(repository).map_err(|error| anyhow::anyhow!("{}", error.told()))?;
        let mut all: Vec<Candidate> = there.iter().map(|s| s.candidate()).collect();
        let new = self.found.iter().filter(|one| one.lacking.iter().any(|lacking| lacking.name == repository.name));
        let ids: Vec<Arc<str>> = new.clone().map(|one| one.survey.digest.as_str().into()).collect();
        all.extend(new.zip(&ids).map(|(one, id)| Candidate { id: id.clone(), time: one.time, complete: true }));
        let evaluation = evaluate(Some(rule), all, &self.spec.schedule.time_zone, self.now);
        let going = evaluation.snapshots.iter().filter(|decision| !decision.keep && ids.contains(&decision.id)).count();
        let total = ids.len();
        let rules = match going {
            0 if total == 0 => return Ok("nothing changes".to_owned()),
            0 => format!("the policy's rules keep all {total} of them"),
            1 if total == 1 => "the policy's rules remove it, as they would any other snapshot, once a backup has \
                                succeeded; widen `retention` first if it is to stay"
                .to_owned(),
            going => format!(
                "the policy's rules keep {} of these {total} and remove {going}, as they would any other snapshot, once a \
                 backup has succeeded; widen `retention` first if they are to stay",
                total - going
            ),
        };
        let target = self.importing.source.target(&repository.name).to_string();
        Ok(match guard(&evaluation, &rule.guard, &target) {
            Some(_) => format!("{rules}. That is more than `guard.maxDeletePercent` at once, so it waits for a person"),
            None => rules,
        })
    }
}
