//! What is to be done with a container that Seawall made stand still, by what it is now and what was done with it.

use crate::adapters::docker::Inspected;
use crate::policy::Mode;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It runs.
    Runs,
    /// Let it go on.
    Unpause,
    /// Start it.
    Start,
    /// It was told to stop and has not ended yet: it will, so see that through and start it.
    StopAndStart,
    /// What it is now, somebody else made it.
    Leave(&'static str),
}

/// `history`: what was done with the container since the intent was written, oldest first. Where the engine has
/// forgotten it, as it does when it restarts, nobody is known to have wished otherwise, and it is brought back.
pub(super) fn judge(mode: Mode, now: &Inspected, history: &[String]) -> Step {
    let done = |action: &str| history.iter().position(|word| word.split(':').next() == Some(action));
    let (begun, undone) = match mode {
        Mode::Stop => ("kill", ["start", "restart"]),
        Mode::Pause | Mode::Hooks => ("pause", ["unpause", "start"]),
    };
    let begun = done(begun);
    let brought_back = history
        .iter()
        .enumerate()
        .any(|(nth, word)| undone.contains(&word.as_str()) && begun.is_some_and(|begun| nth > begun));
    match (now.state.as_str(), mode) {
        ("running", Mode::Stop) if begun.is_some() && done("die").is_none() => Step::StopAndStart,
        ("running", _) => Step::Runs,
        ("restarting", _) => Step::Leave("is being restarted by its own restart policy"),
        ("removing", _) => Step::Leave("is being removed"),
        ("paused", Mode::Stop) => Step::Leave("was started and then paused by somebody else"),
        ("paused", _) if brought_back => Step::Leave("was paused again by somebody else"),
        ("paused", _) => Step::Unpause,
        (_, _) if brought_back => Step::Leave("was brought back meanwhile and has ended since"),
        (_, Mode::Pause | Mode::Hooks) if done("stop").is_some() => Step::Leave("was stopped by somebody else"),
        (_, _) => Step::Start,
    }
}

/// Whether it stood still up to now, so that what was read belongs together.
pub(super) fn stood_still(mode: Mode, now: &Inspected, history: &[String]) -> bool {
    let moved = |word: &String| matches!(word.as_str(), "unpause" | "start" | "restart");
    match mode {
        Mode::Pause => now.state == "paused" && !history.iter().any(moved),
        Mode::Stop => matches!(now.state.as_str(), "exited" | "dead" | "created") && !history.iter().any(moved),
        Mode::Hooks => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn now(state: &str) -> Inspected {
        Inspected {
            id: "1".into(),
            name: "app".into(),
            state: state.into(),
            exit_code: 0,
            health: None,
            health_output: String::new(),
            restart_policy: "no".into(),
            grace: None,
            labels: BTreeMap::new(),
        }
    }

    fn step(mode: Mode, state: &str, history: &str) -> Step {
        let history: Vec<String> = history.split_whitespace().map(str::to_owned).collect();
        judge(mode, &now(state), &history)
    }

    #[test]
    fn what_only_seawall_did_is_undone() {
        assert_eq!(step(Mode::Pause, "paused", "pause"), Step::Unpause);
        assert_eq!(step(Mode::Pause, "paused", ""), Step::Unpause);
        assert_eq!(step(Mode::Pause, "running", ""), Step::Runs);
        assert_eq!(step(Mode::Stop, "exited", "kill die stop"), Step::Start);
        assert_eq!(step(Mode::Stop, "running", ""), Step::Runs);
    }

    #[test]
    fn an_engine_that_restarted_has_forgotten_and_the_container_comes_back() {
        assert_eq!(step(Mode::Pause, "exited", ""), Step::Start);
        assert_eq!(step(Mode::Stop, "exited", ""), Step::Start);
        // It was killed from outside Docker.
        assert_eq!(step(Mode::Pause, "exited", "pause die"), Step::Start);
    }

    #[test]
    fn what_a_person_did_is_left() {
        for (mode, state, history) in [
            (Mode::Pause, "exited", "pause kill unpause die stop"),
            (Mode::Pause, "exited", "pause kill die stop"),
            (Mode::Pause, "paused", "pause unpause pause"),
            (Mode::Stop, "exited", "kill die stop start kill die stop"),
            (Mode::Stop, "paused", "kill die stop start pause"),
            (Mode::Stop, "restarting", "kill die stop start die"),
        ] {
            assert!(matches!(step(mode, state, history), Step::Leave(_)), "{mode} {state} {history}");
        }
        assert_eq!(step(Mode::Stop, "running", "kill die stop start"), Step::Runs);
    }

    #[test]
    fn a_stop_under_way_is_seen_through() {
        assert_eq!(step(Mode::Stop, "running", "kill"), Step::StopAndStart);
        assert_eq!(step(Mode::Stop, "running", "kill die stop start"), Step::Runs);
    }

    #[test]
    fn only_what_never_moved_stood_still() {
        let still = |mode, state: &str, history: &str| {
            let history: Vec<String> = history.split_whitespace().map(str::to_owned).collect();
            stood_still(mode, &now(state), &history)
        };
        assert!(still(Mode::Pause, "paused", "pause"));
        assert!(still(Mode::Stop, "exited", "kill die stop"));
        assert!(!still(Mode::Pause, "running", "pause unpause"));
        assert!(!still(Mode::Pause, "paused", "pause unpause pause"));
        assert!(!still(Mode::Stop, "exited", "kill die stop start die"));
        assert!(!still(Mode::Pause, "exited", ""));
    }
}
