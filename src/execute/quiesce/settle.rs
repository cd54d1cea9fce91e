//! Bringing one thing back.

use super::judge::{Step, judge, stood_still};
use super::select;
use crate::adapters::docker::{Docker, DockerError, Inspected, Ready};
use crate::execute::journal::{Identity, Intent, Prior};
use crate::policy::{Mode, OnError};
use jiff::Timestamp;
use std::time::Duration;

/// How long after its start a container without a health check is looked at once more.
const SECOND_LOOK: Duration = Duration::from_millis(700);
/// How long a stop that is under way may go on when there is no time.
const HURRY: Duration = Duration::from_secs(2);

/// How bad something is that people should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// As intended.
    Fine,
    /// Worth a note.
    Note,
    /// Trouble, and the work is done.
    Warning,
    /// The run is a failure.
    Failure,
}

/// How it ended for one container or service. The intent may be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub severity: Severity,
    /// A sentence; empty when all is as intended.
    pub message: String,
    /// Whether it stood still until it was brought back.
    pub still: bool,
}

impl Ending {
    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), still: true }
    }
}

/// Brings back what an intent speaks of, unless somebody else has decided otherwise. May be called again and again.
/// In a `hurry`, nothing is waited for that goes on by itself.
///
/// # Errors
/// It is not known to be back: the intent stays open.
pub(super) async fn settle(
    docker: &Docker,
    intent: &Intent,
    now: Timestamp,
    hurry: bool,
) -> Result<Ending, DockerError> {
    let patience = if hurry { HURRY } else { Duration::from_millis(intent.patience_ms) };
    match (intent.prior, intent.mode) {
        (Prior::Replicas(count), _) => service(docker, intent, count, patience).await,
        (Prior::Running, Mode::Hooks) => hook(docker, intent, hurry).await,
        (Prior::Running, _) => container(docker, intent, now, patience, hurry).await,
    }
}

async fn service(docker: &Docker, intent: &Intent, count: u64, within: Duration) -> Result<Ending, DockerError> {
    let name = &intent.name;
    let found = match docker.replicas(&intent.id).await {
        Err(DockerError::NotFound { .. }) => return Ok(gone(name)),
        found => found?,
    };
    match found {
        Some(0) => match docker.scale(&intent.id, count, within).await {
            Ok(()) => Ok(Ending::new(Severity::Fine, "")),
            // The engine has the number, and goes on by itself.
            Err(DockerError::Timeout { .. }) if docker.replicas(&intent.id).await? == Some(count) => {
                let seconds = within.as_secs();
                let message =
                    format!("The service {name} was scaled back to {count}, and not all ran after {seconds} s");
                Ok(Ending::new(Severity::Warning, message))
            }
            Err(error) => Err(error),
        },
        Some(other) if other == count => Ok(Ending { still: false, ..Ending::new(Severity::Fine, "") }),
        _ => Ok(Ending {
            still: false,
            ..Ending::new(
                Severity::Note,
                format!("The service {name} was scaled by somebody else meanwhile, and is left so"),
            )
        }),
    }
}

async fn hook(docker: &Docker, intent: &Intent, hurry: bool) -> Result<Ending, DockerError> {
    let Some(hook) = &intent.post else { return Ok(Ending::new(Severity::Fine, "")) };
    let Some(found) = find(docker, intent).await? else { return Ok(gone(&intent.name)) };
    let severity = if hook.on_error == OnError::Fail { Severity::Failure } else { Severity::Warning };
    if found.state != "running" {
        let message = format!("{} is {}: its post command could not be run", found.name, found.state);
        return Ok(Ending::new(severity, message));
    }
    // A person waits for the end of the process, but a command that is cut short helps nobody: half of that time.
    let within = if hurry { hook.timeout.min(HURRY * 2) } else { hook.timeout };
    match docker.exec(&found.id, &hook.command, hook.user.as_deref(), within).await {
        Ok(ended) if ended.code == 0 => Ok(Ending::new(Severity::Fine, "")),
        Ok(ended) => {
            let message =
                format!("The post command in {} ended with code {}: {}", found.name, ended.code, ended.output);
            Ok(Ending::new(severity, message))
        }
        Err(error @ DockerError::Away { .. }) => Err(error),
        Err(error) => Ok(Ending::new(severity, format!("The post command in {} failed: {error}", found.name))),
    }
}

