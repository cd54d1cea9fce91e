//! How long a failed run waits for its next attempt: capped exponential, full jitter.
//!
//! The only place that knows the crate behind the name `backoff`.

use backoff::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

/// The first delay is at most this.
const FIRST: Duration = Duration::from_secs(30);

/// No delay is longer than this.
const LONGEST: Duration = Duration::from_hours(1);

/// The delay after the given number of failures in a row, spread evenly over zero to its cap by `luck` in `[0, 1)`, so
/// that hosts that failed together do not come back together. At least one second.
#[must_use]
pub fn delay(failures: u32, luck: f64) -> Duration {
    // Ten doublings are past the cap.
    let nth = usize::try_from(failures.saturating_sub(1).min(10)).unwrap_or(10);
    let cap = ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .with_factor(2.0)
        .without_max_times()
        .build()
        .nth(nth)
        .unwrap_or(LONGEST)
        .min(LONGEST);
    cap.mul_f64(luck.clamp(0.0, 1.0)).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_never_past_it() {
        let caps: Vec<u64> = (1..=12).map(|n| delay(n, 1.0).as_secs()).collect();
        assert_eq!(caps, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]);
        assert_eq!(delay(u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn spreads_over_the_whole_span() {
        assert_eq!(delay(5, 0.0), Duration::from_secs(1));
        assert_eq!(delay(5, 0.5), Duration::from_mins(4));
    }
}
