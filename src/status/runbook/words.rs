//! How things are written in the runbook. Names come from outside and must not become markup.

use crate::policy::quantity;
use jiff::Timestamp;
use std::time::Duration;

/// Text on one line in which nothing is markup.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A name to be typed as it is.
pub(super) fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c == '`' || c.is_control() { '?' } else { c }).collect();
    format!("`{plain}`")
}

/// Text in a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// An id, short enough to be typed.
pub(super) fn id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

pub(super) fn when(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// How long ago, in the two largest units.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0);
    let coarse = if seconds < 86_400 { seconds - seconds % 60 } else { seconds - seconds % 3_600 };
    if seconds < 60 { format!("{seconds}s") } else { quantity::display(Duration::from_secs(coarse)) }
}

/// A promise.
pub(super) fn seconds(promised: Option<u64>) -> String {
    promised.map_or_else(|| "none".to_owned(), |seconds| quantity::display(Duration::from_secs(seconds)))
}

/// What was measured.
pub(super) fn measured(seconds: Option<f64>) -> String {
    let whole = |seconds: f64| Duration::try_from_secs_f64(seconds.max(1.0).round()).unwrap_or_default();
    seconds.map_or_else(|| "never measured".to_owned(), |seconds| quantity::display(whole(seconds)))
}
