//! What a look reads, counted by the kernel for the thread that looks.

use super::support::{directory, policy, write};
use crate::store::last_known_good::LastKnownGood;
use crate::store::load::Loader;
use std::sync::Arc;
use std::time::Duration;

/// Few enough that the look needs no other threads.
const FILES: usize = 50;
const SIZE: usize = 8 << 10;

fn read_so_far() -> usize {
    let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Bytes that a look reads.
fn look(loader: &mut Loader) -> usize {
    let before = read_so_far();
    let look = loader.look();
    let read = read_so_far() - before;
    loader.decide(&look);
    read
}

#[test]
fn a_file_that_is_as_it_was_is_not_read_again_unless_a_person_asks() {
    let long = |name: &str, hour| format!("{}# {}\n", policy(name, hour), "-".repeat(SIZE));
    let files: Vec<_> = (0..FILES).map(|n| (format!("p{n}.yaml"), long(&format!("p{n}"), 1))).collect();
    let files: Vec<_> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let (_keep, path) = directory(&files);
    let mut loader = Loader::new(path.clone(), LastKnownGood::default());
    loader.looker.step = Duration::ZERO;
    assert!(look(&mut loader) > FILES * SIZE);
    assert!(look(&mut loader) < 2 * SIZE, "all are as they were");
    let (first, again) = (loader.look(), loader.look());
    assert!(
        Arc::ptr_eq(&first.files, &again.files) && Arc::ptr_eq(&first.listing, &again.listing),
        "nothing is made anew"
    );
    std::fs::write(path.join("p7.yaml"), long("p7", 2)).unwrap();
    let read = look(&mut loader);
    assert!((SIZE..3 * SIZE).contains(&read), "{read} bytes for one that changed");
    assert_eq!(loader.good.generation(&("BackupPolicy".to_owned(), "p7".to_owned())), 2);
    loader.looker.forget_readings();
    assert!(look(&mut loader) > FILES * SIZE);
}

#[test]
fn a_file_is_read_until_its_times_can_tell() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let mut loader = Loader::new(path, LastKnownGood::default());
    for nth in 0..3 {
        assert!(look(&mut loader) > 100, "look {nth}");
    }
}

#[test]
fn what_was_decided_is_not_decided_again() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1)), ("b.yaml", "bogus")]);
    let mut loader = Loader::new(path.clone(), LastKnownGood::default());
    let first = loader.look();
    assert!(!loader.has_decided(&first));
    loader.decide(&first);
    let again = loader.look();
    assert!(loader.has_decided(&again), "nothing changed");
    std::fs::write(path.join("b.yaml"), "other").unwrap();
    let other = loader.look();
    assert!(!loader.has_decided(&other), "what is wrong may be told otherwise");
    loader.decide(&other);
    std::fs::remove_file(path.join("b.yaml")).unwrap();
    let gone = loader.look();
    assert!(!loader.has_decided(&gone));
}

#[test]
fn a_link_that_was_passed_by_may_come_to_lead_to_policies() {
    let (_keep, path) = directory(&[("a.yaml", &policy("a", 1))]);
    let target = path.with_file_name("target");
    std::fs::write(&target, "no directory").unwrap();
    std::os::unix::fs::symlink(&target, path.join("more")).unwrap();
    let mut loader = Loader::new(path, LastKnownGood::default());
    loader.looker.step = Duration::ZERO;
    assert_eq!(loader.look().files.len(), 1);
    std::fs::remove_file(&target).unwrap();
    write(&target.join("b.yaml"), &policy("b", 1));
    assert_eq!(loader.look().files.len(), 2);
}
