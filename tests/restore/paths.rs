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

#[test]
fn what_went_aside_with_the_directory_around_it_is_undone_after_that() {
    let host = Host::on("unix:///nowhere/docker.sock");
    let app = host.path("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join(".env"), "old").unwrap();
    host.write("app.yaml", &policy("app", &app));
    host.write("env.yaml", &policy("env", &app.join(".env")));
    for name in ["app", "env"] {
        host.seawall(&["backup", name]).ok();
    }
    fs::write(app.join(".env"), "new").unwrap();
    host.seawall(&["restore", "env", "--yes"]).ok();
    host.seawall(&["restore", "app", "--yes"]).ok();
    let refused = host.seawall(&["restore", "env", "--undo", "--yes"]);
    let said = format!("went aside with {}, which was replaced as a whole later", app.display());
    assert!(refused.code == 1 && refused.out.contains(&said), "{refused:#?}");
    assert!(refused.out.contains("`seawall restore app --undo`"), "{refused:#?}");
    host.seawall(&["restore", "app", "--undo", "--yes"]).ok();
    host.seawall(&["restore", "env", "--undo", "--yes"]).ok();
    assert_eq!(fs::read_to_string(app.join(".env")).unwrap(), "new");
}

/// Found while archives of one file were written: the name in the snapshot is that of what the link leads to.
#[test]
fn a_file_that_a_link_stands_for_comes_back_behind_the_link() {
    let host = Host::on("unix:///nowhere/docker.sock");
    fs::create_dir(host.path("shared")).unwrap();
    let (real, link) = (host.path("shared/production.env"), host.path(".env"));
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    host.write("env.yaml", &policy("env", &link));
    host.seawall(&["backup", "env"]).ok();
    fs::write(&real, "new").unwrap();
    host.seawall(&["restore", "env", "--yes"]).ok();
    assert_eq!(fs::read_to_string(&real).unwrap(), "old");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    host.seawall(&["restore", "env", "--undo", "--yes"]).ok();
    assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    // On another host there is neither.
    fs::remove_file(&real).unwrap();
    fs::remove_file(&link).unwrap();
    host.seawall(&["restore", "env", "--yes"]).ok();
    assert_eq!(fs::read_to_string(&link).unwrap(), "old");
}
