//! The shrink guard: what stops a slip in a policy from removing years at once.

use super::{Evaluation, SnapshotDecision};

/// The shrink guard: a plan that would remove too large a share at once waits for a person.
///
/// One complete snapshot, and one partial beside it, may always go: each new snapshot takes the place of an old one,
/// which of two is the half. Only a `max_delete_percent` of 0 holds these back as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Most that one plan may remove, in percent of the source's snapshots in one repository. Default 50.
    pub max_delete_percent: u8,
    /// The acknowledgement that a person copied from the message of a held plan; several with commas between them, one
    /// for each source and repository.
    ///
    /// `delete-9-until-20261101T020000Z-ab12cd34` lets nine snapshots go, of which the newest is that one. It holds for
    /// as long as that snapshot is there and is to go: removal begins with the oldest, so that one that was interrupted
    /// is finished, and one that was finished never covers another. What goes beyond the nine, since time passes until
    /// the policy is in force, is judged as a removal by itself, and two more are always let through.
    pub acknowledge: Option<String>,
}

/// A removal that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// How much would go, and the exact acknowledgement that lets it.
    pub message: String,
}

/// How many more than were acknowledged may go whatever their share is.
const TOLERANCE: usize = 2;

/// Whether a removal has to wait for a person. `target` names source and repository in the message.
#[must_use]
pub fn guard(evaluation: &Evaluation, guard: &Guard, target: &str) -> Option<HeldBack> {
    let all = evaluation.snapshots.len();
    let removed: Vec<&SnapshotDecision> = evaluation.snapshots.iter().filter(|s| !s.keep).collect();
    let newest = removed.first()?;
    let too_many = |count: usize| count * 100 > usize::from(guard.max_delete_percent) * all;
    let partial = evaluation.partial_removed;
    let one_for_another = guard.max_delete_percent > 0 && partial <= 1 && removed.len() - partial <= 1;
    if one_for_another || !too_many(removed.len()) {
        return None;
    }
    let given =
        guard.acknowledge.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
    let mut stale = false;
    for acknowledgement in given {
        match beyond(acknowledgement, &removed) {
            Some(more) if more <= TOLERANCE || !too_many(more) => return None,
            _ => stale = true,
        }
    }
    let (count, percent) = (removed.len(), removed.len() * 100 / all);
    let note = if stale { " (the acknowledgement that is there belongs to another removal)" } else { "" };
    Some(HeldBack {
        message: format!(
            "{count} of {all} snapshots of {target} would be removed, which is {percent} % and more than \
             maxDeletePercent: {} lets go at once; the newest of them is {} of {}. If that is meant, write \
             `acknowledge: {}` under `retention.guard`; it covers this removal and no later one{note}",
            guard.max_delete_percent,
            short(&newest.id),
            newest.time.strftime("%FT%TZ"),
            acknowledgement(count, newest)
        ),
    })
}

/// `delete-9-until-20261101T020000Z-ab12cd34`.
fn acknowledgement(count: usize, newest: &SnapshotDecision) -> String {
    format!("delete-{count}-until-{}-{}", stamp(newest), short(&newest.id))
}

/// How many of those removed go beyond what was acknowledged; `None` when the snapshot that it names does not go.
fn beyond(acknowledgement: &str, removed: &[&SnapshotDecision]) -> Option<usize> {
    let (count, newest) = acknowledgement.strip_prefix("delete-")?.split_once("-until-")?;
    let (count, (time, id)) = (count.parse::<usize>().ok()?, newest.split_once('-')?);
    let newer = removed.iter().position(|s| short(&s.id) == id && stamp(s) == time)?;
    Some(newer + (removed.len() - newer).saturating_sub(count))
}

/// As much of an id as people read.
fn short(id: &str) -> &str {
    id.char_indices().nth(8).map_or(id, |(end, _)| &id[..end])
}

fn stamp(snapshot: &SnapshotDecision) -> String {
    snapshot.time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
