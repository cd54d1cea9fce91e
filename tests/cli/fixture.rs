//! A state of a host with something of everything in it, and an operator that says so.

use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub const STATUS: &str = include_str!("fixtures/status.json");
pub const RUNS: &str = include_str!("fixtures/runs.json");
pub const EVENTS: &str = include_str!("fixtures/events.json");
pub const SNAPSHOTS: &str = include_str!("fixtures/snapshots.json");

pub fn parse<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

/// An operator that gives prepared answers: per `METHOD PATH`, one after the other, the last one for ever.
pub struct FakeOperator {
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = BTreeMap<String, Vec<(u16, String)>>;

impl FakeOperator {
    /// Listens in the state directory for as long as the test process lives.
    pub fn start(state: &Path, answers: &[(&str, u16, &str)]) -> Self {
        let mut all = Answers::new();
        for (request, status, body) in answers {
            all.entry((*request).to_owned()).or_default().push((*status, (*body).to_owned()));
        }
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(state.join("seawall.sock")).unwrap();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // The first connection of each command only looks whether someone is there, and says nothing.
                let _gone = answer(&stream.unwrap(), &mut all, &log);
            }
        });
        Self { asked }
    }

    /// The same, answering every question of the commands that show.
    pub fn of_the_fixture(state: &Path) -> Self {
        Self::start(
            state,
            &[
                ("GET /api/v1/status", 200, STATUS),
                ("GET /api/v1/runs", 200, RUNS),
                ("GET /api/v1/events", 200, EVENTS),
                ("GET /api/v1/snapshots", 200, SNAPSHOTS),
            ],
        )
    }

    /// Every request line so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: &UnixStream, answers: &mut Answers, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.take(1 << 16)).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(()) };
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let request = first.trim_end_matches(" HTTP/1.1").to_owned();
    let without_query = request.split('?').next().unwrap_or_default().to_owned();
    log.lock().unwrap().push(request);
    let (status, body) = match answers.get_mut(&without_query) {
        Some(prepared) if prepared.len() > 1 => prepared.remove(0),
        Some(prepared) => prepared[0].clone(),
        None => (404, r#"{"error":"no such path"}"#.to_owned()),
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
