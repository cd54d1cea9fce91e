//! The endpoints, spoken to over real sockets, by polite clients and by others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail so")]

#[path = "support/values.rs"]
mod values;

#[path = "support/http.rs"]
mod client;

use client::{Answer, request, talk};
use seawall::clock::{Clock, SystemClock};
use seawall::http::{self, Render, Text};
use seawall::metrics::encode::Exposition;
use seawall::policy::Mode;
use seawall::reconcile::plan::Held;
use seawall::reconcile::{Quiesced, RunId, SourceKey};
use seawall::status::model::StatusSnapshot;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use values::{policy, source, status};

fn series() -> Render {
    let exposition = Exposition::default();
    Arc::new(move |status| {
        let series = exposition.of(status)?;
        Ok(Text { length: series.length(), pieces: Box::new(series.unpacked()) })
    })
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
        let server = tokio::spawn(http::serve(listener, receiver, series(), cancel.clone()));
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
        ("/runbook", "text/html; charset=utf-8", "<h1>Runbook of host-1</h1>"),
        ("/runbook.md", "text/markdown; charset=utf-8", "# Runbook of host-1"),
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
    for text in [&mut evil.description, &mut evil.criticality] {
        EVIL.clone_into(text);
    }
    evil.conditions[0].kind = EVIL.into();
    evil.conditions[0].message = EVIL.into();
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
    let still = |container: &str, deadline| Quiesced {
        source: SourceKey { policy: "p".into(), source: "v".into() },
        run: RunId("1".into()),
        container: container.into(),
        mode: Mode::Stop,
        since: now - jiff::SignedDuration::from_mins(5),
        deadline,
    };
    tcp.status.send_modify(|status| {
        let mut next = (**status).clone();
        next.at = Some(now);
        next.quiesced = Arc::new(vec![still("worker", now + jiff::SignedDuration::from_mins(4)), still("db", now)]);
        *status = Arc::new(next);
    });
    let page = tcp.get("/").await.1;
    for part in [
        "<td>worker</td><td>stop</td><td>p/v</td><td>5 min</td><td>in 3 min</td>",
        "<td>db</td><td>stop</td><td>p/v</td><td>5 min</td><td>now</td>",
        "<li>db stands still since",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in [
        "<td class=\"when\">5 h ago</td>",
        "<td class=\"when\">in 49 min</td>",
        "<td class=\"when\">never</td>",
        "<td class=\"when\">exempt</td>",
        "http-equiv=\"refresh\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}
