//! A host that is gone: what the runbook says to type on another one.

use crate::scene::{RARELY, Scene, differences, hard_tree};
use crate::support::operator::{Host, policy, run};
use std::fs;
use std::process::Command;

#[test]
fn another_host_brings_back_what_the_runbook_names() {
    let labels = [("com.docker.compose.project", "shop"), ("com.docker.compose.volume", "data")];
    let scene = Scene::with(&labels);
    hard_tree(&scene.root().join("tree"));
    scene.backup();
    let copy = scene.host.path("copy");
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(scene.root()).arg(&copy)).ok();
    let book = scene.host.seawall(&["runbook"]).ok();
    let command = book.lines().find(|line| line.starts_with("seawall --host testhost recover")).unwrap().to_owned();

    // The other host has the policies, the disk of the repository and its key, and no volume.
    scene.engine.docker(&["volume", "rm", &scene.volume]);
    let other = Host::new(&scene.engine);
    other.write("p.yaml", &policy("p", &scene.volume, RARELY, &[]));
    let key = other.path("key");
    fs::copy(scene.host.state().join("keys/default.key"), &key).unwrap();
    let words: Vec<&str> =
        command.split(' ').skip(3).map(|w| if w == "KEY" { key.to_str().unwrap() } else { w }).collect();
    let done = other.seawall(&[&words, &["--yes"][..]].concat());
    assert_eq!(done.code, 0, "{done:#?}");
    assert_eq!(differences(&copy, &scene.root()), "");
    let labels = scene.engine.docker(&["volume", "inspect", "--format={{json .Labels}}", &scene.volume]);
    assert!(labels.contains(r#""com.docker.compose.volume":"data""#), "{labels}");
    // What exists is taken as its own: no first backup is made again.
    let listed = other.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}
