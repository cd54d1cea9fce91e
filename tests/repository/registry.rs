//! From a document to an open repository, and what is said when there is none.

use crate::lab::{HOST, Lab, PASSWORD, key, meta};
use seawall::adapters::repository::{Control, Registry, RepositoryError};
use seawall::observe::repositories::observe_once;
use seawall::policy::{Desired, Repository, RepositoryLocation, SecretRef};
use seawall::reconcile::RepositoryHealth;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

fn document(path: Option<PathBuf>, password: Option<PathBuf>) -> Repository {
    Repository {
        name: "default".to_owned(),
        location: RepositoryLocation::Local { path },
        password_from: password.map(SecretRef::File),
        check: None,
        file: PathBuf::new(),
        text: "".into(),
        digest: "1".to_owned(),
    }
}

fn desired(repository: &Repository) -> Desired {
    let mut desired = Desired::default();
    desired.repositories.insert(repository.name.clone(), Arc::new(repository.clone()));
    desired
}

fn now() -> jiff::Timestamp {
    meta(0).time
}

fn reason<T: std::fmt::Debug>(result: Result<T, RepositoryError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.told().contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD));
    error.reason()
}

#[test]
fn the_default_repository_gets_a_key_of_its_own_and_losing_it_is_loud() {
    let lab = Lab::new();
    lab.write("a", "x");
    let registry = Registry::new(lab.dir.path());
    let repository = document(None, None);
    let adapter = registry.open(&repository).unwrap();
    adapter.backup(&lab.tree(), &meta(0), &Control::default()).unwrap();
    assert!(Arc::ptr_eq(&adapter, &registry.open(&repository).unwrap()), "it stays open");
    let stored = registry.key(&repository).unwrap();
    let restic = lab.restic_command().arg("snapshots").env("RESTIC_PASSWORD", stored.reveal()).output().unwrap();
    assert!(restic.status.success(), "the exported key opens it for restic");

    let path = registry.key_path("default");
    fs::remove_file(&path).unwrap();
    registry.open(&repository).unwrap();
    assert_eq!(registry.key(&repository).unwrap(), stored, "put back while it is still known");
    let aside = lab.dir.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    let fresh = Registry::new(lab.dir.path());
    let error = fresh.open(&repository).unwrap_err();
    assert_eq!(error.reason(), "KeyLost");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(!path.exists(), "no new key is made over a repository that it cannot open");
    fs::rename(&aside, &path).unwrap();
    assert_eq!(fresh.open(&repository).unwrap().snapshots().unwrap().len(), 1);
}

#[test]
fn trouble_with_keys_has_its_own_words() {
    let lab = Lab::new();
    let password = lab.dir.path().join("password");
    let repository = document(Some(lab.repository()), Some(password.clone()));
    let open = || Registry::new(lab.dir.path()).open(&repository);
    assert_eq!(reason(open()), "KeyUnreadable");
    fs::write(&password, "\n").unwrap();
    assert_eq!(reason(open()), "KeyUnreadable");
    assert!(!lab.repository().exists(), "nothing is made without a key");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    open().unwrap();
    lab.restic(&["snapshots"]);
    fs::write(&password, "another").unwrap();
    assert_eq!(reason(open()), "WrongKey");
}

#[test]
fn a_new_digest_or_a_new_repository_in_its_place_is_opened_anew() {
    let lab = Lab::new();
    lab.write("a", "x");
    let registry = Registry::new(lab.dir.path());
    let mut repository = document(None, None);
    let first = registry.open(&repository).unwrap();
    repository.digest = "2".to_owned();
    let second = registry.open(&repository).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    second.backup(&lab.tree(), &meta(0), &Control::default()).unwrap();
    fs::remove_dir_all(lab.repository()).unwrap();
    let key = registry.key(&repository).unwrap();
    let made = lab.restic_command().arg("init").env("RESTIC_PASSWORD", key.reveal()).status().unwrap();
    assert!(made.success());
    assert_eq!(registry.open(&repository).unwrap().snapshots().unwrap(), []);
}

#[test]
fn an_unmounted_disk_is_not_taken_for_a_new_repository() {
    let lab = Lab::new();
    let registry = Registry::new(lab.dir.path());
    let repository = document(None, None);
    registry.open(&repository).unwrap();
    fs::rename(lab.repository(), lab.dir.path().join("unmounted")).unwrap();
    fs::create_dir(lab.repository()).unwrap();
    for registry in [&registry, &Registry::new(lab.dir.path())] {
        let error = registry.open(&repository).unwrap_err();
        assert_eq!(error.reason(), "NotFound", "{error}");
        assert!(error.to_string().contains("mount its disk"), "{error}");
    }
    assert_eq!(fs::read_dir(lab.repository()).unwrap().count(), 0, "nothing was made");
    fs::remove_dir(lab.repository()).unwrap();
    fs::rename(lab.dir.path().join("unmounted"), lab.repository()).unwrap();
    registry.open(&repository).unwrap();
}

#[test]
fn a_directory_that_holds_something_else_stays_as_it_is() {
    let lab = Lab::new();
    fs::create_dir(lab.repository()).unwrap();
    fs::write(lab.repository().join("holiday.jpg"), "x").unwrap();
    assert_eq!(reason(Registry::new(lab.dir.path()).open(&document(None, None))), "NotARepository");
    assert_eq!(fs::read_dir(lab.repository()).unwrap().count(), 1);
    assert!(!Registry::new(lab.dir.path()).key_path("default").exists());
}

#[test]
fn a_first_start_that_was_killed_half_way_is_done_again() {
    let lab = Lab::new();
    lab.write("a", "x");
    let registry = Registry::new(lab.dir.path());
    let repository = document(None, None);
    registry.open(&repository).unwrap();
    fs::remove_file(lab.repository().join("config")).unwrap();
    fs::remove_dir_all(lab.repository().join("data/ff")).unwrap();
    fs::remove_file(lab.dir.path().join("keys/default.location")).unwrap();
    let again = Registry::new(lab.dir.path()).open(&repository).unwrap();
    again.backup(&lab.tree(), &meta(0), &Control::default()).unwrap();
    assert_eq!(fs::read_dir(lab.repository().join("keys")).unwrap().count(), 1);
}

#[test]
fn looking_without_leave_to_create_writes_nothing() {
    let lab = Lab::new();
    lab.write("a", "x");
    let registry = Registry::new(lab.dir.path());
    let repository = document(None, None);
    let seen = observe_once(&registry, &desired(&repository), HOST, now(), false);
    let state = &seen["default"];
    assert_eq!((&state.health, state.own.len(), state.generated_key), (&RepositoryHealth::Healthy, 0, true));
    assert!(state.location.contains("will be created"), "{}", state.location);
    assert!(!lab.repository().exists() && !lab.dir.path().join("keys").exists());

    let adapter = registry.open(&repository).unwrap();
    let snapshot = adapter.backup(&lab.tree(), &meta(0), &Control::default()).unwrap().snapshot.unwrap();
    let seen = observe_once(&registry, &desired(&repository), HOST, now(), false);
    assert_eq!(*seen["default"].own[&key()], [snapshot]);
    let seen = observe_once(&registry, &desired(&repository), "another-host", now(), false);
    assert_eq!((seen["default"].own.len(), seen["default"].foreign), (0, 1));
}
