//! Making what was selected stand still, each thing on record before it is touched.

use super::Quiescer;
use super::holds::Hold;
use super::select::{identity, select};
use super::settle::{Ending, Severity};
use super::window::Ask;
use crate::adapters::docker::DockerError;
use crate::execute::fail_point::fail_point;
use crate::execute::journal::{Identity, Intent, Prior};
use crate::policy::{Hook, Means, OnError};
use crate::reconcile::{Container, Readable, Volume};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What bringing back may take beyond its own patience before the watchdog steps in.
const SLACK: Duration = Duration::from_secs(30);
/// 128 + SIGKILL.
const KILLED: i64 = 137;

/// What one window has in its hands.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub intents: Vec<(u64, Intent)>,
    pub began: Option<Instant>,
    pub endings: Vec<Ending>,
    hold: Option<Hold>,
}

/// Why it could not be done, in a sentence.
pub(super) type Refusal = String;

impl Quiescer {
    /// Everything that the policy asks for stands still on return. Whatever comes of it, `held` says what was touched.
    pub(super) async fn make_still(&self, ask: &Ask, held: &mut Held) -> Result<(), Refusal> {
        let means = &ask.quiesce.means;
        self.check_volume(ask).await?;
        let containers = self.docker.containers().await.map_err(told)?;
        let mut chosen = select(&containers, &ask.source.source, ask.readers, &ask.quiesce, self.own.as_deref());
        let hooks = match means {
            Means::Hooks(pairs) => self.hooks(pairs, &containers, &chosen)?,
            Means::Pause | Means::Stop => Vec::new(),
        };
        let ids = chosen.iter().map(|c| c.id.clone()).chain(hooks.iter().map(|(c, _, _)| c.id.clone()));
        held.hold = Some(self.holds.take(ids.collect::<BTreeSet<_>>()).await);
        // They may have been waited for.
        let containers = self.docker.containers().await.map_err(told)?;
        chosen.retain(|c| containers.values().any(|now| now.id == c.id && now.state == "running"));
        match means {
            Means::Pause => self.pause(ask, held, &chosen).await?,
            Means::Stop => self.stop(ask, held, &chosen).await?,
            Means::Hooks(_) => self.tell(ask, held, hooks).await?,
        }
        if held.began.is_some() && matches!(means, Means::Stop) {
            self.check_volume(ask).await?;
        }
        fail_point("still");
        Ok(())
    }

    /// Whether the volume can be read where it is to be read, also when nothing uses it.
    async fn check_volume(&self, ask: &Ask) -> Result<(), Refusal> {
        let name = &ask.source.source;
        let volume = self.docker.volume(name, self.clock.now()).await.map_err(told)?;
        if matches!(ask.quiesce.means, Means::Stop) && unmounted_when_stopped(&volume) {
            return Err(format!(
                "Docker unmounts the volume {name} when its containers stop, so it could not be read then: \
                 use the mode `pause` or `hooks`. No container was touched"
            ));
        }
        match volume.readable {
            Readable::At(path) if path == ask.root => Ok(()),
            Readable::At(path) => Err(format!("The volume {name} is at {} by now", path.display())),
            Readable::No { reason, message } => Err(format!("{message} ({reason})")),
        }
    }

    async fn pause(&self, ask: &Ask, held: &mut Held, chosen: &[Container]) -> Result<(), Refusal> {
        let intents = chosen.iter().map(|c| self.intent(ask, c, None)).collect();
        self.record(held, intents)?;
        for container in chosen {
            fail_point("touching");
            in_time(ask, held, self.docker.pause(&container.id)).await?;
            fail_point("touched");
        }
        Ok(())
    }

    async fn stop(&self, ask: &Ask, held: &mut Held, chosen: &[Container]) -> Result<(), Refusal> {
        let mut intents: Vec<Intent> = Vec::new();
        for container in chosen {
            let mut intent = self.intent(ask, container, None);
            if let Some(Identity::Swarm { service }) = &intent.identity {
                let replicas = self.docker.replicas(service).await.map_err(told)?.ok_or_else(|| {
                    format!("The service {service} has one task per node and cannot be scaled to zero; use `pause` or `hooks`")
                })?;
                (intent.id, intent.name, intent.prior) = (service.clone(), service.clone(), Prior::Replicas(replicas));
                if intents.iter().any(|other| other.id == intent.id) {
                    continue;
                }
            }
            intents.push(intent);
        }
        self.record(held, intents.clone())?;
        let timeout = ask.quiesce.timeout;
        for intent in intents {
            fail_point("touching");
            if let Prior::Replicas(_) = intent.prior {
                in_time(ask, held, self.docker.scale(&intent.id, 0, timeout)).await?;
            } else {
                in_time(ask, held, self.docker.stop(&intent.id, timeout)).await?;
                let now = self.docker.inspect(&intent.id).await.map_err(told)?;
                if now.exit_code == KILLED {
                    let message = format!("{} did not end by itself when told to stop, and was killed", intent.name);
                    held.endings.push(Ending { severity: Severity::Warning, message, still: true });
                }
            }
            fail_point("touched");
        }
        Ok(())
    }

