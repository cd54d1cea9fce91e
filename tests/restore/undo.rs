//! What a restore replaced.

use crate::scene::Scene;
use std::fs;

#[test]
fn a_restore_can_be_undone_done_again_and_discarded() {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.backup();
    scene.fill("version", "new");
    let app = scene.app(&[]);
    scene.restore(&[]).ok();
    for (undone, version) in [(true, "new"), (false, "old"), (true, "new")] {
        let done = scene.host.seawall(&["restore", "p", "--undo", "--yes"]);
        assert_eq!(done.code, 0, "{done:#?}");
        assert_eq!(scene.seen_by(&app, "/data/version").as_deref(), Ok(version), "undone: {undone}");
        assert_eq!(scene.beside().len(), 1);
    }
    scene.restore(&[]).ok();
    assert_eq!(scene.beside().len(), 2);
    let refused = scene.host.seawall(&["restore", "--discard"]);
    assert!(refused.code == 1 && refused.err.contains("add `--yes`"), "{refused:#?}");
    scene.host.seawall(&["restore", "--discard", "--yes"]).ok();
    assert!(scene.beside().is_empty());
    assert_eq!(scene.read("version").as_deref(), Some("old"));
    assert!(scene.host.seawall(&["restore", "--undo", "--yes"]).err.contains("nothing is kept of any restore"));
}

#[test]
fn what_was_replaced_goes_when_its_time_is_over_and_not_before() {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.backup();
    scene.restore(&[]).ok();
    let record = fs::read_dir(scene.host.state().join("restores")).unwrap().next().unwrap().unwrap().path();
    let operator = scene.host.start();
    assert_eq!(operator.status()["undos"].as_array().unwrap().len(), 1);
    operator.stop();
    assert_eq!(scene.beside().len(), 1);
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    kept["undo"]["expires"] = "2026-01-01T00:00:00Z".into();
    fs::write(&record, serde_json::to_vec(&kept).unwrap()).unwrap();
    let operator = scene.host.start();
    operator.until("it is gone", |o| o.status()["undos"].as_array().unwrap().is_empty());
    assert!(scene.beside().is_empty() && !record.exists());
    assert_eq!(scene.read("version").as_deref(), Some("old"));
    operator.stop();
}

#[test]
fn a_person_says_how_long_it_is_kept_and_a_restore_removes_what_is_over() {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.backup();
    let said = scene.restore(&["--keep", "1s"]);
    assert!(said.code == 0 && said.err.contains("kept for 1s"), "{said:#?}");
    let first = scene.beside();
    assert_eq!(first.len(), 1);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // No operator runs that would remove it.
    let again = scene.restore(&["--keep", "30d"]);
    assert!(again.code == 0 && again.err.contains("kept for 30d"), "{again:#?}");
    let second = scene.beside();
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    let operator = scene.host.start();
    scene.restore(&["--keep", "10d"]).ok();
    let days = |undo: &serde_json::Value| {
        let at = |name: &str| undo[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        at("expires").duration_since(at("at")).as_hours() + 1
    };
    let undos = operator.status()["undos"].as_array().unwrap().iter().map(days).collect::<Vec<_>>();
    assert_eq!(undos, [240, 720], "newest first");
    operator.stop();
    let wrong = scene.restore(&["--keep", "soon"]);
    assert!(wrong.code != 0 && wrong.err.contains("length of time"), "{wrong:#?}");
}

#[test]
fn an_undo_that_went_with_its_volume_says_so() {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.backup();
    scene.restore(&[]).ok();
    scene.engine.docker(&["volume", "rm", &scene.volume]);
    let refused = scene.host.seawall(&["restore", "p", "--undo", "--yes"]);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("is not there any more"), "{refused:#?}");
    scene.host.seawall(&["restore", "p", "--discard", "--yes"]).ok();
}
