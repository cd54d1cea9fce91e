//! What an answer is that is not the one that was hoped for.

use crate::adapters::http_client::{HttpError, Response};
use crate::reconcile::watch::Trouble;
use serde::de::DeserializeOwned;

/// What is wrong when there is no answer at all.
#[must_use]
pub fn trouble(error: &HttpError) -> Trouble {
    let reason = match error {
        HttpError::Url | HttpError::Plain(_) | HttpError::NoRoots(_) => "Misconfigured",
        HttpError::Connect(..) | HttpError::Broken(..) | HttpError::Slow(..) => "Unreachable",
        HttpError::TooLong(..) | HttpError::Redirected(..) => "UnexpectedAnswer",
        HttpError::LimitReached(..) => "RateLimited",
    };
    Trouble { reason, message: error.to_string() }
}

/// An answer that makes no sense.
pub(in crate::adapters) fn unexpected(message: String) -> Trouble {
    Trouble { reason: "UnexpectedAnswer", message }
}

/// What a status other than 2xx says of `what` was asked; `permission` is what the token needs.
pub(in crate::adapters) fn refusal(response: &Response, what: &str, permission: &str) -> Option<Trouble> {
    let status = response.status;
    if status.is_success() {
        return None;
    }
    let (reason, message) = match status.as_u16() {
        401 => ("NotAuthenticated", format!("{what}: the token is not accepted (401); it is wrong, or has expired")),
        403 => ("NotPermitted", format!("{what}: the token may not ask for it (403); it needs {permission}")),
        404 => ("NotFound", format!("{what}: there is no such thing, or the token may not see it (404)")),
        429 => ("RateLimited", format!("{what}: too many requests (429)")),
        500.. => ("ProviderTrouble", format!("{what}: the provider has trouble of its own ({status})")),
        _ => ("UnexpectedAnswer", format!("{what}: answered with {status}")),
    };
    Some(Trouble { reason, message })
}

/// The body of a successful answer.
pub(in crate::adapters) fn decode<T: DeserializeOwned>(response: &Response, what: &str) -> Result<T, Trouble> {
    serde_json::from_slice(&response.body).map_err(|error| {
        // What was received is not repeated: it can be anything, a page of a proxy with a session in it, say.
        let kind = response.header("content-type").unwrap_or("no content type").chars().take(60).collect::<String>();
        unexpected(format!("{what}: the answer ({kind}) is not the JSON that was expected: {error}"))
    })
}
