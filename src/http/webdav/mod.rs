//! A tree of files, served for reading by WebDAV (RFC 4918, class 1) to whoever has the password.
//!
//! What this serves is read from the caller's [`Tree`], off the async threads; nothing can be changed by any method.

mod page;
mod path;
mod range;

use super::server;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Large files over slow clients take long.
const MAX_AGE: Duration = Duration::from_hours(24);
/// Bytes of a request's body; a PROPFIND's are read and not needed.
const MAX_BODY: usize = 64 << 10;
const METHODS: &str = "OPTIONS, GET, HEAD, PROPFIND";

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is a directory; otherwise it is a file.
    pub directory: bool,
    /// Bytes of a file.
    pub size: u64,
    /// When it last changed.
    pub modified: Option<Timestamp>,
    /// Another for another content.
    pub tag: String,
}

/// What is served. Blocking; paths are relative to its root, which is the empty path.
pub trait Tree: Send + Sync + 'static {
    /// The entry at a path; `None` where there is none.
    ///
    /// # Errors
    /// A sentence for the log.
    fn entry(&self, path: &Path) -> Result<Option<Entry>, String>;

    /// What a directory holds.
    ///
    /// # Errors
    /// A sentence for the log.
    fn list(&self, path: &Path) -> Result<Vec<(OsString, Entry)>, String>;

    /// Gives the bytes of a file from `from` to before `to`, until `each` says that it has enough.
    ///
    /// # Errors
    /// A sentence for the log.
    fn read(&self, path: &Path, from: u64, to: u64, each: &mut dyn FnMut(Bytes) -> bool) -> Result<(), String>;
}

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves until `cancel`. Every request has to carry the user `seawall` and this password.
pub async fn serve(listener: TcpListener, tree: Arc<dyn Tree>, password: &str, cancel: CancellationToken) {
    let wanted = Arc::new(digest(&format!("Basic {}", base64(&format!("seawall:{password}")))));
    server::run_for(MAX_AGE, &listener, &cancel, move |request: Request<Incoming>, _peer| {
        let (tree, wanted) = (Arc::clone(&tree), Arc::clone(&wanted));
        async move {
            let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if digest(given.unwrap_or_default()) == *wanted { answer(tree, request).await } else { unknown() }
        }
    })
    .await;
}

/// Compared in place of the text, so that the time that it takes tells nothing of the password.
fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn unknown() -> Answer {
    with(
        plain(StatusCode::UNAUTHORIZED, "user and password are needed"),
        &[(header::WWW_AUTHENTICATE, "Basic realm=\"seawall\"")],
    )
}

