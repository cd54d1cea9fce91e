//! Reading an object from begin to end, a part at a time, all of the same state.

use super::{Ask, Object, S3, S3Error, error, wait};
use bytes::Bytes;
use std::io::{self, Read};
use std::sync::OnceLock;

/// How much is asked for at once.
const PART: u64 = 4 << 20;

/// Headers that belong to an object, beside its `x-amz-meta-` ones.
const KEPT: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type"];

/// The begin of an object: its first bytes, and headers that belong to it.
#[derive(Debug, Clone)]
struct Begin {
    body: Bytes,
    headers: Vec<(String, String)>,
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Trouble {
    /// Whether it is this object's own: it is gone, or another by now. Else it is the server's, and so everybody's.
    pub own: bool,
    /// In words.
    pub why: String,
}

/// An object in the state in which it was listed.
#[derive(Debug)]
pub struct Stored {
    s3: S3,
    object: Object,
    begin: OnceLock<Result<Begin, Trouble>>,
    ahead: Option<std::sync::mpsc::Receiver<Result<Begin, S3Error>>>,
}

impl Stored {
    /// Of which nothing is asked before it is wanted.
    #[must_use]
    pub fn new(s3: S3, object: Object) -> Self {
        Self { s3, object, begin: OnceLock::new(), ahead: None }
    }

    /// Asks for its begin now, so that it is there when it is wanted.
    pub fn ahead(&mut self) {
        let (tell, told) = std::sync::mpsc::channel();
        let (s3, object) = (self.s3.clone(), self.object.clone());
        let asked = super::blocking::start(async move {
            // Who does not want it any more is gone.
            drop(tell.send(begin(&s3, &object).await));
        });
        if asked.is_ok() {
            self.ahead = Some(told);
        }
    }

    /// Headers that belong to it: its type, and what whoever wrote it added. Names in lower case.
    ///
    /// # Errors
    /// It is not there any more, or is another one by now, or the server does not answer.
    pub fn headers(&self) -> Result<Vec<(String, String)>, Trouble> {
        self.begun().map(|begin| begin.headers)
    }

    fn begun(&self) -> Result<Begin, Trouble> {
        let ask = || {
            let told = match self.ahead.as_ref().and_then(|ahead| ahead.recv().ok()) {
                Some(told) => told,
                None => wait(begin(&self.s3, &self.object))
                    .map_err(|error| Trouble { own: false, why: error.to_string() })?,
            };
            told.map_err(|error| Trouble { own: error.is_of_one_object(), why: error.to_string() })
        };
        self.begin.get_or_init(ask).clone()
    }

    /// Its content.
    ///
    /// # Errors
    /// As for [`Stored::headers`].
    pub fn open(self) -> io::Result<Content> {
        let Begin { body, .. } = self.begun().map_err(io::Error::other)?;
        let read = body.len() as u64;
        Ok(Content { s3: self.s3, object: self.object, part: body, read })
    }
}

async fn begin(s3: &S3, object: &Object) -> Result<Begin, S3Error> {
    let what = format!("read {}/{}", s3.bucket, object.key);
    let mut headers = vec![("if-match".into(), format!("\"{}\"", object.etag))];
    // Of nothing, no part can be asked for.
    if object.size > 0 {
        headers.push(("range".into(), format!("bytes=0-{}", PART.min(object.size) - 1)));
    }
    let limit = usize::try_from(PART).unwrap_or(usize::MAX);
    let response = s3.need(&what, Ask { headers, limit, ..Ask::get(Some(&object.key), &[]) }).await?;
    let belongs = |name: &str| KEPT.contains(&name) || name.starts_with("x-amz-meta-");
    let headers = response.headers.iter().filter(|(name, _)| belongs(name.as_str()));
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    if response.body.len() as u64 != PART.min(object.size) {
        return Err(error::unexpected(&what, "it has another length than was told"));
    }
    Ok(Begin { body: response.body, headers })
}

/// The content of an object, as it is read.
#[derive(Debug)]
pub struct Content {
    s3: S3,
    object: Object,
    part: Bytes,
    /// Up to where it was asked for.
    read: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.read < self.object.size {
            let length = usize::try_from(PART.min(self.object.size - self.read)).map_err(io::Error::other)?;
            let Object { key, etag, .. } = &self.object;
            let part = wait(self.s3.get_range(key, self.read, length, Some(etag)))?;
            let part = part
                .map_err(|error| io::Error::other(Trouble { own: error.is_of_one_object(), why: error.to_string() }))?;
            if part.len() != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read += part.len() as u64;
            self.part = part;
        }
        let length = self.part.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.part.split_to(length));
        Ok(length)
    }
}
