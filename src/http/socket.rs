//! The socket in the state directory: everything that TCP can read, history, and what changes something.

use super::read::unknown_policy;
use super::respond::{Answer, Reply, is_read};
use super::{ListenError, Render, View, peer, server};
use crate::controller::ports::{Command, EventFilter, History, RunFilter, StatusReceiver};
use crate::policy::{SecretRef, quantity};
use crate::reconcile::restore::{Manner, Over};
use crate::reconcile::{RepositoryState, Request as Asked, RestoreAction, RestoreStep, RunId, SourceKey, Wish};
use crate::status::model::StoredSnapshot;
use hyper::body::{Body, Incoming};
use hyper::{Method, Request};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// The loop answers between two passes; one that does not is stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// No request needs a body; a stray small one does no harm.
const MAX_BODY: u64 = 4 << 10;
/// Runs and events that are listed when nothing else is asked for.
const LIMIT: u32 = 100;

/// A socket that is listened on. Its file goes when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the socket's file could not be removed");
        }
    }
}

/// What only the socket offers.
#[derive(Clone)]
pub struct Backstage {
    /// Takes commands to the loop.
    pub commands: mpsc::Sender<Command>,
    /// Runs and events.
    pub history: Arc<dyn History>,
    /// The repositories as they were last seen, for the list of snapshots.
    pub repositories: watch::Receiver<Arc<BTreeMap<String, RepositoryState>>>,
}

/// Takes the path: a socket that a killed operator left behind is replaced, one that somebody answers on is not.
/// Only this user and root may connect.
///
/// # Errors
/// [`ListenError`], with what to do.
pub async fn bind(path: &Path) -> Result<Socket, ListenError> {
    let fail = |advice| move |source| ListenError { at: path.display().to_string(), advice, source };
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(fail(" (something that is not a socket is there; move it away)")(
                io::ErrorKind::AlreadyExists.into(),
            ));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(fail(" (another instance answers on it)")(io::ErrorKind::AddrInUse.into()));
        }
        _ => {}
    }
    // Made beside and moved there, so that it is never open to others and never missing.
    let fresh = path.with_extension("new");
    let make = || {
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&fresh, path)?;
        Ok(listener)
    };
    let listener = make().map_err(fail(" (the path of a socket may have 100 bytes)"))?;
    Ok(Socket { listener, path: path.to_owned() })
}

/// Answers until `cancel`, then ends within seconds.
pub async fn serve(
    socket: Socket,
    status: StatusReceiver,
    metrics: Render,
    backstage: Backstage,
    cancel: CancellationToken,
) {
    let view = View::new(status, metrics);
    server::run(&socket.listener, &cancel, move |request: Request<Incoming>, uid| {
        let (view, backstage) = (view.clone(), backstage.clone());
        async move { answer(&view, &backstage, &request, uid).await }
    })
    .await;
}

