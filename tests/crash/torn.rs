//! The last write of the journal is torn, wherever: what follows is right for what the engine was told.

use crate::host::Host;
use seawall::adapters::docker::Docker;
use seawall::clock::{Clock, SystemClock};
use seawall::controller::ports::Record;
use seawall::execute::journal::{Intent, Journal, Prior};
use seawall::execute::quiesce::Quiescer;
use seawall::policy::Mode;
use seawall::reconcile::{RunId, SourceKey};
use seawall::status::persist::StateDir;
use std::sync::Arc;

/// What a process that starts now does first, for a journal of this content.
async fn recovered(host: &Host, content: &[u8]) {
    let directory = host.state().join("journal");
    std::fs::write(directory.join("intents"), content).unwrap();
    let record: Arc<dyn Record> = Arc::new(StateDir::open(&host.state(), "test").unwrap());
    let docker = Docker::connect(Some(host.engine.host())).unwrap();
    let journal = Arc::new(Journal::open(&directory).unwrap());
    let quiescer = Quiescer::new(docker, journal.clone(), Arc::new(SystemClock));
    quiescer.recover(&record).await;
    assert!(journal.view().borrow().is_empty(), "{content:?}");
}

/// The record of two containers that are about to be touched: as long as it is not whole, none was.
#[tokio::test]
async fn a_torn_intent_belongs_to_what_was_not_touched() {
    let host = Host::new();
    let (app, other) = (host.app(&[]), host.app(&[]));
    host.policy("p", "mode: pause", false);
    host.killed_at("p", "intended");
    let journal = host.journal().into_bytes();
    assert!(journal.len() > 400);
    for length in 0..=journal.len() {
        recovered(&host, &journal[..length]).await;
    }
    for container in [&app, &other] {
        assert_eq!(host.status(container), "running");
    }
}

/// The record that one of two is back: before it is whole, both are looked at, and the other one comes back anyway.
#[tokio::test]
async fn a_torn_closing_leaves_nobody_behind() {
    let host = Host::new();
    let (app, other) = (host.app(&[]), host.app(&[]));
    let file = host.state().join("journal/intents");
    let mut cut = 0;
    loop {
        let journal = Journal::open(&host.state().join("journal")).unwrap();
        let ids = journal.begin(vec![intent(&host, &app), intent(&host, &other)]).unwrap();
        host.engine.docker(&["pause", &app, &other]);
        host.engine.docker(&["unpause", &other]);
        let before = std::fs::read(&file).unwrap().len();
        journal.close(ids[1]).unwrap();
        let content = std::fs::read(&file).unwrap();
        recovered(&host, &content[..before + cut]).await;
        for container in [&app, &other] {
            assert_eq!(host.status(container), "running", "cut {cut} bytes into the record");
        }
        cut += 1;
        if before + cut > content.len() {
            break;
        }
    }
    assert!(cut > 20);
}

fn intent(host: &Host, name: &str) -> Intent {
    let at = SystemClock.now();
    Intent {
        source: SourceKey { policy: "p".into(), source: host.volume.clone() },
        run: RunId("1".into()),
        mode: Mode::Pause,
        name: name.to_owned(),
        id: host.engine.docker(&["inspect", "--format={{.Id}}", name]),
        identity: None,
        prior: Prior::Running,
        post: None,
        patience_ms: 10_000,
        at,
        deadline: at + jiff::SignedDuration::from_mins(10),
    }
}
