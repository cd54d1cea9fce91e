//! What is kept across restarts.

use super::support::{BROKEN, Memory, NEVER, Running, directory, errors, file, policies, policy, write};
use crate::clock::SystemClock;
use crate::controller::ports::{Accepted, AcceptedDocument};
use crate::store::watch::native;
use crate::store::{StoreError, StoreOptions, load_once, start};
use jiff::Timestamp;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

fn again(path: &Path, accepted: &Arc<Memory>) -> Running {
    Running::with(path, Arc::clone(accepted), NEVER, native())
}

#[test]
fn generations_survive_a_restart_and_count_on() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let accepted: Arc<Memory> = Arc::default();
    let store = again(&path, &accepted);
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
    drop(store);
    again(&path, &accepted).in_force(&[("a", 2)]);
    write(&path.join("a.yaml"), &policy("a", 3));
    again(&path, &accepted).in_force(&[("a", 3)]);
}

#[test]
fn a_withdrawn_name_goes_on_counting_after_a_restart() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", &policy("b", 1))]);
    let accepted: Arc<Memory> = Arc::default();
    let store = again(&path, &accepted);
    fs::remove_file(path.join("a.yaml")).unwrap();
    store.in_force(&[("b", 1)]);
    drop(store);
    let kept = accepted.load().unwrap();
    let of_a: Vec<&AcceptedDocument> = kept.iter().filter(|document| document.name == "a").collect();
    assert!(matches!(of_a[..], [AcceptedDocument { in_force: false, generation: 1, .. }]), "{of_a:?}");
    write(&path.join("c.yaml"), &policy("a", 2));
    again(&path, &accepted).in_force(&[("a", 2), ("b", 1)]);
}

#[test]
fn broken_while_nobody_looked_the_last_known_good_comes_from_before() {
    let text = format!("# first\n\n# second\n{}---\n\n# third\n{}", policy("b", 1), policy("a", 1));
    let (_keep, path) = directory(&[("a.yaml", &text)]);
    let accepted: Arc<Memory> = Arc::default();
    let store = again(&path, &accepted);
    let good = store.now();
    drop(store);
    write(&path.join("a.yaml"), BROKEN);
    let store = again(&path, &accepted);
    assert!(store.invalid("a.yaml").contains("bogus"));
    assert_eq!(store.now().desired, good.desired, "to the last line number");
    assert_eq!(file(&store.now(), "a.yaml").unwrap().documents, ["a", "b"]);
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}

#[test]
fn what_an_older_version_accepted_and_this_one_does_not_is_said() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let accepted: Arc<Memory> = Arc::default();
    drop(again(&path, &accepted));
    accepted.documents.lock().unwrap()[0].text = BROKEN.into();
    // The file is in order: nobody needs the old text.
    again(&path, &accepted).in_force(&[("a", 1)]);
    accepted.documents.lock().unwrap()[0].text = BROKEN.into();
    write(&path.join("a.yaml"), BROKEN);
    let store = again(&path, &accepted);
    assert!(errors(&store.now(), "a.yaml").contains("`a` was in force before"));
}

#[test]
fn a_full_disk_is_said_and_the_change_is_in_force_all_the_same() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    store.accepted.full.store(true, Ordering::SeqCst);
    write(&path.join("a.yaml"), &policy("a", 2));
    let loaded = store.until("the problem is said", |loaded| loaded.config.problem.is_some());
    assert!(loaded.config.problem.as_ref().unwrap().contains("no space left"));
    assert_eq!(policies(&loaded), [("a", 2)]);
    assert!(!loaded.config.last_reload_successful);
    // It is tried again at every look.
    store.accepted.full.store(false, Ordering::SeqCst);
    store.handle.reload();
    store.settles("the problem is over", |loaded| loaded.config.last_reload_successful);
    assert_eq!(store.accepted.load().unwrap()[0].generation, 2);
}

/// A state directory that cannot be read.
struct Unreadable;

impl Accepted for Unreadable {
    fn load(&self) -> Result<Vec<AcceptedDocument>, String> {
        Err("the disk is on fire".to_owned())
    }

    fn save(&self, _: &[AcceptedDocument]) -> Result<(), String> {
        panic!("what was not read must not be written over")
    }
}

#[tokio::test]
async fn without_its_memory_the_store_does_not_start_and_a_single_look_says_so() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let options = StoreOptions::new(path.clone());
    let started = start(options, Arc::new(Unreadable), Arc::new(SystemClock), CancellationToken::new());
    assert!(matches!(started, Err(StoreError::Accepted(why)) if why.contains("on fire")));
    let loaded = load_once(&path, &Unreadable, Timestamp::UNIX_EPOCH);
    assert!(loaded.config.problem.as_ref().unwrap().contains("on fire"));
    assert_eq!(policies(&loaded), [("a", 1)]);
}

#[test]
fn a_single_look_writes_nothing() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let accepted = Memory::default();
    let loaded = load_once(&path, &accepted, Timestamp::UNIX_EPOCH);
    assert_eq!(policies(&loaded), [("a", 1)]);
    assert_eq!(loaded.config.last_reload_success, Some(Timestamp::UNIX_EPOCH));
    assert!(accepted.load().unwrap().is_empty());
}
