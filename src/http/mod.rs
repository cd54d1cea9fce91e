//! The read-only TCP endpoints and the unix socket of the running operator.
//!
//! Everything that is read comes from the newest [`StatusSnapshot`](crate::status::model::StatusSnapshot) and from
//! nothing else, so that no two answers can disagree, and a slow disk or Docker cannot make an answer slow. TCP
//! changes nothing; what changes something is asked for on the [`socket`], by a peer whose user the kernel names.

mod health;
mod page;
mod peer;
mod read;
mod respond;
mod server;
pub mod socket;
pub mod webdav;

pub use peer::actor;

use crate::clock::{Clock, SystemClock};
use crate::controller::ports::StatusReceiver;
use crate::status::model::StatusSnapshot;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use jiff::Timestamp;
use respond::{Answer, Reply};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A text of which the length is known, and which is made while it is sent.
pub struct Text {
    /// Its bytes.
    pub length: u64,
    /// Its pieces, in their order.
    pub pieces: Box<dyn Iterator<Item = Bytes> + Send>,
}

/// Writes the series of a status in Prometheus' text format.
pub type Render = Arc<dyn Fn(&Arc<StatusSnapshot>) -> Result<Text, String> + Send + Sync>;

/// An address or a path cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {at}{advice}")]
pub struct ListenError {
    at: String,
    advice: &'static str,
    #[source]
    source: std::io::Error,
}

/// What an answer is made from.
#[derive(Clone)]
struct View {
    status: StatusReceiver,
    metrics: Render,
    started: Timestamp,
}

impl View {
    fn new(status: StatusReceiver, metrics: Render) -> Self {
        Self { status, metrics, started: SystemClock.now() }
    }

    /// Answers a read off the async threads: a host with thousands of policies makes a long page.
    async fn read(&self, route: read::Route) -> Reply {
        let view = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let status = Arc::clone(&view.status.borrow());
            read::answer(&route, &status, || view.scrape(&status), view.started, SystemClock.now())
        });
        answer.await.unwrap_or_else(|_| Reply::error(500, "the answer could not be made; see Seawall's log"))
    }

    fn scrape(&self, status: &Arc<StatusSnapshot>) -> Reply {
        match (self.metrics)(status) {
            Ok(text) => Reply::of_text(read::METRICS, text),
            Err(error) => Reply::error(500, &error),
        }
    }
}

/// Takes the address for [`serve`].
///
/// # Errors
/// [`ListenError`], with what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError {
        at: address.to_string(),
        advice: match source.kind() {
            std::io::ErrorKind::AddrInUse => " (another program does; give another address with --listen)",
            _ => "",
        },
        source,
    })
}

/// Answers reads until `cancel`, then ends within seconds: what is being answered is answered, what idles is closed.
pub async fn serve(listener: TcpListener, status: StatusReceiver, metrics: Render, cancel: CancellationToken) {
    let view = View::new(status, metrics);
    server::run(&listener, &cancel, move |request: Request<Incoming>, _peer| {
        let view = view.clone();
        async move { read_only(&view, &request).await }
    })
    .await;
}

async fn read_only(view: &View, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    let reply = match read::Route::parse(path) {
        None => Reply::error(404, "there is nothing at this path; see /api/v1/status"),
        Some(_) if !respond::is_read(request.method()) => Reply::not_allowed("GET, HEAD"),
        Some(route) => view.read(route).await,
    };
    reply.into_answer()
}
