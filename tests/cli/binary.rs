//! The real binary.

use super::fixture::{FakeOperator, RUNS, STATUS};
use assert_cmd::Command;
use insta::assert_snapshot;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use tempfile::TempDir;

/// The binary with an environment of its own: no variable of the caller decides a test.
pub fn seawall(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("seawall").unwrap();
    command.env_clear().args(args);
    command
}

pub fn on(state: &TempDir, args: &[&str]) -> Command {
    let mut command = seawall(args);
    command.arg("--state").arg(state.path());
    command
}

pub fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn help_is_the_reference() {
    assert_snapshot!("help", stdout(&mut seawall(&["--help"])));
    assert_snapshot!("help_run", stdout(&mut seawall(&["run", "--help"])));
    assert_snapshot!("help_plan", stdout(&mut seawall(&["plan", "-h"])));
    assert_snapshot!("help_import", stdout(&mut seawall(&["import", "-h"])));
    assert_snapshot!("help_migrate_offen", stdout(&mut seawall(&["migrate", "offen", "--help"])));
    assert_snapshot!("help_restore", stdout(&mut seawall(&["restore", "-h"])));
    assert_snapshot!("help_key_export", stdout(&mut seawall(&["key", "export", "-h"])));
}

#[test]
fn a_wrong_command_line_is_64_on_standard_error() {
    for args in [
        &[][..],
        &["bakup"],
        &["get", "policies", "-o", "xml"],
        &["run", "--max-runs", "0"],
        &["run", "--listen", "9187"],
        &["describe", "policy"],
    ] {
        seawall(args).assert().code(64).stdout(is_empty()).stderr(is_empty().not());
    }
    seawall(&["run"]).env("SEAWALL_LISTEN", "nowhere").assert().code(64).stderr(contains("nowhere"));
    seawall(&["--version"]).assert().code(0).stdout(starts_with("seawall "));
}

#[test]
fn a_log_filter_that_is_none_is_an_error_that_says_so() {
    let state = TempDir::new().unwrap();
    on(&state, &["get", "policies", "--log", "seawall=loud"]).assert().code(1).stderr(contains("--log `seawall=loud`"));
}

#[test]
fn asks_the_operator_in_every_format() {
    let state = TempDir::new().unwrap();
    let operator = FakeOperator::of_the_fixture(state.path());
    on(&state, &["get", "policies"]).assert().code(0).stdout(contains("n8n-data")).stderr(
        "warning: whatsapp-auth.yaml: 1 error; what was last valid stays in force: see `seawall validate`\n\
         warning: mistakes/new.yaml: 2 errors; what was last valid stays in force: see `seawall validate`\n",
    );
    let json = stdout(&mut on(&state, &["get", "policies", "-o", "json"]));
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list[0], serde_json::from_str::<serde_json::Value>(STATUS).unwrap()["policies"]["n8n-data"]);
    on(&state, &["get", "volumes", "-o", "yaml"]).assert().code(0).stdout(contains("coverage: unprotected"));
    on(&state, &["get", "repositories"]).assert().code(0).stdout(contains("WrongKey"));
    on(&state, &["get", "events"]).assert().code(0).stdout(contains("BackupPartial"));
    on(&state, &["get", "runs", "--policy", "n8n-data", "--source", "a b", "--limit", "7"]).assert().code(0);
    assert!(
        operator.asked().contains(&"GET /api/v1/runs?limit=7&policy=n8n-data&source=a%20b".to_owned()),
        "{:?}",
        operator.asked()
    );
}

