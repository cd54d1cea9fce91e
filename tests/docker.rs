//! Docker as it is seen: a real engine, its volumes and containers, its absence.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]

mod support;

use seawall::adapters::docker::{Docker, DockerError};
use seawall::clock::SystemClock;
use seawall::observe::docker::{DockerHandle, observe_once, start};
use seawall::reconcile::observed::{DockerState, Readable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use support::engine::{Engine, unique};
use support::wait::until;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough that whatever is seen is seen because of an event.
const NEVER: Duration = Duration::from_hours(1);

struct Watched {
    handle: DockerHandle,
    view: watch::Receiver<Arc<DockerState>>,
    _end: DropGuard,
}

fn watch(engine: &Engine) -> Watched {
    let cancel = CancellationToken::new();
    let docker = Docker::connect(Some(engine.host())).unwrap();
    let (handle, view) = start(docker, Arc::new(SystemClock), cancel.clone(), NEVER);
    Watched { handle, view, _end: cancel.drop_guard() }
}

impl Watched {
    async fn until(&mut self, what: &str, seen: impl Fn(&DockerState) -> bool) -> Arc<DockerState> {
        until(&mut self.view, what, seen).await
    }
}

fn reason(state: &DockerState, volume: &str) -> String {
    match &state.volumes[volume].readable {
        Readable::At(path) => path.display().to_string(),
        Readable::No { reason, .. } => reason.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_seen_when_it_comes_and_when_it_goes() {
    let engine = Engine::shared();
    let mut watched = watch(&engine);
    let state = watched.until("the engine", |state| state.up).await;
    assert!(!state.version.is_empty() && state.seen_at.is_some() && state.message.is_empty(), "{state:?}");

    let labels = [("com.docker.compose.project", "shop"), ("com.docker.compose.volume", "data")];
    let name = engine.volume("seen", &[], &labels);
    let state = watched.until("the new volume", |state| state.volumes.contains_key(&name)).await;
    let volume = &state.volumes[&name];
    assert_eq!((volume.name.as_str(), volume.driver.as_str(), volume.anonymous), (name.as_str(), "local", false));
    assert_eq!(volume.labels, labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(volume.readable, Readable::At(engine.mountpoint(&name)));
    assert!(volume.options.is_empty() && volume.used_by.is_empty());

    engine.remove_volume(&name);
    watched.until("its end", |state| !state.volumes.contains_key(&name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_seen_with_what_they_mount() {
    let engine = Engine::shared();
    let mut watched = watch(&engine);
    let volume = engine.volume("mounted", &[], &[]);
    let mount = format!("--volume={volume}:/data:ro");
    let args = [mount.as_str(), "--volume=/scratch", "--label=com.docker.compose.service=web"];
    let name = engine.sleeper("app", &args);
    let is = |word: &'static str, name: &str| {
        let name = name.to_owned();
        move |state: &DockerState| state.containers.get(&name).is_some_and(|container| container.state == word)
    };

    let state = watched.until("the container", is("running", &name)).await;
    let container = &state.containers[&name];
    assert_eq!(container.id, engine.docker(&["inspect", "--format={{.Id}}", &name]));
    assert_eq!(container.image, engine.image());
    assert_eq!(container.image_id, engine.docker(&["inspect", "--format={{.Image}}", &name]));
    assert_eq!(container.labels["com.docker.compose.service"], "web");
    assert!(!container.volumes[&volume], "it may not write");
    assert_eq!(state.volumes[&volume].used_by, std::slice::from_ref(&name));
    let scratch = container.volumes.keys().find(|other| **other != volume).expect("the anonymous volume is seen");
    assert!(state.volumes[scratch].anonymous && !state.volumes[&volume].anonymous);
    assert!(container.volumes[scratch]);

    engine.docker(&["pause", &name]);
    watched.until("the pause", is("paused", &name)).await;
    engine.docker(&["unpause", &name]);
    watched.until("its end", is("running", &name)).await;
    engine.docker(&["kill", &name]);
    watched.until("the exit", is("exited", &name)).await;
    engine.remove_container(&name);
    let state = watched.until("the removal", |state| !state.containers.contains_key(&name)).await;
    assert!(state.volumes[&volume].used_by.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_mounted_by_options_is_readable_while_a_container_uses_it() {
    let engine = Engine::shared();
    let mut watched = watch(&engine);
    let volume = engine.volume("memory", &[("type", "tmpfs"), ("device", "tmpfs")], &[]);
    let mountpoint = engine.mountpoint(&volume).display().to_string();
    let state = watched.until("the volume", |state| state.volumes.contains_key(&volume)).await;
    assert_eq!(reason(&state, &volume), "NotMounted");
    assert_eq!(state.volumes[&volume].options["type"], "tmpfs");

    let container = engine.sleeper("app", &[&format!("--volume={volume}:/data")]);
    watched.until("the mount", |state| reason(state, &volume) == mountpoint).await;
    let docker = Docker::connect(Some(engine.host())).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(docker.volume(&volume, now).await.unwrap().readable, Readable::At(mountpoint.clone().into()));
    // Ends by itself, of which the engine speaks before the mount is gone.
    engine.docker(&["kill", &container]);
    watched.until("the end of the mount", |state| reason(state, &volume) == "NotMounted").await;
    let Readable::No { reason, .. } = docker.volume(&volume, now).await.unwrap().readable else {
        panic!("not mounted")
    };
    assert_eq!(reason, "NotMounted");
    let error = docker.volume(&unique("none"), now).await.unwrap_err();
    assert!(matches!(error, DockerError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_a_directory_of_the_host_is_read_there() {
    let engine = Engine::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let device = path.to_str().unwrap();
    let volume = engine.volume("bound", &[("type", "none"), ("o", "bind"), ("device", device)], &[]);
    let docker = Docker::connect(Some(engine.host())).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(reason(&observe_once(&docker, now).await, &volume), device);
    let container = engine.sleeper("app", &[&format!("--volume={volume}:/data")]);
    engine.docker(&["exec", &container, "/bin/busybox", "touch", "/data/file"]);
    assert!(path.join("file").exists());
    let state = observe_once(&docker, now).await;
    assert_eq!(reason(&state, &volume), device, "also while it is mounted");
    assert_eq!(state.seen_at, Some(now));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_and_comes_back() {
    let engine = Engine::private();
    let volume = engine.volume("kept", &[], &[]);
    let mut watched = watch(&engine);
    let before = watched.until("the engine", |state| state.up).await;
    assert!(before.volumes.contains_key(&volume));

    engine.stop();
    let away = watched.until("its absence", |state| !state.up).await;
    assert_eq!((&away.volumes, &away.version, away.seen_at), (&before.volumes, &before.version, before.seen_at));
    assert!(away.message.contains(engine.host()), "{}", away.message);

    let later = unique("later");
    engine.start();
    engine.volume_named(&later, &[], &[]);
    watched.handle.refresh();
    watched.until("its return", |state| state.up && state.volumes.contains_key(&later)).await;
    // And events wake it again.
    engine.remove_volume(&later);
    watched.until("a change", |state| !state.volumes.contains_key(&later)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_a_proxy_of_this_host_is_known_as_its_own() {
    let engine = Engine::shared();
    let volume = engine.volume("proxied", &[], &[]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let docker = Docker::connect(Some(&format!("tcp://{}", listener.local_addr().unwrap()))).unwrap();
    let socket = engine.host().strip_prefix("unix://").expect("the engine for tests has a socket").to_owned();
    let proxy = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut engine = tokio::net::UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut engine).await });
        }
    });
    // Not an instant of today: only the volumes' own times can tell.
    let now = "2100-01-01T00:00:00Z".parse().unwrap();
    let state = observe_once(&docker, now).await;
    assert!(state.up, "{}", state.message);
    assert_eq!(PathBuf::from(reason(&state, &volume)), engine.mountpoint(&volume));
    proxy.abort();
}

#[tokio::test]
async fn no_engine_at_all_is_a_view_that_says_what_to_do() {
    let docker = Docker::connect(Some("unix:///nowhere/docker.sock")).unwrap();
    let state = observe_once(&docker, jiff::Timestamp::UNIX_EPOCH).await;
    assert_eq!(
        state,
        DockerState {
            message:
                "Docker at unix:///nowhere/docker.sock cannot be reached (is it installed, and its socket mounted \
                      where Seawall runs in a container?): No such file or directory (os error 2)"
                    .to_owned(),
            ..DockerState::default()
        }
    );
}
