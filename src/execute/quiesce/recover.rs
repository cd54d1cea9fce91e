//! Bringing back what no run looks after: at the start what an earlier process left, later what a run gave up or hangs
//! over.

use super::Quiescer;
use super::settle::{Severity, settle};
use super::still::told;
use crate::adapters::docker::DockerError;
use crate::controller::ports::{AuditEntry, Entry, Event, Record};
use crate::execute::journal::Intent;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often Docker is asked at the start, when something waits for it.
const AGAIN: Duration = Duration::from_millis(500);
/// How long, at the start, something is waited for that Docker answers for and cannot bring back.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether something was left behind.
const LOOK: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to bring back the same thing.
const LONGEST: Duration = Duration::from_mins(5);

/// An intent that is closed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    at: Timestamp,
    intent: Intent,
    warning: bool,
    message: String,
}

impl Settled {
    fn entry(self) -> Entry {
        let Self { at, intent, warning, message } = self;
        let object = format!("policy/{}", intent.source);
        let reason = "QuiesceSettled".to_owned();
        let audit = AuditEntry {
            at,
            actor: "seawall".to_owned(),
            action: "quiesce.settle".to_owned(),
            object: object.clone(),
            result: if warning { "warning" } else { "success" }.to_owned(),
            detail: format!("run {}: {message}", intent.run),
        };
        Entry { events: vec![Event { at, warning, object, reason, message }], audit: vec![audit], ..Entry::default() }
    }
}

impl Quiescer {
    /// Settles everything that an earlier process left open. Waits for Docker as long as it takes; what Docker answers
    /// for and cannot bring back is left to [`Quiescer::watch`] after a while. To be awaited before anything else begins.
    pub async fn recover(&self, record: &Arc<dyn Record>) {
        let since = Instant::now();
        let mut said = String::new();
        loop {
            let left = self.round(record, &mut BTreeMap::new()).await;
            let Some((intent, error)) = left.first() else { return };
            let away = left.iter().any(|(_, error)| is_away(error));
            let message = format!("{} was left {} by an earlier process: {}", intent.name, intent.mode, told(error));
            if message != said {
                tracing::error!("{message}");
                said = message;
            }
            if !away && since.elapsed() >= PATIENCE {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Settles, until cancelled, what runs leave behind: what they could not bring back, and what is past its deadline.
    pub async fn watch(self, record: Arc<dyn Record>, cancel: CancellationToken) {
        let mut attempts = BTreeMap::new();
        while cancel.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            for (intent, error) in self.round(&record, &mut attempts).await {
                tracing::error!("{} could not be brought back: {}", intent.name, told(error));
            }
        }
    }

    /// One attempt at everything that no run looks after and whose next attempt is due; what failed.
    async fn round(
        &self,
        record: &Arc<dyn Record>,
        attempts: &mut BTreeMap<u64, (Instant, Duration)>,
    ) -> Vec<(Intent, DockerError)> {
        let open = self.journal.unattended(self.clock.now());
        attempts.retain(|id, _| open.iter().any(|(other, _)| other == id));
        let mut left = Vec::new();
        for (id, intent) in open {
            if attempts.get(&id).is_some_and(|(next, _)| Instant::now() < *next) {
                continue;
            }
            let at = self.clock.now();
            match settle(&self.docker, &intent, at, false).await {
                Ok(ending) => {
                    let message = if ending.message.is_empty() {
                        format!(
                            "{}, quiesced by the run {} ({}), is as it was before",
                            intent.name, intent.run, intent.mode
                        )
                    } else {
                        ending.message
                    };
                    let warning = ending.severity >= Severity::Warning;
                    // In this order: rather told twice than not at all.
                    tell(record, Settled { at, intent, warning, message }).await;
                    self.close(id).await;
                }
                Err(error) => {
                    let wait = attempts.get(&id).map_or(LOOK, |(_, wait)| (*wait * 2).min(LONGEST));
                    let wait = if is_away(&error) { Duration::ZERO } else { wait };
                    attempts.insert(id, (Instant::now() + wait, wait.max(LOOK)));
                    left.push((intent, error));
                }
            }
        }
        left
    }
}

const fn is_away(error: &DockerError) -> bool {
    !matches!(error, DockerError::Refused { .. } | DockerError::WrongState { .. } | DockerError::NotFound { .. })
}

async fn tell(record: &Arc<dyn Record>, settled: Settled) {
    if settled.warning {
        tracing::warn!("{}", settled.message);
    } else {
        tracing::info!("{}", settled.message);
    }
    let (record, entry) = (record.clone(), settled.entry());
    let written = tokio::task::spawn_blocking(move || record.record(&entry)).await;
    if let Ok(Err(error)) = written {
        tracing::error!("state could not be written: {error}");
    }
}
