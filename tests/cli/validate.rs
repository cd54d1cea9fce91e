//! `seawall validate` on real files.

use super::binary::{seawall, stdout};
use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use std::fs;
use tempfile::TempDir;

const GOOD: &str = "\
apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: n8n-data}
spec:
  source: {volume: {name: prosaasil_n8n_data}}
  schedule: {cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem}
  repositories: [default, offsite]
";
const OFFSITE: &str = "\
apiVersion: seawall.dev/v1
kind: Repository
metadata: {name: offsite}
spec: {local: {path: /mnt/offsite}, passwordFrom: {env: OFFSITE}}
";
const BAD: &str = "\
apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: whatsapp-auth}
spec:
  source: {volume: {name: prosaasil_whatsapp_auth}}
  shedule: {every: 1h}
  password: hunter2
";

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// The command in the directory, so that paths in its output are the same everywhere.
fn validate(directory: &TempDir, args: &[&str]) -> Command {
    let mut command = seawall(&["validate"]);
    command.current_dir(directory.path()).args(args);
    command
}

#[test]
fn valid_files_are_one_line() {
    let here = directory(&[("n8n.yaml", GOOD), ("offsite.yaml", OFFSITE)]);
    for args in [&["."][..], &["n8n.yaml", "offsite.yaml"], &["--policies", "."]] {
        validate(&here, args).assert().code(0).stdout("2 files valid: 1 policy, 1 repository\n").stderr(is_empty());
    }
    validate(&here, &[".", "-o", "json"]).assert().code(0).stdout("[]\n");
}

#[test]
fn every_error_of_every_file_is_told_and_no_secret_is() {
    let here = directory(&[("bad.yaml", BAD), ("broken.yaml", "kind: [\n"), ("n8n.yaml", GOOD)]);
    let mut command = validate(&here, &["."]);
    insta::assert_snapshot!("validate", stdout(&mut command));
    command.assert().code(1).stdout(contains("hunter2").not());
    let json = stdout(&mut validate(&here, &[".", "-o", "json"]));
    assert!(!json.contains("hunter2"));
    let errors: Vec<seawall::policy::Diagnostic> = serde_json::from_str(&json).unwrap();
    let at = |file: &str, line| errors.iter().any(|error| error.file.ends_with(file) && error.line == line);
    assert!(at("bad.yaml", 6) && at("bad.yaml", 7) && at("broken.yaml", 1), "{errors:?}");
}

#[test]
fn a_file_by_itself_is_not_blamed_for_what_other_files_define() {
    let here = directory(&[("n8n.yaml", GOOD), ("again.yaml", GOOD)]);
    validate(&here, &["n8n.yaml"])
        .assert()
        .code(0)
        .stdout("1 file valid: 1 policy, 0 repositories\n")
        .stderr("note: repository `offsite` is in none of these files, so it was not checked\n");
    // The whole directory is all there is.
    validate(&here, &["."]).assert().code(1).stdout(contains("offsite"));
    validate(&here, &["n8n.yaml", "again.yaml"]).assert().code(1).stdout(contains("n8n-data"));
}

#[test]
fn standard_input_is_a_file_too() {
    let here = directory(&[]);
    validate(&here, &["-"]).write_stdin(OFFSITE).assert().code(0).stdout(starts_with("1 file valid"));
    validate(&here, &["-"])
        .write_stdin(BAD)
        .assert()
        .code(1)
        .stdout(contains("--> <stdin>:6:3").and(contains("^^^^^^^")).and(contains("hunter2").not()));
    validate(&here, &["-"]).write_stdin(vec![b'x'; 2 << 20]).assert().code(1).stdout(contains("<stdin>"));
}

#[test]
fn what_is_not_there_is_an_error() {
    let here = directory(&[]);
    validate(&here, &["nowhere.yaml"]).assert().code(1).stderr(contains("cannot read nowhere.yaml"));
    validate(&here, &["--policies", "nowhere"]).assert().code(1).stderr(contains("nowhere"));
}
