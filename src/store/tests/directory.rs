//! What can happen to the directory as a whole, told by events alone save where the kernel has none.

use super::support::{
    Memory, NEVER, Running, SOON, directory, errors, file, policies, policy, policy_into, repository, write,
};
use crate::store::watch::native;
use rstest::rstest;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Exchanges a link in one step, as `ln -sfn` does not and git-sync does.
fn swap(link: &Path, target: &str) {
    let new = link.with_file_name("tmp-link");
    symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

#[test]
fn git_sync_exchanges_the_link_to_the_whole_directory() {
    let (_keep, real) = directory(&[]);
    let base = real.parent().unwrap();
    for revision in 1..=4u8 {
        write(&base.join(format!("rev{revision}/policies/a.yaml")), &policy("a", revision));
    }
    let link = base.join("current");
    symlink("rev1", &link).unwrap();
    let store = Running::on(&link.join("policies"));
    for revision in 2..=4u8 {
        swap(&link, &format!("rev{revision}"));
        store.in_force(&[("a", revision.into())]);
        // git-sync removes the old one; what is left must still be watched.
        fs::remove_dir_all(base.join(format!("rev{}", revision - 1))).unwrap();
    }
    write(&base.join("rev4/policies/a.yaml"), &policy("a", 9));
    store.in_force(&[("a", 5)]);
}

#[test]
fn a_chain_of_links_is_watched_at_every_hop() {
    let (_keep, real) = directory(&[]);
    let base = real.parent().unwrap();
    write(&base.join("one/a.yaml"), &policy("a", 1));
    write(&base.join("two/a.yaml"), &policy("a", 2));
    write(&base.join("three/a.yaml"), &policy("a", 3));
    fs::create_dir_all(base.join("x/y")).unwrap();
    symlink("../../one", base.join("x/y/last")).unwrap();
    symlink(base.join("x/y/last"), base.join("x/middle")).unwrap();
    symlink("x/middle", base.join("first")).unwrap();
    let store = Running::on(&base.join("first"));
    swap(&base.join("x/y/last"), "../../two");
    store.in_force(&[("a", 2)]);
    swap(&base.join("x/middle"), "../three");
    store.in_force(&[("a", 3)]);
    swap(&base.join("first"), "one");
    store.in_force(&[("a", 4)]);
}

#[test]
fn kubernetes_exchanges_data() {
    let (_keep, path) = directory(&[]);
    write(&path.join("..2026_1/a.yaml"), &policy("a", 1));
    symlink("..2026_1", path.join("..data")).unwrap();
    symlink("..data/a.yaml", path.join("a.yaml")).unwrap();
    let store = Running::on(&path);
    let loaded = store.in_force(&[("a", 1)]);
    assert_eq!(loaded.config.files.len(), 1, "what is below ..data counts once");
    for round in 2..5 {
        write(&path.join(format!("..2026_{round}/a.yaml")), &policy("a", round));
        symlink(format!("..2026_{round}"), path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
        fs::remove_dir_all(path.join(format!("..2026_{}", round - 1))).unwrap();
        store.in_force(&[("a", round.into())]);
    }
}

#[test]
fn a_link_to_a_file_elsewhere_is_followed() {
    let (_keep, path) = directory(&[]);
    let elsewhere = path.with_file_name("elsewhere");
    write(&elsewhere.join("real.yaml"), &policy("a", 1));
    symlink(elsewhere.join("real.yaml"), path.join("a.yaml")).unwrap();
    let store = Running::on(&path);
    write(&elsewhere.join("real.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2)]);
}

/// What a directory that went must look like.
#[track_caller]
fn stays_in_force(store: &Running, problem: &str) {
    let loaded = store.settles(problem, |loaded| loaded.config.problem.as_ref().is_some_and(|p| p.contains(problem)));
    assert_eq!(policies(&loaded), [("a", 1), ("b", 1)]);
    assert!(!loaded.config.last_reload_successful);
    assert!(errors(&loaded, "a.yaml").contains("cannot be seen"));
    assert_eq!(file(&loaded, "sub/b.yaml").unwrap().documents, ["b"]);
    assert!(store.accepted.documents.lock().unwrap().iter().all(|document| document.in_force));
}

#[rstest]
fn removed_and_made_again(#[values(1, 3)] times: usize) {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    for _ in 0..times {
        fs::remove_dir_all(&path).unwrap();
        stays_in_force(&store, "does not exist");
        write(&path.join("a.yaml"), &policy("a", 1));
        write(&path.join("sub/b.yaml"), &policy("b", 1));
        let loaded = store.in_force(&[("a", 1), ("b", 1)]);
        store.settles("the problem is over", |loaded| loaded.config.problem.is_none());
        drop(loaded);
    }
    // It is not deaf now.
    write(&path.join("sub/b.yaml"), &policy("b", 2));
    store.in_force(&[("a", 1), ("b", 2)]);
}

#[test]
fn removed_and_made_again_at_once() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let store = Running::on(&path);
    for hour in 2..12 {
        fs::remove_dir_all(&path).unwrap();
        write(&path.join("a.yaml"), &policy("a", hour));
        store.in_force(&[("a", hour.into())]);
    }
}

#[test]
fn renamed_away_and_back() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    let away = path.with_file_name("away");
    fs::rename(&path, &away).unwrap();
    stays_in_force(&store, "does not exist");
    write(&away.join("a.yaml"), &policy("a", 2));
    fs::rename(&away, &path).unwrap();
    store.in_force(&[("a", 2), ("b", 1)]);
    write(&path.join("sub/b.yaml"), &policy("b", 2));
    store.in_force(&[("a", 2), ("b", 2)]);
}

#[test]
fn emptied_or_replaced_by_a_file() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    fs::remove_file(path.join("a.yaml")).unwrap();
    fs::remove_dir_all(path.join("sub")).unwrap();
    stays_in_force(&store, "no policy file any more");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    stays_in_force(&store, "cannot be read");
}

