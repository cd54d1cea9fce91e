//! Drills and checks in the published state.

use crate::reconcile::plan::Verdict;
use crate::reconcile::{Attempt, CheckReport, DrillReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The drills of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillStatus {
    /// The schedule in words; `None`: only when a person asks.
    pub schedule: Option<String>,
    /// The repository that is restored from.
    pub repository: String,
    /// What the last pass concluded.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// When the next one begins.
    pub next_run: Option<Timestamp>,
    /// From when it is overdue.
    pub deadline: Option<Timestamp>,
    /// When the newest that passed ended.
    pub last_success: Option<Timestamp>,
    /// The newest one that ended by itself: one that was ended from outside says nothing.
    pub last_run: Option<Arc<Attempt>>,
    /// How long the newest that passed took, from the order to the end of the last check, seconds.
    pub seconds: Option<f64>,
    /// What the newest one found, if it came so far.
    pub report: Option<DrillReport>,
}

/// The checks of one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// The schedule in words; `None`: only when a person asks.
    pub schedule: Option<String>,
    /// How much of the data one check reads.
    pub read_data_percent: u8,
    /// What the last pass concluded.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// When the next one begins.
    pub next_run: Option<Timestamp>,
    /// From when it is overdue.
    pub deadline: Option<Timestamp>,
    /// When the newest that found nothing ended.
    pub last_success: Option<Timestamp>,
    /// The newest one that ended.
    pub last_run: Option<Arc<Attempt>>,
    /// What the newest one that came to its end found.
    pub report: Option<CheckReport>,
    /// Since when all data was read: the oldest share's last reading. `None` until every share has been.
    pub all_read_since: Option<Timestamp>,
    /// When all data will have been read, if the schedule is kept. `None` where none is read.
    pub all_read_by: Option<Timestamp>,
}
