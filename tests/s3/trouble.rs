//! What goes wrong with a bucket, and what is said; nothing is lost by any of it.

use crate::bucket::{Place, repository};
use crate::lab::{HOST, key, noise};
use crate::seaweed::{ADMIN, READER};
use seawall::adapters::repository::{Control, Reason, Registry, RepositoryError};
use seawall::policy::{Repository, RepositoryLocation};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn refused(repository: &Repository) -> RepositoryError {
    // With a state of its own, so that no memory of another bucket says more.
    let state = tempfile::tempdir().unwrap();
    let error = Registry::new(state.path()).open(repository).unwrap_err();
    assert!(!error.told().contains("hunter2"), "{}", error.told());
    assert!(error.told().contains("backups"), "it says where: {}", error.told());
    error
}

#[test]
fn what_is_said() {
    let place = Place::new();
    let url = place.server.url();
    let directory = place.lab.dir.path();
    let edit = |change: &dyn Fn(&mut seawall::policy::S3Location)| {
        let mut repository = place.repository();
        if let RepositoryLocation::S3(location) = &mut repository.location {
            change(location);
        }
        repository
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (bad, kind, says) in [
        (repository(directory, &url, ("admin", "wrong-hunter2")), Reason::PermissionDenied, "SignatureDoesNotMatch"),
        (repository(directory, &url, ("nobody", "hunter2")), Reason::PermissionDenied, "InvalidAccessKeyId"),
        (repository(directory, &url, READER), Reason::PermissionDenied, "list, read, write and delete"),
        (edit(&|s3| s3.access.bucket = "backups-nowhere".into()), Reason::NotFound, "no such bucket"),
        (edit(&|s3| s3.residency = Some("eu".into())), Reason::WrongResidency, "it is in `us-east-1`"),
        (repository(directory, &format!("http://{nobody}"), ADMIN), Reason::Unavailable, "cannot be reached"),
    ] {
        let error = refused(&bad);
        assert_eq!(error.kind(), kind, "{}", error.told());
        assert!(error.told().contains(says), "{says}: {}", error.told());
    }
    assert_eq!(place.keys(""), [] as [String; 0], "nothing was made by any of them");
    refused(&edit(&|s3| s3.access.ca_file = Some("/nowhere.pem".into())));

    // Something else lies there.
    place.server.set("PUT", "/backups/host-1/holiday.jpg", "x");
    assert_eq!(refused(&place.repository()).kind(), Reason::NotARepository);
    place.server.set("DELETE", "/backups/host-1/holiday.jpg", "");

    // Right, and in the right place.
    let right = edit(&|s3| s3.residency = Some("us".into()));
    place.registry.open(&right).unwrap();
    // A repository that was emptied by somebody is not quietly begun anew.
    for key in place.keys("") {
        place.server.set("DELETE", &format!("/backups/{key}"), "");
    }
    let gone = place.registry.open(&right).unwrap_err();
    assert_eq!(gone.kind(), Reason::NotFound);
    assert!(gone.told().contains("is not there any more"), "{}", gone.told());
}

#[test]
fn a_server_that_goes_away_leaves_no_snapshot_and_the_next_run_goes_on() {
    let place = Place::new();
    place.lab.write("a", noise(50 << 20));
    let proxy = Proxy::start(&place.server.url(), |head| head.starts_with("PUT") && head.contains("/data/"), "");
    let broken = place.repository_at(&proxy, ADMIN);
    let repository = place.registry.open(&broken).unwrap();
    let error = place.lab.backup(&repository, 0).unwrap_err();
    assert_eq!(error.kind(), Reason::Unavailable, "{}", error.told());
    assert!(place.keys("snapshots").is_empty());
    assert!(place.keys("locks").is_empty());
    let repository = place.open();
    place.lab.backup(&repository, 1).unwrap();
    place.check();
}

#[test]
fn what_a_lock_of_the_bucket_holds_is_no_failure() {
    let place = Place::new();
    place.lab.write("a", noise(10 << 20));
    let locked = "<Error><Code>ObjectLockedByBucketPolicy</Code></Error>";
    let holds = |head: &str| head.starts_with("DELETE") && !head.contains("/locks/");
    let proxy = Proxy::start(&place.server.url(), holds, locked);
    let repository = place.registry.open(&place.repository_at(&proxy, ADMIN)).unwrap();
    let first = place.lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    place.lab.write("a", noise(10 << 20 | 1));
    place.lab.backup(&repository, 1).unwrap();
    let forgotten = repository.forget(&key(), HOST, &[first.id.to_string()], &Control::default()).unwrap();
    assert_eq!((forgotten.ids.len(), forgotten.retained), (0, 1));
    assert_eq!(repository.snapshots().unwrap().len(), 2);
    // Without the lock: forgotten, and then the prune cannot remove the old index.
    let free = place.open();
    free.forget(&key(), HOST, &[first.id.to_string()], &Control::default()).unwrap();
    let error = repository.prune(&Control::default()).unwrap_err();
    assert_eq!(error.kind(), Reason::Retained, "{}", error.told());
    place.check();
    free.prune(&Control::default()).unwrap();
    place.check();
}

/// Stands before a server and answers some requests in its place: with 403 and a body, or, where that is empty, not at
/// all.
pub struct Proxy;

impl Proxy {
    pub fn start(
        server: &str,
        mine: impl Fn(&str) -> bool + Send + Sync + Copy + 'static,
        says: &'static str,
    ) -> String {
        Self::start_with(server, mine, says, "403 Forbidden")
    }

    pub fn start_with(
        server: &str,
        mine: impl Fn(&str) -> bool + Send + Sync + Copy + 'static,
        says: &'static str,
        status: &'static str,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || one(client, &server, mine, (says, status)));
            }
        });
        url
    }
}

/// One request on one connection. A connection that breaks is what the client has to live with.
fn one(mut client: TcpStream, server: &str, mine: impl Fn(&str) -> bool, (says, status): (&str, &str)) -> Option<()> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let end = loop {
        let length = client.read(&mut buffer).ok().filter(|length| *length > 0)?;
        request.extend(&buffer[..length]);
        if let Some(at) = request.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(request[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while request.len() < end + length.unwrap_or(0) {
        let length = client.read(&mut buffer).ok().filter(|length| *length > 0)?;
        request.extend(&buffer[..length]);
    }
    if mine(&head) {
        let length = says.len();
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{says}");
        return if says.is_empty() { None } else { client.write_all(answer.as_bytes()).ok() };
    }
    let mut upstream = TcpStream::connect(server).ok()?;
    upstream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).ok()?;
    upstream.write_all(&request[end..]).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    client.write_all(&answer).ok()
}
