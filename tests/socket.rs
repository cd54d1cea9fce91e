//! The socket of the running operator: history, and what changes something.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail so")]

#[path = "support/http.rs"]
mod client;
#[path = "support/values.rs"]
mod values;

use client::{Answer, request, talk};
use seawall::controller::ports::{
    Command, CountedEvent, Entry, Event, EventFilter, History, Record, RunFilter, StatusReceiver,
};
use seawall::http::socket::{self, Backstage};
use seawall::http::{Render, Text};
use seawall::metrics::encode::Exposition;
use seawall::reconcile::{Outcome, Request, RunResult, SourceKey, Wish};
use seawall::status::model::StatusSnapshot;
use seawall::status::persist::StateDir;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use values::{at, outcome, policy, source, status};

fn host() -> StatusSnapshot {
    status(vec![policy("p", vec![source("v")]), policy("q", vec![])])
}

struct Broken;

impl History for Broken {
    fn runs(&self, _: &RunFilter) -> Result<Vec<Outcome>, String> {
        Err("cannot read the state".into())
    }

    fn events(&self, _: &EventFilter) -> Result<Vec<CountedEvent>, String> {
        Err("cannot read the state".into())
    }
}

struct Unix {
    path: PathBuf,
    commands: mpsc::Receiver<Command>,
    cancel: CancellationToken,
    server: JoinHandle<()>,
}

impl Unix {
    async fn start(path: &Path, history: Arc<dyn History>) -> Self {
        let (sender, commands) = mpsc::channel(4);
        let status: StatusReceiver = watch::channel(Arc::new(host())).1;
        let repositories = watch::channel(Arc::new(BTreeMap::new())).1;
        let backstage = Backstage { commands: sender, history, repositories };
        let cancel = CancellationToken::new();
        let bound = socket::bind(path).await.unwrap();
        let exposition = Exposition::default();
        let series: Render = Arc::new(move |status| {
            let series = exposition.of(status)?;
            Ok(Text { length: series.length(), pieces: Box::new(series.unpacked()) })
        });
        let server = tokio::spawn(socket::serve(bound, status, series, backstage, cancel.clone()));
        Self { path: path.to_owned(), commands, cancel, server }
    }

    async fn send(&self, method: &str, path: &str) -> Answer {
        talk(UnixStream::connect(&self.path).await.unwrap(), &request(method, path)).await
    }
}

fn me() -> String {
    format!("({})", rustix::process::getuid().as_raw())
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_replaces_only_a_dead_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "what a killed operator leaves behind");
    let unix = Unix::start(&path, Arc::new(Broken)).await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(unix.send("GET", "/api/v1/policies/p").await.code(), 200);
    let error = socket::bind(&path).await.unwrap_err().to_string();
    assert!(error.contains("another instance"), "{error}");
    assert_eq!(unix.send("GET", "/metrics").await.code(), 200);
    unix.cancel.cancel();
    unix.server.await.unwrap();
    assert!(!path.exists());

    let file = dir.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(socket::bind(&file).await.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[tokio::test]
async fn history_is_read_over_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(&dir.path().join("state"), "test").unwrap();
    let runs = vec![outcome("p", "v", 1, RunResult::Success), outcome("q", "v", 2, RunResult::Failure)];
    let event = Event {
        at: at(1),
        warning: true,
        object: "policy/p".into(),
        reason: "BackupFailed".into(),
        message: "no".into(),
    };
    state.record(&Entry { runs: runs.clone(), events: vec![event.clone(), event], ..Entry::default() }).unwrap();
    let unix = Unix::start(&dir.path().join("s.sock"), Arc::new(state)).await;
    let read = async |path: &str| -> Vec<Outcome> { serde_json::from_str(&unix.send("GET", path).await.1).unwrap() };
    assert_eq!(read("/api/v1/runs").await, [runs[1].clone(), runs[0].clone()]);
    assert_eq!(read("/api/v1/runs?limit=1").await, runs[1..]);
    assert_eq!(read("/api/v1/runs?policy=p&source=v").await, runs[..1]);
    assert_eq!(unix.send("GET", "/api/v1/runs?limit=many").await.code(), 400);
    assert_eq!(unix.send("POST", "/api/v1/runs").await.code(), 405);
    let events = unix.send("GET", "/api/v1/events?object=policy%2Fp").await.json();
    assert_eq!((&events[0]["count"], &events[0]["reason"]), (&2.into(), &"BackupFailed".into()));
    assert_eq!(unix.send("GET", "/api/v1/snapshots").await.1, "[]\n");

    let broken = Unix::start(&dir.path().join("b.sock"), Arc::new(Broken)).await;
    let answer = broken.send("GET", "/api/v1/runs").await;
    assert_eq!((answer.code(), answer.json()["error"].as_str()), (500, Some("cannot read the state")));
}

