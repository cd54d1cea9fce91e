//! Values that several tests speak of.
#![allow(dead_code, reason = "every test program uses some of it")]

use jiff::Timestamp;
use seawall::reconcile::{Attempt, Operation, Outcome, RunId, RunResult, SourceKey};

/// So many seconds after an instant that no test cares about.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A short record of a run.
pub fn attempt(result: RunResult) -> Attempt {
    Attempt {
        run: RunId("1".into()),
        slot: Some(at(0)),
        started: at(10),
        finished: at(20),
        result,
        message: "why".into(),
    }
}

/// A backup run that began so many seconds in, which is also its id (unless another source's has it).
pub fn outcome(policy: &str, source: &str, seconds: i64, result: RunResult) -> Outcome {
    let run = if source == "v" { seconds.to_string() } else { format!("{source}-{seconds}") };
    Outcome {
        run: RunId(run),
        operation: Operation::Backup,
        source: Some(SourceKey { policy: policy.into(), source: source.into() }),
        repository: "default".into(),
        slot: None,
        cause: "scheduled".into(),
        started: at(seconds),
        finished: at(seconds + 1),
        result,
        message: "done".into(),
        snapshot: None,
        forgotten: vec![],
        freed_bytes: 0,
        problems: vec![],
        problem_count: 0,
    }
}
