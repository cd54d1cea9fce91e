//! A dump brought back into a database.
//!
//! What is there is never written into: the dump goes into a database of its own, and once it is whole the two exchange
//! their names in one transaction. What was replaced stays on the server, under a name that says so.

use super::drill::{Stored, load};
use super::repository_error;
use crate::adapters::postgres::{Asker, Leaving, PostgresError, Server, Target, beside, unfinished};
use crate::adapters::repository::{Control, Reason, RepositoryAdapter, RepositoryError};
use crate::controller::ports::{RunControl, Work};
use crate::execute::{Executor, blank, blocking, ended_badly, fail_point::fail_point, unknown_repository};
use crate::policy::quantity::bytes;
use crate::policy::{Policy, PostgresSource, SecretRef, Source};
use crate::reconcile::restore::{IntoDatabase, Manner, database_target};
use crate::reconcile::{Operation, Outcome, RestoreAction, RestoreStep, Restored, RunId, RunResult, SourceKey};
use std::path::PathBuf;
use std::sync::Arc;

pub(in crate::execute) async fn run(
    executor: &Executor,
    work: &Work,
    action: RestoreAction,
    control: &RunControl,
) -> Outcome {
    let repository = action.repository().unwrap_or_default().to_owned();
    let mut outcome = blank(control, Operation::Restore, Some(action.source.clone()), &repository);
    "manual".clone_into(&mut outcome.cause);
    let source = work.desired.policies.get(&action.source.policy).and_then(|policy| of(policy));
    let task = Task {
        source,
        key: action.source.clone(),
        host: executor.host.clone(),
        run: control.run.clone(),
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
    run: RunId,
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

    fn target(&self, to: Option<&str>) -> Result<Target, PostgresError> {
        let own = || {
            self.source.as_ref().map(|source| source.url_from.clone()).ok_or_else(|| {
                PostgresError::refused(format!(
                    "The policy {} is not in force, so its server is not known: give a whole address, `--to-database env:NAME` \
                     or `file:PATH`",
                    self.key.policy
                ))
            })
        };
        let (from, name) = match to.map(database_target) {
            Some(IntoDatabase::Env(name)) => (SecretRef::Env(name), None),
            Some(IntoDatabase::File(path)) => (SecretRef::File(PathBuf::from(path)), None),
            Some(IntoDatabase::Name(name)) => (own()?, Some(name)),
            None => (own()?, None),
        };
        let binaries = self.source.as_ref().and_then(|source| source.binaries.as_deref());
        Target::reach(&from, name.as_deref(), binaries, &self.inner.cancel)
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
        let Target { name, asker, server, clients } = self.target(to).map_err(failed)?;
        for (left, _) in server.marked(&self.unfinished()).map_err(failed)? {
            server.remove(&left).map_err(failed)?;
            tracing::warn!(database = %left, "removed what an unfinished restore had left");
        }
        let there = server.look(&name).map_err(failed)?;
        let major = server.version().map_err(failed)?;
        let programs = clients.for_server(major.max(stored.needs())).map_err(failed)?.clone();
        let asker = Asker { programs, ..asker };
        let leaving = Leaving { owners: how.no_owner };
        let mut restored = Restored { snapshot: snapshot.id.clone(), files: 1, bytes: 0, kept: None };
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
                let exchanged = into(&new).and_then(|written| {
                    fail_point("laid");
                    server.dress(&new, &name).map_err(failed)?;
                    let mark = self.replaced(&self.run) + &name;
                    server.rename(&[(&name, &kept), (&new, &name)], (&name, &kept), &mark).map_err(failed)?;
                    Ok(written)
                });
                restored.bytes = self.or_remove(&server, &new, exchanged)?;
                fail_point("exchanged");
                let undo = if matches!(to.map(database_target), Some(IntoDatabase::Env(_) | IntoDatabase::File(_))) {
                    "rename it back by hand, or drop it".to_owned()
                } else {
                    format!("`seawall restore {0} --undo` puts it back, `--discard` removes it", self.key.policy)
                };
                let message = format!(
                    "{}, as of {at}, are in the database {name} again; what it replaced is kept as {kept}: {undo}",
                    bytes(restored.bytes)
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
                let message = format!("{}, as of {at}, are in the database {name}, {what}", bytes(restored.bytes));
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
            if let Err(error) = server.unstoppable().remove(name) {
                tracing::warn!(database = name, %error, run = %self.run, "a database that was made for a restore stays");
            }
        }
        done
    }

    /// The server, the name of the database that a restore replaced, and the one under which it is kept.
    fn kept(&self, run: &RunId) -> Result<(Server, String, String), RepositoryError> {
        let failed = |error: PostgresError| repository_error(&error);
        let Target { server, .. } = self.target(None).map_err(failed)?;
        let marked = server.marked(&self.replaced(run)).map_err(failed)?;
        let (kept, name) = marked.into_iter().next().ok_or_else(|| {
            let message = format!("Nothing is kept of a restore {run} of {} on the server of its policy", self.key);
            RepositoryError::new(Reason::NotFound, message)
        })?;
        Ok((server, name, kept))
    }

    fn undo(&self, run: &RunId) -> Result<Done, RepositoryError> {
        let (server, name, kept) = self.kept(run)?;
        let aside = beside(&name, &format!("seawall_new_{}", short(run)));
        let (renames, mark) = ([(&*name, &*aside), (&*kept, &*name), (&*aside, &*kept)], self.replaced(run) + &name);
        server.rename(&renames, (&name, &kept), &mark).map_err(|error| repository_error(&error))?;
        let message = format!("The restore {run} is undone; what it had brought is kept as {kept}");
        Ok(Done { message, restored: None })
    }

    fn discard(&self, run: &RunId) -> Result<Done, RepositoryError> {
        let (server, _, kept) = self.kept(run)?;
        server.remove(&kept).map_err(|error| repository_error(&error))?;
        Ok(Done { message: format!("What the restore {run} replaced is removed: the database {kept}"), restored: None })
    }
}

/// What tells a run from others of its second.
fn short(run: &RunId) -> &str {
    run.0.rsplit('-').next().unwrap_or_default()
}
