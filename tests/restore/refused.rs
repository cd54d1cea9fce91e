//! What cannot be restored is refused before anything stops.

use crate::scene::{RARELY, Scene};
use crate::support::engine::Engine;
use crate::support::operator::{Host, policy, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes
}

/// The restore fails with these words, and neither the application nor the volume has noticed.
fn is_refused(scene: &Scene, app: &str, args: &[&str], says: &str) {
    let before = scene.started_at(app);
    let refused = scene.restore(args);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.out.contains(says) || refused.err.contains(says), "{says} in {refused:#?}");
    assert_eq!(scene.started_at(app), before, "{says}");
    assert_eq!(scene.read("version").as_deref(), Some("new"), "{says}");
    assert!(scene.beside().is_empty(), "{says}");
}

fn ready() -> (Scene, String, String) {
    let scene = Scene::new();
    scene.fill("version", "old");
    scene.fill("media", noise(3 << 20));
    let id = scene.backup();
    scene.fill("version", "new");
    let app = scene.app(&[]);
    (scene, app, id)
}

#[test]
fn a_damaged_pack_and_the_wrong_key() {
    let (scene, app, _) = ready();
    let found =
        run(Command::new("find").arg(scene.host.state().join("repository/data")).args(["-type", "f", "-size", "+1M"]));
    let pack = PathBuf::from(found.ok().lines().next().unwrap());
    let sound = fs::read(&pack).unwrap();
    let mut damaged = sound.clone();
    damaged[1000] ^= 1;
    fs::write(&pack, &damaged).unwrap();
    is_refused(&scene, &app, &[], "is damaged");
    fs::remove_file(&pack).unwrap();
    is_refused(&scene, &app, &[], "lacks the file");
    fs::write(&pack, &sound).unwrap();
    let key = scene.host.state().join("keys/default.key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "wrong\n").unwrap();
    is_refused(&scene, &app, &[], "key");
    fs::write(&key, right).unwrap();
    scene.restore(&[]).ok();
    assert_eq!(scene.seen_by(&app, "/data/version").as_deref(), Ok("old"));
}

#[test]
fn a_snapshot_of_another_source() {
    let (scene, app, _) = ready();
    let other = scene.engine.volume("other", &[], &[]);
    fs::write(scene.engine.mountpoint(&other).join("file"), "x").unwrap();
    scene.host.write("q.yaml", &policy("q", &other, RARELY, &[]));
    scene.host.seawall(&["backup", "q"]).ok();
    let id = scene.host.snapshots().last().unwrap()["id"].as_str().unwrap().to_owned();
    is_refused(&scene, &app, &["--snapshot", &id], "has no snapshot");
    // The operator does not take anybody's word for it.
    let operator = scene.host.start();
    let path = format!("/api/v1/policies/p/restore?source={}&repository=default&snapshot={id}", scene.volume);
    let socket = scene.host.state().join("seawall.sock");
    let url = format!("http://seawall{path}");
    run(Command::new("curl").args(["-fsS", "-X", "POST", "--unix-socket"]).arg(&socket).arg(&url)).ok();
    let failed = [("policy", "p"), ("operation", "restore"), ("result", "failure")];
    operator.until("it is refused", |o| o.metric("seawall_runs_total", &failed) == Some(1.0));
    let said = scene.host.seawall(&["get", "runs", "--policy", "p"]).ok();
    assert!(said.contains(&format!("is of q/{other}, not of p/")), "{said}");
    assert_eq!(scene.read("version").as_deref(), Some("new"));
    operator.stop();
}

#[test]
fn a_container_that_is_paused() {
    let (scene, app, _) = ready();
    scene.engine.docker(&["pause", &app]);
    is_refused(&scene, &app, &[], "is paused and has the volume");
    scene.engine.docker(&["unpause", &app]);
    scene.restore(&[]).ok();
}

/// It would go on with what was replaced: neither stopped nor told.
#[test]
fn a_container_that_has_the_directory_and_not_the_volume() {
    let (scene, app, _) = ready();
    let mount = format!("--volume={}:/data", scene.root().display());
    let bound = scene.engine.sleeper("bound", &[&mount, "--stop-timeout=1"]);
    // One that has what is above it sees whatever is there.
    let above = format!("--volume={}:/data", scene.root().parent().unwrap().display());
    let above = scene.engine.sleeper("above", &[&above]);
    is_refused(&scene, &app, &[], &format!("The container {bound} has"));
    scene.engine.docker(&["stop", &bound]);
    scene.restore(&[]).ok();
    assert_eq!(scene.seen_by(&above, "/data/_data/version").as_deref(), Ok("old"));
    scene.engine.docker(&["start", &bound]);
    assert_eq!(scene.seen_by(&bound, "/data/version").as_deref(), Ok("old"));
    let undo = scene.host.seawall(&["restore", "p", "--undo", "--yes"]);
    assert!(undo.code == 1 && undo.out.contains("by a bind mount"), "{undo:#?}");
}

#[test]
fn too_little_space() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let disk = host.path("disk");
    fs::create_dir(&disk).unwrap();
    let _mounted = crate::support::operator::Tmpfs::over(&disk, "8m");
    fs::create_dir(disk.join("data")).unwrap();
    let device = disk.join("data");
    let volume = engine.volume("small", &[("type", "none"), ("o", "bind"), ("device", device.to_str().unwrap())], &[]);
    host.write("p.yaml", &policy("p", &volume, RARELY, &[]));
    fs::write(device.join("version"), "old").unwrap();
    fs::write(device.join("media"), noise(3 << 20)).unwrap();
    let app = engine.sleeper("app", &[&format!("--volume={volume}:/data"), "--stop-timeout=1"]);
    host.seawall(&["backup", "p"]).ok();
    fs::write(device.join("version"), "new").unwrap();
    // A volume that stands for a directory is restored there.
    host.seawall(&["restore", "p", "--yes"]).ok();
    let seen = |file: &str| engine.docker(&["exec", app.as_str(), "/bin/busybox", "cat", file]);
    assert_eq!(seen("/data/version"), "old");
    // What the first one replaced takes the room of the second.
    let refused = host.seawall(&["restore", "p", "--yes"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(
        refused.out.contains("are needed beside what is there") && refused.out.contains("--discard"),
        "{refused:#?}"
    );
    let directory = host.seawall(&["restore", "p", "--to", disk.join("look").to_str().unwrap()]);
    assert!(directory.err.contains("there is not enough room"), "{directory:#?}");
    assert!(!disk.join("look").exists());
    host.seawall(&["restore", "--discard", "--yes"]).ok();
    host.seawall(&["restore", "p", "--yes"]).ok();
    host.seawall(&["restore", "--discard", "--yes"]).ok();
    engine.remove_container(&app);
}
