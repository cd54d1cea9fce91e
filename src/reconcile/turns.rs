//! Who goes first where more is due than may run at once. Nobody waits for ever.

use super::plan::{BackupAction, Cause};
use super::verification::DrillAction;
use super::{Facts, SourceKey};
use jiff::Timestamp;

/// Most urgent first.
pub(super) fn backups(due: &mut [BackupAction], facts: &Facts) {
    let last_turn = |action: &BackupAction| {
        let targets = action.repositories.iter().map(|repository| action.source.target(repository));
        let runs = targets.filter_map(|target| facts.targets.get(&target)?.last_run.as_ref());
        runs.map(|run| run.finished).max()
    };
    due.sort_by_cached_key(|action| rank(action.cause, last_turn(action), action.slot, &action.source));
}

/// Most urgent first.
pub(super) fn drills(due: &mut [DrillAction], facts: &Facts) {
    let last_turn = |source: &SourceKey| Some(facts.drills.get(source)?.duty.last_run.as_ref()?.finished);
    due.sort_by_cached_key(|action| rank(action.cause, last_turn(&action.source), action.slot, &action.source));
}

/// What a person asked for, what there is no copy of yet, and then whoever had a turn longest ago. Not the oldest slot:
/// where there is more to do than time, every source's newest slot is the same before long, and the first by name would
/// have all the turns. Nor what failed: it would have them all while it goes on failing.
fn rank(
    cause: Cause,
    last_turn: Option<Timestamp>,
    slot: Timestamp,
    source: &SourceKey,
) -> (u8, Option<Timestamp>, Timestamp, SourceKey) {
    let class = match cause {
        Cause::Manual => 0,
        Cause::Initial => 1,
        Cause::Retry | Cause::CatchUp | Cause::Scheduled => 2,
    };
    (class, last_turn, slot, source.clone())
}
