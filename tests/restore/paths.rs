//! Directories and files of the host.

use crate::scene::{RARELY, differences, hard_tree};
use crate::support::operator::{Host, run};
use std::fs;
use std::path::Path;
use std::process::Command;

fn policy(name: &str, path: &Path) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{path: {{path: {}}}}}\n  schedule: {{{RARELY}}}\n",
        path.display()
    )
}

#[test]
fn a_directory_and_a_file_come_back_in_their_places_and_can_be_undone() {
    let engine = crate::support::engine::Engine::shared();
    let host = Host::new(&engine);
    let app = host.path("app");
    hard_tree(&app);
    fs::write(app.join(".env"), "old").unwrap();
    let copy = host.path("copy");
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(&app).arg(&copy)).ok();
    host.write("app.yaml", &policy("app", &app));
    host.write("env.yaml", &policy("env", &app.join(".env")));
    for name in ["app", "env"] {
        host.seawall(&["backup", name]).ok();
    }
    let read = || fs::read_to_string(app.join(".env")).ok();
    fs::write(app.join(".env"), "new").unwrap();
    host.seawall(&["restore", "env", "--yes"]).ok();
    assert_eq!(read().as_deref(), Some("old"));
    host.seawall(&["restore", "env", "--undo", "--yes"]).ok();
    assert_eq!(read().as_deref(), Some("new"));
    host.seawall(&["restore", "env", "--discard", "--yes"]).ok();
    fs::remove_file(app.join(".env")).unwrap();
    host.seawall(&["restore", "env", "--yes"]).ok();
    assert_eq!(read().as_deref(), Some("old"));
    host.seawall(&["restore", "env", "--discard", "--yes"]).ok();

    fs::remove_dir_all(&app).unwrap();
    host.seawall(&["restore", "app", "--yes"]).ok();
    assert_eq!(differences(&copy, &app), "");
    fs::write(app.join(".env"), "new").unwrap();
    host.seawall(&["restore", "app", "--path", ".env", "--yes"]).ok();
    assert_eq!(read().as_deref(), Some("old"));
}
