//! An engine that misbehaves: what was seen stays in view, the view says what is wrong, and memory stays bounded.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]

mod support;

use seawall::adapters::docker::Docker;
use seawall::clock::SystemClock;
use seawall::observe::docker::{DockerHandle, start};
use seawall::reconcile::observed::{DockerState, Readable};
use std::sync::Arc;
use std::time::Duration;
use support::fake_engine::{Answer, FakeEngine};
use support::wait::{eventually, until};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const NEVER: Duration = Duration::from_hours(1);
const MIB: u64 = 1 << 20;

struct Watched {
    engine: FakeEngine,
    handle: DockerHandle,
    view: watch::Receiver<Arc<DockerState>>,
    _end: DropGuard,
}

impl Watched {
    /// Watches an engine that has the volumes `a` and `b` until it was seen.
    async fn start(resync: Duration) -> Self {
        let engine = FakeEngine::start(&["a", "b"]);
        let cancel = CancellationToken::new();
        let docker = Docker::connect(Some(&engine.host())).unwrap();
        let (handle, view) = start(docker, Arc::new(SystemClock), cancel.clone(), resync);
        let mut watched = Self { engine, handle, view, _end: cancel.drop_guard() };
        watched.until("the engine", |state| state.up).await;
        watched
    }

    async fn until(&mut self, what: &str, seen: impl Fn(&DockerState) -> bool) -> Arc<DockerState> {
        until(&mut self.view, what, seen).await
    }

    /// Waits until the engine is held to be away with everything still in view, and returns what is said.
    async fn away(&mut self) -> String {
        self.handle.refresh();
        let state = self.until("the trouble", |state| !state.up).await;
        assert_eq!(volumes(&state), ["a", "b"], "what was seen stays");
        assert!(state.seen_at.is_some() && state.version == "1.2.3");
        state.message.clone()
    }

