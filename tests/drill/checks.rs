//! What a check of a repository finds, and how it is mended.

use crate::{Drilled, flip, noise};
use serde_json::Value;
use std::fs;

/// The pack that holds the data of `noise`: the largest.
fn largest(drilled: &Drilled) -> std::path::PathBuf {
    drilled.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap()
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_flipped_byte_is_found_named_mended_and_healed() {
    let drilled = Drilled::new("{compareSample: 100%}", &[]);
    let operator = drilled.host.start();
    operator.until_saved("app");
    drilled.host.seawall(&["check", "--read-data", "100"]).ok();
    assert_eq!(drilled.last("check")["result"], "success");
    let (snapshot, pack) = (drilled.host.snapshots()[0]["id"].as_str().unwrap().to_owned(), largest(&drilled));
    flip(&pack);

    drilled.host.seawall(&["check", "--read-data", "0"]).ok();
    let healthy = || operator.metric("seawall_repository_healthy", &[("repository", "default")]);
    assert_eq!(healthy(), Some(1.0), "what is not read is not seen");
    let said = drilled.host.seawall(&["check", "default", "--read-data", "100"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let path = format!("/{}/noise", drilled.volume);
    for wanted in [&name(&pack), &snapshot, &path] {
        assert!(said.out.contains(wanted.as_str()), "{wanted} in {said:#?}");
    }
    assert!(!said.out.contains("app.ini"), "only what is touched is named: {said:#?}");
    assert_eq!(healthy(), Some(0.0));
    assert_eq!(drilled.condition("RepositoryHealthy").0, "False");
    // A check that reads something else does not make it well.
    assert_eq!(drilled.host.seawall(&["check", "--read-data", "0"]).code, 1);
    assert_eq!(healthy(), Some(0.0));
    let said = drilled.host.seawall(&["drill", "app"]);
    assert_eq!(said.code, 1, "a drill of it fails: {said:#?}");
    assert_eq!(drilled.leftovers(), [""; 0]);

    let said = drilled.host.seawall(&["check", "default", "--repair"]);
    assert!(said.code == 1 && said.err.contains("nobody is there to be asked"), "{said:#?}");
    assert!(said.out.contains("A repair would:"), "{said:#?}");
    assert!(pack.exists(), "nothing is done without a yes");
    let said = drilled.host.seawall(&["check", "default", "--repair", "--yes"]);
    assert!(said.code == 1 && said.out.contains("Rebuilt the index"), "the snapshot has lost a file: {said:#?}");
    let after = said.out.split("Rebuilt the index").last().unwrap();
    assert!(after.contains(&path) && !after.contains("app.ini"), "what was beside it in its pack is saved: {said:#?}");
    assert!(
        !pack.exists()
            && drilled.host.state().join("repository/damaged").join(format!("data-{}", name(&pack))).exists()
    );
    assert!(said.out.contains(&path), "{said:#?}");

    // The volume still holds it: the next backup stores it again, and every snapshot is whole.
    drilled.host.seawall(&["backup", "app"]).ok();
    drilled.host.seawall(&["check", "default", "--read-data", "100"]).ok();
    operator.until("it is healthy again", |_| healthy() == Some(1.0));
    drilled.host.seawall(&["drill", "app"]).ok();
    operator.stop();
    drilled.host.restic(&["check", "--read-data"]);
    assert_eq!(drilled.host.differences(&snapshot, &drilled.volume, &drilled.root()), "");
}

#[test]
fn packs_that_are_gone_or_cut_are_found_without_reading_data() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    drilled.host.seawall(&["backup", "app"]).ok();
    let pack = largest(&drilled);
    let whole = fs::read(&pack).unwrap();
    fs::write(&pack, &whole[..whole.len() - 100]).unwrap();
    let said = drilled.host.seawall(&["check"]);
    assert!(said.code == 1 && said.out.contains(&format!("pack {} has ", name(&pack))), "{said:#?}");
    fs::remove_file(&pack).unwrap();
    let said = drilled.host.seawall(&["check"]);
    assert!(said.code == 1 && said.out.contains(&format!("pack {} is gone", name(&pack))), "{said:#?}");
    assert!(said.out.contains("/noise"), "{said:#?}");
    fs::write(&pack, &whole).unwrap();
    drilled.host.seawall(&["check"]).ok();
    for (directory, what) in [("index", "index file"), ("snapshots", "snapshot")] {
        let file = fs::read_dir(drilled.host.state().join("repository").join(directory)).unwrap();
        let file = file.map(|entry| entry.unwrap().path()).next().unwrap();
        let whole = fs::read(&file).unwrap();
        flip(&file);
        let said = drilled.host.seawall(&["check"]);
        let wanted = format!("{what} {} is not what was written", name(&file));
        assert!(said.code == 1 && (said.out.contains(&wanted) || said.err.contains(&name(&file)[..8])), "{said:#?}");
        fs::write(&file, whole).unwrap();
    }
    drilled.host.seawall(&["check"]).ok();
}

/// Each check reads another share, and together they read every pack once.
#[test]
fn checks_that_read_a_share_each_read_all_in_time() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    for n in 0..8 {
        fs::write(drilled.root().join(format!("more-{n}")), &noise(700_000)[n..]).unwrap();
        drilled.host.seawall(&["backup", "app"]).ok();
    }
    let all = drilled.packs().len() as u64;
    assert!(all > 8, "{all} packs");
    let read = |report: &Value| (report["portion"]["nth"].as_u64().unwrap(), report["packsRead"].as_u64().unwrap());
    let mut shares = Vec::new();
    for _ in 0..4 {
        drilled.host.seawall(&["check", "default", "--read-data", "25"]).ok();
        shares.push(read(&drilled.last("check")["check"]));
    }
    shares.sort_unstable();
    assert_eq!(shares.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(), [0, 1, 2, 3], "{shares:?}");
    assert_eq!(shares.iter().map(|(_, packs)| packs).sum::<u64>(), all, "{shares:?}");
    assert!(shares.iter().filter(|(_, packs)| *packs > 0).count() > 1, "{shares:?}");
    let status = drilled.host.seawall(&["get", "repositories", "-o", "json"]).json();
    assert!(status.to_string().contains("allReadSince\":\"20"), "{status:#}");
}

#[test]
fn a_check_is_made_when_its_slot_has_come() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    let text = "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {name: default}\n\
                spec: {local: {}, check: {schedule: {every: 1m}, readDataPercent: 100}}\n";
    drilled.host.write("repository.yaml", text);
    let operator = drilled.host.start();
    let labels = [("repository", "default")];
    assert_eq!(operator.metric("seawall_repository_check_last_success_timestamp_seconds", &labels), Some(0.0));
    assert!(operator.metric("seawall_repository_check_deadline_timestamp_seconds", &labels).unwrap() > 0.0);
    let counted = [("policy", "@default"), ("operation", "check"), ("result", "success")];
    operator.until("a check by schedule", |o| o.metric("seawall_runs_total", &counted).is_some_and(|n| n >= 1.0));
    assert!(operator.metric("seawall_repository_check_last_success_timestamp_seconds", &labels).unwrap() > 0.0);
    operator.stop();
}
