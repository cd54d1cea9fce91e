//! Which containers a run of this process has in its hands: two runs never have the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What is held.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<BTreeSet<String>>,
    freed: Notify,
}

/// Some containers in the hands of one run, until dropped.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    ids: BTreeSet<String>,
}

impl Holds {
    /// Waits until nobody holds any of these, and then holds all of them. Since it is all or none, no two wait for each
    /// other.
    pub(super) async fn take(&self, ids: BTreeSet<String>) -> Hold {
        loop {
            let freed = self.shared.freed.notified();
            tokio::pin!(freed);
            // From here on no word is missed.
            freed.as_mut().enable();
            {
                let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
                if held.is_disjoint(&ids) {
                    held.extend(ids.iter().cloned());
                    return Hold { shared: Arc::clone(&self.shared), ids };
                }
            }
            freed.await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| !self.ids.contains(id));
        self.shared.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ids(ids: &str) -> BTreeSet<String> {
        ids.chars().map(String::from).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_holds_the_other_waits_for() {
        let holds = Holds::default();
        let first = holds.take(ids("ab")).await;
        holds.take(ids("c")).await;
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, holds.take(ids("bc"))).await.is_err());
        // Who gave up waiting holds nothing.
        holds.take(ids("c")).await;
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { drop(holds.take(ids("bc")).await) }
        });
        tokio::time::sleep(soon).await;
        drop(first);
        waiting.await.unwrap();
    }
}
