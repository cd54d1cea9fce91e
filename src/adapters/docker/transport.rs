//! One connection per request, with a bound on what the engine may answer.
//!
//! bollard's own transports gather an answer of any size, want the socket to be there before the first call and
//! leave the address out of their errors; this one does neither of the three.

use super::address::Address;
use super::error::Unreachable;
use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What an engine may answer to one request, bytes. Ten thousand volumes take about four million.
const ANSWER_LIMIT: u64 = 32 << 20;
/// What one stream of events may bring before it is opened anew, bytes. Small, since bollard reads an unfinished
/// line again from its beginning with every piece that arrives.
const EVENTS_LIMIT: u64 = 1 << 20;

/// Sends one request over a connection of its own.
pub(super) async fn send(address: Address, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let limit = match request.uri().path() {
        "/events" => EVENTS_LIMIT,
        // What a command writes is not gathered.
        path if path.starts_with("/exec/") => u64::MAX,
        _ => ANSWER_LIMIT,
    };
    match address {
        Address::Unix(path) => {
            exchange(UnixStream::connect(path).await.map_err(unreachable)?, limit, "localhost", request).await
        }
        Address::Tcp(authority) => {
            exchange(TcpStream::connect(&authority).await.map_err(unreachable)?, limit, &authority, request).await
        }
    }
}

fn unreachable(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Unreachable(error))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    limit: u64,
    host: &str,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Limited { stream, left: limit })).await?;
    // Ends when the answer was read, or when whoever waits for it gave up.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to Docker ended");
        }
    });
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse::<Uri>()?;
    *request.uri_mut() = path;
    let host = HeaderValue::from_str(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    request.headers_mut().insert(HOST, host);
    Ok(sender.send_request(request).await?)
}

/// A stream that yields an error once more was read than is reasonable.
struct Limited<S> {
    stream: S,
    left: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = (buf.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is too long"))),
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
