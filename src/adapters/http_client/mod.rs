//! One HTTP client for everything outside the host.
//!
//! Every request has a bound in time and every answer one in bytes. What may pass (no connection, 5xx, a short 429) is
//! tried again a few times, what will not (401, 403, 404) never. No redirect is followed: a token goes to the host that
//! the policy names and to no other. Nothing of a header or of a query shows in an error.

mod error;
mod limits;
mod tls;

pub use error::HttpError;
pub use limits::Limits;

use bytes::Bytes;
use error::causes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A server that asks for a longer pause than this is left alone until the next look.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// A file of certificates in PEM that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a server elsewhere may be spoken to without encryption. One on this host always may.
    pub allow_http: bool,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection is there.
    pub connect: Duration,
    /// One attempt, to the last byte of the answer.
    pub attempt: Duration,
    /// The pause before the second attempt; it doubles, and up to as much again is added by chance.
    pub pause: Duration,
    /// How often a request is made at most.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let (connect, attempt) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { connect, attempt, pause: Duration::from_millis(500), attempts: 3 }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method. Whatever it is, the request may be repeated.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// Headers; their values show in no error and in no `Debug`.
    headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Most bytes that the answer may have.
    pub limit: usize,
}

impl Request {
    /// Any request. `limit`: most bytes that the answer may have.
    #[must_use]
    pub fn new(method: Method, url: String, body: Bytes, limit: usize) -> Self {
        Self { method, url, headers: HeaderMap::new(), body, limit }
    }

    /// A GET of an answer of at most 1 MiB.
    #[must_use]
    pub fn get(url: String) -> Self {
        Self::new(Method::GET, url, Bytes::new(), 1 << 20)
    }

    /// A POST of JSON that only asks.
    #[must_use]
    pub fn post(url: String, body: String) -> Self {
        let request = Self { method: Method::POST, body: body.into(), ..Self::get(url) };
        request.header("content-type", "application/json")
    }

    /// With a header. One that cannot be sent (it has a line break, say) is left out, so that a mistyped token is a
    /// refusal and no panic.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    /// With a token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Response {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The client for servers that are reached in one way.
#[derive(Clone)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    allow_http: bool,
    no_roots: bool,
    patience: Patience,
    limits: Arc<Limits>,
}

impl HttpClient {
    /// A client that honours what `limits` has learnt of rate limits. Reads certificates; blocking for a moment.
    ///
    /// # Errors
    /// `caFile` holds no certificate.
    pub fn new(reach: &Reach, patience: Patience, limits: Arc<Limits>) -> Result<Self, HttpError> {
        let (config, no_roots) = tls::config(reach.ca_file.as_deref())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(patience.connect));
        let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        let inner = Client::builder(TokioExecutor::new()).build(https.wrap_connector(tcp));
        Ok(Self { inner, allow_http: reach.allow_http, no_roots, patience, limits })
    }

    /// Sends a request until there is an answer that more attempts would not change.
    ///
    /// # Errors
    /// There is no answer: the server cannot be reached, is too slow, says too much, sends elsewhere, or has asked to
    /// be left alone. A status that tells of failure is an answer.
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let uri: Uri = request.url.parse().map_err(|_| HttpError::Url)?;
        let host = self.host(&uri)?;
        let mut pause = self.patience.pause;
        let mut attempt = 1;
        loop {
            self.limits.check(&host)?;
            let result = self.attempt(request, &uri, &host).await;
            let wait = match &result {
                Ok(response) => {
                    let asked = self.limits.learn(&host, response);
                    match response.status.as_u16() {
                        429 | 500 | 502..=504 => asked.unwrap_or(pause),
                        _ => return result,
                    }
                }
                Err(error) if error.may_pass() => pause,
                Err(_) => return result,
            };
            if attempt >= self.patience.attempts || wait > LONGEST_PAUSE {
                return result;
            }
            attempt += 1;
            tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64())).await;
            pause *= 2;
        }
    }

    /// The host and port for people, once it is clear that it may be spoken to.
    fn host(&self, uri: &Uri) -> Result<String, HttpError> {
        let authority = uri.authority().ok_or(HttpError::Url)?;
        let host = authority.as_str().rsplit('@').next().unwrap_or_default().to_owned();
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if self.no_roots => {
                let why = "this system has none; install ca-certificates, or mount /etc/ssl/certs, or give `caFile`";
                Err(HttpError::NoRoots(why.to_owned()))
            }
            Some("https") => Ok(host),
            Some("http") if here || self.allow_http => Ok(host),
            Some("http") => Err(HttpError::Plain(host)),
            _ => Err(HttpError::Url),
        }
    }

    async fn attempt(&self, request: &Request, uri: &Uri, host: &str) -> Result<Response, HttpError> {
        let exchange = async {
            let mut sent = hyper::Request::new(Full::new(request.body.clone()));
            *sent.method_mut() = request.method.clone();
            *sent.uri_mut() = uri.clone();
            *sent.headers_mut() = request.headers.clone();
            let agent = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));
            sent.headers_mut().insert(USER_AGENT, agent);
            let answer = self.inner.request(sent).await.map_err(|error| {
                let why = causes(&error);
                if error.is_connect() {
                    HttpError::Connect(host.into(), why)
                } else {
                    HttpError::Broken(host.into(), why)
                }
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, request.limit).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    return HttpError::TooLong(host.into(), request.limit);
                }
                HttpError::Broken(host.into(), causes(&*error))
            })?;
            if head.status.is_redirection()
                && head.status != StatusCode::NOT_MODIFIED
                && let Some(to) = head.headers.get("location")
            {
                let to = to.to_str().ok().and_then(|to| to.parse::<Uri>().ok());
                let to = to.and_then(|to| to.host().map(str::to_owned)).unwrap_or_else(|| "another path".to_owned());
                return Err(HttpError::Redirected(host.into(), to));
            }
            Ok(Response { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(self.patience.attempt, exchange)
            .await
            .unwrap_or_else(|_| Err(HttpError::Slow(host.into(), self.patience.attempt)))
    }
}
