//! The endpoints, spoken to over real sockets, by polite clients and by others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail so")]

#[path = "support/values.rs"]
mod values;

use seawall::clock::{Clock, SystemClock};
use seawall::controller::ports::{
    Command, CountedEvent, Entry, Event, EventFilter, History, Record, RunFilter, StatusReceiver,
};
use seawall::http::socket::{self, Backstage};
use seawall::http::{self, Render};
use seawall::metrics::encode;
use seawall::reconcile::plan::Held;
use seawall::reconcile::{Outcome, RunResult, SourceKey};
use seawall::status::model::StatusSnapshot;
use seawall::status::persist::StateDir;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use values::{at, outcome, policy, source, status};

const METRICS: Render = encode::text;

/// An answer: its head and its body.
struct Answer(String, String);

impl Answer {
    fn code(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// Sends the bytes and reads until the other side closes.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Answer {
    // The other side may close before it has read everything; what it said before counts.
    let _closed_early = stream.write_all(bytes).await;
    let mut text = Vec::new();
    let _closed_early = stream.read_to_end(&mut text).await;
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer(head.to_owned(), body.to_owned())
}

fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}

struct Tcp {
    address: SocketAddr,
    status: watch::Sender<Arc<StatusSnapshot>>,
    cancel: CancellationToken,
    server: JoinHandle<()>,
}

impl Tcp {
    async fn start(status: StatusSnapshot) -> Self {
        let (status, receiver) = watch::channel(Arc::new(status));
        let cancel = CancellationToken::new();
        let listener = http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(http::serve(listener, receiver, METRICS, cancel.clone()));
        Self { address, status, cancel, server }
    }

    async fn send(&self, bytes: &[u8]) -> Answer {
        talk(TcpStream::connect(self.address).await.unwrap(), bytes).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&request("GET", path)).await
    }
}

fn host() -> StatusSnapshot {
    status(vec![policy("p", vec![source("v")]), policy("q", vec![])])
}

