//! Whether Seawall lives, and whether it is ready.

use crate::status::model::StatusSnapshot;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The loop passes at least every five minutes; three that did not come are no delay any more.
pub(super) const STALL: SignedDuration = SignedDuration::from_mins(15);

/// The process answers; what is left to know is whether its loop turns.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Life {
    pub(super) alive: bool,
    message: String,
}

pub(super) fn life(status: &StatusSnapshot, started: Timestamp, now: Timestamp) -> Life {
    let last = status.reconciled_at.map_or(started, |at| at.max(started));
    let alive = now.duration_since(last) <= STALL;
    let message = match (alive, status.reconciled_at) {
        (true, _) => "the loop turns".to_owned(),
        (false, Some(at)) => format!("the loop stands still: its last pass ended at {at:.0}"),
        (false, None) => format!("the loop stands still: it has not ended a pass since {started:.0}"),
    };
    Life { alive, message }
}

/// What has to be so before the answers mean anything.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    pub(super) ready: bool,
    waiting_for: Vec<&'static str>,
}

pub(super) fn readiness(status: &StatusSnapshot) -> Readiness {
    // A directory in trouble with nothing remembered of it is not an empty one.
    let loaded = status.at.is_some() && (status.config.problem.is_none() || !status.policies.is_empty());
    let docker = status.docker.up || !status.docker.message.is_empty();
    let looks =
        [(status.reconciled_at.is_some(), "the first pass"), (loaded, "the policies"), (docker, "a look at Docker")];
    let waiting_for: Vec<_> = looks.into_iter().filter(|(taken, _)| !taken).map(|(_, what)| what).collect();
    Readiness { ready: waiting_for.is_empty(), waiting_for }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive() {
        let mut status = StatusSnapshot::default();
        assert!(life(&status, at(0), at(900)).alive);
        assert!(!life(&status, at(0), at(901)).alive);
        status.reconciled_at = Some(at(600));
        assert!(life(&status, at(0), at(1_500)).alive);
        let dead = life(&status, at(0), at(1_501));
        assert!(!dead.alive && dead.message.contains(&at(600).to_string()), "{dead:?}");
        // A pass of an earlier process says nothing about this one.
        assert!(life(&status, at(5_000), at(5_100)).alive);
    }

    #[test]
    fn ready_means_that_every_first_look_was_taken() {
        let mut status = StatusSnapshot::default();
        assert!(!readiness(&status).ready);
        status.at = Some(at(0));
        status.reconciled_at = Some(at(0));
        assert!(!readiness(&status).ready);
        "no such socket".clone_into(&mut status.docker.message);
        assert!(readiness(&status).ready, "Docker away is a state, not a reason to hide the others");
        status.config.problem = Some("missing".to_owned());
        assert!(!readiness(&status).ready);
    }
}
