//! Waiting for what happens elsewhere: until it is so, or the test fails.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Far more than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first view, from the present one on, that is as wanted.
pub async fn until<T: Debug>(view: &mut watch::Receiver<Arc<T>>, what: &str, wanted: impl Fn(&T) -> bool) -> Arc<T> {
    if let Ok(found) = tokio::time::timeout(PATIENCE, view.wait_for(|view| wanted(view))).await {
        return Arc::clone(&found.expect("the view is still published"));
    }
    panic!("{what}: never seen; the last view: {:#?}", view.borrow());
}

/// Asks again and again until the answer is yes.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
