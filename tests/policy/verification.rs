//! What is said about drills and checks, and what they mean.

use crate::{POLICY, REPOSITORY, edit, read, table};
use insta::assert_snapshot;
use seawall::policy::{Document, Drill, DrillCheck, RepositoryCheck};
use std::time::Duration;

const MONTHLY: &str = "schedule: {cron: \"0 4 1 * *\"}";

/// The policy with a drill.
fn with(drill: &str) -> String {
    edit(POLICY, "  timeout: 2h", &format!("  verification: {{drill: {{{drill}}}}}"))
}

fn drill(fields: &str) -> Drill {
    let parsed = read(with(fields));
    assert_eq!(parsed.errors, [], "{fields}");
    let Some(Document::Policy(policy)) = parsed.documents.into_iter().next() else { panic!("{fields}") };
    policy.backup().unwrap().drill.clone().unwrap()
}

fn check(fields: &str) -> RepositoryCheck {
    let parsed = read(edit(REPOSITORY, "  local:", &format!("  check: {{{fields}}}\n  local:")));
    assert_eq!(parsed.errors, [], "{fields}");
    let Some(Document::Repository { repository, .. }) = parsed.documents.into_iter().next() else { panic!() };
    repository.check.clone().unwrap()
}

#[test]
fn what_is_left_out_has_a_sense() {
    let plain = drill(MONTHLY);
    assert_eq!(plain.checks, [DrillCheck::CompareSample(5)]);
    assert_eq!((plain.timeout, plain.repository.as_str()), (Duration::from_hours(6), "default"));
    assert_eq!(drill(&format!("{MONTHLY}, repository: offsite")).repository, "offsite");
    let container = drill(&format!("{MONTHLY}, checks: [{{http: {{image: app, port: 80}}}}]"));
    let [DrillCheck::Http(http)] = &container.checks[..] else { panic!("{container:?}") };
    assert_eq!((http.path.as_str(), http.expect_status, http.server.mount_path.as_str()), ("/", None, "/data"));
    assert_eq!(http.server.timeout, Duration::from_mins(5));
    assert_eq!(check("schedule: {every: 7d}").read_data_percent, 5);
    assert_eq!(check("schedule: {every: 7d}, readDataPercent: 0").read_data_percent, 0);
}