async fn answer(view: &View, backstage: &Backstage, request: &Request<Incoming>, uid: Option<u32>) -> Answer {
    if request.body().size_hint().lower() > MAX_BODY {
        return Reply::error(413, "no request here needs a body").into_answer();
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let path = request.uri().path();
    let parts: Vec<&str> = path.strip_prefix("/api/v1/").unwrap_or_default().split('/').collect();
    let reply = match (parts.as_slice(), request.method()) {
        (["runs" | "events" | "snapshots"], method) if !is_read(method) => Reply::not_allowed("GET, HEAD"),
        (["runs"], _) => backstage.runs(&query).await,
        (["events"], _) => backstage.events(&query).await,
        (["snapshots"], _) => backstage.snapshots(),
        (["policies", name, "backup"], &Method::POST) => {
            let wish = Wish::Backup { policy: (*name).to_owned(), source: query.get("source") };
            backstage.of_policy(view, name, wish, uid).await
        }
        (["policies", name, "drill"], &Method::POST) => {
            let wish = Wish::Drill { policy: (*name).to_owned(), source: query.get("source") };
            backstage.of_policy(view, name, wish, uid).await
        }
        (["policies", name, step @ ("restore" | "unpack" | "undo" | "discard")], &Method::POST) => {
            backstage.restore(name, step, &query, uid).await
        }
        (["policies", name, "imported"], &Method::POST) => backstage.imported(name, &query, uid).await,
        (["repositories", name, "check"], &Method::POST) => backstage.check(view, name, &query, uid).await,
        (["repositories", name, "key-exported"], &Method::POST) => backstage.key_exported(view, name, uid).await,
        (["reload"], &Method::POST) => backstage.send(Command::Reload).await,
        (
            ["policies", _, "backup" | "drill" | "restore" | "unpack" | "undo" | "discard" | "imported"]
            | ["repositories", _, "key-exported" | "check"]
            | ["reload"],
            _,
        ) => Reply::not_allowed("POST"),
        _ => return super::read_only(view, request).await,
    };
    reply.into_answer()
}

impl Backstage {
    async fn runs(&self, query: &Query) -> Reply {
        let Some(limit) = query.limit() else { return Query::bad_limit() };
        let filter = RunFilter { policy: query.get("policy"), source: query.get("source"), limit: Some(limit) };
        self.remembered(move |history| history.runs(&filter)).await
    }

    async fn events(&self, query: &Query) -> Reply {
        let Some(limit) = query.limit() else { return Query::bad_limit() };
        let filter = EventFilter { object: query.get("object"), limit: Some(limit) };
        self.remembered(move |history| history.events(&filter)).await
    }

    async fn remembered<T: serde::Serialize + Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn History) -> Result<T, String> + Send + 'static,
    ) -> Reply {
        let history = Arc::clone(&self.history);
        match tokio::task::spawn_blocking(move || ask(history.as_ref())).await {
            Ok(Ok(found)) => Reply::json(&found),
            Ok(Err(text)) => Reply::error(500, &text),
            Err(_) => Reply::error(500, "the answer could not be made; see Seawall's log"),
        }
    }

    fn snapshots(&self) -> Reply {
        let repositories = Arc::clone(&self.repositories.borrow());
        let mut all: Vec<StoredSnapshot> = repositories
            .iter()
            .flat_map(|(name, state)| state.own.values().map(move |list| (name, list)))
            .flat_map(|(name, list)| {
                list.iter().map(|snapshot| StoredSnapshot { repository: name.clone(), snapshot: snapshot.clone() })
            })
            .collect();
        all.sort_by_key(|stored| std::cmp::Reverse(stored.snapshot.time));
        Reply::json(&all)
    }

    async fn of_policy(&self, view: &View, name: &str, wish: Wish, uid: Option<u32>) -> Reply {
        if !view.status.borrow().policies.contains_key(name) {
            return unknown_policy(name);
        }
        self.ask(wish, uid).await
    }

    async fn check(&self, view: &View, name: &str, query: &Query, uid: Option<u32>) -> Reply {
        if !view.status.borrow().repositories.contains_key(name) {
            return unknown_repository(name);
        }
        let read_percent = match query.get("readData").map(|text| text.parse::<u8>()) {
            None => None,
            Some(Ok(percent)) if percent <= 100 => Some(percent),
            Some(_) => return Reply::error(400, "readData must be a whole number from 0 to 100"),
        };
        let repair = query.get("repair").filter(|digest| !digest.is_empty());
        self.ask(Wish::Check { repository: Some(name.to_owned()), read_percent, repair }, uid).await
    }

    /// Hands a wish to the loop and tells which sources it will be done for; none for what is about a repository.
    async fn ask(&self, wish: Wish, uid: Option<u32>) -> Reply {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask { wish, actor: peer::actor(uid), reply };
        let asked = self.commands.send_timeout(command, PATIENCE).await;
        match tokio::time::timeout(PATIENCE, answer).await {
            _ if asked.is_err() => Self::stuck(),
            Ok(Ok(Ok(requests))) => {
                let sources: Vec<&SourceKey> = requests.iter().filter_map(Asked::source).collect();
                Reply::json(&sources).with_status(202)
            }
            Ok(Ok(Err(why))) => Reply::error(409, &why),
            Ok(Err(_)) | Err(_) => Self::stuck(),
        }
    }

    /// What is to be restored need not be in force: its snapshots are enough.
    async fn restore(&self, policy: &str, step: &str, query: &Query, uid: Option<u32>) -> Reply {
        let Some(source) = query.get("source") else { return Reply::error(400, "source is missing") };
        let keep = match query.get("keep").map(|text| quantity::parse(&text)).transpose() {
            Ok(keep) => keep,
            Err(why) => return Reply::error(400, &why),
        };
        let step = match (step, query.get("restore"), query.get("repository"), query.get("snapshot")) {
            ("undo", Some(restore), _, _) => RestoreStep::Undo(RunId(restore)),
            ("discard", Some(restore), _, _) => RestoreStep::Discard(RunId(restore)),
            ("restore", _, Some(repository), Some(snapshot)) => {
                let path = query.get("path").unwrap_or_default();
                let says = |name: &str| query.get(name).is_some_and(|value| value == "true");
                let database = Manner { clean: says("clean"), no_owner: says("noOwner") };
                let over = match query.get("over").as_deref() {
                    Some("older") => Over::Older,
                    Some("anything") => Over::Anything,
                    _ => Over::Nothing,
                };
                RestoreStep::Bring { repository, snapshot, path, to: query.get("to"), database, keep, over }
            }
            ("unpack", ..) => {
                let (Some(file), Some(digest)) = (query.get("file"), query.get("digest")) else {
                    return Reply::error(400, "file or digest is missing");
                };
                let passphrase = query.get("passphrase").map(|path| SecretRef::File(path.into()));
                let [root, path] = ["root", "path"].map(|name| query.get(name).unwrap_or_default());
                RestoreStep::Unpack { file, digest, root, path, passphrase, to: query.get("to"), keep }
            }
            ("restore", ..) => return Reply::error(400, "repository or snapshot is missing"),
            _ => return Reply::error(400, "restore is missing: the run whose restore is meant"),
        };
        let action = RestoreAction { source: SourceKey { policy: policy.to_owned(), source }, step };
        self.ask(Wish::Restore(action), uid).await
    }

    async fn imported(&self, policy: &str, query: &Query, uid: Option<u32>) -> Reply {
        let (Some(source), Some(repository), Some(message)) =
            (query.get("source"), query.get("repository"), query.get("message"))
        else {
            return Reply::error(400, "source, repository or message is missing");
        };
        let source = SourceKey { policy: policy.to_owned(), source };
        self.send(Command::Imported { source, repository, message, actor: peer::actor(uid) }).await
    }

    async fn key_exported(&self, view: &View, name: &str, uid: Option<u32>) -> Reply {
        if !view.status.borrow().repositories.contains_key(name) {
            return unknown_repository(name);
        }
        self.send(Command::KeyExported { repository: name.to_owned(), actor: peer::actor(uid) }).await
    }

    async fn send(&self, command: Command) -> Reply {
        match self.commands.send_timeout(command, PATIENCE).await {
            Ok(()) => Reply::json(&serde_json::json!({ "accepted": true })).with_status(202),
            Err(_) => Self::stuck(),
        }
    }

    fn stuck() -> Reply {
        Reply::error(503, "the loop does not answer: it is ending, or stands still (see /healthz and the log)")
    }
}

