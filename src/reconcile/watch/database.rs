//! Whether the backups that a provider makes of a database are what the policy asks for.

use super::Judgement;
use super::archiver::{Seen, State};
use crate::policy::ManagedDatabase;
use crate::policy::quantity::display;
use crate::reconcile::GRACE;
use crate::reconcile::freshness::later;
use crate::status::model::Truth;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Clocks differ by a little; a backup from further ahead is a wrong clock or a wrong answer.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// What a provider says of a database and its backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseAnswer {
    /// The provider's word for a database that does not run: paused, being restored. `None`: it runs, or the provider
    /// does not tell.
    pub stopped: Option<String>,
    /// Backups that are listed.
    pub backups: Vec<ProviderBackup>,
    /// The span of which every instant can be restored, if there is one.
    pub window: Option<Window>,
    /// How far apart the provider's own backups are, where that is known.
    pub rhythm: Option<Duration>,
    /// What the database itself says of its archiver, where it was asked and told.
    pub archiver: Option<Seen>,
    /// What was asked and what was answered, one finding each.
    pub evidence: Vec<String>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderBackup {
    /// Of when it is.
    pub at: Timestamp,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It can be restored, as far as the provider tells.
    Restorable,
    /// It failed.
    Failed,
    /// Not yet, or not any more.
    Other,
}

/// A span of which every instant can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

impl DatabaseAnswer {
    /// The newest state that can be restored.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.of(Fate::Restorable).max().max(self.window.map(|window| window.to))
    }

    fn of(&self, fate: Fate) -> impl Iterator<Item = Timestamp> {
        self.backups.iter().filter(move |backup| backup.fate == fate).map(|backup| backup.at)
    }
}

/// From when a database is overdue whose newest restorable backup is of `newest`: `maxAge` later, and an hour for the
/// backup itself to be made.
#[must_use]
pub fn deadline(database: &ManagedDatabase, newest: Timestamp) -> Timestamp {
    later(later(newest, database.max_age), GRACE)
}

/// Whether the provider's newest backup is fresh. `at`: when the answer was given.
#[must_use]
pub fn judge(database: &ManagedDatabase, answer: &DatabaseAnswer, at: Timestamp, now: Timestamp) -> Judgement {
    let no = |reason: &str, message: String| Judgement::new(Truth::False, reason, message);
    if let Some(word) = &answer.stopped {
        return no("Paused", format!("the database does not run ({word}): of one that is paused no backup is made"));
    }
    let Some(newest) = answer.newest() else {
        let failed = answer.of(Fate::Failed).count();
        let others = if failed > 0 { format!("; {failed} that failed are") } else { String::new() };
        let message = format!("no restorable backup is listed{others}: switch backups on, or make copies of your own");
        return no("NoBackup", message);
    };
    if newest > at + AHEAD {
        let message = format!("the newest backup is said to be of {newest}, which is still to come: a clock is wrong");
        return Judgement::new(Truth::Unknown, "TimeAhead", message);
    }
    if let Some(failed) = answer.of(Fate::Failed).max().filter(|failed| *failed > newest) {
        let message = format!("the newest backup, of {failed}, failed; the newest that can be restored is of {newest}");
        return no("NewestFailed", message);
    }
    if now > deadline(database, newest) {
        let limit = display(database.max_age);
        return no("Stale", format!("the newest restorable backup is of {newest}, older than the {limit} of `maxAge`"));
    }
    if let Some(Seen { state: State::Broken(what), .. }) = &answer.archiver {
        return no("ArchiverFailing", format!("{what}; what is written now can be lost, whatever the provider lists"));
    }
    if let Some(wanted) = database.min_window {
        let oldest = answer.of(Fate::Restorable).min().into_iter().chain(answer.window.map(|w| w.from)).min();
        let held =
            oldest.map_or(Duration::ZERO, |from| Duration::try_from(newest.duration_since(from)).unwrap_or_default());
        if held < wanted {
            let message = format!(
                "the provider can go back {}, which is less than the {} of `minWindow`",
                display(whole(held)),
                display(wanted)
            );
            return no("WindowTooShort", message);
        }
    }
    Judgement::new(Truth::True, "Fresh", format!("the newest restorable state is of {newest}"))
}

/// Whether the recovery point that was promised is kept, and can be.
#[must_use]
pub fn objective(rpo: Duration, answer: &DatabaseAnswer, at: Timestamp, now: Timestamp) -> Judgement {
    let promised = display(rpo);
    if let (Some(rhythm), None) = (answer.rhythm.filter(|rhythm| *rhythm > rpo), answer.window) {
        let apart = display(rhythm);
        let message = format!(
            "the provider's backups are {apart} apart: a recovery point of {promised} needs point-in-time recovery, or \
             copies of your own"
        );
        return Judgement::new(Truth::False, "RecoveryPointOutOfReach", message);
    }
    let Some(newest) = answer.newest() else {
        return Judgement::new(Truth::False, "NoBackup", "there is nothing to recover from");
    };
    // A window reaches up to the instant of the answer, which ages until the next look; that is no loss.
    let reference = answer.window.filter(|window| window.to == newest).map_or(now, |_| at);
    let age = Duration::try_from(reference.duration_since(newest)).unwrap_or_default();
    if age > rpo {
        let message = format!("the newest restorable state is of {newest}, older than the promised {promised}");
        return Judgement::new(Truth::False, "RecoveryPointExceeded", message);
    }
    Judgement::new(Truth::True, "RecoveryPointMet", "")
}

/// Without the seconds that nobody wants to read.
fn whole(length: Duration) -> Duration {
    if length >= Duration::from_hours(1) {
        Duration::from_mins(length.as_secs() / 60)
    } else {
        Duration::from_secs(length.as_secs())
    }
}
