//! Checks that are a container's to make.
//!
//! A command has no network at all. A server is reached over a bridge that was made for the drill and is `internal`: this
//! host has an address on it, so Seawall can ask, and no route leads on from it. (Entering the container's own network
//! instead would need `CAP_SYS_ADMIN`, which Seawall is not given.)

use super::scratch::{Drills, told};
use crate::adapters::docker::{Docker, Probe, Purpose};
use crate::execute::drill::checks::Finding;
use crate::policy::quantity::display;
use crate::policy::{CommandCheck, HttpCheck};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long one question to a server may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a server that does not answer yet is asked.
const AGAIN: Duration = Duration::from_millis(250);
/// Lines of a command's output that go into the evidence.
const LINES: usize = 10;

/// Whether a command in a container of its own ends with 0.
pub(super) async fn command(
    drills: &Drills,
    purpose: &Purpose,
    nth: usize,
    check: &CommandCheck,
    cancel: &CancellationToken,
) -> Finding {
    let id = start(drills, purpose, nth, check, Vec::new(), None).await?;
    let found = ran(drills, &id, check, cancel).await;
    remove(drills, &id).await;
    found
}

async fn ran(drills: &Drills, id: &str, check: &CommandCheck, cancel: &CancellationToken) -> Finding {
    let ended = cancel.run_until_cancelled(timeout(check.timeout, drills.docker().probe_ended(id))).await;
    match ended {
        None => Err("the drill was ended before the command was done".to_owned()),
        Some(Err(_)) => {
            let output = drills.docker().output(id).await.unwrap_or_default();
            Err(format!("it did not end within {}{}", display(check.timeout), tail(&output)))
        }
        Some(Ok(Err(error))) => Err(told(&error)),
        Some(Ok(Ok(ended))) if ended.code == 0 => Ok(format!("it ended with 0{}", tail(&ended.output))),
        Some(Ok(Ok(ended))) => Err(format!("it ended with {}{}", ended.code, tail(&ended.output))),
    }
}

/// Whether a server answers as it should.
pub(super) async fn http(
    drills: &Drills,
    purpose: &Purpose,
    nth: usize,
    check: &HttpCheck,
    cancel: &CancellationToken,
) -> Finding {
    let network = purpose.name_of(nth);
    if let Err(error) = drills.docker().make_scratch_network(purpose, nth).await {
        return Err(format!("{}; a server is reached over a bridge, which this kernel or engine lacks", told(&error)));
    }
    let env = check.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let id = start(drills, purpose, nth, &check.server, env, Some(network.clone())).await?;
    let asked = cancel.run_until_cancelled(ask_until(drills, &id, &network, check)).await;
    remove(drills, &id).await;
    asked.unwrap_or_else(|| Err("the drill was ended before the server answered".to_owned()))
}

/// Nothing goes on in the volume while the next check looks at it. What cannot be removed now goes with the volume.
async fn remove(drills: &Drills, id: &str) {
    if let Err(error) = drills.docker().remove_probe(id).await {
        tracing::debug!(%id, error = %told(&error), "the container of a check stays for now");
    }
}

async fn start(
    drills: &Drills,
    purpose: &Purpose,
    nth: usize,
    check: &CommandCheck,
    env: Vec<String>,
    network: Option<String>,
) -> Result<String, String> {
    let docker = drills.docker();
    has_image(docker, &check.image).await?;
    let probe = Probe {
        image: check.image.clone(),
        entrypoint: None,
        command: check.command.clone(),
        user: check.user.clone(),
        env,
        mount_path: check.mount_path.clone(),
        network,
    };
    docker.start_probe(purpose, nth, &probe).await.map_err(|error| told(&error))
}

/// That an image is there.
pub(super) async fn has_image(docker: &Docker, image: &str) -> Result<(), String> {
    if docker.has_image(image).await.map_err(|error| told(&error))? {
        return Ok(());
    }
    Err(format!("this host has no image {image}, and a drill fetches none: docker pull it"))
}

async fn ask_until(drills: &Drills, id: &str, network: &str, check: &HttpCheck) -> Finding {
    let docker = drills.docker();
    let deadline = Instant::now() + check.server.timeout;
    let mut last = "it has no address".to_owned();
    loop {
        let now = docker.inspect(id).await.map_err(|error| told(&error))?;
        if matches!(now.state.as_str(), "exited" | "dead") {
            let output = docker.output(id).await.unwrap_or_default();
            return Err(format!("the server ended with {}{}", now.exit_code, tail(&output)));
        }
        if let Some(address) = docker.address_in(id, network).await.map_err(|error| told(&error))? {
            match timeout(ANSWER, ask(address, check)).await {
                Ok(Ok(status)) if right(status, check) => return Ok(format!("it answers {}", status.as_u16())),
                Ok(Ok(status)) => last = format!("it answers {}", status.as_u16()),
                Ok(Err(error)) => last = format!("it does not answer: {error:#}"),
                Err(_) => last = format!("it does not answer within {}", display(ANSWER)),
            }
        }
        if Instant::now() >= deadline {
            let output = docker.output(id).await.unwrap_or_default();
            return Err(format!(
                "{last}, and did not change that in {}{}",
                display(check.server.timeout),
                tail(&output)
            ));
        }
        sleep(AGAIN).await;
    }
}

fn right(status: StatusCode, check: &HttpCheck) -> bool {
    check.expect_status.map_or_else(|| status.is_success(), |wanted| status.as_u16() == wanted)
}

async fn ask(address: IpAddr, check: &HttpCheck) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let to = SocketAddr::new(address, check.port);
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(check.path.as_str()).header(header::HOST, to.to_string()).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await;
    connection.abort();
    Ok(answer?.status())
}

/// The end of what was written, to be put behind a sentence.
pub(super) fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() { String::new() } else { format!("; it wrote: {}", last.join(" | ")) }
}
