//! A server of somebody else, on loopback: it answers by path, and as badly as it is told to.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]
#![allow(dead_code, reason = "every test program uses some of it")]

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What the server says on one path.
#[derive(Clone, Debug)]
pub enum Say {
    /// This, with a status and headers.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Nothing, ever.
    Hang,
    /// The beginning of a JSON answer, and then the connection breaks.
    Half(&'static str),
    /// So many bytes.
    Much(usize),
}

impl Say {
    /// JSON, and all is well.
    pub fn json(text: impl Into<String>) -> Self {
        Self::Status(200, vec![("content-type", "application/json".into())], text.into())
    }

    /// A status and nothing else of note.
    pub fn status(code: u16) -> Self {
        Self::Status(code, Vec::new(), "{}".into())
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path with its query.
    pub line: String,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Vec<Say>>,
    asked: Vec<Asked>,
}

/// The server. It ends with the value.
pub struct Cloud {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: tokio::task::JoinHandle<()>,
}

impl Cloud {
    /// Starts one that answers everything with 404.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Its address, as an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it says from now on where the method, a space, and the path with its query are `line`. `GET *` is every GET that
    /// has no line of its own.
    pub fn say(&self, line: &str, say: Say) {
        self.then(line, vec![say]);
    }

    /// What it says, one after the other; the last one stays.
    pub fn then(&self, line: &str, says: Vec<Say>) {
        self.state.lock().unwrap().answers.insert(line.to_owned(), says);
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How often a line was asked.
    pub fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line == line).count()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| respond(request, Arc::clone(&state)));
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn respond(
    request: Request<hyper::body::Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let say = {
        let mut state = state.lock().unwrap();
        state.asked.push(Asked { line: line.clone(), headers, body });
        let any = format!("{} *", head.method);
        let line = if state.answers.contains_key(&line) { line } else { any };
        match state.answers.get_mut(&line) {
            Some(says) if says.len() > 1 => says.remove(0),
            Some(says) => says[0].clone(),
            None => Say::Status(404, Vec::new(), "{\"message\":\"not found\"}".into()),
        }
    };
    let piece = |text: String| Ok::<_, io::Error>(Frame::data(Bytes::from(text)));
    let (status, headers, body) = match say {
        Say::Hang => std::future::pending().await,
        Say::Status(status, headers, text) => (status, headers, stream::iter([piece(text)]).boxed()),
        Say::Half(text) => {
            (200, Vec::new(), stream::iter([piece(text.into()), Err(io::Error::other("broken"))]).boxed())
        }
        Say::Much(bytes) => {
            let pieces = (0..bytes / 65_536).map(move |_| piece("a".repeat(65_536)));
            (200, Vec::new(), stream::iter(pieces).boxed())
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(UnsyncBoxBody::new(StreamBody::new(body))).unwrap())
}