#[tokio::test]
async fn every_path_answers_from_the_status_with_headers_that_tie_a_browsers_hands() {
    let tcp = Tcp::start(host()).await;
    for (path, content, part) in [
        ("/", "text/html; charset=utf-8", "Seawall on host-1"),
        ("/style.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "seawall_docker_up 1"),
        ("/healthz", "application/json", "alive"),
        ("/readyz", "application/json", r#""ready":true"#),
        ("/api/v1/status", "application/json", r#""host":"host-1""#),
        ("/api/v1/policies", "application/json", r#"[{"name":"p""#),
        ("/api/v1/policies/p", "application/json", r#"{"name":"p""#),
        ("/api/v1/volumes", "application/json", r#""coverage":"unprotected""#),
        ("/api/v1/repositories", "application/json", r#"[{"name":"default""#),
        ("/api/v1/plan", "application/json", r#""actions":[]"#),
    ] {
        let answer = tcp.get(path).await;
        assert_eq!((answer.code(), answer.header("content-type")), (200, Some(content)), "{path}");
        assert!(answer.1.contains(part), "{path}: {}", answer.1);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{path}");

        let head = tcp.send(&request("HEAD", path)).await;
        assert_eq!((head.code(), head.1.as_str()), (200, ""), "{path}");
        // The page says the second it was made in, always in as many letters.
        assert_eq!(head.header("content-length"), answer.header("content-length"), "{path}");
    }
    let got: StatusSnapshot = serde_json::from_str(&tcp.get("/api/v1/status").await.1).unwrap();
    assert_eq!(got, host());
}

#[tokio::test]
async fn what_changes_is_seen_at_once() {
    let tcp = Tcp::start(StatusSnapshot::default()).await;
    assert_eq!(tcp.get("/readyz").await.code(), 503);
    assert_eq!(tcp.get("/api/v1/policies/p").await.code(), 404);
    tcp.status.send_replace(Arc::new(host()));
    assert_eq!(tcp.get("/readyz").await.code(), 200);
    assert_eq!(tcp.get("/api/v1/policies/p").await.code(), 200);
}

#[tokio::test]
async fn tcp_changes_nothing() {
    let tcp = Tcp::start(host()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = tcp.send(&request(method, "/api/v1/policies/p")).await;
        assert_eq!((answer.code(), answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(answer.json()["error"].is_string());
    }
    for path in [
        "/api/v1/policies/p/backup",
        "/api/v1/reload",
        "/api/v1/repositories/default/key-exported",
        "/api/v1/runs",
        "/api/v1/events",
        "/api/v1/snapshots",
    ] {
        assert_eq!(tcp.send(&request("POST", path)).await.code(), 404, "{path}");
        assert_eq!(tcp.get(path).await.code(), 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_in_json() {
    let tcp = Tcp::start(host()).await;
    for path in ["/nothing", "/api/v1/policies/", "/api/v1/policies/p/q", "/../etc/passwd", "/metrics/", "//"] {
        let answer = tcp.get(path).await;
        assert_eq!((answer.code(), answer.header("content-type")), (404, Some("application/json")), "{path}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(tcp.get("/metrics?name=x").await.code(), 200);
}

#[tokio::test]
async fn nothing_that_a_person_or_a_volume_says_becomes_markup() {
    const EVIL: &str = "<script>alert('1')</script>\"&";
    let mut evil = policy("p", vec![source(EVIL)]);
    for text in [&mut evil.description, &mut evil.criticality, &mut evil.conditions[0].message] {
        EVIL.clone_into(text);
    }
    evil.conditions[0].kind = EVIL.into();
    evil.schedule = Some(EVIL.into());
    evil.exempt = Some(EVIL.into());
    evil.sources[0].retention[0].held = Some(Held { reason: EVIL.into(), message: EVIL.into() });
    let mut status = status(vec![evil]);
    status.host = EVIL.into();
    status.version = EVIL.into();
    status.docker.up = false;
    status.docker.message = EVIL.into();
    status.state_error = Some(EVIL.into());
    status.config.problem = Some(EVIL.into());
    status.config.revision = Some(EVIL.into());
    status.repositories.get_mut("default").unwrap().location = EVIL.into();
    let volume = status.volumes.get_mut("b").unwrap();
    for text in [&mut volume.name, &mut volume.reason, &mut volume.used_by[0]] {
        EVIL.clone_into(text);
    }
    let tcp = Tcp::start(status).await;
    let page = tcp.get("/").await;
    assert!(!page.1.contains("<script") && !page.1.contains("alert('"), "{}", page.1);
    assert!(page.1.matches("&#60;script&#62;").count() >= 12, "{}", page.1);
    let missing = tcp.get("/api/v1/policies/%3Cscript%3E").await;
    assert_eq!(missing.header("content-type"), Some("application/json"));
    let metrics = tcp.get("/metrics").await;
    assert!(metrics.1.contains(r#"version="<script>alert('1')</script>\"&""#), "{}", metrics.1);
}

#[tokio::test]
async fn a_broken_or_endless_request_is_turned_away_and_others_are_served() {
    let tcp = Tcp::start(host()).await;
    let long = "a".repeat(1 << 20);
    for (bytes, codes) in [
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), vec![414, 431, 400]),
        (format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"), vec![431]),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200)), vec![431]),
        ("G\u{1}T / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), vec![400]),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), vec![400]),
        ("\u{16}\u{3}\u{1} not http at all".to_owned(), vec![400]),
    ] {
        let answer = tcp.send(bytes.as_bytes()).await;
        let start: String = bytes.chars().take(60).collect();
        // A connection that is cut under the sender may take the answer with it.
        assert!(answer.0.is_empty() || codes.contains(&answer.code()), "{start:?}: {}", answer.0);
        assert_eq!(tcp.get("/healthz").await.code(), 200);
    }
}

#[tokio::test]
async fn who_dawdles_over_a_head_is_cut_off() {
    let tcp = Tcp::start(host()).await;
    let mut slow = Vec::new();
    for start in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(tcp.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(tcp.get("/healthz").await.code(), 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "the connection is held open for ever");
    }
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_and_are_then_served() {
    let tcp = Tcp::start(host()).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(tcp.address).await.unwrap());
    }
    // The idle ones are cut off in time, and this one's turn comes.
    let answer = tokio::time::timeout(Duration::from_mins(1), tcp.get("/healthz")).await.unwrap();
    assert_eq!(answer.code(), 200);
}

#[tokio::test]
async fn the_end_comes_although_a_client_holds_on() {
    let tcp = Tcp::start(host()).await;
    let mut holding = TcpStream::connect(tcp.address).await.unwrap();
    holding.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    holding.read_u8().await.unwrap();
    let mut half = TcpStream::connect(tcp.address).await.unwrap();
    half.write_all(b"GET /heal").await.unwrap();
    tcp.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(30), tcp.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let tcp = Tcp::start(host()).await;
    let error = http::bind(tcp.address).await.unwrap_err().to_string();
    assert!(error.contains(&tcp.address.to_string()) && error.contains("--listen"), "{error}");
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
        let server = tokio::spawn(socket::serve(bound, status, METRICS, backstage, cancel.clone()));
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
        let Some(Command::Backup { policy, source, actor, reply }) = unix.commands.recv().await else { panic!() };
        assert_eq!((policy.as_str(), source.as_deref()), ("p", Some("v-1")));
        assert!(actor.starts_with("user:") && actor.ends_with(&me()), "{actor}");
        let sources = vec![SourceKey { policy: "p".into(), source: "v-1".into() }];
        reply.send(if refused { Err("it is suspended".to_owned()) } else { Ok(sources.clone()) }).unwrap();
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

/// Lies about nothing: the clock of this process is the one that the page shows.
#[tokio::test]
async fn the_page_shows_how_long_ago_and_how_soon() {
    let now = SystemClock.now();
    let mut seen = source("v");
    seen.last_success = Some(now - jiff::SignedDuration::from_hours(5));
    seen.next_run = Some(now + jiff::SignedDuration::from_mins(50));
    let mut suspended = policy("s", vec![]);
    suspended.exempt = Some("a cache".into());
    let tcp = Tcp::start(status(vec![
        policy("p", vec![seen]),
        policy(
            "n",
            vec![{
                let mut never = source("w");
                never.last_success = None;
                never
            }],
        ),
        suspended,
    ]))
    .await;
    let page = tcp.get("/").await.1;
    for part in
        ["<td>5 h ago</td>", "<td>in 49 min</td>", "<td>never</td>", "<td>exempt</td>", "http-equiv=\"refresh\""]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}
