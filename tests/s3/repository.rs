//! All that a repository on a disk does, in a bucket.

use crate::bucket::Place;
use crate::lab::{HOST, differences, key, noise};
use seawall::adapters::repository::{Control, Sample};
use seawall::reconcile::verification::Portion;
use std::fs;
use std::path::Path;

#[test]
fn restic_reads_what_seawall_wrote_and_the_other_way_round() {
    let place = Place::new();
    place.lab.write("database/a.bin", noise(40 << 20));
    place.lab.write("b c/ü+%&.txt", "text");
    let repository = place.open();
    let first = place.lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    place.check();
    assert_eq!(place.keys("locks"), [] as [String; 0], "locks go with their holders");
    let target = place.lab.dir.path().join("restored");
    place.restic(&["restore", &first.id, "--target", target.to_str().unwrap()]);
    assert_eq!(differences(&place.lab.volume(), &target.join("data")), Vec::<String>::new());

    // What is there already is not sent again.
    place.lab.write("new", "new");
    let second = place.lab.backup(&repository, 1).unwrap();
    assert!(second.added_bytes < 1 << 20, "{second:?}");
    place.restic(&["backup", place.lab.volume().to_str().unwrap()]);
    assert_eq!(repository.snapshots().unwrap().len(), 3, "restic's own is seen");

    let into = place.lab.dir.path().join("into");
    fs::create_dir(&into).unwrap();
    let id = second.snapshot.unwrap().id.clone();
    repository.restore(&id, Path::new(""), &into, &Control::default()).unwrap();
    assert_eq!(differences(&place.lab.volume(), &into), Vec::<String>::new());
    let verified = repository.verify(&id, Path::new(""), &into, Sample::default(), &Control::default()).unwrap();
    assert_eq!(verified.difference_count, 0);

    // Another process finds it, and nothing is made anew.
    let again = seawall::adapters::repository::Registry::new(place.lab.dir.path().join("other-state"));
    let again = again.open_existing(&place.repository()).unwrap().expect("there is a repository");
    assert_eq!(again.snapshots().unwrap().len(), 3);
}

#[test]
fn what_retention_drops_is_freed_in_two_steps() {
    let place = Place::new();
    place.lab.write("keep", noise(2 << 20));
    place.lab.write("drop", noise(20 << 20));
    let repository = place.open();
    let first = place.lab.backup(&repository, 0).unwrap().snapshot.unwrap();
    fs::remove_file(place.lab.volume().join("drop")).unwrap();
    place.lab.backup(&repository, 1).unwrap();
    let forgotten = repository.forget(&key(), HOST, &[first.id.to_string()], &Control::default()).unwrap();
    assert_eq!((forgotten.ids, forgotten.retained), (vec![first.id.to_string()], 0));
    let report = repository.prune(&Control::default()).unwrap();
    assert!(report.marked_bytes > 15 << 20, "{report:?}");
    place.check();
}

#[test]
fn damage_is_found_and_mended() {
    let place = Place::new();
    place.lab.write("a", noise(20 << 20));
    let repository = place.open();
    place.lab.backup(&repository, 0).unwrap();
    let all = Portion { nth: 0, of: 1 };
    let sound = repository.check(Some(all), &[], &Control::default()).unwrap();
    assert_eq!((sound.damage_count, sound.snapshots), (0, 1));
    assert!(sound.bytes_read > 2 << 20, "{sound:?}");

    // A pack that is not what was written any more, by whoever has the keys.
    let pack = place.keys("data").into_iter().next().unwrap();
    place.server.set("PUT", &format!("/backups/{pack}"), "spoiled");
    let found = repository.check(None, &[], &Control::default()).unwrap();
    assert_eq!(found.damage_count, 1, "{found:?}");
    assert!(found.damage[0].what.contains("has 7 bytes"), "{found:?}");
    let mended = repository.repair(&found.digest, None, &[], &Control::default()).unwrap();
    assert!(!mended.repaired.is_empty(), "{mended:?}");
    assert_eq!(place.keys("damaged").len(), 1, "what was spoiled is moved aside");
    // The next backup stores what was lost anew, once it is read again.
    fs::write(place.lab.volume().join("a"), noise(20 << 20)).unwrap();
    place.lab.backup(&repository, 2).unwrap();
    let whole = repository.check(Some(all), &[], &Control::default()).unwrap();
    assert_eq!(whole.damage_count, 0, "{whole:?}");
    place.check();
}
