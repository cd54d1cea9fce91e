//! The checks of a drill, one after the other. What goes wrong with one is its finding, and no trouble of the drill.

use super::scratch::Scratch;
use super::{Job, files, probes, seconds};
use crate::adapters::repository::{Control, Sample};
use crate::adapters::sqlite::integrity;
use crate::execute::{Executor, blocking};
use crate::policy::DrillCheck;
use crate::policy::quantity::{bytes, count};
use crate::reconcile::verification::Evidence;
use crate::reconcile::{DrillAction, RunId};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What all checks of a drill have in common.
pub(super) struct Looker<'a> {
    pub executor: &'a Executor,
    pub job: &'a Job,
    pub action: &'a DrillAction,
    pub scratch: &'a Scratch,
    pub inner: &'a Control,
    pub run: &'a RunId,
}

/// What was found: in words, whether it is as it should be or not.
pub(super) type Finding = Result<String, String>;

impl Looker<'_> {
    pub async fn look(&self, nth: usize, check: &DrillCheck) -> Evidence {
        let began = self.executor.clock.now();
        let found = self.find(nth, check).await;
        let passed = found.is_ok();
        let message = found.unwrap_or_else(|message| message);
        Evidence { check: check.to_string(), passed, message, seconds: seconds(began, self.executor.clock.now()) }
    }

    async fn find(&self, nth: usize, check: &DrillCheck) -> Finding {
        let root = self.scratch.path.clone();
        match check {
            DrillCheck::FileExists(path) => files::exists(&root, path),
            DrillCheck::MinFiles(least) => {
                let (found, _) = self.measure(root).await?;
                enough(found >= *least, count(found, "file"))
            }
            DrillCheck::MinBytes(least) => {
                let (_, found) = self.measure(root).await?;
                enough(found >= *least, bytes(found))
            }
            DrillCheck::SqliteIntegrity(path) => {
                let file = files::regular(&root, path)?;
                let cancel = self.inner.cancel.clone();
                off_thread(move || integrity::check(&file, &cancel)).await
            }
            DrillCheck::CompareSample(percent) => self.compare(*percent).await,
            DrillCheck::MinTables(_) | DrillCheck::MinRows(_) | DrillCheck::Query(_) => {
                Err("this looks at a database, and the source is files".to_owned())
            }
            DrillCheck::Command(check) => {
                let (drills, cancel) = (&self.job.drills, &self.inner.cancel);
                probes::command(drills, &drills.purpose(self.run), nth, check, cancel).await
            }
            DrillCheck::Http(check) => {
                let (drills, cancel) = (&self.job.drills, &self.inner.cancel);
                probes::http(drills, &drills.purpose(self.run), nth, check, cancel).await
            }
        }
    }

    async fn measure(&self, root: PathBuf) -> Result<(u64, u64), String> {
        let cancel = self.inner.cancel.clone();
        off_thread(move || files::measure(&root, &cancel)).await
    }

    async fn compare(&self, percent: u8) -> Finding {
        let (registry, repository) = (Arc::clone(&self.executor.registry), Arc::clone(&self.job.repository));
        let (id, directory) = (self.action.snapshot.clone(), self.scratch.path.clone());
        let inner = self.inner.clone();
        // Another share of the files with each run.
        let seed = Sha256::digest(self.run.to_string());
        let seed = u64::from_le_bytes([seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7]]);
        let sample = Sample { percent: percent.into(), seed };
        let compared = blocking(move || {
            registry.with(&repository, |adapter| adapter.verify(&id, Path::new(""), &directory, sample, &inner))
        });
        let found = compared.await.map_err(|error| error.told())?;
        let looked = format!("{}, {} compared by content", count(found.files, "file"), bytes(found.bytes));
        match found.differences.as_slice() {
            [] => Ok(format!("{}, {looked}: equal", entries(found.entries))),
            [first, ..] => {
                let more = found.difference_count.saturating_sub(1);
                let more = if more > 0 { format!("; and {}", count(more, "other difference")) } else { String::new() };
                Err(format!("{} {}{more}; {looked}", first.path, first.problem))
            }
        }
    }
}

fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

fn enough(holds: bool, found: String) -> Finding {
    if holds { Ok(found) } else { Err(format!("there are only {found}")) }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a check of a drill ended unexpectedly");
        Err("the check ended unexpectedly; the log has more".to_owned())
    })
}