async fn answer(tree: Arc<dyn Tree>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    // A body that is left unread would cost the connection.
    if Limited::new(body, MAX_BODY).collect().await.is_err() {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long");
    }
    let Some(path) = path::decode(head.uri.path()) else {
        return plain(StatusCode::BAD_REQUEST, "that is no path");
    };
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let work: Box<dyn FnOnce() -> Answer + Send> = match head.method.as_str() {
        "OPTIONS" => {
            return with(
                plain(StatusCode::OK, ""),
                &[
                    (HeaderName::from_static("dav"), "1"),
                    (header::ALLOW, METHODS),
                    (HeaderName::from_static("ms-author-via"), "DAV"),
                ],
            );
        }
        "PROPFIND" => {
            let depth = text(HeaderName::from_static("depth"));
            Box::new(move || found(&*tree, &path, depth.as_deref()))
        }
        "GET" | "HEAD" => {
            let head_only = head.method.as_str() == "HEAD";
            let range = text(header::RANGE);
            let if_range = text(header::IF_RANGE);
            Box::new(move || get(&tree, path, range.as_deref(), if_range.as_deref(), head_only))
        }
        _ => {
            let refused = plain(StatusCode::METHOD_NOT_ALLOWED, "snapshots are for reading");
            return with(refused, &[(header::ALLOW, METHODS)]);
        }
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made"))
}

fn found(tree: &dyn Tree, path: &Path, depth: Option<&str>) -> Answer {
    let children = match depth {
        Some("0") => false,
        Some("1") => true,
        _ => return xml(StatusCode::FORBIDDEN, page::FINITE.to_owned()),
    };
    let look = || -> Result<Option<String>, String> {
        let Some(entry) = tree.entry(path)? else { return Ok(None) };
        let below = if children && entry.directory { tree.list(path)? } else { Vec::new() };
        Ok(Some(page::multistatus(path, &entry, &below)))
    };
    match look() {
        Ok(Some(text)) => xml(StatusCode::MULTI_STATUS, text),
        Ok(None) => plain(StatusCode::NOT_FOUND, "there is nothing at this path"),
        Err(error) => failed(path, &error),
    }
}

fn get(tree: &Arc<dyn Tree>, path: PathBuf, range: Option<&str>, if_range: Option<&str>, head_only: bool) -> Answer {
    let entry = match tree.entry(&path) {
        Ok(Some(entry)) => entry,
        Ok(None) => return plain(StatusCode::NOT_FOUND, "there is nothing at this path"),
        Err(error) => return failed(&path, &error),
    };
    if entry.directory {
        return match tree.list(&path) {
            Ok(below) => html(page::listing(&path, &below)),
            Err(error) => failed(&path, &error),
        };
    }
    let tag = format!("\"{}\"", entry.tag);
    let same = if_range.is_none_or(|given| given == tag);
    let (status, from, to) = match range.filter(|_| same).map(|range| range::parse(range, entry.size)) {
        None | Some(range::Asked::All) => (StatusCode::OK, 0, entry.size),
        Some(range::Asked::Part(from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        Some(range::Asked::Nothing) => {
            let size = format!("bytes */{}", entry.size);
            return with(plain(StatusCode::RANGE_NOT_SATISFIABLE, ""), &[(header::CONTENT_RANGE, &size)]);
        }
    };
    let body = if head_only { empty() } else { stream(Arc::clone(tree), path, from, to) };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let part = format!("bytes {from}-{}/{}", to.saturating_sub(1), entry.size);
    let modified = entry.modified.map(path::http_date).unwrap_or_default();
    let length = (to - from).to_string();
    let mut headers = vec![
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_LENGTH, &length),
        (header::ACCEPT_RANGES, "bytes"),
        (header::ETAG, &tag),
    ];
    if !modified.is_empty() {
        headers.push((header::LAST_MODIFIED, &modified));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        headers.push((header::CONTENT_RANGE, &part));
    }
    with(answer, &headers)
}

/// The bytes as they are read. Trouble on the way ends the connection, so that nobody takes a part for the whole.
fn stream(tree: Arc<dyn Tree>, path: PathBuf, from: u64, to: u64) -> UnsyncBoxBody<Bytes, io::Error> {
    let (send, receive) = mpsc::channel::<io::Result<Frame<Bytes>>>(2);
    tokio::task::spawn_blocking(move || {
        let read = tree.read(&path, from, to, &mut |bytes| send.blocking_send(Ok(Frame::data(bytes))).is_ok());
        if let Err(error) = read {
            tracing::warn!(path = %path.display(), "{error}");
            // Who has gone away needs no telling.
            drop(send.blocking_send(Err(io::Error::other(error))));
        }
    });
    let next = |mut receive: mpsc::Receiver<_>| async { receive.recv().await.map(|frame| (frame, receive)) };
    StreamBody::new(stream::unfold(receive, next)).boxed_unsync()
}

fn failed(path: &Path, error: &str) -> Answer {
    tracing::warn!(path = %path.display(), "{error}");
    plain(StatusCode::INTERNAL_SERVER_ERROR, error)
}

fn empty() -> UnsyncBoxBody<Bytes, io::Error> {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

fn body(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    with(answer, &[(header::CONTENT_TYPE, kind)])
}

fn plain(status: StatusCode, text: &str) -> Answer {
    body(status, "text/plain; charset=utf-8", text.to_owned())
}

fn xml(status: StatusCode, text: String) -> Answer {
    body(status, "application/xml; charset=utf-8", text)
}

fn html(text: String) -> Answer {
    body(StatusCode::OK, "text/html; charset=utf-8", text)
}

/// Adds headers, and those that keep a browser from doing more than showing.
fn with(mut answer: Answer, headers: &[(HeaderName, &str)]) -> Answer {
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    for (name, value) in always.iter().chain(headers) {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
