//! A PostgreSQL server in a container without network, from an image that a policy names.
//!
//! Its data and its socket lie in the drill's scratch volume, so that this host reaches it and nothing else does, and so
//! that it all goes away with the volume.

use super::database::failed;
use super::probes::{has_image, tail};
use super::scratch::{Drills, engine, told};
use crate::adapters::docker::Probe;
use crate::adapters::postgres::scratch::{INITDB, Link, SETTINGS};
use crate::adapters::postgres::{Asker, Clients};
use crate::adapters::repository::{Reason, RepositoryError};
use crate::execute::postgres::drill::{Drilled, Served};
use crate::policy::DrillServer;
use crate::policy::quantity::display;
use jiff::Timestamp;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Where the scratch volume is in the container.
const INSIDE: &str = "/seawall";
/// How long making a server, or its start, may take.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(200);

/// Starts one. What it leaves, [`Drills::remove`] removes.
pub(super) async fn start(
    drills: &Drills,
    drilled: &Drilled,
    wanted: &DrillServer,
    cancel: &CancellationToken,
    now: Timestamp,
) -> Result<Served, RepositoryError> {
    let docker = drills.docker();
    let refused = |message: String| RepositoryError::new(Reason::Refused, message);
    has_image(docker, &wanted.image)
        .await
        .map_err(|why| refused(format!("There is no server for the drill: {why}")))?;
    let scratch = drills.make(&drilled.run, now).await?;
    // Whoever the image's user is, he makes his own directory in it; only root can get here from outside.
    fs::set_permissions(&scratch.path, Permissions::from_mode(0o1777))
        .map_err(|error| RepositoryError::io("let a server into", &scratch.path, &error))?;
    let link = Link::to(&scratch.path, (&drilled.owner, &drilled.run.0)).map_err(|error| failed(&error))?;
    let data = format!("{INSIDE}/data");
    let probe = |program: &str, command: Vec<String>| Probe {
        image: wanted.image.clone(),
        entrypoint: Some(program.to_owned()),
        command,
        user: Some(wanted.user.clone()),
        env: Vec::new(),
        mount_path: INSIDE.to_owned(),
        network: None,
    };
    let purpose = drills.purpose(&drilled.run);
    let no_server = |what: String| {
        refused(format!(
            "The image {} cannot be the server of a drill: {what}. It needs PostgreSQL's `initdb` and `postgres` on its PATH, \
             and the user `{}` (`server.user`)",
            wanted.image, wanted.user
        ))
    };

    let init = INITDB.map(str::to_owned).into_iter().chain([format!("--pgdata={data}")]).collect();
    let id = docker.start_probe(&purpose, 0, &probe("initdb", init)).await.map_err(|error| no_server(told(&error)))?;
    match timeout(PATIENCE, docker.probe_ended(&id)).await {
        Err(_) => return Err(no_server(format!("initdb did not end within {}", display(PATIENCE)))),
        Ok(Err(error)) => return Err(engine(&error)),
        Ok(Ok(ended)) if ended.code == 0 => {}
        Ok(Ok(ended)) => return Err(no_server(format!("initdb ended with {}{}", ended.code, tail(&ended.output)))),
    }

    let settings = SETTINGS.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
    let serve = ["-D".to_owned(), data, "-k".to_owned(), INSIDE.to_owned()].into_iter().chain(settings).collect();
    let id =
        docker.start_probe(&purpose, 1, &probe("postgres", serve)).await.map_err(|error| no_server(told(&error)))?;
    let clients = Clients::find(drilled.source.binaries.as_deref(), cancel).map_err(|error| failed(&error))?;
    let asker = Asker { programs: clients.newest().clone(), address: link.address(), cancel: cancel.clone() };
    let begun = Instant::now();
    loop {
        let question = asker.clone();
        let answer = tokio::task::spawn_blocking(move || question.run("SELECT 1;")).await;
        let error = match answer {
            Ok(Ok(_)) => break,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let state = docker.inspect(&id).await.map_err(|error| engine(&error))?.state;
        if state != "running" || begun.elapsed() > PATIENCE {
            let output = docker.output(&id).await.unwrap_or_default();
            return Err(no_server(format!("postgres does not begin ({error}){}", tail(&output))));
        }
        sleep(LOOK).await;
    }
    Ok(Served { link, room: scratch.path, image: wanted.image.clone() })
}
