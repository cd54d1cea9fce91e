//! The Docker engine, through bollard: what there is, word of what changes, and what it takes to make containers stand
//! still.
//!
//! Nothing here waits without end: every call has a timeout, and every answer a longest length. Looking causes no
//! events, so whoever looks because of an event does not wake itself.

mod address;
mod control;
mod error;
mod exec;
mod look;
mod mounts;
mod readable;
mod scratch;
mod swarm;
mod transport;
mod volumes;

pub use control::{Done, Inspected, Ready};
pub use error::DockerError;
pub use exec::Executed;
pub use scratch::{DRILL, Probe, Purpose};

use address::Address;
use bollard::errors::Error;
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// bollard's own timeout, in the way of calls that rightly take long; ours are shorter where they matter.
const BOLLARD_TIMEOUT: Duration = Duration::from_hours(1);

/// Changes that matter to backups. `mount` and `unmount` are left out: reading volumes through the engine causes them.
const EVENTS: [&str; 7] = ["create", "destroy", "start", "die", "pause", "unpause", "rename"];

/// A Docker engine, which may be away. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    client: bollard::Docker,
    address: Address,
    /// Held while the directories of volumes are looked at.
    probing: Arc<tokio::sync::Mutex<()>>,
}

impl Docker {
    /// Prepares to speak to the engine at `host`, in the form of `DOCKER_HOST`; `None` or an empty string is Docker's
    /// default socket. Connects with each call and not before, so the engine may come and go.
    ///
    /// # Errors
    /// [`DockerError::Address`] for what is neither `unix:///path` nor `tcp://host:port`.
    pub fn connect(host: Option<&str>) -> Result<Self, DockerError> {
        let address = Address::parse(host)?;
        let to = address.clone();
        let client = bollard::Docker::connect_with_custom_transport(
            move |request| transport::send(to.clone(), request),
            Some("http://engine"),
            BOLLARD_TIMEOUT.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| DockerError::new("prepare a connection", &address, error))?;
        Ok(Self { client, address, probing: Arc::default() })
    }

    /// Word of changes to volumes and containers since an instant, each as a few words for a log. Ends when the engine
    /// goes away and, now and then, by itself; a stream that stalled looks like one on which nothing happens. So it
    /// is a reason to look and never a proof that nothing changed.
    pub fn events(&self, since: Timestamp) -> impl Stream<Item = Result<String, DockerError>> + Send + Unpin + use<> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let filters =
            HashMap::from([("type".to_owned(), words(&["volume", "container"])), ("event".to_owned(), words(&EVENTS))]);
        let options = EventsOptions { since: Some(since.as_second().to_string()), until: None, filters: Some(filters) };
        let address = self.address.clone();
        self.client.clone().with_timeout(CALL_TIMEOUT).events(Some(options)).map(move |event| {
            let event = event.map_err(|error| DockerError::new("report events", &address, error))?;
            let actor = event.actor.unwrap_or_default();
            let name = actor.attributes.and_then(|mut attributes| attributes.remove("name")).or(actor.id);
            let kind = event.typ.map(|kind| kind.to_string()).unwrap_or_default();
            Ok(format!("{kind} {} {}", event.action.unwrap_or_default(), name.unwrap_or_default()))
        })
    }

    /// What was done with one container in a span of time, oldest first, in Docker's words: `pause`, `kill`, `die`,
    /// `stop`, `start`, … The engine remembers its last few hundred events only, and none across its own restart.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn history(&self, id: &str, since: Timestamp, until: Timestamp) -> Result<Vec<String>, DockerError> {
        let what = format!("tell what was done with container {id}");
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![id.to_owned()]),
        ]);
        let precise = |at: Timestamp| format!("{}.{:09}", at.as_second(), at.subsec_nanosecond());
        let options =
            EventsOptions { since: Some(precise(since)), until: Some(precise(until)), filters: Some(filters) };
        let events = self.client.events(Some(options)).try_filter_map(|event| async { Ok(event.action) });
        self.call(&what, CALL_TIMEOUT, events.try_collect()).await
    }

    /// One call, named by what it is to do ("list its volumes"), within a timeout.
    async fn call<T>(
        &self,
        what: &str,
        within: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DockerError> {
        match tokio::time::timeout(within, call).await {
            Ok(answer) => answer.map_err(|error| DockerError::new(what, &self.address, error)),
            Err(_) => Err(DockerError::Timeout { what: what.to_owned(), after: within }),
        }
    }
}
