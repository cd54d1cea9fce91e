//! Why there is no answer.

use std::time::Duration;

/// Why there is no answer. Names the host at most.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not a URL that can be asked.
    #[error("the address is no http or https URL")]
    Url,
    /// Encryption is missing.
    #[error("{0} would be spoken to without encryption; use https, or say `allowHttp: true` in the policy")]
    Plain(String),
    /// Nothing to trust.
    #[error("no trusted certificates: {0}")]
    NoRoots(String),
    /// No connection.
    #[error("{0} cannot be reached: {1}")]
    Connect(String, String),
    /// The connection ended before the answer.
    #[error("the connection to {0} ended before the answer was complete: {1}")]
    Broken(String, String),
    /// Too slow.
    #[error("{0} gave no complete answer within {n} s", n = .1.as_secs_f64())]
    Slow(String, Duration),
    /// Too long.
    #[error("the answer of {0} is longer than {1} bytes")]
    TooLong(String, usize),
    /// To somewhere else.
    #[error("{0} sends on to {1}; no redirect is followed, so that no token goes astray")]
    Redirected(String, String),
    /// The server asked to be left alone.
    #[error("{0} has asked for no more requests for {n} s", n = .1.as_secs())]
    LimitReached(String, Duration),
}

impl HttpError {
    /// Whether another attempt may end otherwise.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Connect(..) | Self::Broken(..) | Self::Slow(..))
    }
}

/// An error with its causes, each said once.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}
