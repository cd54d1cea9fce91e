//! Forgetting and pruning take away what they should and nothing else.

use crate::lab::{HOST, Lab, key, meta, noise};
use seawall::adapters::repository::{Control, Reason, RepositoryAdapter};
use seawall::reconcile::SourceKey;
use std::path::Path;

fn ids(repository: &RepositoryAdapter) -> Vec<String> {
    let mut snapshots = repository.snapshots().unwrap();
    snapshots.sort_by_key(|snapshot| snapshot.time);
    snapshots.into_iter().map(|snapshot| snapshot.id.to_string()).collect()
}

fn forget(repository: &RepositoryAdapter, source: &SourceKey, ids: &[String]) -> Result<Vec<String>, Reason> {
    repository
        .forget(source, HOST, ids, &Control::default())
        .map(|forgotten| forgotten.ids)
        .map_err(|error| error.kind())
}

#[test]
fn only_own_snapshots_of_the_source_are_forgotten_and_never_the_newest_complete() {
    let lab = Lab::new();
    lab.write("a", "x");
    let repository = lab.open();
    for second in 0..3 {
        lab.backup(&repository, second).unwrap();
    }
    let mut elsewhere = meta(10);
    elsewhere.host = "another-host".to_owned();
    repository.backup(&lab.tree(), &elsewhere, &Control::default()).unwrap();
    lab.restic(&["backup", "--tag", "seawall,policy=data-policy,source=data", lab.volume().to_str().unwrap()]);
    let all = ids(&repository);
    assert_eq!(all.len(), 5);
    let own: Vec<String> =
        all.iter().filter(|id| lab.restic(&["cat", "snapshot", id]).contains("run=run-")).cloned().collect();
    let foreign = all.iter().find(|id| !own.contains(id)).unwrap();

    for (refused, why) in [
        (vec![own[0].clone(), own[2].clone()], "the newest complete one"),
        (vec![own[0].clone(), own[3].clone()], "another host's"),
        (vec![own[0].clone(), foreign.clone()], "without all of our tags"),
        (vec![own[0][..8].to_owned()], "an abbreviation"),
    ] {
        assert_eq!(forget(&repository, &key(), &refused), Err(Reason::Refused), "{why}");
    }
    let other = SourceKey { source: "other".to_owned(), ..key() };
    assert_eq!(forget(&repository, &other, &own[..1]), Err(Reason::Refused), "of another source");
    assert_eq!(ids(&repository).len(), 5, "a refusal forgets nothing");

    let gone = "0".repeat(64);
    assert_eq!(forget(&repository, &key(), &[own[0].clone(), own[1].clone(), gone]), Ok(own[..2].to_vec()));
    assert_eq!(ids(&repository).len(), 3);
    lab.check();
}

#[test]
fn space_is_freed_in_two_steps_and_what_is_needed_stays() {
    let lab = Lab::new();
    lab.write("keep", noise(2 << 20));
    lab.write("drop", noise(20 << 20));
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    std::fs::remove_file(lab.volume().join("drop")).unwrap();
    let kept = lab.backup(&repository, 1).unwrap().snapshot.unwrap();
    let old = ids(&repository)[0].clone();
    forget(&repository, &key(), &[old]).unwrap();

    let report = repository.prune(&Control::default()).unwrap();
    assert_eq!(report.freed_bytes, 0, "never at once");
    assert!(report.marked_bytes > 15 << 20, "{report:?}");
    lab.check();
    let again = repository.prune(&Control::default()).unwrap();
    assert_eq!(again.freed_bytes, 0, "not before 23 hours have passed");
    assert_eq!(lab.restored_differences(&kept.id), [] as [String; 0]);

    // What was marked and is wanted again is there again.
    lab.write("drop", noise(20 << 20));
    let back = lab.backup(&repository, 2).unwrap();
    repository.prune(&Control::default()).unwrap();
    lab.check();
    std::fs::remove_dir_all(lab.dir.path().join("restored")).unwrap();
    assert_eq!(lab.restored_differences(&back.snapshot.unwrap().id), [] as [String; 0]);
}

#[test]
fn what_a_prune_has_marked_can_still_be_restored_and_is_taken_for_stored_by_no_backup() {
    let lab = Lab::new();
    lab.write("keep", "x");
    lab.write("drop/it", noise(2 << 20));
    let repository = lab.open();
    let old = lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    std::fs::remove_dir_all(lab.volume().join("drop")).unwrap();
    lab.backup(&repository, 1).unwrap();
    let file = lab.repository().join("snapshots").join(&*old.id);
    let content = std::fs::read(&file).unwrap();
    forget(&repository, &key(), &[old.id.to_string()]).unwrap();
    assert!(repository.prune(&Control::default()).unwrap().marked_bytes > 1 << 20);

    // As when another program wrote a snapshot while this one marked what it needs.
    std::fs::write(&file, content).unwrap();
    let into = lab.dir.path().join("into");
    std::fs::create_dir(&into).unwrap();
    repository.restore(&old.id, Path::new(""), &into, &Control::default()).unwrap();
    let brought = std::fs::read(into.join("drop/it")).unwrap();
    assert_eq!(brought.len(), 2 << 20);
    lab.write("drop/it", brought);
    assert!(lab.backup(&repository, 2).unwrap().added_bytes > 1 << 20);
    forget(&repository, &key(), &[old.id.to_string()]).unwrap();
    lab.check();
}

#[test]
fn a_prune_sweeps_what_killed_writers_left() {
    let lab = Lab::new();
    lab.write("a", "x");
    let repository = lab.open();
    lab.backup(&repository, 0).unwrap();
    let leftover = lab.repository().join("data/00").join(format!("{}-tmp-1-1", "0".repeat(64)));
    let recent = lab.repository().join("data/00/recent-tmp-1-1");
    std::fs::write(&recent, "being written").unwrap();
    let file = std::fs::File::create(&leftover).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    repository.prune(&Control::default()).unwrap();
    assert!(!leftover.exists() && recent.exists());
    lab.check();
}
