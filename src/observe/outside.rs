//! What lives outside the host: looked at by each policy's own schedule, and at once when a policy changes.
//!
//! One look at a time for each policy, few at once in all; what servers say of rate limits holds for all policies.

use crate::adapters::http_client::{HttpClient, Limits, Patience, Reach};
use crate::adapters::postgres::archiver;
use crate::adapters::{buckets, key, providers};
use crate::clock::Clock;
use crate::controller::ports::Loaded;
use crate::policy::{Access, Desired, Policy, SecretRef, Source};
use crate::reconcile::watch::archiver::{Archiver, Seen, State};
use crate::reconcile::watch::{Answer, Probe, Trouble, bucket};
use crate::status::model::Truth;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The newest look by policy.
pub type Probes = BTreeMap<String, Probe>;

/// Looks under way at once.
const AT_ONCE: usize = 4;

/// A look takes no longer than this, however many requests it makes.
const LONGEST: Duration = Duration::from_mins(3);

/// A look that learnt nothing is repeated this soon, if the schedule is not sooner.
const RETRY: SignedDuration = SignedDuration::from_mins(5);

/// It is looked up this often which looks are due, so that a clock that was moved, or a host that slept, is noticed.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Who looks: the clients, and what was learnt of rate limits.
#[derive(Clone, Default)]
pub struct Lookout {
    patience: Patience,
    limits: Arc<Limits>,
}

/// Starts to look, until `cancel`.
pub fn start(
    loaded: watch::Receiver<Arc<Loaded>>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> watch::Receiver<Arc<Probes>> {
    let (publish, view) = watch::channel(Arc::new(Probes::new()));
    let (done, results) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let observer = Observer { lookout: Lookout::default(), clock, publish, done, room, looking: BTreeSet::new() };
    tokio::spawn(observer.run(loaded, results, cancel));
    view
}

/// Looks once at all that is outside the host.
pub async fn observe_once(desired: &Desired, now: Timestamp) -> Probes {
    // Somebody waits for the command.
    let patience =
        Patience { connect: Duration::from_secs(3), attempt: Duration::from_secs(10), ..Patience::default() };
    let lookout = Lookout::with_patience(patience);
    let looks = desired.policies.values().filter(|policy| is_watched(policy)).map(|policy| {
        let lookout = lookout.clone();
        async move { (policy.name.clone(), lookout.look(policy, None, now).await) }
    });
    futures_util::future::join_all(looks).await.into_iter().collect()
}

fn is_watched(policy: &Policy) -> bool {
    policy.look().is_some() && !policy.suspend
}

struct Observer {
    lookout: Lookout,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Arc<Probes>>,
    done: mpsc::UnboundedSender<(String, Probe)>,
    room: Arc<Semaphore>,
    looking: BTreeSet<String>,
}

impl Observer {
    async fn run(
        mut self,
        mut loaded: watch::Receiver<Arc<Loaded>>,
        mut results: mpsc::UnboundedReceiver<(String, Probe)>,
        cancel: CancellationToken,
    ) {
        let mut tick = tokio::time::interval(HEARTBEAT);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut documents_end = false;
        loop {
            let desired = Arc::clone(&loaded.borrow_and_update().desired);
            self.forget(&desired);
            self.look_at_due(&desired, &cancel);
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => {}
                change = loaded.changed(), if !documents_end => documents_end = change.is_err(),
                Some((name, probe)) = results.recv() => {
                    self.looking.remove(&name);
                    self.publish.send_modify(|view| {
                        Arc::make_mut(view).insert(name, probe);
                    });
                }
            }
        }
    }

    /// What no policy in force asks for is not told any more.
    fn forget(&self, desired: &Desired) {
        let wanted = |name: &String| desired.policies.get(name).is_some_and(|policy| is_watched(policy));
        self.publish.send_if_modified(|view| {
            let gone = view.keys().any(|name| !wanted(name));
            if gone {
                Arc::make_mut(view).retain(|name, _| wanted(name));
            }
            gone
        });
    }

    fn look_at_due(&mut self, desired: &Desired, cancel: &CancellationToken) {
        let now = self.clock.now();
        for policy in desired.policies.values().filter(|policy| is_watched(policy)) {
            let before = self.publish.borrow().get(&policy.name).cloned();
            let before = before.filter(|probe| probe.digest == policy.digest);
            // A look from ahead was taken by a clock that was wrong.
            let due = before.as_ref().is_none_or(|probe| probe.next <= now || probe.at > now);
            if !due || !self.looking.insert(policy.name.clone()) {
                continue;
            }
            let (lookout, policy, clock) = (self.lookout.clone(), Arc::clone(policy), Arc::clone(&self.clock));
            let (done, room, cancel) = (self.done.clone(), Arc::clone(&self.room), cancel.clone());
            tokio::spawn(async move {
                let look = async {
                    let _permit = room.acquire_owned().await.ok()?;
                    let mut probe = lookout.look(&policy, before.as_ref(), clock.now()).await;
                    probe.at = clock.now();
                    probe.next = next(&policy, &probe);
                    Some(probe)
                };
                if let Some(Some(probe)) = cancel.run_until_cancelled(look).await {
                    // The observer ends with the process.
                    drop(done.send((policy.name.clone(), probe)));
                }
            });
        }
    }
}

