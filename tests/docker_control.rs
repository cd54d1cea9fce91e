//! Containers that are made to stand still and brought back, by a real engine.

mod support;

use seawall::adapters::docker::{Docker, DockerError, Done, Ready};
use std::time::Duration;
use support::engine::{Engine, unique};

const SOON: Duration = Duration::from_secs(30);

fn shared() -> (Engine, Docker) {
    let engine = Engine::shared();
    let docker = connect(&engine);
    (engine, docker)
}

#[allow(clippy::unwrap_used, reason = "a helper of tests, which fails so")]
fn connect(engine: &Engine) -> Docker {
    Docker::connect(Some(engine.host())).unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn pausing_and_going_on_are_told_from_what_was_so_before() {
    let (engine, docker) = shared();
    let name = engine.sleeper("app", &[]);
    assert_eq!(docker.unpause(&name).await.unwrap(), Done::Already);
    assert_eq!(docker.pause(&name).await.unwrap(), Done::Changed);
    assert_eq!(docker.pause(&name).await.unwrap(), Done::Already);
    assert_eq!(docker.inspect(&name).await.unwrap().state, "paused");
    let error = docker.start(&name).await.unwrap_err();
    assert!(matches!(&error, DockerError::WrongState { state, .. } if state == "paused"), "{error}");
    assert_eq!(docker.unpause(&name).await.unwrap(), Done::Changed);
    assert_eq!(docker.inspect(&name).await.unwrap().state, "running");
}

#[tokio::test]
async fn stopping_and_starting_are_told_from_what_was_so_before() {
    let (engine, docker) = shared();
    let name = engine.sleeper("app", &["--restart=unless-stopped", "--stop-timeout=7", "--label=app=n8n"]);
    let before = docker.inspect(&name).await.unwrap();
    assert_eq!((before.name.as_str(), before.restart_policy.as_str()), (name.as_str(), "unless-stopped"));
    assert_eq!((before.grace, before.health), (Some(Duration::from_secs(7)), None));
    assert_eq!(before.labels["app"], "n8n");

    assert_eq!(docker.start(&name).await.unwrap(), Done::Already);
    assert_eq!(docker.stop(&name, SOON).await.unwrap(), Done::Changed);
    assert_eq!(docker.stop(&name, SOON).await.unwrap(), Done::Already);
    let stopped = docker.inspect(&name).await.unwrap();
    // 128 + SIGTERM: it ended by itself.
    assert_eq!((stopped.state.as_str(), stopped.exit_code), ("exited", 143));
    for error in [docker.pause(&name).await.unwrap_err(), docker.unpause(&name).await.unwrap_err()] {
        assert!(matches!(&error, DockerError::WrongState { state, .. } if state == "exited"), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
    assert_eq!(docker.start(&name).await.unwrap(), Done::Changed);
    assert_eq!(docker.inspect(&name).await.unwrap().state, "running");
}

#[tokio::test]
async fn a_container_that_refuses_to_stop_is_killed_in_time() {
    let (engine, docker) = shared();
    let args = ["--stop-timeout=3600"];
    let name = engine.run("deaf", &args, &["sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done"]);
    assert_eq!(docker.stop(&name, Duration::from_secs(1)).await.unwrap(), Done::Changed);
    // 128 + SIGKILL.
    assert_eq!(docker.inspect(&name).await.unwrap().exit_code, 137);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_so() {
    let (_engine, docker) = shared();
    let name = unique("nobody");
    for error in [
        docker.inspect(&name).await.unwrap_err(),
        docker.pause(&name).await.unwrap_err(),
        docker.unpause(&name).await.unwrap_err(),
        docker.stop(&name, SOON).await.unwrap_err(),
        docker.start(&name).await.unwrap_err(),
        docker.ready(&name, SOON).await.unwrap_err(),
        docker.exec(&name, &words(&["true"]), None, SOON).await.unwrap_err(),
    ] {
        assert!(matches!(error, DockerError::NotFound { .. }) && error.to_string().contains(&name), "{error}");
    }
}

#[tokio::test]
async fn a_start_waits_for_health() {
    let (engine, docker) = shared();
    let health = |command: &str| [format!("--health-cmd={command}"), "--health-interval=200ms".to_owned()];
    let run = |hint: &str, health: &[String]| {
        let mut args: Vec<&str> = health.iter().map(String::as_str).collect();
        args.push("--health-retries=1");
        engine.sleeper(hint, &args)
    };
    let well = run("well", &health("/bin/busybox true"));
    assert_eq!(docker.ready(&well, SOON).await.unwrap(), Ready::Yes);
    assert_eq!(docker.inspect(&well).await.unwrap().health.as_deref(), Some("healthy"));

    let ill = run("ill", &health("/bin/busybox echo out of order; /bin/busybox false"));
    let Ready::NotInTime { health, output } = docker.ready(&ill, Duration::from_secs(3)).await.unwrap() else {
        panic!("it is not healthy");
    };
    assert_eq!((health.as_str(), output.as_str()), ("unhealthy", "out of order"));

    let unasked = engine.sleeper("unasked", &[]);
    assert_eq!(docker.ready(&unasked, SOON).await.unwrap(), Ready::Yes);
    let broken = engine.run("broken", &[], &["sh", "-c", "exit 3"]);
    engine.docker(&["wait", &broken]);
    assert_eq!(docker.ready(&broken, SOON).await.unwrap(), Ready::Ended { exit_code: 3 });
}

#[tokio::test]
async fn a_command_runs_in_the_container_as_asked() {
    let (engine, docker) = shared();
    let name = engine.sleeper("app", &[]);
    let shell = async |script: &str, user: Option<&str>| {
        docker.exec(&name, &words(&["/bin/sh", "-c", script]), user, SOON).await.unwrap()
    };
    let both = shell("/bin/busybox echo out; /bin/busybox echo err >&2; exit 5", None).await;
    assert_eq!(both.code, 5);
    assert!(both.output.contains("out") && both.output.contains("err"), "{both:?}");
    assert_eq!(shell("/bin/busybox id -u", Some("1000:1000")).await.output, "1000");
    // A command that writes without end for a while is read to its end and kept in part.
    let long =
        shell("/bin/busybox yes xxxxxxxxxxxxxxx | /bin/busybox head -c 50000000; /bin/busybox echo end", None).await;
    assert_eq!(long.code, 0);
    assert!(long.output.ends_with("end") && long.output.len() <= 8192, "{} bytes", long.output.len());

    let missing = docker.exec(&name, &words(&["/no/such/program"]), None, SOON).await.unwrap();
    assert!(matches!(missing.code, 126 | 127), "{missing:?}");
    assert!(missing.output.contains("/no/such/program"), "{missing:?}");
}

#[tokio::test]
async fn a_command_that_hangs_is_given_up() {
    let (engine, docker) = shared();
    let name = engine.sleeper("app", &[]);
    let within = Duration::from_secs(1);
    let error = docker.exec(&name, &words(&["/bin/busybox", "sleep", "3600"]), None, within).await.unwrap_err();
    assert!(matches!(error, DockerError::Timeout { .. }), "{error}");
    docker.pause(&name).await.unwrap();
    let error = docker.exec(&name, &words(&["/bin/busybox", "true"]), None, SOON).await.unwrap_err();
    assert!(matches!(error, DockerError::Refused { .. }) && error.to_string().contains("paused"), "{error}");
}

#[tokio::test]
async fn a_service_is_scaled_away_and_back() {
    let engine = Engine::private();
    let docker = connect(&engine);
    let image = engine.image();
    engine.swarm();
    let create = |name: &str, mode: &str| {
        let args = ["service", "create", "--detach", "--no-resolve-image", "--network=host", "--name", name, mode];
        let all: Vec<&str> =
            args.into_iter().chain(["--label=kept=yes", "--stop-grace-period=1s", image, "sleep", "1000000"]).collect();
        engine.docker(&all);
    };
    create("web", "--replicas=2");
    create("agent", "--mode=global");
    let spec = |format: &str| engine.docker(&["service", "inspect", format, "web"]);
    let before = spec("--format={{json .Spec}}");
    docker.scale("web", 2, SOON).await.unwrap();
    assert_eq!(docker.replicas("web").await.unwrap(), Some(2));

    docker.scale("web", 0, SOON).await.unwrap();
    assert_eq!(docker.replicas("web").await.unwrap(), Some(0));
    let running = ["ps", "--quiet", "--filter=label=com.docker.swarm.service.name=web"];
    assert_eq!(engine.docker(&running), "", "no process of it is left");
    docker.scale("web", 2, SOON).await.unwrap();
    assert_eq!(engine.docker(&running).lines().count(), 2);
    assert_eq!(spec("--format={{json .Spec}}"), before, "nothing else of it has changed");

    assert_eq!(docker.replicas("agent").await.unwrap(), None);
    let error = docker.scale("agent", 0, SOON).await.unwrap_err();
    assert!(matches!(error, DockerError::WrongState { .. }), "{error}");
    let error = docker.scale("nobody", 0, SOON).await.unwrap_err();
    assert!(matches!(error, DockerError::NotFound { .. }), "{error}");
}