async fn container(
    docker: &Docker,
    intent: &Intent,
    now: Timestamp,
    patience: Duration,
    hurry: bool,
) -> Result<Ending, DockerError> {
    let Some(found) = find(docker, intent).await? else { return Ok(gone(&intent.name)) };
    let name = &found.name;
    if found.id != intent.id {
        // Made anew by somebody else. Only what was never started since is still what Seawall left behind.
        let message = format!("{name} was made anew meanwhile");
        if found.state == "created" {
            let ending = start(docker, &found, patience, hurry).await?;
            return Ok(Ending {
                still: false,
                severity: ending.severity.max(Severity::Note),
                message: join(message, &ending.message),
            });
        }
        return Ok(Ending {
            still: false,
            ..Ending::new(Severity::Note, format!("{message}; it is {} and left so", found.state))
        });
    }
    let history = docker.history(&found.id, intent.at, now).await?;
    let still = stood_still(intent.mode, &found, &history);
    let ending = match judge(intent.mode, &found, &history) {
        Step::Runs => Ending::new(Severity::Fine, ""),
        Step::Leave(why) => Ending::new(Severity::Note, format!("{name} {why}; it is left {}", found.state)),
        Step::Unpause => {
            docker.unpause(&found.id).await?;
            Ending::new(Severity::Fine, "")
        }
        Step::Start => start(docker, &found, patience, hurry).await?,
        Step::StopAndStart => {
            docker.stop(&found.id, patience).await?;
            start(docker, &found, patience, hurry).await?
        }
    };
    Ok(Ending { still, ..ending })
}

async fn start(docker: &Docker, found: &Inspected, patience: Duration, hurry: bool) -> Result<Ending, DockerError> {
    docker.start(&found.id).await?;
    if hurry {
        return Ok(Ending::new(Severity::Fine, ""));
    }
    let name = &found.name;
    let ended = |code: i64| {
        let message = format!("{name} was started again and ended at once with code {code}: see its log");
        Ok(Ending::new(Severity::Failure, message))
    };
    match docker.ready(&found.id, patience).await {
        Ok(Ready::Yes) => {}
        Ok(Ready::NotInTime { health, output }) => {
            let message = format!("{name} was started again and is {health} after {} s: {output}", patience.as_secs());
            return Ok(Ending::new(Severity::Warning, message.trim_end_matches(": ").to_owned()));
        }
        Ok(Ready::Ended { exit_code }) => return ended(exit_code),
        Err(DockerError::NotFound { .. }) => return Ok(gone(name)),
        Err(error) => return Err(error),
    }
    tokio::time::sleep(SECOND_LOOK).await;
    match docker.inspect(&found.id).await {
        Ok(now) if matches!(now.state.as_str(), "exited" | "dead" | "restarting") => ended(now.exit_code),
        Err(DockerError::NotFound { .. }) => Ok(gone(name)),
        Err(error) => Err(error),
        Ok(_) => Ok(Ending::new(Severity::Fine, "")),
    }
}

/// The container of an intent, under its id, or made anew under another one.
async fn find(docker: &Docker, intent: &Intent) -> Result<Option<Inspected>, DockerError> {
    match docker.inspect(&intent.id).await {
        Err(DockerError::NotFound { .. }) => {}
        found => return found.map(Some),
    }
    let all = docker.containers().await?;
    let same = all.values().find(|c| match &intent.identity {
        // A task of a service is never made again under its name; Swarm sees to the service.
        Some(Identity::Swarm { .. }) => false,
        Some(identity) => select::identity(&c.labels).as_ref() == Some(identity),
        None => c.name == intent.name,
    });
    let Some(same) = same else { return Ok(None) };
    match docker.inspect(&same.id).await {
        Err(DockerError::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    }
}

fn gone(name: &str) -> Ending {
    Ending::new(Severity::Note, format!("{name} was removed by somebody else meanwhile"))
}

fn join(first: String, second: &str) -> String {
    if second.is_empty() { first } else { format!("{first}; {second}") }
}
