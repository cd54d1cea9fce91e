//! Directories and files of the host as sources.

use crate::RARELY;
use crate::support::operator::{Host, Operator};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn path_policy(name: &str, path: &Path) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{path: {{path: {}, exclude: [\"*.log\"]}}}}\n  schedule: {{{RARELY}}}\n",
        path.display()
    )
}

fn condition(operator: &Operator, policy: &str, kind: &str) -> (String, String) {
    let status = operator.status();
    let conditions = status["policies"][policy]["conditions"].as_array().unwrap().clone();
    let found = conditions.iter().find(|c| c["type"] == kind).unwrap();
    (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
}

#[test]
fn a_directory_and_one_file_are_saved_although_docker_is_away() {
    let host = Host::on("unix:///nowhere/docker.sock");
    let app = host.path("app");
    fs::create_dir_all(app.join("data")).unwrap();
    fs::write(app.join(".env"), "TOKEN=1").unwrap();
    fs::write(app.join("data/file"), "content").unwrap();
    fs::write(app.join("data/app.log"), "noise").unwrap();
    symlink(&app, host.path("link")).unwrap();
    host.write("env.yaml", &path_policy("env", &app.join(".env")));
    host.write("app.yaml", &path_policy("app", &host.path("link")));
    let operator = host.start();
    operator.until_saved("env");
    operator.until_saved("app");
    assert_eq!(condition(&operator, "env", "SourceReadable").0, "True");
    assert_eq!(condition(&operator, "env", "Ready"), ("True".to_owned(), "Protected".to_owned()));

    let listed = host.seawall(&["get", "snapshots", "-o", "json"]).json();
    let id = |policy: &str| {
        let list = listed.as_array().unwrap();
        let one = list.iter().find(|s| s["source"]["policy"] == policy).unwrap();
        assert_eq!(one["complete"], true, "{one:#}");
        one["id"].as_str().unwrap().to_owned()
    };
    let files = |policy: &str| host.restic(&["ls", &id(policy)]);
    let env = files("env");
    assert!(env.contains("/app/.env") && !env.contains("data"), "{env}");
    let tree = files("app");
    assert!(tree.contains("/app/.env") && tree.contains("/app/data/file") && !tree.contains("app.log"), "{tree}");
    assert_eq!(host.restic(&["dump", &id("env"), "/app/.env"]), "TOKEN=1");
    let described = host.seawall(&["describe", "policy", "env"]).ok();
    assert!(described.contains(&app.join(".env").display().to_string()), "{described}");
    operator.stop();
}

#[test]
fn a_path_that_is_gone_or_holds_the_backups_themselves_is_a_failure_that_says_so() {
    let host = Host::on("unix:///nowhere/docker.sock");
    host.write("gone.yaml", &path_policy("gone", &host.path("not-there")));
    let around = host.state().parent().unwrap().to_owned();
    host.write("around.yaml", &path_policy("around", &around));
    let operator = host.start();
    for (policy, says) in [("gone", "not-there cannot be read"), ("around", "which is Seawall's own")] {
        operator.until("it failed", |o| o.runs(policy, "failure") > 0);
        let run = operator.status()["policies"][policy]["sources"][0]["lastRun"].clone();
        assert!(run["message"].as_str().unwrap().contains(says), "{run:#}");
        assert_eq!(condition(&operator, policy, "SourceReadable"), ("Unknown".to_owned(), "LastRunFailed".to_owned()));
    }
    assert!(host.snapshots().is_empty());
    operator.stop();
}
