//! A server's own view of its archiver: whether what it wrote since the last backup is on its way to safety.
//!
//! What the numbers mean, and when they mean nothing, was measured on PostgreSQL 15: a server at rest archives nothing and
//! is not late; a failure stays on record beside a later success; a crash empties the record.

use crate::policy::quantity::display;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Two files of a server's log. What is less may wait for its file to be full.
const MUCH: u64 = 32 << 20;
/// A server that is late by less than this is not late.
const SLACK: Duration = Duration::from_mins(10);

/// What a server says of its archiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archiver {
    /// Whether it archives at all.
    pub on: bool,
    /// Whether it only follows another server, whose archiver is what counts.
    pub standby: bool,
    /// After this long a file is archived although it is not full; `None`: never.
    pub at_least_every: Option<Duration>,
    /// When a file was last archived.
    pub archived: Option<Timestamp>,
    /// When that last failed.
    pub failed: Option<Timestamp>,
    /// Since when it is on record.
    pub since: Option<Timestamp>,
    /// How much the server has ever written to its log, bytes.
    pub written: u64,
    /// What tells this server from others.
    pub system: String,
    /// When it was asked.
    pub at: Timestamp,
}

/// What a server said, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it said.
    pub view: Archiver,
    /// What that means.
    pub state: State,
}

/// What is to be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It works, or has nothing to do.
    Works,
    /// It does not; what a person has to know.
    Broken(String),
    /// It says nothing about backups.
    Silent(String),
}

impl Archiver {
    /// `before`: what the same server said at the look before.
    #[must_use]
    pub fn state(&self, before: Option<&Self>) -> State {
        if !self.on {
            return State::Silent("the server does not archive its log (archive_mode is off)".to_owned());
        }
        if self.standby {
            return State::Silent("the server follows another one, whose archiver counts".to_owned());
        }
        let broken = |what: String| State::Broken(format!("the server cannot archive its log: {what}"));
        match (self.archived, self.failed) {
            // Both stay on record; the later one counts.
            (Some(archived), Some(failed)) if failed > archived => {
                broken(format!("it failed at {failed}, and last succeeded at {archived}"))
            }
            (None, Some(failed)) => broken(format!("it failed at {failed}, and no success is on record")),
            (Some(archived), _) => self.behind(archived, before),
            (None, None) => {
                let since = self.since.map_or_else(String::new, |since| format!(", which begins at {since}"));
                State::Silent(format!("nothing is on record of the archiver{since}: a crash empties the record"))
            }
        }
    }

    /// Whether something has been waiting for too long. Age alone says nothing: a server at rest has nothing to archive.
    fn behind(&self, archived: Timestamp, before: Option<&Self>) -> State {
        let Some(before) = before.filter(|before| before.system == self.system && before.at < self.at) else {
            return State::Works;
        };
        if before.archived != self.archived {
            return State::Works;
        }
        let written = self.written.saturating_sub(before.written);
        let allowed = self.at_least_every.map(|every| (every * 2).max(SLACK));
        let age = Duration::try_from(self.at.duration_since(archived)).unwrap_or_default();
        let late = allowed.is_some_and(|allowed| age > allowed && waited(before, self) && written > 0);
        if late || written > MUCH {
            return State::Broken(format!(
                "the server archives nothing: the newest of its log that is safe is of {archived}, {} ago, and it has written \
                 since",
                display(Duration::from_secs(age.as_secs()))
            ));
        }
        State::Works
    }
}

/// Whether the two looks are far enough apart that what was written between them should be archived by now.
fn waited(before: &Archiver, now: &Archiver) -> bool {
    let apart = now.at.duration_since(before.at);
    now.at_least_every.and_then(|every| SignedDuration::try_from(every).ok()).is_some_and(|every| apart >= every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn archiver(archived: Option<i64>, failed: Option<i64>, now: i64) -> Archiver {
        Archiver {
            on: true,
            at_least_every: Some(Duration::from_mins(2)),
            archived: archived.map(at),
            failed: failed.map(at),
            written: 1000,
            system: "7".to_owned(),
            at: at(now),
            ..Archiver::default()
        }
    }

    #[test]
    fn the_later_of_success_and_failure_counts() {
        let broken = |archiver: Archiver| matches!(archiver.state(None), State::Broken(_));
        for (archived, failed, wanted) in
            [(Some(10), None, false), (Some(10), Some(9), false), (Some(10), Some(11), true), (None, Some(9), true)]
        {
            assert_eq!(broken(archiver(archived, failed, 20)), wanted, "{archived:?} {failed:?}");
        }
    }

    #[test]
    fn what_says_nothing_is_not_taken_for_good_or_bad() {
        let silent = |archiver: Archiver| matches!(archiver.state(None), State::Silent(_));
        assert!(silent(archiver(None, None, 20)));
        assert!(silent(Archiver { on: false, ..archiver(Some(1), Some(2), 20) }));
        assert!(silent(Archiver { standby: true, ..archiver(Some(1), Some(2), 20) }));
    }

    #[test]
    fn a_server_at_rest_is_not_late_and_one_that_writes_is() {
        let before = archiver(Some(10), None, 3000);
        let state = |now: Archiver| now.state(Some(&before));
        assert_eq!(state(archiver(Some(10), None, 90_000)), State::Works);
        let writes = |more: u64, now: i64| Archiver { written: 1000 + more, ..archiver(Some(10), None, now) };
        assert!(matches!(state(writes(1, 90_000)), State::Broken(_)));
        // Written a moment ago.
        assert_eq!(state(writes(1, 3010)), State::Works);
        assert!(matches!(state(writes(MUCH + 1, 3010)), State::Broken(_)));
        // Another server by now, whose numbers are its own.
        assert_eq!(state(Archiver { system: "8".to_owned(), ..writes(1, 90_000) }), State::Works);
        assert_eq!(state(Archiver { archived: Some(at(89_000)), ..writes(1, 90_000) }), State::Works);
        // Without a limit a file waits until it is full.
        assert_eq!(state(Archiver { at_least_every: None, ..writes(1, 90_000) }), State::Works);
    }
}
