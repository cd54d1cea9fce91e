//! What the rules keep, and what the guard holds back.

mod examples;
mod guarded;
mod laws;
mod read_back;

use super::*;

pub(super) const NONE: Retention = Retention {
    within: None,
    last: 1,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    guard: Guard { max_delete_percent: 50, acknowledge: None },
};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub(super) fn complete(id: &str, time: &str) -> Candidate {
    Candidate { id: id.into(), time: at(time), complete: true }
}

pub(super) fn partial(id: &str, time: &str) -> Candidate {
    Candidate { complete: false, ..complete(id, time) }
}

/// One complete snapshot for each day of November 2026 up to this one, named after it.
pub(super) fn november(days: u32) -> Vec<Candidate> {
    (1..=days).map(|day| complete(&format!("{day:02}aaaaaaaa"), &format!("2026-11-{day:02}T02:00:00Z"))).collect()
}

pub(super) fn now() -> Timestamp {
    at("2026-11-30T12:00:00Z")
}

/// `id: reason, reason` for what stays, `id- reason` for what goes.
pub(super) fn told(evaluation: &Evaluation) -> Vec<String> {
    let tell = |s: &SnapshotDecision| format!("{}{} {}", s.id, if s.keep { ":" } else { "-" }, s.why());
    evaluation.snapshots.iter().map(tell).collect()
}
