//! When to look again.

use std::time::Duration;
use tokio::time::Instant;

/// A burst of events is over when none came for so long.
const QUIET: Duration = Duration::from_millis(50);
/// A burst that does not end is looked into so often.
const AT_LEAST: Duration = Duration::from_secs(1);
/// An engine announces some changes before its lists show them (a container that ended is "running" until its mounts
/// are gone, and there is no later word of it), so a burst is followed by a second look.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// When the next look is due.
#[derive(Debug)]
pub(super) struct Pace {
    next: Option<Instant>,
    /// When the burst began that the next look is for.
    burst: Option<Instant>,
}

impl Pace {
    /// The first look is due at an instant.
    pub(super) fn due(at: Instant) -> Self {
        Self { next: Some(at), burst: None }
    }

    /// Something changed.
    pub(super) fn wake(&mut self, now: Instant) {
        let burst = *self.burst.get_or_insert(now);
        self.next = Some((now + QUIET).min(burst + AT_LEAST));
    }

    /// A look was taken.
    pub(super) fn looked(&mut self, now: Instant) {
        self.next = self.burst.take().map(|_| now + AFTERWARDS);
    }

    /// When the next look is due; `never`, when none is.
    pub(super) fn next(&self, never: Instant) -> Instant {
        self.next.unwrap_or(never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_burst_is_one_look_and_one_more_afterwards() {
        let start = Instant::now();
        let never = start + Duration::from_hours(1);
        let mut pace = Pace::due(start);
        pace.looked(start);
        assert_eq!(pace.next(never), never, "nobody asked for a second look");
        pace.wake(start);
        pace.wake(start + millis(30));
        assert_eq!(pace.next(never), start + millis(80));
        pace.looked(start + millis(80));
        assert_eq!(pace.next(never), start + millis(2080));
        pace.looked(start + millis(2080));
        assert_eq!(pace.next(never), never);
    }

    #[test]
    fn a_burst_without_end_is_looked_into_all_the_same() {
        let start = Instant::now();
        let mut pace = Pace::due(start);
        pace.looked(start);
        for n in 0..200 {
            pace.wake(start + millis(n * 10));
        }
        assert_eq!(pace.next(start), start + Duration::from_secs(1));
    }

    #[test]
    fn an_event_before_the_second_look_hastens_it() {
        let start = Instant::now();
        let mut pace = Pace::due(start);
        pace.wake(start);
        pace.looked(start + millis(50));
        pace.wake(start + millis(60));
        assert_eq!(pace.next(start), start + millis(110));
    }
}
