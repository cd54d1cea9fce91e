//! Taking no more of a busy host than a policy allows.

use crate::policy::Resources;
use std::time::{Duration, Instant};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio_util::sync::CancellationToken;

/// The longest that one wait lasts, so that a run can be ended.
const NAP: Duration = Duration::from_millis(100);
/// What was not read in time may be caught up with for so long.
const CREDIT: Duration = Duration::from_secs(1);

/// Holds reading back to so many bytes a second.
pub(super) struct Pace {
    rate: u64,
    cancel: CancellationToken,
    /// When all that was read so far would have been, at the rate.
    due: Option<Instant>,
}

impl Pace {
    pub fn new(rate: u64, cancel: CancellationToken) -> Self {
        Self { rate, cancel, due: None }
    }

    /// Tells that so many bytes were read; waits until that was permitted.
    pub fn read(&mut self, bytes: usize) {
        let now = Instant::now();
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let takes = Duration::try_from_secs_f64(quotient(bytes as u64, self.rate)).unwrap_or(CREDIT);
        let due = self.due.unwrap_or(now).max(earliest) + takes;
        self.due = Some(due);
        while !self.cancel.is_cancelled() {
            match due.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(NAP)),
                _ => return,
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "of a length of time, so many digits will do")]
fn quotient(bytes: u64, rate: u64) -> f64 {
    bytes as f64 / rate.max(1) as f64
}

/// Makes the calling thread yield to others as far as a policy asks for it. What the system does not permit is told.
///
/// Source: Linux takes a thread's priority at disks from its nice value, and counts one of the idle class as idle there
/// too (`Documentation/block/ioprio.rst`).
pub(super) fn yield_to_others(resources: Resources) {
    if !resources.low_cpu && !resources.idle_io {
        return;
    }
    let class = if resources.idle_io { NormalThreadSchedulePolicy::Idle } else { NormalThreadSchedulePolicy::Other };
    let policy = ThreadSchedulePolicy::Normal(class);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::warn!(?error, "this run cannot yield to others as its policy asks");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_take_so_long_unless_the_run_is_ended() {
        let cancel = CancellationToken::new();
        let mut pace = Pace::new(1 << 20, cancel.clone());
        let began = Instant::now();
        for _ in 0..6 {
            pace.read(32 << 10);
        }
        assert!(began.elapsed() >= Duration::from_millis(187), "{:?}", began.elapsed());
        cancel.cancel();
        pace.read(1 << 30);
        assert!(began.elapsed() < Duration::from_mins(1));
    }
}
