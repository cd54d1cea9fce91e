//! The engine for tests is one, and cleans up after itself.

mod support;

use support::engine::Engine;

#[test]
fn what_a_test_makes_goes_away_with_it() {
    let keeper = Engine::shared();
    let engine = Engine::shared();
    let volume = engine.volume("harness", &[], &[("made-by", "test")]);
    let container = engine.sleeper("harness", &[&format!("--volume={volume}:/data")]);
    engine.docker(&["exec", &container, "/bin/busybox", "touch", "/data/file"]);
    assert!(engine.mountpoint(&volume).join("file").exists());
    drop(engine);
    keeper.try_docker(&["volume", "inspect", &volume]).unwrap_err();
    keeper.try_docker(&["container", "inspect", &container]).unwrap_err();
}

#[test]
fn a_private_engine_keeps_its_volumes_over_a_restart() {
    let engine = Engine::private();
    let volume = engine.volume("kept", &[], &[]);
    engine.stop();
    engine.try_docker(&["info"]).unwrap_err();
    engine.start();
    assert_eq!(engine.docker(&["volume", "ls", "--quiet"]), volume);
}
