//! Within this process: many backups, or one prune, never both.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a waiting caller looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// A gate that many may pass together or one alone. Those who want to pass alone wait for a while and then give up,
/// because a backup may take hours and must not hold up other backups through them.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    together: usize,
    alone: bool,
}

/// Passage, until dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    alone: bool,
}

/// Why there was no passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPass {
    Cancelled,
    Busy,
}

impl Gate {
    pub(super) fn together(&self, cancel: &CancellationToken) -> Result<Pass<'_>, NoPass> {
        self.wait(cancel, None, |inside| !inside.alone).map(|mut inside| {
            inside.together += 1;
            Pass { gate: self, alone: false }
        })
    }

    pub(super) fn alone(&self, cancel: &CancellationToken, patience: Duration) -> Result<Pass<'_>, NoPass> {
        self.wait(cancel, Some(patience), |inside| !inside.alone && inside.together == 0).map(|mut inside| {
            inside.alone = true;
            Pass { gate: self, alone: true }
        })
    }

    fn wait(
        &self,
        cancel: &CancellationToken,
        patience: Option<Duration>,
        free: impl Fn(&Inside) -> bool,
    ) -> Result<MutexGuard<'_, Inside>, NoPass> {
        let since = Instant::now();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while !free(&inside) {
            if cancel.is_cancelled() {
                return Err(NoPass::Cancelled);
            }
            if patience.is_some_and(|patience| since.elapsed() >= patience) {
                return Err(NoPass::Busy);
            }
            inside = self.left.wait_timeout(inside, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(inside)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.alone {
            inside.alone = false;
        } else {
            inside.together -= 1;
        }
        drop(inside);
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_or_one() {
        let gate = Gate::default();
        let cancel = CancellationToken::new();
        let first = gate.together(&cancel).unwrap();
        let second = gate.together(&cancel).unwrap();
        assert_eq!(gate.alone(&cancel, Duration::ZERO).unwrap_err(), NoPass::Busy);
        drop((first, second));
        let alone = gate.alone(&cancel, Duration::ZERO).unwrap();
        assert_eq!(gate.alone(&cancel, Duration::ZERO).unwrap_err(), NoPass::Busy);
        cancel.cancel();
        assert_eq!(gate.together(&cancel).unwrap_err(), NoPass::Cancelled);
        drop(alone);
        assert!(gate.together(&CancellationToken::new()).is_ok());
    }
}
