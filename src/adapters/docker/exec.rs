//! Commands inside containers.

use super::{CALL_TIMEOUT, Docker, DockerError};
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::sleep;

/// How much of a command's output is kept, from its end, bytes.
const OUTPUT_KEPT: usize = 8 << 10;
/// How long the engine may need to learn of an exit that its stream has already shown.
const EXIT_LAG: Duration = Duration::from_millis(50);

/// A command that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code; 126 and 127 also when the container has no such program.
    pub code: i64,
    /// The end of what it wrote, to either stream.
    pub output: String,
}

impl Docker {
    /// Runs a command in a running container and waits for its end; `user` is Docker's `USER[:GROUP]`, `None` the
    /// container's own.
    ///
    /// # Errors
    /// [`DockerError::Timeout`] when it does not end in time: the engine offers no way to end it, so it may go on.
    /// [`DockerError::Refused`] when the container is paused or does not run.
    pub async fn exec(
        &self,
        container: &str,
        command: &[String],
        user: Option<&str>,
        within: Duration,
    ) -> Result<Executed, DockerError> {
        let what = format!("run a command in container {container}");
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            user: user.map(str::to_owned),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let id = self.call(&what, CALL_TIMEOUT, self.client.create_exec(container, options)).await?.id;
        let run = async {
            let mut kept = Vec::new();
            let started = self.client.start_exec(&id, None::<StartExecOptions>).await?;
            if let StartExecResults::Attached { mut output, input: _input } = started {
                while let Some(piece) = output.next().await {
                    kept.extend_from_slice(&piece?.into_bytes());
                    kept.drain(..kept.len().saturating_sub(OUTPUT_KEPT));
                }
            }
            loop {
                let now = self.client.inspect_exec(&id).await?;
                match now.exit_code {
                    Some(code) if now.running != Some(true) => {
                        return Ok(Executed { code, output: String::from_utf8_lossy(&kept).trim().to_owned() });
                    }
                    _ => sleep(EXIT_LAG).await,
                }
            }
        };
        self.call(&what, within, run).await
    }
}