fn unknown_repository(name: &str) -> Reply {
    Reply::error(404, &format!("no repository named {name:?} is in force; see /api/v1/repositories"))
}

/// The part of an address after the question mark.
#[derive(Debug, Default)]
struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (unescape(name), unescape(value)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// How many are asked for; `None`: in no number.
    fn limit(&self) -> Option<u32> {
        self.0.get("limit").map_or(Some(LIMIT), |text| text.parse().ok())
    }

    fn bad_limit() -> Reply {
        Reply::error(400, "limit must be a whole number")
    }
}

/// Undoes percent-encoding. What is none is left as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| hex::decode(digits).ok());
        if let Some(byte) = escaped {
            bytes.extend(byte);
            rest = &after[2..];
        } else {
            bytes.push(if first == b'+' { b' ' } else { first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_was_meant() {
        let query = Query::parse("policy=a%2Fb%C3%BC&source=x+y&odd=%zz%4&limit=7&&alone");
        assert_eq!(query.get("policy").as_deref(), Some("a/bü"));
        assert_eq!(query.get("source").as_deref(), Some("x y"));
        assert_eq!(query.get("odd").as_deref(), Some("%zz%4"));
        assert_eq!((query.limit(), query.get("alone")), (Some(7), None));
        assert_eq!(Query::parse("").limit(), Some(LIMIT));
        assert_eq!(Query::parse("limit=-1").limit(), None);
    }
}
