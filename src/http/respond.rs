//! Answers: JSON mostly, always with the headers that keep a browser from doing more with them than showing them.

use super::Text;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What goes over the wire.
pub(super) type Answer = Response<Pieces>;

/// A body of which the length is known, and which need not be in memory at once.
pub(super) struct Pieces(Text);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Text { length, pieces } = &mut self.0;
        let piece = pieces.next();
        *length = length.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.length)
    }
}

const JSON: &str = "application/json";
/// Nothing is loaded but our own style sheet, nothing is run, nobody frames the page or guesses at types, and
/// yesterday's state is never shown as today's.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Whether the method changes nothing. HTTP itself leaves the body of the answer to a HEAD away.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// An answer in the making.
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: Text,
}

impl Reply {
    pub(super) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body: Bytes = body.into();
        Self::of_text(content_type, Text { length: body.len() as u64, pieces: Box::new(std::iter::once(body)) })
    }

    pub(super) fn of_text(content_type: &'static str, body: Text) -> Self {
        Self { status: 200, content_type, allow: None, body }
    }

    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(mut body) => {
                body.push(b'\n');
                Self::new(JSON, body)
            }
            Err(error) => Self::error(500, &format!("the answer cannot be written as JSON: {error}")),
        }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self { status, ..Self::json(&serde_json::json!({ "error": message })) }
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        let reply = Self::error(
            405,
            &format!("this path takes {allow} only; what changes something goes over the unix socket"),
        );
        Self { allow: Some(allow), ..reply }
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn into_answer(self) -> Answer {
        let mut answer = Response::new(Pieces(self.body));
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}
