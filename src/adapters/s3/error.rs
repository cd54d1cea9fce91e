//! What an S3 server says when it does not do what was asked.

use crate::adapters::http_client::{HttpError, Response};
use serde::Deserialize;

/// Why a request was of no use. Names the bucket and the server's own code; nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3Error {
    /// There was no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// There was one, and it was no.
    #[error("{what}: {} ({status}{code})", said(*.kind), code = spaced(code))]
    Refused {
        /// What it means.
        kind: Refused,
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// The server's own word.
        code: String,
    },
    /// It was not what S3 answers.
    #[error("{what}: the answer makes no sense: {why}")]
    Unexpected {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The id of the access key is not known.
    UnknownKey,
    /// The secret does not belong to the id.
    WrongSecret,
    /// The clock of this host is wrong.
    WrongTime,
    /// The key is right and may not do it.
    Denied,
    /// The object, or the key's bucket, may not be changed yet.
    Locked,
    /// No such bucket.
    NoBucket,
    /// No such object.
    NoObject,
    /// No such setting.
    NoSetting,
    /// The bucket is in another region.
    WrongRegion,
    /// The server does not know the request at all.
    NotImplemented,
    /// What was to be as it was is not any more.
    Changed,
    /// Too many requests, or trouble of the server's own.
    Trouble,
    /// Something else.
    Other,
}

impl S3Error {
    /// Whether it concerns one object alone, because it is gone or was changed.
    #[must_use]
    pub fn is_of_one_object(&self) -> bool {
        matches!(self.refused(), Some(Refused::NoObject | Refused::Changed))
    }

    /// What a refusal means; `None`: there was no answer, or one that makes no sense.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        match self {
            Self::Refused { kind, .. } => Some(*kind),
            Self::Http(_) | Self::Unexpected { .. } => None,
        }
    }
}

fn spaced(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

const fn said(kind: Refused) -> &'static str {
    match kind {
        Refused::UnknownKey => "the id of the access key is not known there; it is wrong, or was revoked",
        Refused::WrongSecret => "the secret access key is wrong: it does not belong to the id",
        Refused::WrongTime => "the clock of this host differs too much from the server's",
        Refused::Denied => "the access key may not do this",
        Refused::Locked => "it is locked against being changed",
        Refused::NoBucket => "there is no such bucket",
        Refused::NoObject => "there is no such object",
        Refused::NoSetting => "it is not set",
        Refused::WrongRegion => "the bucket is in another region; set `region` to it",
        Refused::NotImplemented => "the server does not implement this",
        Refused::Changed => "it was changed meanwhile",
        Refused::Trouble => "the server has trouble of its own, or too much to do",
        Refused::Other => "the server refuses",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Error {
    #[serde(default)]
    code: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    message: String,
}

/// An answer that makes no sense.
pub(super) fn unexpected(what: &str, why: &str) -> S3Error {
    S3Error::Unexpected { what: what.to_owned(), why: why.to_owned() }
}

/// What an answer other than 2xx says.
pub(super) fn refusal(what: &str, response: &Response) -> S3Error {
    let status = response.status.as_u16();
    let told = std::str::from_utf8(&response.body).ok().and_then(|text| quick_xml::de::from_str::<Error>(text).ok());
    let told = told.unwrap_or(Error { code: String::new(), region: String::new(), message: String::new() });
    // A word and nothing else, so that no page of a proxy shows up in a log.
    let code: String = told.code.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    let kind = match (code.as_str(), status) {
        ("InvalidAccessKeyId" | "NotSignedUp" | "Unauthorized", _) | (_, 401) => Refused::UnknownKey,
        ("SignatureDoesNotMatch", _) => Refused::WrongSecret,
        ("RequestTimeTooSkewed", _) => Refused::WrongTime,
        ("ObjectLockedByBucketPolicy" | "ObjectLocked", _) => Refused::Locked,
        ("AccessDenied", _) if told.message.contains("object lock") || told.message.contains("Object Lock") => {
            Refused::Locked
        }
        ("NoSuchBucket", _) => Refused::NoBucket,
        ("NoSuchKey" | "NoSuchVersion", _) => Refused::NoObject,
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, 301 | 307) => Refused::WrongRegion,
        ("NotImplemented", _) | (_, 501) => Refused::NotImplemented,
        (code, 404) if code.starts_with("NoSuch") || code.ends_with("NotFoundError") => Refused::NoSetting,
        (_, 404) => Refused::NoObject,
        (_, 403) => Refused::Denied,
        (_, 412) => Refused::Changed,
        (_, 429 | 500 | 502..=504) => Refused::Trouble,
        _ => Refused::Other,
    };
    let region = response.header("x-amz-bucket-region").unwrap_or(&told.region);
    let region: String = region.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    let code = if kind == Refused::WrongRegion && !region.is_empty() { format!("{code}, {region}") } else { code };
    S3Error::Refused { kind, what: what.to_owned(), status, code }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use hyper::header::HeaderMap;

    #[test]
    fn what_servers_say_and_what_it_means() {
        for (status, body, kind) in [
            (403, "<Error><Code>InvalidAccessKeyId</Code></Error>", Refused::UnknownKey),
            (403, "<Error><Code>SignatureDoesNotMatch</Code><Message>m</Message></Error>", Refused::WrongSecret),
            (403, "<Error><Code>AccessDenied</Code></Error>", Refused::Denied),
            (403, "<Error><Code>ObjectLockedByBucketPolicy</Code></Error>", Refused::Locked),
            (401, "<Error><Code>Unauthorized</Code></Error>", Refused::UnknownKey),
            (404, "<Error><Code>NoSuchBucket</Code></Error>", Refused::NoBucket),
            (404, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>", Refused::NoSetting),
            (404, "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>", Refused::NoSetting),
            (404, "<Error><Code>NoSuchKey</Code></Error>", Refused::NoObject),
            (301, "<Error><Code>PermanentRedirect</Code></Error>", Refused::WrongRegion),
            (501, "<Error><Code>NotImplemented</Code></Error>", Refused::NotImplemented),
            (501, "<html>log in: hunter2</html>", Refused::NotImplemented),
            (503, "", Refused::Trouble),
            (412, "", Refused::Changed),
            (418, "", Refused::Other),
        ] {
            let status_code = StatusCode::from_u16(status).unwrap();
            let response = Response { status: status_code, headers: HeaderMap::new(), body: body.into() };
            let error = refusal("GET bucket", &response);
            assert_eq!(error.refused(), Some(kind), "{status} {body}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
