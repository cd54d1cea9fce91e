//! Rate limits: what servers say of them, kept for all who ask the same server.

use super::{HttpError, Response};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What is assumed when a server says "too many" and not for how long.
const UNSAID: Duration = Duration::from_mins(1);

/// A server that asks for longer is asked again after this all the same: headers can be wrong.
const LONGEST: Duration = Duration::from_hours(1);

/// Which servers want to be left alone, and until when. Shared by all policies.
#[derive(Debug, Default)]
pub struct Limits(Mutex<BTreeMap<String, Instant>>);

impl Limits {
    /// Whether the server may be asked now.
    pub(super) fn check(&self, host: &str) -> Result<(), HttpError> {
        let now = Instant::now();
        let mut blocked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocked.retain(|_, until| *until > now);
        match blocked.get(host) {
            Some(until) => Err(HttpError::LimitReached(host.to_owned(), *until - now)),
            None => Ok(()),
        }
    }

    /// Learns from an answer. Returns for how long the server asks to be left alone.
    pub(super) fn learn(&self, host: &str, response: &Response) -> Option<Duration> {
        let seconds = |name: &str| response.header(name)?.trim().parse::<u64>().ok().map(Duration::from_secs);
        let spent = left(response) == Some(0);
        let refused = response.status.as_u16() == 429;
        let asked = seconds("retry-after")
            .or_else(|| (spent || refused).then(|| reset(response).or(refused.then_some(UNSAID))).flatten())?;
        let asked = asked.min(LONGEST);
        if (refused || spent) && !asked.is_zero() {
            let until = Instant::now() + asked;
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), until);
        }
        Some(asked)
    }
}

/// Requests that are left: `X-RateLimit-Remaining`, or `r=` of the IETF draft's `RateLimit` that Cloudflare sends.
fn left(response: &Response) -> Option<u64> {
    let plain = ["x-ratelimit-remaining", "ratelimit-remaining"].iter().find_map(|name| response.header(name));
    plain.and_then(|text| text.trim().parse().ok()).or_else(|| parameter(response.header("ratelimit")?, "r"))
}

/// How long until there are more. Servers write seconds from now, some the instant since 1970.
fn reset(response: &Response) -> Option<Duration> {
    let plain = ["x-ratelimit-reset", "ratelimit-reset"].iter().find_map(|name| response.header(name));
    let value = plain.and_then(|text| text.trim().parse().ok());
    let seconds: u64 = value.or_else(|| parameter(response.header("ratelimit")?, "t"))?;
    Some(if seconds > LONGEST.as_secs() { UNSAID } else { Duration::from_secs(seconds) })
}

/// A number in `"default";r=50;t=30`.
fn parameter(header: &str, name: &str) -> Option<u64> {
    header.split([';', ',']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use hyper::header::{HeaderMap, HeaderValue};

    fn response(status: u16, headers: &[(&'static str, &str)]) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Response { status: StatusCode::from_u16(status).unwrap(), headers: map, body: bytes::Bytes::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn every_way_of_saying_it() {
        for (status, headers, seconds) in [
            (200, &[][..], 0),
            (200, &[("x-ratelimit-limit", "120"), ("x-ratelimit-remaining", "119"), ("x-ratelimit-reset", "60")], 0),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")], 60),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795392000")], 60),
            (200, &[("ratelimit", "\"default\";r=0;t=30"), ("ratelimit-policy", "\"default\";q=1200;w=300")], 30),
            (200, &[("ratelimit", "\"default\";r=50;t=30")], 0),
            (429, &[("retry-after", "300")], 300),
            (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], 60),
            (429, &[], 60),
            (429, &[("retry-after", "99999999")], 3600),
            // A pause that a 503 asks for is its own, not one of all requests.
            (503, &[("retry-after", "120")], 0),
        ] {
            let limits = Limits::default();
            limits.learn("h", &response(status, headers));
            let left = match limits.check("h") {
                Ok(()) => 0,
                Err(HttpError::LimitReached(_, left)) => left.as_secs(),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(left, seconds, "{status} {headers:?}");
            assert!(limits.check("other").is_ok());
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert!(limits.check("h").is_ok(), "{status} {headers:?}");
        }
    }
}
