//! Connections: few, short, and none that can hold the others up.

use super::respond::Answer;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A client that has not sent its request's head by then is a stranger's idle or hostile one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(4);
/// Request line and headers together. Ours fit in a hundredth of it.
const MAX_HEAD: usize = 16 << 10;
/// Connections at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 128;
/// A connection is ended after this, whoever holds it; clients connect again.
const MAX_AGE: Duration = Duration::from_mins(5);
/// What is being answered when the end comes gets this long.
const GRACE: Duration = Duration::from_secs(3);

/// Where connections come from.
pub(super) trait Listen {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The user at the other end, where the kernel knows.
    fn uid(stream: &Self::Stream) -> Option<u32>;
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listen for TcpListener {
    type Stream = tokio::net::TcpStream;

    fn uid(_: &Self::Stream) -> Option<u32> {
        None
    }

    async fn next(&self) -> io::Result<Self::Stream> {
        let stream = self.accept().await?.0;
        // The end of a long answer would wait for the other side to acknowledge the rest, which it delays by 40 ms.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;

    fn uid(stream: &Self::Stream) -> Option<u32> {
        stream.peer_cred().ok().map(|peer| peer.uid())
    }

    async fn next(&self) -> io::Result<Self::Stream> {
        Ok(self.accept().await?.0)
    }
}

/// Answers every request with `handle` until `cancel`; returns when the last connection has ended.
pub(super) async fn run<L, H, F>(listener: &L, cancel: &CancellationToken, handle: H)
where
    L: Listen,
    H: Fn(Request<Incoming>, Option<u32>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    run_for(MAX_AGE, listener, cancel, handle).await;
}

/// As [`run`], with another longest life of a connection, and whatever body.
pub(super) async fn run_for<L, H, F, B>(age: Duration, listener: &L, cancel: &CancellationToken, handle: H)
where
    L: Listen,
    H: Fn(Request<Incoming>, Option<u32>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let next = async || {
        let slot = Arc::clone(&slots).acquire_owned().await;
        (slot, listener.next().await)
    };
    while let Some((slot, accepted)) = cancel.run_until_cancelled(next()).await {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely: trying again at once would only burn time.
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (cancel, handle) = (cancel.clone(), handle.clone());
        connections.spawn(async move {
            let uid = L::uid(&stream);
            converse(age, stream, &cancel, move |request| handle(request, uid)).await;
            drop(slot);
        });
    }
    connections.close();
    connections.wait().await;
}

/// One connection, from its first byte to its end.
async fn converse<S, H, F, B>(age: Duration, stream: S, cancel: &CancellationToken, handle: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handle(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .max_headers(64)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = cancel.cancelled() => None,
        () = tokio::time::sleep(age) => None,
    };
    let ended = if let Some(ended) = ended {
        Ok(ended)
    } else {
        connection.as_mut().graceful_shutdown();
        tokio::time::timeout(GRACE, connection).await
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended badly"),
        Err(_) => tracing::debug!("a connection did not end in time and was cut"),
    }
}
