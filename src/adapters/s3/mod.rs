//! S3's protocol: requests that are signed, and answers that are told apart.

mod blocking;
mod error;
mod lifecycle;
mod list;
mod read;
mod settings;
mod sign;
mod write;

pub use blocking::wait;
pub use error::{Refused, S3Error};
pub use list::{Level, Object, Page};
pub use read::{Content, Stored, Trouble};
pub use settings::{Settings, region, settings};
pub use write::Upload;

use super::http_client::{HttpClient, HttpError, Limits, Patience, Reach, Request, Response};
use super::key::{self, KeyError, Secret};
use crate::clock::{Clock, SystemClock};
use crate::policy::S3Access;
use bytes::Bytes;
use hyper::Method;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// An access key.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Its id, which is kept to ourselves as well.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
}

impl Keys {
    /// Reads a key from where a document says it is.
    ///
    /// # Errors
    /// One of its parts is not there, or cannot be read.
    pub fn read(access: &S3Access) -> Result<Self, KeyError> {
        Ok(Self { id: key::read(&access.access_key_id_from)?, secret: key::read(&access.secret_access_key_from)? })
    }
}

/// For long work: a part of 16 MiB takes some minutes on a slow line.
pub const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    attempt: Duration::from_mins(5),
    pause: Duration::from_millis(500),
    attempts: 5,
};

/// Why a bucket cannot even be asked.
#[derive(Debug, thiserror::Error)]
pub enum NoAccess {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address or the certificates are wrong.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// One bucket on one server, and the key to it.
#[derive(Clone)]
pub struct S3 {
    client: HttpClient,
    endpoint: String,
    /// The host as it is signed.
    host: String,
    /// What the endpoint's path is, and the bucket.
    base: String,
    bucket: String,
    region: String,
    keys: Keys,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("endpoint", &self.endpoint).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// The name of a header, in lower case, and its value.
pub type Header = (Cow<'static, str>, String);

/// What is asked of a bucket, or of one object in it.
pub(super) struct Ask<'a> {
    pub method: Method,
    /// The object; `None`: the bucket.
    pub key: Option<&'a str>,
    /// Names and values, not encoded.
    pub query: &'a [(&'a str, &'a str)],
    pub headers: Vec<Header>,
    pub body: Bytes,
    /// Most bytes that the answer may have.
    pub limit: usize,
}

impl<'a> Ask<'a> {
    pub fn get(key: Option<&'a str>, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, key, query, headers: Vec::new(), body: Bytes::new(), limit: 4 << 20 }
    }
}

impl S3 {
    /// A bucket that nobody has asked anything of yet.
    ///
    /// # Errors
    /// The endpoint is no address, or `caFile` holds no certificate.
    pub fn new(access: &S3Access, keys: Keys, patience: Patience, limits: Arc<Limits>) -> Result<Self, HttpError> {
        let reach = Reach { ca_file: access.ca_file.clone(), allow_http: access.allow_http };
        let client = HttpClient::new(&reach, patience, limits)?;
        let uri: hyper::Uri = access.endpoint.parse().map_err(|_| HttpError::Url)?;
        let authority = uri.authority().ok_or(HttpError::Url)?.as_str();
        let usual = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            client,
            endpoint: access.endpoint.clone(),
            host: authority.strip_suffix(usual).unwrap_or(authority).to_owned(),
            base: format!("{path}/{}", access.bucket),
            bucket: access.bucket.clone(),
            region: access.region.clone(),
            keys,
        })
    }

    /// A bucket for long work, with the key from where the document says it is.
    ///
    /// # Errors
    /// There is no key, or as [`S3::new`].
    pub fn patient(access: &S3Access) -> Result<Self, NoAccess> {
        Ok(Self::new(access, Keys::read(access)?, PATIENCE, Arc::default())?)
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The server, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks, and gives back whatever is answered.
    async fn ask(&self, ask: Ask<'_>) -> Result<Response, HttpError> {
        let mut query: Vec<String> = (ask.query.iter())
            .map(|(name, value)| format!("{}={}", sign::encode(name, false), sign::encode(value, false)))
            .collect();
        query.sort();
        let query = query.join("&");
        let path = match ask.key {
            None => self.base.clone(),
            Some(key) => format!("{}/{}", self.base, sign::encode(key, true)),
        };
        let scheme = self.endpoint.split("://").next().unwrap_or_default();
        let mut url = format!("{scheme}://{}{path}", self.host);
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        let body = hex::encode(Sha256::digest(&ask.body));
        let mut headers = ask.headers;
        headers.sort();
        let method = ask.method.as_str();
        let signed =
            sign::Signed { method, host: &self.host, path: &path, query: &query, headers: &headers, body: &body };
        let added = sign::sign(&self.keys, &self.region, SystemClock.now(), &signed);
        let mut request = Request::new(ask.method, url, ask.body, ask.limit);
        for (name, value) in headers.iter().chain(&added) {
            request = request.header(name, value);
        }
        self.client.send(&request).await
    }

    /// Asks for something that there has to be; an answer other than 2xx is an error.
    async fn need(&self, what: &str, ask: Ask<'_>) -> Result<Response, S3Error> {
        let response = self.ask(ask).await?;
        if response.status.is_success() { Ok(response) } else { Err(error::refusal(what, &response)) }
    }
}

/// An answer with one of these elements at its root. A page of a proxy, which comes with 200 too, has another one.
fn parse<T: serde::de::DeserializeOwned>(what: &str, roots: &[&str], response: &Response) -> Result<T, S3Error> {
    let unexpected = |why: String| S3Error::Unexpected { what: what.to_owned(), why };
    let text = std::str::from_utf8(&response.body).map_err(|error| unexpected(error.to_string()))?;
    let root = text.split('<').skip(1).find(|tag| !tag.starts_with(['?', '!'])).unwrap_or_default();
    let root = root.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default();
    if !roots.contains(&root) {
        return Err(unexpected(format!("it is no {}", roots.join(" and no "))));
    }
    quick_xml::de::from_str(text).map_err(|error| unexpected(error.to_string()))
}