    /// Lets the engine behave again with another volume, and waits until that is seen.
    async fn back(&mut self) {
        self.engine.answer("/version", Answer::Body(r#"{"Version": "1.2.3"}"#.into()));
        self.engine.answer("/containers/json", Answer::Body("[]".into()));
        self.engine.volumes(&["a", "c"]);
        self.handle.refresh();
        let state = self.until("its return", |state| state.up && volumes(state) == ["a", "c"]).await;
        assert_eq!(state.message, "");
    }
}

fn volumes(state: &DockerState) -> Vec<&str> {
    state.volumes.keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_is_away() {
    let mut watched = Watched::start(NEVER).await;
    eventually("events are followed", || watched.engine.connections() == 1).await;
    watched.engine.answer("/volumes", Answer::Hang);
    assert_eq!(watched.away().await, "Docker did not list its volumes within 10s; it hangs or is overloaded");
    watched.engine.answer("/events", Answer::Status(503, String::new()));
    watched.back().await;
    eventually("calls that were given up leave no connection", || watched.engine.connections() <= 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_no_answer() {
    let mut watched = Watched::start(NEVER).await;
    for half in [Answer::Half(r#"{"Volumes": [{"Name": "a","#.into()), Answer::Body(r#"{"Volumes": [{"#.into())] {
        watched.engine.answer("/volumes", half);
        let said = watched.away().await;
        assert!(said.starts_with("Docker's answer when asked to list its volumes could not be read: "), "{said}");
        watched.back().await;
        watched.engine.volumes(&["a", "b"]);
        watched.handle.refresh();
        watched.until("both", |state| volumes(state) == ["a", "b"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_engine_is_told_and_cut() {
    let mut watched = Watched::start(NEVER).await;
    let long = "x".repeat(100_000);
    watched.engine.answer("/containers/json", Answer::Status(500, format!(r#"{{"message": "layer store: {long}"}}"#)));
    let said = watched.away().await;
    assert!(said.starts_with("Docker could not list its containers: it answered 500: layer store: xxx"), "{said}");
    assert!(said.len() < 1000, "{} bytes", said.len());
    watched.back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_given_up_in_bounded_memory() {
    let mut watched = Watched::start(NEVER).await;
    watched.engine.answer("/volumes", Answer::Endless(" "));
    let said = watched.away().await;
    assert!(said.ends_with("the answer is too long"), "{said}");
    watched.back().await;
    // What is not read stays in the buffers of the socket.
    assert!(watched.engine.bytes() < 2 * 34 * MIB, "{} bytes were taken", watched.engine.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_event_costs_time_and_nothing_else() {
    let mut watched = Watched::start(Duration::from_millis(300)).await;
    watched.engine.volumes(&["a", "c"]);
    watched.until("the change of which no event told", |state| volumes(state) == ["a", "c"]).await;
    // With nothing new to see, the time of the look goes on and wakes nobody.
    let seen = watched.view.borrow_and_update().seen_at;
    eventually("a later look", || watched.view.borrow().seen_at != seen).await;
    assert!(!watched.view.has_changed().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_change_nothing_wake_nobody() {
    let mut watched = Watched::start(NEVER).await;
    watched.view.mark_unchanged();
    for looks in 2..5 {
        let event = r#"{"Type": "container", "Action": "create", "Actor": {"ID": "1", "Attributes": {"name": "x"}}}"#;
        eventually("the event is heard", || watched.engine.event(event) > 0).await;
        eventually("a look because of it", || watched.engine.requests("/volumes") >= looks).await;
    }
    watched.handle.refresh();
    assert!(!watched.view.has_changed().unwrap(), "{:#?}", watched.view.borrow());
    watched.engine.volumes(&["a"]);
    watched.handle.refresh();
    watched.until("a change", |state| volumes(state) == ["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_events_it_is_looked_all_the_same() {
    for events in [
        Answer::Status(403, r#"{"message": "events are not for you"}"#.into()),
        Answer::Body(String::new()),
        Answer::Body("{\"Type\": \"volu\n<html>\n".into()),
        Answer::Half("{".into()),
    ] {
        let mut watched = Watched::start(NEVER).await;
        eventually("there is a stream to break off", || watched.engine.requests("/events") > 0).await;
        watched.engine.answer("/events", events.clone());
        // The stream that is followed now breaks off by a line that is none.
        eventually("the stream is followed", || watched.engine.event("nonsense") > 0).await;
        let before = watched.engine.requests("/events");
        // Said again and again: a follower may be counted before it listens.
        let again = || watched.engine.event("nonsense") < usize::MAX && watched.engine.requests("/events") > before + 1;
        eventually("it is opened anew", again).await;
        let state = watched.until("that the engine is there", |_| true).await;
        assert!(state.up, "with {events:?}: {}", state.message);
        watched.engine.volumes(&["a", "c"]);
        watched.until("a change", |state| volumes(state) == ["a", "c"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_end_is_given_up_in_bounded_memory() {
    let mut watched = Watched::start(NEVER).await;
    eventually("there is a stream to break off", || watched.engine.requests("/events") > 0).await;
    watched.engine.answer("/events", Answer::Endless("\"x"));
    eventually("the stream is followed", || watched.engine.event("nonsense") > 0).await;
    let before = watched.engine.requests("/events");
    let again = || watched.engine.event("nonsense") < usize::MAX && watched.engine.requests("/events") > before + 2;
    eventually("it is opened again and again", again).await;
    assert!(watched.view.borrow().up);
    let streams = watched.engine.requests("/events");
    assert!(watched.engine.bytes() < streams * 3 * MIB, "{} bytes in {streams} streams", watched.engine.bytes());
    watched.back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_volumes_cost_one_call() {
    let mut watched = Watched::start(NEVER).await;
    let names: Vec<String> = (0..2000).map(|n| format!("volume-{n}")).collect();
    watched.engine.volumes(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let before = watched.engine.requests("/volumes");
    watched.handle.refresh();
    let state = watched.until("all", |state| state.volumes.len() == 2000).await;
    assert_eq!(watched.engine.requests("/volumes"), before + 1);
    assert_eq!(watched.engine.requests("/volumes/volume-1"), 0);
    let hidden = |readable: &Readable| matches!(readable, Readable::No { reason, .. } if reason == "NoSuchDirectory");
    assert!(state.volumes.values().all(|volume| hidden(&volume.readable)));
}
