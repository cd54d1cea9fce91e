//! An engine that misbehaves on demand: HTTP on a Unix socket, answers by path.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// How the engine answers on one path.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Properly, with this body.
    Body(String),
    /// With a status and a body.
    Status(u16, String),
    /// Not at all.
    Hang,
    /// With this much, and then the connection breaks.
    Half(String),
    /// With this piece over and over, without end.
    Endless(&'static str),
    /// With lines as [`FakeEngine::event`] sends them, and silence in between.
    Events,
}

#[derive(Default)]
struct Counts {
    requests: Mutex<HashMap<String, u64>>,
    connections: AtomicU64,
    bytes: AtomicU64,
}

/// The engine. It ends with the value.
pub struct FakeEngine {
    directory: tempfile::TempDir,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    counts: Arc<Counts>,
    events: broadcast::Sender<String>,
    server: tokio::task::JoinHandle<()>,
}

impl FakeEngine {
    /// Starts one that behaves: it has the given volumes and no container.
    pub fn start(volumes: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let answers = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::new(Counts::default());
        let events = broadcast::channel(16).0;
        let server = tokio::spawn(serve(listener, Arc::clone(&answers), Arc::clone(&counts), events.clone()));
        let engine = Self { directory, answers, counts, events, server };
        engine.answer("/version", Answer::Body(r#"{"Version": "1.2.3"}"#.into()));
        engine.answer("/containers/json", Answer::Body("[]".into()));
        engine.answer("/events", Answer::Events);
        engine.volumes(volumes);
        engine
    }

    /// Its address.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.directory.path().display())
    }

    /// Changes how it answers on a path.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Changes the volumes that it lists.
    pub fn volumes(&self, names: &[&str]) {
        let volume = |name: &&str| {
            serde_json::json!({
                "Name": name, "Driver": "local", "Mountpoint": format!("/nowhere/{name}/_data"),
                "Labels": null, "Options": null, "Scope": "local", "CreatedAt": "2020-01-01T00:00:00Z",
            })
        };
        let volumes: Vec<_> = names.iter().map(volume).collect();
        self.answer("/volumes", Answer::Body(serde_json::json!({"Volumes": volumes, "Warnings": null}).to_string()));
    }

    /// Sends one line to all who follow the events; returns to how many.
    pub fn event(&self, line: &str) -> usize {
        self.events.send(format!("{line}\n")).unwrap_or(0)
    }

    /// How many requests came for a path.
    pub fn requests(&self, path: &str) -> u64 {
        self.counts.requests.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// How many connections are open.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of endless answers it got rid of.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn serve(
    listener: tokio::net::UnixListener,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    counts: Arc<Counts>,
    events: broadcast::Sender<String>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (answers, counts, events) = (Arc::clone(&answers), Arc::clone(&counts), events.clone());
        connections.spawn(async move {
            counts.connections.fetch_add(1, Ordering::SeqCst);
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let path = request.uri().path().to_owned();
                *counts.requests.lock().unwrap().entry(path.clone()).or_default() += 1;
                let answer = answers.lock().unwrap().get(&path).cloned();
                respond(answer.unwrap_or(Answer::Status(404, "{}".into())), Arc::clone(&counts), events.clone())
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            drop(served.await);
            counts.connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn respond(
    answer: Answer,
    counts: Arc<Counts>,
    events: broadcast::Sender<String>,
) -> Result<Response<Body>, Infallible> {
    let piece = |text: String| Ok::<_, io::Error>(Frame::data(Bytes::from(text)));
    let (status, body) = match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Body(text) => (200, stream::iter([piece(text)]).boxed()),
        Answer::Status(status, text) => (status, stream::iter([piece(text)]).boxed()),
        Answer::Half(text) => (200, stream::iter([piece(text), Err(io::Error::other("broken"))]).boxed()),
        Answer::Endless(text) => {
            let text = text.repeat(64 * 1024 / text.len());
            let endless = stream::repeat_with(move || {
                counts.bytes.fetch_add(text.len() as u64, Ordering::SeqCst);
                piece(text.clone())
            });
            (200, endless.boxed())
        }
        Answer::Events => {
            let lines = stream::unfold(events.subscribe(), move |mut events| async move {
                let line = events.recv().await.ok()?;
                Some((piece(line), events))
            });
            (200, lines.boxed())
        }
    };
    Ok(Response::builder().status(status).body(UnsyncBoxBody::new(StreamBody::new(body))).unwrap())
}
