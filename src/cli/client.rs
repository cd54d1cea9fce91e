//! Talks to the running operator over its socket in the state directory.

use super::trouble::Advice;
use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// The socket's name in the state directory.
pub const SOCKET: &str = "seawall.sock";
/// Far above any answer of a host with 1,000 volumes; only there so that a stray server cannot fill the memory.
const MAX_ANSWER: usize = 256 << 20;
/// An operator that works answers from memory.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running operator.
#[derive(Debug, Clone)]
pub struct Operator {
    socket: PathBuf,
}

/// How the operator says no.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

impl Operator {
    /// The operator that runs on the state directory, if one does: if something accepts connections on the socket.
    ///
    /// # Errors
    /// There is a socket, but this user may not open it.
    pub async fn find(state: &Path) -> anyhow::Result<Option<Self>> {
        let socket = state.join(SOCKET);
        match UnixStream::connect(&socket).await {
            Ok(_) => Ok(Some(Self { socket })),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Advice::new(
                format!("this user may not open {}", socket.display()),
                "run the command as the user that the operator runs as, usually root",
            )
            .into()),
            // No socket, or one that a killed operator left behind.
            Err(_) => Ok(None),
        }
    }

    /// What the operator answers to a GET.
    ///
    /// # Errors
    /// It went away, refused (its own words), or answered something else than a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path).await
    }

    /// What the operator answers to a POST without a body.
    ///
    /// # Errors
    /// As for [`Operator::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::POST, path).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> anyhow::Result<T> {
        let (status, body) = tokio::time::timeout(PATIENCE, self.exchange(method, path))
            .await
            .with_context(|| format!("the operator did not answer {path} within {} s", PATIENCE.as_secs()))?
            .with_context(|| format!("the operator at {} did not answer {path}", self.socket.display()))?;
        if !status.is_success() {
            match serde_json::from_slice::<Refusal>(&body) {
                Ok(refusal) => bail!("{}", refusal.error),
                Err(_) => bail!("the operator answered {path} with {status}: is it of another version?"),
            }
        }
        let body = if body.is_empty() { b"null" } else { &body[..] };
        serde_json::from_slice(body)
            .with_context(|| format!("the operator's answer to {path} is not understood: is it of another version?"))
    }

    async fn exchange(&self, method: Method, path: &str) -> anyhow::Result<(hyper::StatusCode, Bytes)> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request =
            Request::builder().method(method).uri(path).header(header::HOST, "seawall").body(Empty::<Bytes>::new())?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        drop(sender);
        connection.abort();
        Ok((head.status, body))
    }
}

/// A value for a path segment or a query.
#[must_use]
pub fn escape(value: &str) -> String {
    use std::fmt::Write;
    value.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_what_would_end_a_query_value() {
        assert_eq!(super::escape("a_b-c.d"), "a_b-c.d");
        assert_eq!(super::escape("a&b=c/d é"), "a%26b%3Dc%2Fd%20%C3%A9");
    }
}