/// A container may change what it is given; what it changed is no fault of the snapshot.
#[test]
fn comparing_comes_before_what_may_change_the_files() {
    let all = "checks: [{fileExists: a/b/}, {sqliteIntegrity: a/db.sqlite}, {command: {image: app, command: [check]}}, \
               {minFiles: 3}, {minBytes: 10MiB}, {compareSample: 100%}]";
    let names: Vec<String> = drill(&format!("{MONTHLY}, {all}")).checks.iter().map(ToString::to_string).collect();
    let expected = [
        "compareSample 100%",
        "fileExists a/b",
        "sqliteIntegrity a/db.sqlite",
        "command in app",
        "minFiles 3",
        "minBytes 10.0 MiB",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_wrong_with_a_drill_is_told() {
    let checks = [
        "",
        "{}",
        "{fileExists: /etc/passwd}",
        "{fileExists: ../passwd}",
        "{fileExists: a//b}",
        "{fileExists: \"\"}",
        "{minFiles: 0}",
        "{minBytes: 10MB}",
        "{minBytes: 10}",
        "{sqliteIntegrity: a/../b}",
        "{compareSample: 5}",
        "{compareSample: 0%}",
        "{compareSample: 101%}",
        "{minFiles: 1, minBytes: 1B}",
        "{sqlite: a}",
        "{command: {command: [check]}}",
        "{command: {image: \"\", command: [\"\"]}}",
        "{command: {image: a, mountPath: data, timeout: 0s}}",
        "{command: {image: a, mountPath: /}}",
        "{http: {image: a}}",
        "{http: {image: a, port: 0, path: health}}",
        "{http: {image: a, port: 80, path: \"/a b\", expectStatus: 99}}",
        "{http: {image: a, port: 80, env: {DB_PASSWORD: hunter2, \"A=B\": c}}}",
    ];
    let mut edits: Vec<String> = checks.iter().map(|c| format!("{MONTHLY}, checks: [{c}]")).collect();
    edits.extend(
        ["checks: [{minFiles: 1}]", "schedule: {}", "schedule: {cron: \"0 4 * *\"}", "schedule: monthly"]
            .map(str::to_owned),
    );
    edits.push(format!("{MONTHLY}, repository: ofsite"));
    edits.push(format!("{MONTHLY}, timeout: 0s"));
    let edits: Vec<String> = edits.iter().map(|e| format!("  verification: {{drill: {{{e}}}}}")).collect();
    let mut pairs: Vec<(&str, &str)> = edits.iter().map(|e| ("  timeout: 2h", e.as_str())).collect();
    pairs.push(("  timeout: 2h", "  verification: {drills: {}}"));
    let said = table(POLICY, &pairs);
    assert!(!said.contains("hunter2:"), "{said}");
    assert_snapshot!(said);
}

#[test]
fn what_is_wrong_with_a_check_of_a_repository_is_told() {
    let edits = [
        "{}",
        "{readDataPercent: 5}",
        "{schedule: {every: 7d}, readDataPercent: 101}",
        "{schedule: {every: 7d}, readDataPercent: 5%}",
        "{schedule: {every: 5s}}",
        "{schedule: {every: 7d}, repair: true}",
    ]
    .map(|check| format!("  check: {check}\n  local:"));
    let pairs: Vec<(&str, &str)> = edits.iter().map(|e| ("  local:", e.as_str())).collect();
    assert_snapshot!(table(REPOSITORY, &pairs));
}

#[test]
fn an_exempt_source_is_not_drilled() {
    let exempt = POLICY.replace("  schedule: {cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem, jitter: 5m}\n", "");
    let exempt = exempt.split("  repositories:").next().unwrap().to_owned() + "  exempt: {reason: a cache}\n";
    assert_eq!(read(&exempt).errors, []);
    let errors = read(format!("{exempt}  verification: {{drill: {{{MONTHLY}}}}}\n")).errors;
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["spec.verification"], "{errors:?}");
}

/// A policy of a database with a drill.
fn of_database(drill: &str) -> String {
    let source = "    volume:\n      name: prosaasil_n8n_data\n      exclude: [\"cache/**\", \"*.log\"]\n";
    with(drill).replace(source, "    postgres: {urlFrom: {env: DATABASE_URL}}\n")
}

#[test]
fn a_database_is_restored_into_a_server_from_an_image() {
    let server = |fields: &str| {
        let parsed = read(of_database(&format!("{MONTHLY}, server: {{{fields}}}")));
        assert_eq!(parsed.errors, [], "{fields}");
        let Some(Document::Policy(policy)) = parsed.documents.into_iter().next() else { panic!("{fields}") };
        (policy.digest.clone(), policy.backup().unwrap().drill.clone().unwrap().server.unwrap())
    };
    let (plain, meant) = server("image: \"postgres:17\"");
    assert_eq!((meant.image.as_str(), meant.user.as_str()), ("postgres:17", "postgres"));
    assert_eq!(server("image: \"postgres:17\", user: postgres").0, plain);
    assert_ne!(server("image: \"postgres:18\"").0, plain);
    assert_ne!(server("image: \"postgres:17\", user: \"1001\"").0, plain);

    let wrong =
        ["{}", "{image: \"\"}", "{image: a, user: root}", "{image: a, user: \"0:0\"}", "{image: a, command: [b]}"];
    let edits: Vec<(String, String)> =
        wrong.iter().map(|server| (MONTHLY.to_owned(), format!("{MONTHLY}, server: {server}"))).collect();
    let pairs: Vec<(&str, &str)> = edits.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let of_files = format!("  verification: {{drill: {{{MONTHLY}, server: {{image: a}}}}}}");
    assert_snapshot!(table(&of_database(MONTHLY), &pairs) + &table(POLICY, &[("  timeout: 2h", &of_files)]));
}

#[test]
fn every_field_of_a_drill_is_meaning() {
    let mut seen = std::collections::BTreeSet::new();
    let http = "http: {image: a, port: 80";
    for fields in [
        MONTHLY.to_owned(),
        "schedule: {cron: \"0 5 1 * *\"}".to_owned(),
        format!("{MONTHLY}, timeout: 1h"),
        format!("{MONTHLY}, repository: offsite"),
        format!("{MONTHLY}, checks: [{{minFiles: 1}}]"),
        format!("{MONTHLY}, checks: [{{minFiles: 2}}]"),
        format!("{MONTHLY}, checks: [{{minBytes: 2B}}]"),
        format!("{MONTHLY}, checks: [{{fileExists: a}}]"),
        format!("{MONTHLY}, checks: [{{sqliteIntegrity: a}}]"),
        format!("{MONTHLY}, checks: [{{compareSample: 6%}}]"),
        format!("{MONTHLY}, checks: [{{command: {{image: a}}}}]"),
        format!("{MONTHLY}, checks: [{{command: {{image: a, command: [b]}}}}]"),
        format!("{MONTHLY}, checks: [{{command: {{image: a, user: b}}}}]"),
        format!("{MONTHLY}, checks: [{{command: {{image: a, mountPath: /b}}}}]"),
        format!("{MONTHLY}, checks: [{{command: {{image: a, timeout: 1s}}}}]"),
        format!("{MONTHLY}, checks: [{{{http}}}}}]"),
        format!("{MONTHLY}, checks: [{{{http}, path: /b}}}}]"),
        format!("{MONTHLY}, checks: [{{{http}, env: {{A: b}}}}}}]"),
        format!("{MONTHLY}, checks: [{{{http}, expectStatus: 204}}}}]"),
    ] {
        let Some(Document::Policy(policy)) = read(with(&fields)).documents.into_iter().next() else {
            panic!("{fields}")
        };
        assert!(seen.insert(policy.digest.clone()), "{fields}");
    }
    let default = format!("{MONTHLY}, timeout: 6h, checks: [{{compareSample: 5%}}], repository: default");
    let Some(Document::Policy(policy)) = read(with(&default)).documents.into_iter().next() else { panic!() };
    assert!(!seen.insert(policy.digest.clone()), "what is written as it is by default means the same");
}
