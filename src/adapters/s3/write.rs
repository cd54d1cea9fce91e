//! Writing an object of any length: small ones at once, large ones in parts of one size, as R2 wants them.

use super::{Ask, Header, S3, S3Error, parse, wait};
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use std::fmt::Write as _;
use std::io;

/// The size of a part, unless there would be more than S3 allows.
const PART: u64 = 16 << 20;
/// Most parts of one object.
const PARTS: u64 = 10_000;

/// An object that is being written. It is there once [`Upload::finish`] has returned, and not before; dropped before that,
/// what was sent of it is removed.
#[derive(Debug)]
pub struct Upload {
    s3: S3,
    key: String,
    headers: Vec<Header>,
    buffer: Vec<u8>,
    part: usize,
    /// The name of the upload, once there is more than one part.
    id: Option<String>,
    etags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    upload_id: String,
}

impl Upload {
    /// Begins to write an object of `size` bytes with headers (`content-type` and the like).
    #[must_use]
    pub fn new(s3: &S3, key: &str, size: u64, headers: Vec<Header>) -> Self {
        let part = usize::try_from(size.div_ceil(PARTS).max(PART)).unwrap_or(usize::MAX);
        let (s3, key) = (s3.clone(), key.to_owned());
        Self { s3, key, headers, buffer: Vec::new(), part, id: None, etags: Vec::new() }
    }

    /// Writes the last of it.
    ///
    /// # Errors
    /// It is not there, or, where the answer was lost, may be.
    pub fn finish(mut self) -> io::Result<()> {
        let what = self.what();
        let body = Bytes::from(std::mem::take(&mut self.buffer));
        let Some(id) = self.id.clone() else {
            let headers = std::mem::take(&mut self.headers);
            let ask = Ask { method: Method::PUT, headers, body, ..Ask::get(Some(&self.key), &[]) };
            return done(wait(self.s3.need(&what, ask)));
        };
        if !body.is_empty() {
            self.send(&id, body)?;
        }
        let mut list = String::new();
        for (nth, etag) in self.etags.iter().enumerate() {
            // Writing to a string cannot fail.
            _ = write!(list, "<Part><PartNumber>{}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>", nth + 1);
        }
        let body = Bytes::from(format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>"));
        let query = [("uploadId", id.as_str())];
        let ask = Ask { method: Method::POST, body, ..Ask::get(Some(&self.key), &query) };
        let response = wait(self.s3.need(&what, ask))?.map_err(io::Error::other)?;
        // Amazon says 200 before it knows.
        parse::<serde::de::IgnoredAny>(&what, &["CompleteMultipartUploadResult"], &response)
            .map_err(io::Error::other)?;
        self.id = None;
        Ok(())
    }

    fn what(&self) -> String {
        format!("write {}/{}", self.s3.bucket, self.key)
    }

    fn send(&mut self, id: &str, body: Bytes) -> io::Result<()> {
        let number = (self.etags.len() + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", id)];
        let ask = Ask { method: Method::PUT, body, ..Ask::get(Some(&self.key), &query) };
        let response = wait(self.s3.need(&self.what(), ask))?.map_err(io::Error::other)?;
        let etag = response.header("etag").unwrap_or_default().trim_matches('"').to_owned();
        self.etags.push(etag);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<String> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let what = self.what();
        let headers = std::mem::take(&mut self.headers);
        let ask = Ask { method: Method::POST, headers, ..Ask::get(Some(&self.key), &[("uploads", "")]) };
        let begun = async {
            let response = self.s3.need(&what, ask).await?;
            parse::<Begun>(&what, &["InitiateMultipartUploadResult"], &response)
        };
        let Begun { upload_id } = wait(begun)?.map_err(io::Error::other)?;
        Ok(self.id.insert(upload_id).clone())
    }
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == self.part {
            let id = self.begin()?;
            let body = Bytes::from(std::mem::take(&mut self.buffer));
            self.send(&id, body)?;
        }
        let length = bytes.len().min(self.part - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let query = [("uploadId", id.as_str())];
        let ask = Ask { method: Method::DELETE, ..Ask::get(Some(&self.key), &query) };
        if let Err(error) = done(wait(self.s3.need(&self.what(), ask))) {
            tracing::warn!(object = %self.key, %error, "parts of an unfinished object stay behind");
        }
    }
}

fn done<T>(answer: io::Result<Result<T, S3Error>>) -> io::Result<()> {
    answer?.map(|_| ()).map_err(io::Error::other)
}
