//! A dump brought back into a database.
//!
//! What is there is never written into: the dump goes into a database of its own, and once it is whole the two exchange
//! their names in one transaction. What was replaced stays on the server, under a name that says so.

use super::drill::{Stored, load};
use super::{aside, repository_error};
use crate::adapters::postgres::{Asker, Leaving, PostgresError, Server, Target, beside, unfinished};
use crate::adapters::repository::{Control, Reason, RepositoryAdapter, RepositoryError};
use crate::clock::Clock;
use crate::controller::ports::{RunControl, Work};
use crate::execute::restore::{SetAside, Shelf};
use crate::execute::{Executor, blank, blocking, ended_badly, fail_point::fail_point, unknown_repository};
use crate::policy::quantity::bytes;
use crate::policy::{Policy, PostgresSource, SecretRef, Source};
use crate::reconcile::restore::{IntoDatabase, KEPT, Manner, database_target};
use crate::reconcile::{Operation, Outcome, RestoreAction, RestoreStep, Restored, RunId, RunResult, SourceKey, Undo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(in crate::execute) async fn run(
    executor: &Executor,
    work: &Work,
    action: RestoreAction,
    control: &RunControl,
) -> Outcome {
    let repository = action.repository().unwrap_or_default().to_owned();
    let mut outcome = blank(control, Operation::Restore, Some(action.source.clone()), &repository);
    "manual".clone_into(&mut outcome.cause);
    let Some(restores) = executor.restores.clone() else {
        let error = RepositoryError::new(Reason::Refused, "Nothing can be restored here");
        return ended_badly(outcome, &error, executor.clock.now());
    };
    let source = work.desired.policies.get(&action.source.policy).and_then(|policy| of(policy));
    let keep = match &action.step {
        RestoreStep::Bring { keep, .. } => *keep,
        RestoreStep::Unpack { .. } | RestoreStep::Undo(_) | RestoreStep::Discard(_) => None,
    };
    let task = Task {
        source,
        key: action.source.clone(),
        host: executor.host.clone(),
        shelf: Arc::clone(restores.shelf()),
        clock: Arc::clone(&executor.clock),
        run: control.run.clone(),
        keep: keep.unwrap_or(KEPT),
        inner: Control {
            cancel: control.cancel.child_token(),
            progress: Arc::clone(&control.progress),
            ..Control::default()
        },
    };
    let done = match action.step {
        RestoreStep::Bring { repository, snapshot, to, database, .. } => {
            let Some(found) = work.desired.repositories.get(&repository).cloned() else {
                return ended_badly(outcome, &unknown_repository(&repository), executor.clock.now());
            };
            let registry = Arc::clone(&executor.registry);
            blocking(move || {
                registry.with_existing(&found, |adapter| task.bring(adapter, &snapshot, to.as_deref(), database))
            })
            .await
        }
        RestoreStep::Unpack { .. } => {
            Err(RepositoryError::new(Reason::Refused, "An archive of files does not go into a database"))
        }
        RestoreStep::Undo(run) => blocking(move || task.undo(&run)).await,
        RestoreStep::Discard(run) => blocking(move || task.discard(&run)).await,
    };
    let finished = executor.clock.now();
    match done {
        Err(error) => ended_badly(outcome, &error, finished),
        Ok(Done { message, restored }) => {
            outcome.finished = finished;
            outcome.result = RunResult::Success;
            outcome.message = message;
            outcome.restored = restored;
            outcome
        }
    }
}

fn of(policy: &Policy) -> Option<PostgresSource> {
    match &policy.source {
        Source::Postgres(source) => Some(source.clone()),
        Source::Volume(_) | Source::Path(_) | Source::ManagedDatabase(_) | Source::Bucket(_) => None,
    }
}

struct Done {
    message: String,
    restored: Option<Restored>,
}

struct Task {
    /// `None`: its policy is not in force.
    source: Option<PostgresSource>,
    key: SourceKey,
    host: String,
    shelf: Arc<Shelf>,
    clock: Arc<dyn Clock>,
    run: RunId,
    /// How long what is replaced is kept.
    keep: Duration,
    inner: Control,
}

impl Task {
    /// How a database that is not finished is marked.
    fn unfinished(&self) -> String {
        unfinished(&self.key, &self.host)
    }

    /// How what a restore has replaced is marked.
    fn replaced(&self, run: &RunId) -> String {
        format!("Seawall: what restore {run} of {} by {} replaced: ", self.key, self.host)
    }

    /// Where the address of the server is read from, and which of its databases is meant where the address does not say.
    fn address(&self, to: Option<&str>) -> Result<(SecretRef, Option<String>), PostgresError> {
        let own = || {
            self.source.as_ref().map(|source| source.url_from.clone()).ok_or_else(|| {
                PostgresError::refused(format!(
                    "The policy {} is not in force, so its server is not known: give a whole address, `--to-database env:NAME` \
                     or `file:PATH`",
                    self.key.policy
                ))
            })
        };
        Ok(match to.map(database_target) {
            Some(IntoDatabase::Env(name)) => (SecretRef::Env(name), None),
            Some(IntoDatabase::File(path)) => (SecretRef::File(PathBuf::from(path)), None),
            Some(IntoDatabase::Name(name)) => (own()?, Some(name)),
            None => (own()?, None),
        })
    }

    fn binaries(&self) -> Option<&Path> {
        self.source.as_ref().and_then(|source| source.binaries.as_deref())
    }

    fn bring(
        &self,
        repository: &RepositoryAdapter,
        id: &str,
        to: Option<&str>,
        how: Manner,
    ) -> Result<Done, RepositoryError> {
        let snapshot = repository.snapshot(id)?;
        if snapshot.source.as_ref() != Some(&self.key) {
            let of = snapshot.source.as_ref().map_or_else(|| "something else".to_owned(), ToString::to_string);
            let message = format!("The snapshot {} is of {of}, not of {}", id.get(..8).unwrap_or_default(), self.key);
            return Err(RepositoryError::new(Reason::Refused, message));
        }
        let stored = Stored::of(repository, &snapshot)?;
        let failed = |error: PostgresError| repository_error(&error);
        let (url_from, name) = self.address(to).map_err(failed)?;
        let target = Target::reach(&url_from, name.as_deref(), self.binaries(), &self.inner.cancel);
        let Target { name, asker, server, clients } = target.map_err(failed)?;
        for (left, _) in server.marked(&self.unfinished()).map_err(failed)? {
            if server.remove(&left, &self.unfinished()).map_err(failed)? {
                tracing::warn!(database = %left, "removed what an unfinished restore had left");
            }
        }
        let there = server.look(&name).map_err(failed)?;
        let major = server.version().map_err(failed)?;
        let programs = clients.for_server(major.max(stored.needs())).map_err(failed)?.clone();
        let asker = Asker { programs, ..asker };
        let leaving = Leaving { owners: how.no_owner };
        let mut restored = Restored { snapshot: snapshot.id.to_string(), files: 1, bytes: 0, kept: None };
        let into = |name: &str| {
            let written = load(repository, &snapshot.id, &stored.dump, &asker.of(name), leaving, &self.inner);
            written.map_err(|error| self.with_roles(error))
        };
        let at = snapshot.time;
        match there {
            Some(there) if !there.empty => {
                if to.is_some() && !how.clean {
                    let message = format!(
                        "The database {name} is not empty ({}), and nothing is ever written over: name another one, or add \
                         `--clean`, which replaces it and keeps what was there",
                        bytes(there.bytes)
                    );
                    return Err(RepositoryError::new(Reason::Refused, message));
                }
                let short = short(&self.run);
                let (new, kept) =
                    (beside(&name, &format!("seawall_new_{short}")), beside(&name, &format!("seawall_old_{short}")));
                server.make(&new, Some(&name), &stored.facts, &self.unfinished()).map_err(failed)?;
                let mut aside = SetAside {
                    undo: Undo {
                        restore: self.run.clone(),
                        source: self.key.clone(),
                        target: name.clone(),
                        snapshot: snapshot.id.to_string(),
                        path: String::new(),
                        at,
                        expires: at,
                        place: PathBuf::from(&kept),
                        bytes: there.bytes,
                        undone: false,
                    },
                    url_from,
                    binaries: self.binaries().map(Path::to_owned),
                    system: server.system(),
                    mark: self.replaced(&self.run) + &name,
                    exchanged: false,
                    under_way: false,
                };
                let exchanged = into(&new).and_then(|written| {
                    fail_point("laid");
                    server.dress(&new, &name).map_err(failed)?;
                    aside.undo.at = self.clock.now();
                    aside.undo.expires = aside.undo.at.saturating_add(self.keep).unwrap_or(aside.undo.at);
                    let expires = aside.undo.expires;
                    aside::exchange(&self.shelf, &server, aside, &new)?;
                    Ok((written, expires))
                });
                let (written, expires) = self.or_remove(&server, &new, exchanged)?;
                restored.bytes = written;
                let message = format!(
                    "{}, as of {at:.0}, are in the database {name} again; what it replaced is kept as {kept} until {expires:.0}: \
                     `seawall restore {} --undo` puts it back, `--discard` removes it",
                    bytes(written),
                    self.key.policy
                );
                restored.kept = Some(kept);
                Ok(Done { message, restored: Some(restored) })
            }
            there => {
                let made = there.is_none();
                if made {
                    server.make(&name, None, &stored.facts, &self.unfinished()).map_err(failed)?;
                    fail_point("made");
                }
                let written = into(&name);
                restored.bytes = if made { self.or_remove(&server, &name, written)? } else { written? };
                if made {
                    server.finish(&name).map_err(failed)?;
                }
                let what = if made { "which was made for it" } else { "which was empty" };
                let message = format!("{}, as of {at:.0}, are in the database {name}, {what}", bytes(restored.bytes));
                Ok(Done { message, restored: Some(restored) })
            }
        }
    }

    /// What to do where a server lacks the roles that a dump speaks of.
    fn with_roles(&self, error: RepositoryError) -> RepositoryError {
        let told = error.told();
        if !(told.contains("role \"") && told.contains("does not exist")) {
            return error;
        }
        let advice = format!(
            "make the roles first, by hand or where the policy takes `globals` by `seawall cat {}:globals.sql | psql …`, or leave \
             owners and rights aside with `--no-owner`",
            self.key.policy
        );
        RepositoryError::new(error.kind(), format!("{told}; {advice}"))
    }

    /// Removes a database that was made in vain. What cannot be removed now goes with the next restore.
    fn or_remove<T>(
        &self,
        server: &Server,
        name: &str,
        done: Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        if done.is_err() {
            // Whoever ended the run ended the questions, too: these are asked all the same.
            if let Err(error) = server.unstoppable().remove(name, &self.unfinished()) {
                tracing::warn!(database = name, %error, run = %self.run, "a database that was made for a restore stays");
            }
        }
        done
    }

    /// What a restore of this source has set aside, and its server. It is there.
    fn kept(&self, run: &RunId) -> Result<(Server, SetAside), RepositoryError> {
        let none =
            |what: &str| RepositoryError::new(Reason::NotFound, format!("{what} of a restore {run} of {}", self.key));
        let aside = self.shelf.database(run).filter(|aside| aside.undo.source == self.key);
        let aside = aside.ok_or_else(|| none("Nothing is kept"))?;
        match aside::find(&aside, &self.inner.cancel).map_err(|error| repository_error(&error))? {
            (server, true) => Ok((server, aside)),
            (_, false) => Err(none(&format!("There is no database {} any more that was set aside", aside.name()))),
        }
    }

    fn undo(&self, run: &RunId) -> Result<Done, RepositoryError> {
        let (server, mut set) = self.kept(run)?;
        let (name, kept) = (set.undo.target.clone(), set.name());
        let between = beside(&name, &format!("seawall_new_{}", short(run)));
        let renames = [(&*name, &*between), (&*kept, &*name), (&*between, &*kept)];
        server.rename(&renames, (&name, &kept), &set.mark).map_err(|error| repository_error(&error))?;
        set.undo.undone = !set.undo.undone;
        set.undo.bytes = server.size(&kept).unwrap_or(set.undo.bytes);
        set.exchanged = true;
        let (what, other) = if set.undo.undone { ("undone", "it had brought") } else { ("done again", "it replaced") };
        let message =
            format!("The restore {run} is {what}; what {other} is kept as {kept} until {:.0}", set.undo.expires);
        if let Err(error) = self.shelf.put_database(&set) {
            tracing::error!(database = %kept, %error, "the record of what a restore replaced could not be written");
        }
        Ok(Done { message, restored: None })
    }

    fn discard(&self, run: &RunId) -> Result<Done, RepositoryError> {
        let (server, set) = self.kept(run)?;
        let (kept, what) = (set.name(), if set.undo.undone { "had brought" } else { "replaced" });
        server.remove(&kept, &set.mark).map_err(|error| repository_error(&error))?;
        self.shelf.forget_database(run).map_err(|error| {
            RepositoryError::because(Reason::Unavailable, "Its record could not be removed", &error)
        })?;
        Ok(Done { message: format!("What the restore {run} {what} is removed: the database {kept}"), restored: None })
    }
}

/// What tells a run from others of its second.
fn short(run: &RunId) -> &str {
    run.0.rsplit('-').next().unwrap_or_default()
}