#[tokio::test]
async fn a_backup_is_asked_for_by_name_and_by_a_user() {
    let dir = tempfile::tempdir().unwrap();
    let mut unix = Unix::start(&dir.path().join("s.sock"), Arc::new(Broken)).await;
    let path = unix.path.clone();
    let post = |to: &'static str| {
        let path = path.clone();
        tokio::spawn(async move { talk(UnixStream::connect(path).await.unwrap(), &request("POST", to)).await })
    };
    for (refused, code) in [(false, 202), (true, 409)] {
        let asked = post("/api/v1/policies/p/backup?source=v%2D1");
        let Some(Command::Ask { wish, actor, reply }) = unix.commands.recv().await else { panic!() };
        assert_eq!(wish, Wish::Backup { policy: "p".into(), source: Some("v-1".into()) });
        assert!(actor.starts_with("user:") && actor.ends_with(&me()), "{actor}");
        let sources = vec![SourceKey { policy: "p".into(), source: "v-1".into() }];
        reply
            .send(if refused {
                Err("it is suspended".to_owned())
            } else {
                Ok(sources.iter().cloned().map(Request::Backup).collect())
            })
            .unwrap();
        let answer = asked.await.unwrap();
        assert_eq!(answer.code(), code);
        if refused {
            assert_eq!(answer.json()["error"], "it is suspended");
        } else {
            assert_eq!(serde_json::from_str::<Vec<SourceKey>>(&answer.1).unwrap(), sources);
        }
    }
    let asked = post("/api/v1/policies/p/backup");
    drop(unix.commands.recv().await);
    assert_eq!(asked.await.unwrap().code(), 503, "a loop that drops the request");

    let asked = post("/api/v1/reload");
    assert!(matches!(unix.commands.recv().await, Some(Command::Reload)));
    assert_eq!(asked.await.unwrap().code(), 202);
    let asked = post("/api/v1/repositories/default/key-exported");
    let Some(Command::KeyExported { repository, actor }) = unix.commands.recv().await else { panic!() };
    assert!(repository == "default" && actor.ends_with(&me()));
    assert_eq!(asked.await.unwrap().code(), 202);

    for (method, path, code) in [
        ("POST", "/api/v1/policies/none/backup", 404),
        ("POST", "/api/v1/repositories/none/key-exported", 404),
        ("GET", "/api/v1/policies/p/backup", 405),
        ("GET", "/api/v1/reload", 405),
        ("POST", "/api/v1/policies/p", 405),
        ("POST", "/nothing", 404),
    ] {
        assert_eq!(unix.send(method, path).await.code(), code, "{method} {path}");
    }
    let body = format!("POST /api/v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 30);
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(talk(stream, body.as_bytes()).await.code(), 413);
    assert!(unix.commands.try_recv().is_err(), "nothing else reached the loop");
    drop(unix.commands);
    let (path, gone) = (path.clone(), request("POST", "/api/v1/reload"));
    assert_eq!(talk(UnixStream::connect(path).await.unwrap(), &gone).await.code(), 503, "the loop has ended");
}
