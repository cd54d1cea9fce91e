//! Objects: listing, reading, writing, removing them.

use super::error::{refusal, unexpected};
use super::{Ask, S3, S3Error, parse};
use bytes::Bytes;
use hyper::Method;
use jiff::Timestamp;
use serde::Deserialize;

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key, as it is.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// The server's name for its content, without quotes.
    pub etag: String,
    /// When it was written.
    pub written: Timestamp,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Objects, in the order of their keys.
    pub objects: Vec<Object>,
    /// What asks for the next part; `None`: there is none.
    pub next: Option<String>,
}

/// What lies right below a prefix that ends with a slash, or is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// Objects of which no more slash is in the key.
    pub objects: Vec<Object>,
    /// Prefixes with one more slash, at their end.
    pub prefixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Common {
    prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    common_prefixes: Vec<Common>,
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
    encoding_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(rename = "ETag", default)]
    etag: String,
    last_modified: String,
}

impl S3 {
    /// Objects whose keys begin with `prefix`, at most `most` (1 to 1000) of them, from where `after` says.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn list(&self, prefix: &str, after: Option<&str>, most: u16) -> Result<Page, S3Error> {
        let (level, next) = self.listed(prefix, after, most, &[]).await?;
        Ok(Page { objects: level.objects, next })
    }

    /// Everything right below a prefix.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn level(&self, prefix: &str) -> Result<Level, S3Error> {
        let (mut whole, mut after) = (Level::default(), None);
        loop {
            let (level, next) = self.listed(prefix, after.as_deref(), 1000, &[("delimiter", "/")]).await?;
            whole.objects.extend(level.objects);
            whole.prefixes.extend(level.prefixes);
            after = next;
            if after.is_none() {
                return Ok(whole);
            }
        }
    }

    /// A part of a listing, and what asks for the next one.
    async fn listed(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: u16,
        more: &[(&str, &str)],
    ) -> Result<(Level, Option<String>), S3Error> {
        let what = format!("list bucket {}", self.bucket);
        let most = most.to_string();
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix), ("max-keys", &most)];
        query.extend(more);
        query.extend(after.map(|token| ("continuation-token", token)));
        let listing: Listing = parse(&what, &["ListBucketResult"], &self.need(&what, Ask::get(None, &query)).await?)?;
        let encoded = listing.encoding_type.as_deref() == Some("url");
        let unexpected = |why: &str| unexpected(&what, why);
        let plain = |key: String| {
            let key = if encoded { decode(&key) } else { Some(key) };
            key.ok_or_else(|| unexpected("a key that is not UTF-8"))
        };
        let prefixes =
            listing.common_prefixes.into_iter().map(|common| plain(common.prefix)).collect::<Result<_, _>>()?;
        let mut objects = Vec::with_capacity(listing.contents.len());
        for Contents { key, size, etag, last_modified } in listing.contents {
            let key = plain(key)?;
            let written = last_modified.parse().map_err(|_| unexpected("a time that is none"))?;
            objects.push(Object { key, size, etag: etag.trim_matches('"').to_owned(), written });
        }
        if listing.is_truncated && listing.next_continuation_token.is_none() {
            return Err(unexpected("it is cut off and does not say where it goes on"));
        }
        Ok((Level { objects, prefixes }, listing.next_continuation_token.filter(|_| listing.is_truncated)))
    }

    /// An object, whole, of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn get(&self, key: &str, limit: usize) -> Result<Bytes, S3Error> {
        let ask = Ask { limit, ..Ask::get(Some(key), &[]) };
        Ok(self.need(&format!("read {}/{key}", self.bucket), ask).await?.body)
    }

    /// `length` bytes of an object from `offset` on, if it still has the ETag, where one is given. Fewer where it ends
    /// before.
    ///
    /// # Errors
    /// See [`S3Error`]; `Changed` where it has another ETag.
    pub async fn get_range(&self, key: &str, offset: u64, length: usize, etag: Option<&str>) -> Result<Bytes, S3Error> {
        let what = format!("read {}/{key}", self.bucket);
        let last = (offset + length as u64).saturating_sub(1);
        let mut headers = vec![("range".into(), format!("bytes={offset}-{last}"))];
        headers.extend(etag.map(|etag| ("if-match".into(), format!("\"{etag}\""))));
        let ask = Ask { headers, limit: length + 1024, ..Ask::get(Some(key), &[]) };
        let response = self.ask(ask).await?;
        if response.status == hyper::StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Bytes::new());
        }
        if !response.status.is_success() {
            return Err(refusal(&what, &response));
        }
        // A server may answer with all of it.
        let whole = response.status == hyper::StatusCode::OK;
        let body = response.body;
        if !whole {
            return Ok(body);
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
        Ok(body.slice(from..from.saturating_add(length).min(body.len())))
    }

    /// What is told of an object without its content.
    ///
    /// # Errors
    /// See [`S3Error`]; `NoObject`, also where there is no such bucket: without a body, nobody says which.
    pub async fn head(&self, key: &str) -> Result<Object, S3Error> {
        let what = format!("look at {}/{key}", self.bucket);
        let response = self.need(&what, Ask { method: Method::HEAD, ..Ask::get(Some(key), &[]) }).await?;
        let told = |name: &str| response.header(name).ok_or_else(|| unexpected(&what, &format!("no {name} is told")));
        let size = told("content-length")?.parse().map_err(|_| unexpected(&what, "a length that is none"))?;
        let written = jiff::fmt::rfc2822::parse(told("last-modified")?);
        let written = written.map_err(|_| unexpected(&what, "a time that is none"))?.timestamp();
        Ok(Object { key: key.to_owned(), size, etag: told("etag")?.trim_matches('"').to_owned(), written })
    }

    /// Writes an object. It is there whole, or, where this fails, it may be there whole or not at all.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn put(&self, key: &str, body: Bytes) -> Result<(), S3Error> {
        let ask = Ask { method: Method::PUT, body, ..Ask::get(Some(key), &[]) };
        self.need(&format!("write {}/{key}", self.bucket), ask).await.map(|_| ())
    }

    /// Copies an object of the bucket within it.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), S3Error> {
        let source = format!("/{}/{}", self.bucket, super::sign::encode(from, true));
        let headers = vec![("x-amz-copy-source".into(), source)];
        let ask = Ask { method: Method::PUT, headers, ..Ask::get(Some(to), &[]) };
        self.need(&format!("copy {}/{from}", self.bucket), ask).await.map(|_| ())
    }

    /// Removes an object. One that is gone already is as good as removed.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub async fn delete(&self, key: &str) -> Result<(), S3Error> {
        let ask = Ask { method: Method::DELETE, ..Ask::get(Some(key), &[]) };
        match self.need(&format!("remove {}/{key}", self.bucket), ask).await {
            Err(error) if error.refused() == Some(super::Refused::NoObject) => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// Undoes URL encoding as S3 servers do it in listings, with `+` for a space.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_listings() {
        assert_eq!(decode("a//b%2Bc+d%C3%BC").as_deref(), Some("a//b+c dü"));
        for odd in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_listing() {
        let xml = r#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
            <EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>a%20b</Key>
            <LastModified>2026-11-23T12:00:00.000Z</LastModified><ETag>&quot;0f&quot;</ETag><Size>3</Size>
            <StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"#;
        let listing: Listing = quick_xml::de::from_str(xml).unwrap();
        assert_eq!((listing.contents[0].key.as_str(), listing.contents[0].etag.as_str()), ("a%20b", "\"0f\""));
    }
}