#[test]
fn snapshots_are_filtered_by_all_that_is_given() {
    let state = TempDir::new().unwrap();
    let _operator = FakeOperator::of_the_fixture(state.path());
    let count = |args: &[&str]| {
        let args: Vec<&str> = ["get", "snapshots", "-o", "json"].into_iter().chain(args.iter().copied()).collect();
        let list: Vec<serde_json::Value> = serde_json::from_str(&stdout(&mut on(&state, &args))).unwrap();
        list.len()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--policy", "n8n-data"]), 3);
    assert_eq!(count(&["--source", "prosaasil_whatsapp_auth", "--repository", "default"]), 1);
    assert_eq!(count(&["--repository", "offsite"]), 0);
    on(&state, &["get", "snapshots", "--policy", "n8n-dta"])
        .assert()
        .code(1)
        .stderr("error: there is no policy `n8n-dta`\nhelp: did you mean `n8n-data`?\n");
}

#[test]
fn describes_a_policy_and_names_the_nearest_of_an_unknown_one() {
    let state = TempDir::new().unwrap();
    let _operator = FakeOperator::of_the_fixture(state.path());
    on(&state, &["describe", "policy", "whatsapp-auth"])
        .assert()
        .code(0)
        .stdout(contains("whatsapp-auth.yaml:9:3"))
        .stdout(contains("did you mean `schedule`?"))
        .stdout(contains('\u{1b}').not());
    // In no valid file yet, but there is an invalid one of that name.
    on(&state, &["describe", "policy", "new"]).assert().code(0).stdout(contains("mistakes/new.yaml:3:9"));
    on(&state, &["describe", "policy", "whatsap-auth"])
        .assert()
        .code(1)
        .stderr(contains("did you mean `whatsapp-auth`?"));
    on(&state, &["describe", "policy", "zzz"]).assert().code(1).stderr(contains("help: see `seawall get policies`"));
    let json = stdout(&mut on(&state, &["describe", "policy", "n8n-data", "-o", "json"]));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["policy"]["name"], "n8n-data");
    assert_eq!(value["file"], serde_json::Value::Null);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let state = TempDir::new().unwrap();
    let _operator = FakeOperator::of_the_fixture(state.path());
    let binary = seawall(&[]).get_program().to_owned();
    let mut child = std::process::Command::new(binary)
        .env_clear()
        .args(["get", "runs", "-o", "json", "--state"])
        .arg(state.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn colour_needs_a_terminal_or_a_wish() {
    let state = TempDir::new().unwrap();
    let _operator = FakeOperator::of_the_fixture(state.path());
    on(&state, &["get", "policies"]).assert().stdout(contains('\u{1b}').not());
    on(&state, &["get", "policies", "--color", "always"]).env("NO_COLOR", "1").assert().stdout(contains('\u{1b}'));
}

/// The fixture with the run under way ended, as `result`, at a time that no clock of a test machine has reached.
fn ended(result: &str) -> (String, String) {
    let mut status: serde_json::Value = serde_json::from_str(STATUS).unwrap();
    status["running"] = serde_json::json!([]);
    let mut runs: serde_json::Value = serde_json::from_str(RUNS).unwrap();
    runs[0]["started"] = "2190-01-01T00:00:00Z".into();
    runs[0]["finished"] = "2190-01-01T00:00:24Z".into();
    runs[0]["result"] = result.into();
    (status.to_string(), runs.to_string())
}

const SOURCES: &str = r#"[{"policy":"whatsapp-auth","source":"prosaasil_whatsapp_auth"}]"#;

#[test]
fn a_backup_is_waited_for_and_its_result_is_the_exit_code() {
    for (result, code) in [("success", 0), ("partial", 3), ("failure", 4), ("empty", 4), ("interrupted", 4)] {
        let state = TempDir::new().unwrap();
        let (status, runs) = ended(result);
        let operator = FakeOperator::start(
            state.path(),
            &[
                ("POST /api/v1/policies/whatsapp-auth/backup", 200, SOURCES),
                ("GET /api/v1/status", 200, STATUS),
                ("GET /api/v1/status", 200, STATUS),
                ("GET /api/v1/status", 200, &status),
                ("GET /api/v1/runs", 200, RUNS),
                ("GET /api/v1/runs", 200, &runs),
            ],
        );
        on(&state, &["backup", "whatsapp-auth", "--source", "prosaasil_whatsapp_auth"])
            .assert()
            .code(code)
            .stdout(starts_with("whatsapp-auth/prosaasil_whatsapp_auth in default: began\n"))
            .stdout(contains(format!("in default: {result}: 2 files could not be taken")))
            .stderr(is_empty());
        assert_eq!(operator.asked()[1], "POST /api/v1/policies/whatsapp-auth/backup?source=prosaasil_whatsapp_auth");
    }
}

#[test]
fn a_run_from_before_the_request_does_not_answer_it() {
    let state = TempDir::new().unwrap();
    let (status, runs) = ended("success");
    // The same source's earlier run, in the history from the first look on, failed.
    let earlier = RUNS.replace("\"partial\"", "\"failure\"");
    FakeOperator::start(
        state.path(),
        &[
            ("POST /api/v1/policies/whatsapp-auth/backup", 200, SOURCES),
            ("GET /api/v1/status", 200, &status),
            ("GET /api/v1/runs", 200, &earlier),
            ("GET /api/v1/runs", 200, &runs),
        ],
    );
    on(&state, &["backup", "whatsapp-auth"]).assert().code(0).stdout(contains("failure").not());
}

#[test]
fn an_end_is_told_when_what_is_shown_has_it_too() {
    let (done, runs) = ended("success");
    let mut runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let mut under_way: serde_json::Value = serde_json::from_str(STATUS).unwrap();
    under_way["running"][0]["run"] = runs[0]["run"].clone();
    let under_way_in = |operation: &str| {
        let mut under_way = under_way.clone();
        under_way["running"][0]["operation"] = operation.into();
        under_way.to_string()
    };
    for (operation, looks_before) in [("backup", 2), ("drill", 1)] {
        runs[0]["operation"] = operation.into();
        let (request, runs, under_way) =
            (format!("POST /api/v1/policies/whatsapp-auth/{operation}"), runs.to_string(), under_way_in(operation));
        let mut answers = vec![(&*request, 200, SOURCES), ("GET /api/v1/runs", 200, &*runs)];
        // It begins and ends between two looks, and is in the history before it is gone from what is shown.
        answers.extend([("GET /api/v1/status", 200, &*done)].repeat(looks_before));
        answers.extend([("GET /api/v1/status", 200, &*under_way), ("GET /api/v1/status", 200, &*done)]);
        let state = TempDir::new().unwrap();
        let operator = FakeOperator::start(state.path(), &answers);
        on(&state, &[operation, "whatsapp-auth"]).assert().code(0);
        let looks = operator.asked().iter().filter(|asked| *asked == "GET /api/v1/status").count();
        assert_eq!(looks, looks_before + 2, "{operation}");
    }
}

#[test]
fn a_backup_can_be_asked_for_without_waiting_and_can_be_refused() {
    let state = TempDir::new().unwrap();
    FakeOperator::start(
        state.path(),
        &[
            ("GET /api/v1/status", 200, STATUS),
            ("POST /api/v1/policies/whatsapp-auth/backup", 200, SOURCES),
            ("POST /api/v1/policies/redis/backup", 409, r#"{"error":"redis is exempt: a cache, rebuilt on start"}"#),
        ],
    );
    on(&state, &["backup", "whatsapp-auth", "--no-wait"])
        .assert()
        .code(0)
        .stdout("whatsapp-auth/prosaasil_whatsapp_auth: accepted\n");
    on(&state, &["backup", "redis"])
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr("error: redis is exempt: a cache, rebuilt on start\n");
    on(&state, &["backup", "rdis"]).assert().code(1).stderr(contains("did you mean `redis`?"));
}

#[test]
fn a_socket_without_an_operator_is_not_an_operator() {
    let state = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(state.path().join("seawall.sock")).unwrap());
    on(&state, &["get", "policies"]).assert().stderr(starts_with("note: no operator runs on "));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        seawall(&["completions", shell]).assert().code(0).stdout(contains("seawall"));
    }
}

#[test]
fn a_schema_is_one_json_document() {
    for (kind, title) in [("backuppolicy", "backuppolicy.v1"), ("repository", "repository.v1")] {
        let schema: serde_json::Value = serde_json::from_str(&stdout(&mut seawall(&["schema", kind]))).unwrap();
        assert!(schema["$id"].as_str().unwrap().contains(title));
    }
}