#[test]
fn one_file_with_nothing_in_it_is_the_word_that_the_rest_is_gone() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let store = Running::on(&path);
    write(&path.join("nothing.yaml"), "# no policies on this host any more\n");
    fs::remove_file(path.join("a.yaml")).unwrap();
    fs::remove_dir_all(path.join("sub")).unwrap();
    let loaded = store.in_force(&[]);
    assert!(loaded.config.last_reload_successful);
}

#[test]
fn a_directory_that_never_held_anything_is_in_order() {
    let (_keep, path) = directory(&[]);
    let store = Running::on(&path);
    let loaded = store.now();
    assert_eq!((loaded.config.problem.as_deref(), loaded.config.last_reload_successful), (None, true));
    write(&path.join("a.yaml"), &policy("a", 1));
    store.in_force(&[("a", 1)]);
}

#[test]
fn a_directory_that_comes_after_the_start_is_found() {
    let (_keep, path) = directory(&[]);
    let path = path.join("not/yet");
    let store = Running::on(&path);
    assert!(store.now().config.problem.as_ref().unwrap().contains("does not exist"));
    write(&path.join("a.yaml"), &policy("a", 1));
    store.in_force(&[("a", 1)]);
}

#[test]
fn missing_at_the_start_the_last_known_good_is_in_force() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("sub/b.yaml", &policy("b", 1))]);
    let accepted: Arc<Memory> = Arc::default();
    drop(Running::with(&path, Arc::clone(&accepted), NEVER, native()));
    fs::remove_dir_all(&path).unwrap();
    stays_in_force(&Running::with(&path, accepted, NEVER, native()), "does not exist");
}

#[test]
fn unmounted_and_mounted_again() {
    let (_keep, path) = directory(&[]);
    let mount = || Command::new("mount").args(["-t", "tmpfs", "seawall-test"]).arg(&path).status();
    if !mount().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this user may not mount a tmpfs");
        return;
    }
    let unmount = || assert!(Command::new("umount").arg("-l").arg(&path).status().unwrap().success());
    let fill = || {
        write(&path.join("a.yaml"), &policy("a", 1));
        write(&path.join("sub/b.yaml"), &policy("b", 1));
    };
    fill();
    // The kernel tells nobody of a mount, so the periodic look has to.
    let store = Running::with(&path, Arc::default(), SOON, native());
    unmount();
    stays_in_force(&store, "no policy file any more");
    assert!(mount().unwrap().success());
    fill();
    store.settles("all is well", |loaded| loaded.config.last_reload_successful);
    write(&path.join("a.yaml"), &policy("a", 2));
    store.in_force(&[("a", 2), ("b", 1)]);
    drop(store);
    unmount();
}

#[test]
fn a_repository_that_vanishes_stays_while_a_policy_refers_to_it() {
    let (_keep, path) = directory(&[
        ("repositories/offsite.yaml", &repository("offsite", "/mnt/offsite")),
        ("repositories/default.yaml", &repository("default", "/mnt/default")),
        ("a.yaml", &policy_into("a", 1, "offsite")),
        ("b.yaml", &policy("b", 1)),
    ]);
    let store = Running::on(&path);
    let good = store.now();
    assert!(good.config.last_reload_successful);
    fs::remove_dir_all(path.join("repositories")).unwrap();
    assert!(store.invalid("a.yaml").contains("offsite"));
    // The embedded repository of the same name must not take its place behind a person's back.
    assert!(store.invalid("b.yaml").contains("`default` is gone"));
    let loaded = store.now();
    assert_eq!(loaded.desired, good.desired);
    assert_eq!(file(&loaded, "repositories/offsite.yaml").unwrap().documents, ["offsite"]);
    assert!(!file(&loaded, "repositories/offsite.yaml").unwrap().valid);
    // Once nobody needs it, it goes.
    write(&path.join("third.yaml"), &repository("third", "/mnt/third"));
    write(&path.join("a.yaml"), &policy_into("a", 1, "third"));
    let loaded = store.settles("it goes", |loaded| !loaded.desired.repositories.contains_key("offsite"));
    assert!(file(&loaded, "repositories/offsite.yaml").is_none());
}
