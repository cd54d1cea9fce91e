//! Into the volume itself.

use crate::scene::{Scene, differences, hard_tree};
use crate::support::operator::run;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_hard_tree_is_back_as_it_was_under_a_running_application() {
    let scene = Scene::new();
    let tree = scene.root().join("tree");
    hard_tree(&tree);
    scene.fill("version", "old");
    fs::set_permissions(scene.root(), fs::Permissions::from_mode(0o1771)).unwrap();
    let copy = scene.host.path("copy");
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(scene.root()).arg(&copy)).ok();
    let (app, reader, other) = (
        scene.app(&[]),
        scene.engine.sleeper("reader", &[&format!("--volume={}:/in:ro", scene.volume)]),
        scene.engine.sleeper("other", &[]),
    );
    let before = scene.started_at(&other);
    scene.backup();
    fs::remove_dir_all(&tree).unwrap();
    scene.fill("version", "new");
    scene.fill("added", "since");
    fs::set_permissions(scene.root(), fs::Permissions::from_mode(0o755)).unwrap();

    let done = scene.restore(&[]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert_eq!(differences(&copy, &scene.root()), "");
    assert_eq!(scene.seen_by(&app, "/data/version").as_deref(), Ok("old"));
    assert_eq!(scene.seen_by(&reader, "/in/version").as_deref(), Ok("old"), "who only reads sees it too");
    assert_eq!(scene.started_at(&other), before, "who does not use the volume is not touched");
    for said in ["Restore of p/", "Brings back", &format!("Stops:      {app}, {reader}"), "kept for 7d"] {
        assert!(done.err.contains(said), "{said} in {}", done.err);
    }
    assert!(done.out.contains("success") && done.out.contains("stood still for"), "{}", done.out);
    assert_eq!(scene.beside().len(), 1, "what was replaced is kept");
}

#[test]
fn nothing_happens_without_a_yes() {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.backup();
    scene.fill("version", "new");
    let asked = scene.host.seawall(&["restore", "p"]);
    assert_eq!(asked.code, 1, "{asked:#?}");
    assert!(asked.err.contains("Replaces:") && asked.err.contains("add `--yes`"), "{}", asked.err);
    assert_eq!(scene.read("version").as_deref(), Some("new"));
    assert!(scene.beside().is_empty());
}

#[test]
fn a_file_a_directory_and_what_was_deleted_come_back_alone() {
    let scene = Scene::new();
    for file in ["conf/app.ini", "conf/sub/x", "data/rows", "data/more"] {
        scene.fill(file, "old");
    }
    scene.backup();
    for file in ["conf/app.ini", "conf/sub/x", "data/rows", "data/more", "conf/added"] {
        scene.fill(file, "new");
    }
    let app = scene.app(&[]);
    let is = |files: &[(&str, Option<&str>)]| {
        for (file, content) in files {
            assert_eq!(scene.read(file).as_deref(), *content, "{file}");
        }
    };
    scene.restore(&["--path", "conf/app.ini"]).ok();
    is(&[("conf/app.ini", Some("old")), ("conf/sub/x", Some("new")), ("conf/added", Some("new"))]);
    scene.restore(&["--path", "/conf/"]).ok();
    is(&[("conf/sub/x", Some("old")), ("conf/added", None), ("data/rows", Some("new"))]);
    fs::remove_file(scene.root().join("data/rows")).unwrap();
    scene.restore(&["--path", "data/rows"]).ok();
    is(&[("data/rows", Some("old")), ("data/more", Some("new"))]);
    scene.host.seawall(&["restore", "--undo", "p", "--yes"]).ok();
    is(&[("data/rows", None), ("data/more", Some("new"))]);
    assert!(scene.is_running(&app));

    fs::remove_dir_all(scene.root().join("conf")).unwrap();
    let refused = scene.restore(&["--path", "conf/sub/x"]);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("find a directory to put it into"), "{refused:#?}");
    let refused = scene.restore(&["--path", "conf/nothing"]);
    assert!(refused.err.contains("There is no conf/nothing in this snapshot"), "{refused:#?}");
}

#[test]
fn a_time_and_an_id_choose_the_snapshot() {
    let scene = Scene::new();
    scene.fill("version", "1");
    let first = scene.backup();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let between = run(Command::new("date").args(["-u", "+%FT%T.%NZ"])).ok().trim().to_owned();
    scene.fill("version", "2");
    scene.backup();
    scene.fill("version", "3");
    for (args, version) in [
        (vec![], "2"),
        (vec!["--at", &between], "1"),
        (vec!["--snapshot", "latest"], "2"),
        (vec!["--snapshot", &first[..10]], "1"),
    ] {
        scene.restore(&args).ok();
        assert_eq!(scene.read("version").as_deref(), Some(version), "{args:?}");
    }
    for (args, says) in [
        (["--at", "2001-01-01"], "has no complete snapshot of"),
        (["--at", "lately"], "`lately` is no time"),
        (["--snapshot", "ffffffffffff"], "has no snapshot ffffffffffff"),
        (["--source", "nowhere"], "there is no source with snapshots `nowhere`"),
        (["--repository", "nowhere"], "no repository nowhere is in force"),
    ] {
        let refused = scene.restore(&args);
        assert_eq!(refused.code, 1, "{refused:#?}");
        assert!(refused.err.contains(says), "{}", refused.err);
    }
    let unknown = scene.host.seawall(&["restore", "q"]);
    assert!(unknown.err.contains("there is no policy `q`"), "{}", unknown.err);
}

#[test]
fn a_volume_that_is_gone_is_made_anew_as_compose_knows_it() {
    let labels = [("com.docker.compose.project", "shop"), ("com.docker.compose.volume", "data")];
    let scene = Scene::with(&labels);
    hard_tree(&scene.root().join("tree"));
    let copy = scene.host.path("copy");
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(scene.root()).arg(&copy)).ok();
    scene.backup();
    scene.engine.docker(&["volume", "rm", &scene.volume]);
    let done = scene.restore(&[]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(done.out.contains("was gone and is made anew"), "{}", done.out);
    assert_eq!(differences(&copy, &scene.root()), "");
    let labels = scene.engine.docker(&["volume", "inspect", "--format={{json .Labels}}", &scene.volume]);
    assert!(labels.contains(r#""com.docker.compose.project":"shop""#), "{labels}");
}

#[test]
fn the_operator_does_it_where_one_runs_and_measures_it() {
    let scene = Scene::new();
    scene.fill("version", "old");
    let app = scene.app(&[]);
    let operator = scene.host.start();
    operator.until_saved("p");
    scene.fill("version", "new");
    let done = scene.restore(&[]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(!done.err.contains("no operator"), "{}", done.err);
    assert!(done.err.contains("not known yet"), "{}", done.err);
    assert_eq!(scene.seen_by(&app, "/data/version").as_deref(), Ok("old"));
    assert_eq!(operator.runs("p", "success"), 1, "that counts backups");
    let restores = [("policy", "p"), ("operation", "restore"), ("result", "success")];
    assert_eq!(operator.metric("seawall_runs_total", &restores), Some(1.0));
    let described = scene.host.seawall(&["describe", "policy", "p"]).ok();
    assert!(described.contains("seawall restore p --undo"), "{described}");
    assert!(operator.metric("seawall_restore_undo_bytes", &[]).unwrap() > 0.0);
    let again = scene.restore(&[]);
    assert!(again.err.contains("as earlier restores did"), "{}", again.err);
    let audit = scene.host.seawall(&["audit", "export"]).ok();
    assert!(audit.contains(r#""action":"restore""#), "{audit}");
    operator.stop();
}
