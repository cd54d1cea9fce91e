//! Places where a test has the process die, to see what the next one makes of it, or has a task hang or panic, to see
//! what the others make of that.

/// Kills this process, as `kill -9` would, when the environment asks for it: `SEAWALL_FAIL_POINT=NAME`, or `NAME:2` for the
/// second time that the place is reached. `NAME=hang` and `NAME=panic` do that instead. Nothing in a release build.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "what a test asks for, and not in a release build")]
pub(super) fn fail_point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("SEAWALL_FAIL_POINT") else { return };
    let (wanted, how) = wanted.split_once('=').unwrap_or((&wanted, "kill"));
    let (wanted, nth) = wanted.split_once(':').unwrap_or((wanted, "1"));
    if wanted == name && nth.parse() == Ok(REACHED.fetch_add(1, Ordering::SeqCst) + 1) {
        if how == "panic" {
            std::panic::panic_any(format!("the fail point {name}"));
        }
        if how == "kill" {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).ok();
        }
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub(super) const fn fail_point(_name: &str) {}
