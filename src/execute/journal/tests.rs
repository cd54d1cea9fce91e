use super::*;
use crate::policy::Mode;
use crate::reconcile::{RunId, SourceKey};
use jiff::Timestamp;

fn intent(name: &str, deadline: i64) -> Intent {
    let at = |seconds| Timestamp::from_second(1_790_000_000 + seconds).unwrap();
    Intent {
        source: SourceKey { policy: "p".into(), source: "v".into() },
        run: RunId("1".into()),
        mode: Mode::Stop,
        name: name.into(),
        id: format!("id of {name}"),
        identity: Some(Identity::Swarm { service: "web".into() }),
        prior: Prior::Replicas(3),
        post: None,
        patience_ms: 60_000,
        at: at(0),
        deadline: at(deadline),
    }
}

fn names(journal: &Journal) -> Vec<String> {
    journal.view().borrow().iter().map(|quiesced| quiesced.container.clone()).collect()
}

#[test]
fn what_was_begun_and_not_closed_is_there_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = Journal::open(&path).unwrap();
    let ids = journal.begin(vec![intent("a", 10), intent("b", 10)]).unwrap();
    journal.begin(vec![intent("c", 10)]).unwrap();
    journal.close(ids[0]).unwrap();
    assert_eq!(names(&journal), ["b", "c"]);

    let again = Journal::open(&path).unwrap();
    assert_eq!(names(&again), ["b", "c"]);
    let open = again.unattended(intent("", 0).at);
    assert_eq!(open.iter().map(|(_, i)| i.name.as_str()).collect::<Vec<_>>(), ["c", "b"], "the newest first");
    assert_eq!(open[1].1, intent("b", 10));
    for (id, _) in open {
        again.close(id).unwrap();
    }
    assert_eq!(fs::read(path.join("intents")).unwrap(), b"", "nothing open, nothing kept");
    assert!(names(&Journal::open(&path).unwrap()).is_empty());
}

#[test]
fn an_intent_is_left_to_its_run_until_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let ids = journal.begin(vec![intent("a", 10)]).unwrap();
    assert!(journal.unattended(intent("", 9).deadline).is_empty());
    assert_eq!(journal.unattended(intent("", 10).deadline).len(), 1);
    journal.release(&ids);
    assert_eq!(journal.unattended(intent("", 0).deadline).len(), 1);
}

/// Whatever the last write left of its record, the next process sees the state before it or after it.
#[test]
fn a_journal_cut_anywhere_in_its_last_write_is_the_old_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intents");
    let journal = Journal::open(dir.path()).unwrap();
    let ids = journal.begin(vec![intent("a", 10), intent("b", 10)]).unwrap();
    let first = fs::read(&path).unwrap();
    journal.close(ids[0]).unwrap();
    let second = fs::read(&path).unwrap();
    journal.begin(vec![intent("c", 10)]).unwrap();
    let third = fs::read(&path).unwrap();
    assert!(second.starts_with(&first) && third.starts_with(&second), "it is only ever added to");

    let cut = |content: &[u8], from: usize, old: &[&str], new: &[&str]| {
        for length in from..=content.len() {
            for rest in [&b""[..], b"\0\0\0\0"] {
                fs::write(&path, [&content[..length], rest].concat()).unwrap();
                let read = Journal::open(dir.path()).unwrap();
                // The line is whole but for its end: that, or the state before, is right.
                let whole = length >= content.len() - 1 && (rest.is_empty() || length == content.len());
                assert_eq!(names(&read), if whole { new } else { old }, "cut at {length}");
                // What is written after a half line is not lost with it.
                let id = read.begin(vec![intent("later", 10)]).unwrap();
                assert_eq!(names(&Journal::open(dir.path()).unwrap()).last().unwrap(), "later");
                read.close(id[0]).unwrap();
            }
        }
    };
    cut(&second, first.len(), &["a", "b"], &["b"]);
    cut(&third, second.len(), &["b"], &["b", "c"]);
}

#[test]
fn a_broken_line_in_the_middle_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intents");
    Journal::open(dir.path()).unwrap().begin(vec![intent("a", 10), intent("b", 10), intent("c", 10)]).unwrap();
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&path, content).unwrap();
    assert_eq!(names(&Journal::open(dir.path()).unwrap()), ["a", "c"]);
}

#[test]
fn what_cannot_be_written_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal"), "a file where the directory should be").unwrap();
    let journal = Journal { ..Journal::open(&dir.path().join("other")).unwrap() };
    let journal = Journal { directory: dir.path().join("journal"), ..journal };
    let error = journal.begin(vec![intent("a", 10)]).unwrap_err();
    assert!(error.to_string().contains("journal/intents could not be written"), "{error}");
    assert!(names(&journal).is_empty());
}

/// Every write fails on a full device; the one that empties the file does not.
#[test]
fn a_full_disk_begins_nothing_and_still_closes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let ids = journal.begin(vec![intent("a", 10)]).unwrap();
    // `/dev/full` in the place of the new file and of the open one.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("intents.new")).unwrap();
    journal.lock().file = Some(OpenOptions::new().append(true).open("/dev/full").unwrap());
    journal.begin(vec![intent("b", 10)]).unwrap_err();
    assert_eq!(names(&journal), ["a"]);
    journal.close(ids[0]).unwrap();
    assert!(names(&Journal::open(dir.path()).unwrap()).is_empty());
}