/// When the next look is due.
fn next(policy: &Policy, probe: &Probe) -> Timestamp {
    let Some(schedule) = policy.look() else { return Timestamp::MAX };
    let slot = schedule.slot_after(probe.at).unwrap_or(Timestamp::MAX);
    let jitter = SignedDuration::try_from(schedule.jitter_for(&policy.name)).unwrap_or_default();
    let scheduled = slot.saturating_add(jitter).unwrap_or(Timestamp::MAX);
    match probe.result {
        Ok(_) => scheduled,
        Err(_) => scheduled.min(probe.at.saturating_add(RETRY).unwrap_or(Timestamp::MAX)),
    }
}

impl Lookout {
    /// One that waits so long and no longer.
    #[must_use]
    pub fn with_patience(patience: Patience) -> Self {
        Self { patience, limits: Arc::default() }
    }

    /// One look. `before`: the one before it, of the same policy as it is now.
    pub async fn look(&self, policy: &Policy, before: Option<&Probe>, now: Timestamp) -> Probe {
        let result = tokio::time::timeout(LONGEST, self.ask(policy, before, now)).await.unwrap_or_else(|_| {
            let message = format!("the look took longer than {} s", LONGEST.as_secs());
            Err(Trouble { reason: "Unreachable", message })
        });
        if let Err(trouble) = &result {
            tracing::warn!(policy = %policy.name, reason = trouble.reason, "{}", trouble.message);
        }
        let learnt = match &result {
            Ok(Answer::Database(answer)) => answer.newest(),
            Ok(Answer::Bucket(_)) => None,
            Err(_) => before.and_then(|probe| probe.newest),
        };
        let told = result.as_ref().is_ok_and(|answer| tells(policy, answer, now));
        let answered_at = if told { Some(now) } else { before.and_then(|probe| probe.answered_at) };
        let probe = Probe { digest: policy.digest.clone(), at: now, next: now, result, answered_at, newest: learnt };
        Probe { next: next(policy, &probe), ..probe }
    }

    async fn ask(&self, policy: &Policy, before: Option<&Probe>, now: Timestamp) -> Result<Answer, Trouble> {
        match &policy.source {
            Source::ManagedDatabase(database) => {
                let token = key::read(&database.token_from).map_err(|error| no_token(&error))?;
                let client = self.client(&database.access).await?;
                let mut answer = providers::look(database, &client, &token, now).await?;
                if let Some(from) = &database.database_url_from {
                    let before = before.and_then(|probe| match &probe.result {
                        Ok(Answer::Database(answer)) => answer.archiver.as_ref().map(|seen| &seen.view),
                        _ => None,
                    });
                    answer.evidence.extend(ask_archiver(from, before, now, &mut answer.archiver).await);
                }
                Ok(Answer::Database(answer))
            }
            Source::Bucket(bucket) => buckets::look(bucket, self.patience, &self.limits).await.map(Answer::Bucket),
            Source::Volume(_) | Source::Path(_) | Source::Postgres(_) => {
                Err(Trouble { reason: "Misconfigured", message: "it is backed up, not looked at".to_owned() })
            }
        }
    }

    async fn client(&self, access: &Access) -> Result<HttpClient, Trouble> {
        let reach = Reach { ca_file: access.ca_file.clone(), allow_http: access.allow_http };
        let (patience, limits) = (self.patience, Arc::clone(&self.limits));
        let made = tokio::task::spawn_blocking(move || HttpClient::new(&reach, patience, limits)).await;
        let made = made.map_err(|error| Trouble { reason: "Misconfigured", message: error.to_string() })?;
        made.map_err(|error| providers::trouble(&error))
    }
}

/// Asks the database itself. That it cannot be asked is no trouble: what the provider says counts.
async fn ask_archiver(
    from: &SecretRef,
    before: Option<&Archiver>,
    now: Timestamp,
    seen: &mut Option<Seen>,
) -> Option<String> {
    let cancel = CancellationToken::new();
    let _ends_with_the_look = cancel.clone().drop_guard();
    let from = from.clone();
    let asked = tokio::task::spawn_blocking(move || archiver::look(&from, now, &cancel)).await;
    Some(match asked {
        Err(error) => format!("the database itself could not be asked: {error}"),
        Ok(Err(error)) => format!("the database itself could not be asked: {error}"),
        Ok(Ok(view)) => {
            let moved = before.is_some_and(|before| before.system != view.system);
            let state = view.state(before);
            let told = match &state {
                State::Works => {
                    view.archived.map_or_else(String::new, |at| format!("its archiver works, newest file {at}"))
                }
                State::Broken(what) | State::Silent(what) => what.clone(),
            };
            let moved = if moved { "; it is another server than at the look before" } else { "" };
            *seen = Some(Seen { view, state });
            format!("the database itself: {told}{moved}")
        }
    })
}

/// Whether an answer says what was to be known. A server that answers everything with "not you" does not.
fn tells(policy: &Policy, answer: &Answer, now: Timestamp) -> bool {
    match (&policy.source, answer) {
        (Source::Bucket(bucket), Answer::Bucket(answer)) => {
            bucket::judge(bucket, answer, now).0.status != Truth::Unknown
        }
        _ => true,
    }
}

/// A secret that is not there: what is to be done is in the error.
fn no_token(error: &key::KeyError) -> Trouble {
    Trouble { reason: "NoToken", message: format!("no token was given: {error}") }
}
