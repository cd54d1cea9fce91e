//! `seawall key`: the one command that prints a secret.

use super::binary::{on, stdout};
use super::fixture::{FakeOperator, STATUS};
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use seawall::status::persist::StateDir;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const KEY: &str = "5ea3a11";
const NOTED: &str = "POST /api/v1/repositories/default/key-exported";

/// A state directory with one key that Seawall made, and an operator that takes note.
fn host() -> (TempDir, FakeOperator) {
    let state = TempDir::new().unwrap();
    fs::create_dir(state.path().join("keys")).unwrap();
    fs::write(state.path().join("keys/default.key"), format!("{KEY}\n")).unwrap();
    fs::write(state.path().join("secret.key"), "not a repository's").unwrap();
    let operator = FakeOperator::start(state.path(), &[("GET /api/v1/status", 200, STATUS), (NOTED, 200, "")]);
    (state, operator)
}

#[test]
fn the_key_alone_goes_to_a_pipe_and_is_noted() {
    let (state, operator) = host();
    on(&state, &["key", "export"])
        .assert()
        .code(0)
        .stdout(format!("{KEY}\n"))
        .stderr(contains("Without it no snapshot can be restored").and(contains(KEY).not()));
    assert_eq!(operator.asked(), [NOTED]);
}

#[test]
fn a_key_file_is_private_new_and_the_only_place_of_the_key() {
    let (state, operator) = host();
    let file = state.path().join("copy");
    let args = ["key", "export", "default", "--output", file.to_str().unwrap()];
    on(&state, &args).assert().code(0).stdout(is_empty()).stderr(contains(KEY).not());
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{KEY}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "something else").unwrap();
    on(&state, &args).assert().code(1).stderr(contains("exists already").and(contains("help: name a new file")));
    assert_eq!(fs::read_to_string(&file).unwrap(), "something else");
    assert_eq!(operator.asked(), [NOTED], "what failed is not noted");
}

#[test]
fn a_name_that_is_no_repository_opens_no_file() {
    let (state, operator) = host();
    for name in ["../secret", "/etc/passwd", "defualt", ""] {
        on(&state, &["key", "export", name]).assert().code(1).stdout(is_empty()).stderr(contains("there is no key"));
    }
    on(&state, &["key", "export", "defualt"]).assert().stderr(contains("did you mean `default`?"));
    assert!(operator.asked().is_empty());
    let empty = TempDir::new().unwrap();
    on(&empty, &["key", "export"])
        .assert()
        .code(1)
        .stderr(contains("has made no key in").and(contains("first backup")));
}

#[test]
fn a_key_whose_export_nobody_noted_is_an_error_that_says_so() {
    let (state, _) = host();
    fs::remove_file(state.path().join("seawall.sock")).unwrap();
    let _refusing = FakeOperator::start(state.path(), &[(NOTED, 500, r#"{"error":"the disk is full"}"#)]);
    on(&state, &["key", "export"])
        .assert()
        .code(1)
        .stdout(format!("{KEY}\n"))
        .stderr(contains("could not be noted").and(contains("caused by: the disk is full")));
}

#[test]
fn status_tells_what_is_still_to_be_exported_and_no_key() {
    let (state, _operator) = host();
    let text = stdout(&mut on(&state, &["key", "status"]));
    insta::assert_snapshot!("key_status", text);
    let json = stdout(&mut on(&state, &["key", "status", "-o", "json"]));
    assert!(!json.contains(KEY));
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list[0], serde_json::json!({"repository": "default", "madeBySeawall": true, "exported": false}));
}

#[test]
fn without_an_operator_the_state_directory_takes_note_and_the_audit_trail_tells() {
    let (state, _) = host();
    fs::remove_file(state.path().join("seawall.sock")).unwrap();
    on(&state, &["audit", "verify"]).assert().code(1).stderr(contains("there is no audit trail"));
    on(&state, &["key", "export"]).assert().code(0).stdout(format!("{KEY}\n"));
    let remembered = StateDir::open_read_only(state.path()).unwrap().load_facts();
    assert!(remembered.repositories["default"].key_exported);
    on(&state, &["audit", "verify"]).assert().code(0).stdout(starts_with("whole: 1 record, from "));
    let exported = stdout(&mut on(&state, &["audit", "export"]));
    let record: serde_json::Value = serde_json::from_str(exported.trim()).unwrap();
    assert_eq!(record["entry"]["action"], "key.export");
    assert_eq!(record["entry"]["object"], "repository/default");
    assert!(record["entry"]["actor"].as_str().unwrap().starts_with("user:"));
    assert!(!exported.contains(KEY));
}

#[test]
fn a_changed_audit_trail_is_told_and_ends_with_1() {
    let (state, _) = host();
    fs::remove_file(state.path().join("seawall.sock")).unwrap();
    on(&state, &["key", "export"]).assert().code(0);
    let database = rusqlite::Connection::open(state.path().join("state.db")).unwrap();
    let changed = database.execute("UPDATE audit SET entry = replace(entry, 'key.export', 'key.import')", []).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    on(&state, &["audit", "verify"]).assert().code(1).stdout(is_empty()).stderr(contains("not whole at entry 1"));
}
