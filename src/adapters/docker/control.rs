//! Making containers stand still, and bringing them back.
//!
//! Every change is a wish for a state: a container that is in it already is left alone and that is said, so whoever
//! keeps a journal knows what was its own doing. After [`DockerError::Timeout`] the state is unknown: look again.

use super::{CALL_TIMEOUT, Docker, DockerError};
use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, StartContainerOptions, StopContainerOptions};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a start may take: volumes are mounted and networks joined in it.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Docker's own grace between the stop signal and the kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How often a container that comes up is asked for its health.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);

/// One container, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its id.
    pub id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// Docker's word: `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// With what it ended, where it did.
    pub exit_code: i64,
    /// What its health check says; `None`: it has none.
    pub health: Option<String>,
    /// The last output of its health check, cut where it is long.
    pub health_output: String,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
    /// How long its own stop timeout lets it end by itself; `None`: without limit.
    pub grace: Option<Duration>,
    /// Labels, Compose's and Swarm's among them.
    pub labels: BTreeMap<String, String>,
}

/// Whether a wish changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It did.
    Changed,
    /// It was so before.
    Already,
}

/// How a container came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Its health check passes, or it runs and has none.
    Yes,
    /// Its health check does not pass in time: Docker's word for it, and what the check last said.
    NotInTime {
        /// `starting` or `unhealthy`, or the container's state where it does not run.
        health: String,
        /// The check's last output.
        output: String,
    },
    /// It ended.
    Ended {
        /// With this code.
        exit_code: i64,
    },
}

impl Docker {
    /// Asks for one container by name or id.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] when there is none.
    pub async fn inspect(&self, container: &str) -> Result<Inspected, DockerError> {
        let what = format!("inspect container {container}");
        let call = self.client.inspect_container(container, None::<InspectContainerOptions>);
        Ok(inspected(self.call(&what, CALL_TIMEOUT, call).await?))
    }

    /// Freezes a running container.
    ///
    /// # Errors
    /// [`DockerError::WrongState`] for one that neither runs nor is paused.
    pub async fn pause(&self, container: &str) -> Result<Done, DockerError> {
        let call = self.client.pause_container(container);
        self.bring(container, "pause", |now| now.state == "paused", CALL_TIMEOUT, call).await
    }

    /// Lets a paused container go on.
    ///
    /// # Errors
    /// [`DockerError::WrongState`] for one that is neither paused nor runs.
    pub async fn unpause(&self, container: &str) -> Result<Done, DockerError> {
        let call = self.client.unpause_container(container);
        self.bring(container, "unpause", |now| now.state == "running", CALL_TIMEOUT, call).await
    }

    /// Ends a container with its own stop signal. It is killed when its own stop timeout, or `longest` where that is
    /// shorter, is over. A paused one is ended too.
    ///
    /// # Errors
    /// [`DockerError::Timeout`] for one that survives being killed; see [`DockerError`].
    pub async fn stop(&self, container: &str, longest: Duration) -> Result<Done, DockerError> {
        let grace = self.inspect(container).await?.grace.map_or(longest, |grace| grace.min(longest));
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let call = self
            .client
            .stop_container(container, Some(StopContainerOptions { t: Some(seconds), ..Default::default() }));
        let ended = |now: &Inspected| matches!(now.state.as_str(), "created" | "exited" | "dead");
        self.bring(container, "stop", ended, grace + CALL_TIMEOUT, call).await
    }

    /// Starts a container that does not run. That it started says nothing of its health: see [`Docker::ready`].
    ///
    /// # Errors
    /// [`DockerError::WrongState`] for a paused one, [`DockerError::Refused`] for one that cannot be started.
    pub async fn start(&self, container: &str) -> Result<Done, DockerError> {
        let call = self.client.start_container(container, None::<StartContainerOptions>);
        self.bring(container, "start", |now| now.state == "running", START_TIMEOUT, call).await
    }

    /// Waits until a container is healthy, or runs where it has no health check, or ends.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] when it is removed meanwhile; see [`DockerError`].
    pub async fn ready(&self, container: &str, within: Duration) -> Result<Ready, DockerError> {
        let deadline = Instant::now() + within;
        loop {
            let now = self.inspect(container).await?;
            match (now.state.as_str(), now.health.as_deref()) {
                ("running", None | Some("healthy")) => return Ok(Ready::Yes),
                ("exited" | "dead", _) => return Ok(Ready::Ended { exit_code: now.exit_code }),
                _ if Instant::now() < deadline => sleep(HEALTH_INTERVAL).await,
                ("running", Some(health)) => {
                    return Ok(Ready::NotInTime { health: health.to_owned(), output: now.health_output });
                }
                _ => return Ok(Ready::NotInTime { health: now.state, output: now.health_output }),
            }
        }
    }

    async fn bring(
        &self,
        container: &str,
        verb: &str,
        wanted: impl Fn(&Inspected) -> bool,
        within: Duration,
        call: impl Future<Output = Result<(), Error>>,
    ) -> Result<Done, DockerError> {
        if wanted(&self.inspect(container).await?) {
            return Ok(Done::Already);
        }
        let what = format!("{verb} container {container}");
        match self.call(&what, within, call).await {
            Ok(()) => Ok(Done::Changed),
            // The engine's statuses for this differ between verbs and versions; the state itself does not.
            Err(DockerError::Refused { what, status, message }) => {
                let now = self.inspect(container).await?;
                let fits = match verb {
                    "pause" => now.state == "running",
                    "unpause" => now.state == "paused",
                    "start" => matches!(now.state.as_str(), "created" | "exited"),
                    _ => true,
                };
                if wanted(&now) {
                    Ok(Done::Already)
                } else if fits {
                    Err(DockerError::Refused { what, status, message })
                } else {
                    Err(DockerError::WrongState { what, state: now.state, message })
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn inspected(found: ContainerInspectResponse) -> Inspected {
    let state = found.state.unwrap_or_default();
    let health = state.health.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    let policy = found.host_config.and_then(|host| host.restart_policy).and_then(|policy| policy.name);
    let last = health.log.unwrap_or_default().pop().and_then(|check| check.output).unwrap_or_default();
    Inspected {
        id: found.id.unwrap_or_default(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        state: state.status.map(|status| status.to_string()).unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        health: health
            .status
            .filter(|status| !matches!(status, HealthStatusEnum::NONE | HealthStatusEnum::EMPTY))
            .map(|status| status.to_string()),
        health_output: super::error::short(&last),
        restart_policy: policy.map(|name| name.to_string()).filter(|name| !name.is_empty()).unwrap_or("no".to_owned()),
        grace: match config.stop_timeout {
            None => Some(DEFAULT_GRACE),
            Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        },
        labels: config.labels.unwrap_or_default().into_iter().collect(),
    }
}