    /// Runs the first half of each pair; the second is on record before.
    async fn tell(&self, ask: &Ask, held: &mut Held, hooks: Vec<Told>) -> Result<(), Refusal> {
        for (container, pre, post) in hooks {
            self.record(held, vec![self.intent(ask, &container, post)])?;
            let Some(pre) = pre else { continue };
            fail_point("touching");
            let command = self.docker.exec(&container.id, &pre.command, pre.user.as_deref(), pre.timeout);
            let ended = in_time(ask, held, command).await;
            fail_point("touched");
            let message = match ended {
                Ok(ended) if ended.code == 0 => continue,
                Ok(ended) => {
                    format!("The pre command in {} ended with code {}: {}", container.name, ended.code, ended.output)
                }
                Err(why) => format!("The pre command in {} failed: {why}", container.name),
            };
            if pre.on_error == OnError::Fail {
                return Err(message);
            }
            held.endings.push(Ending { severity: Severity::Warning, message, still: true });
        }
        Ok(())
    }

    /// In which container each command runs.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn hooks(
        &self,
        pairs: &[(Option<Hook>, Option<Hook>)],
        containers: &BTreeMap<String, Container>,
        chosen: &[Container],
    ) -> Result<Vec<Told>, Refusal> {
        let mut told = Vec::new();
        for (pre, post) in pairs {
            let name = pre.as_ref().or(post.as_ref()).and_then(|hook| hook.container.as_ref());
            let container = match (name, chosen) {
                (Some(name), _) => {
                    let found = containers.get(name);
                    found.ok_or_else(|| format!("There is no container {name} to run a command in; none was run"))?
                }
                (None, [only]) => only,
                // Nothing runs, so nothing moves.
                (None, []) => continue,
                (None, several) => {
                    let names: Vec<&str> = several.iter().map(|c| c.name.as_str()).collect();
                    let names = names.join(", ");
                    return Err(format!(
                        "A command names no `container`, and there are several: {names}; none was run"
                    ));
                }
            };
            if container.state == "running" {
                told.push((container.clone(), pre.clone(), post.clone()));
            }
        }
        Ok(told)
    }

    fn intent(&self, ask: &Ask, container: &Container, post: Option<Hook>) -> Intent {
        let at = self.clock.now();
        let timeout = ask.quiesce.timeout.max(post.as_ref().map_or(Duration::ZERO, |hook| hook.timeout));
        let latest = ask.quiesce.max_duration + 2 * timeout + SLACK;
        Intent {
            source: ask.source.clone(),
            run: ask.run.clone(),
            mode: ask.quiesce.means.mode(),
            name: container.name.clone(),
            id: container.id.clone(),
            identity: identity(&container.labels),
            prior: Prior::Running,
            post,
            patience_ms: u64::try_from(ask.quiesce.timeout.as_millis()).unwrap_or(u64::MAX),
            at,
            deadline: at.saturating_add(SignedDuration::try_from(latest).unwrap_or(SignedDuration::MAX)).unwrap_or(at),
        }
    }

    /// Nothing is touched before this has returned.
    fn record(&self, held: &mut Held, intents: Vec<Intent>) -> Result<(), Refusal> {
        if intents.is_empty() {
            return Ok(());
        }
        let ids = self.journal.begin(intents.clone()).map_err(|error| {
            format!("{}, so no container was touched: make room, or see why it cannot be written", told(error))
        })?;
        held.intents.extend(ids.into_iter().zip(intents));
        held.began.get_or_insert_with(Instant::now);
        fail_point("intended");
        Ok(())
    }
}

/// One step, within what is left of the longest that the application may stand still.
async fn in_time<T>(ask: &Ask, held: &Held, step: impl Future<Output = Result<T, DockerError>>) -> Result<T, Refusal> {
    let left = ask.quiesce.max_duration.saturating_sub(held.began.map_or(Duration::ZERO, |began| began.elapsed()));
    match tokio::time::timeout(left, step).await {
        Ok(done) => done.map_err(told),
        Err(_) => Err(format!(
            "The application stood still for {} s, its `maxDuration`, before it could be read",
            ask.quiesce.max_duration.as_secs()
        )),
    }
}

type Told = (Container, Option<Hook>, Option<Hook>);

/// Docker's own rule for what it mounts, less what is a directory elsewhere on the host and stays.
fn unmounted_when_stopped(volume: &Volume) -> bool {
    let has = |option: &str| volume.options.get(option).is_some_and(|value| !value.is_empty());
    let bind = volume.options.get("o").is_some_and(|o| o.split(',').any(|o| matches!(o.trim(), "bind" | "rbind")));
    (has("type") || has("device")) && !bind
}

/// An error with its causes, in one line.
pub(super) fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
