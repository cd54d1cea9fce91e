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
