//! What a drill finds, and who is told.

use crate::Drilled;
use std::fs;

const FILES: &str = "{fileExists: conf/deep/app.ini}, {fileExists: link}, {minFiles: 4}, {minBytes: 500KiB}, \
                     {sqliteIntegrity: app.sqlite}, {compareSample: 100%}";

#[test]
fn a_restore_that_would_do_passes_and_leaves_nothing() {
    let drilled = Drilled::new("", &["objectives: {rto: 30m}"]);
    let image = drilled.engine.image();
    let command = format!(
        "{{command: {{image: \"{image}\", command: [sh, -c, \"busybox cat /data/conf/deep/app.ini && busybox ip addr\"]}}}}"
    );
    let server = "command: [httpd, -f, -p, \"8080\", -h, /files], mountPath: /files, port: 8080";
    let http = format!("{{http: {{image: \"{image}\", {server}, path: /health, timeout: 60s}}}}");
    drilled.ask(&format!("{FILES}, {command}, {http}"), &["objectives: {rto: 30m}"]);
    let operator = drilled.host.start();
    operator.until_saved("app");
    let labels = [("policy", "app")];
    assert_eq!(operator.metric("seawall_drill_last_success_timestamp_seconds", &labels), Some(0.0));
    assert_eq!(drilled.condition("Verified"), ("Unknown".into(), "NotDrilledYet".into()));
    assert_eq!(drilled.condition("ObjectivesMet"), ("Unknown".into(), "RecoveryTimeUnmeasured".into()));

    let said = drilled.host.seawall(&["drill", "app"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(said.out.matches("pass  ").count(), 8, "{said:#?}");
    assert!(!said.err.contains("no operator"), "{said:#?}");
    let run = drilled.last("drill");
    let report = &run["drill"];
    assert_eq!((run["result"].as_str(), run["cause"].as_str()), (Some("success"), Some("manual")), "{run:#}");
    assert!(report["seconds"].as_f64().unwrap() >= report["restoreSeconds"].as_f64().unwrap(), "{report:#}");
    assert_eq!(report["snapshot"], drilled.host.snapshots()[0]["id"], "the newest one");
    let message = |check: &str| {
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|c| c["check"].as_str().unwrap().starts_with(check));
        found.unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(report["checks"][0]["check"], "compareSample 100%", "before anything may change the files");
    assert_eq!(message("sqliteIntegrity"), "ok, 1 table");
    let output = message("command");
    assert!(output.contains("key = value"), "{output}");
    assert!(!output.contains("eth0"), "a command has no network: {output}");
    assert_eq!(message("http"), "it answers 200");

    assert_eq!(drilled.leftovers(), [""; 0]);
    assert_eq!(drilled.condition("Verified"), ("True".into(), "DrillPassed".into()));
    assert_eq!(drilled.condition("ObjectivesMet").0, "True");
    let seconds = operator.metric("seawall_restore_drill_duration_seconds", &labels).unwrap();
    assert!(seconds > 0.0 && (seconds - report["seconds"].as_f64().unwrap()).abs() < 0.001, "{seconds}");
    assert!(operator.metric("seawall_drill_last_success_timestamp_seconds", &labels).unwrap() > 0.0);
    assert_eq!(operator.metric("seawall_drill_last_run_successful", &labels), Some(1.0));
    let counted = [("policy", "app"), ("operation", "drill"), ("result", "success")];
    assert_eq!(operator.metric("seawall_runs_total", &counted), Some(1.0));
    let described = drilled.host.seawall(&["describe", "policy", "app"]).ok();
    assert!(described.contains("sqliteIntegrity app.sqlite: ok, 1 table"), "{described}");
    operator.stop();
    let remembered = drilled.host.seawall(&["describe", "policy", "app"]).ok();
    assert!(remembered.contains("sqliteIntegrity app.sqlite: ok, 1 table"), "{remembered}");
    let audited = drilled.host.seawall(&["audit", "export"]).ok();
    let id = report["snapshot"].as_str().unwrap();
    let drill = audited.lines().find(|line| line.contains("passed sqliteIntegrity")).unwrap();
    assert!(drill.contains(id) && drill.contains("passed http /health"), "{drill}");
}

#[test]
fn a_restore_that_would_not_do_fails_with_all_its_reasons() {
    let drilled = Drilled::new("", &[]);
    fs::write(drilled.root().join("torn.sqlite"), [&b"SQLite format 3\0"[..], &[7; 9000]].concat()).unwrap();
    let image = drilled.engine.image();
    let checks = [
        "{fileExists: conf/none}".to_owned(),
        "{fileExists: link/x}".to_owned(),
        "{minFiles: 1000}".to_owned(),
        "{minBytes: 1GiB}".to_owned(),
        "{sqliteIntegrity: torn.sqlite}".to_owned(),
        "{sqliteIntegrity: link}".to_owned(),
        format!("{{command: {{image: \"{image}\", command: [sh, -c, \"echo it is broken; exit 3\"]}}}}"),
        format!("{{command: {{image: \"{image}\", command: [sleep, \"1000\"], timeout: 1s}}}}"),
        "{command: {image: \"seawall-test-none:none\", command: [sh]}}".to_owned(),
        format!("{{http: {{image: \"{image}\", command: [sh, -c, \"echo no server; exit 1\"], port: 80}}}}"),
        format!(
            "{{http: {{image: \"{image}\", command: [httpd, -f, -p, \"80\"], port: 80, path: /none, timeout: 2s}}}}"
        ),
        "{fileExists: health}".to_owned(),
    ];
    drilled.ask(&checks.join(", "), &[]);
    drilled.host.seawall(&["backup", "app"]).ok();
    let said = drilled.host.seawall(&["drill", "app"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("no operator"), "{said:#?}");
    let run = drilled.last("drill");
    assert_eq!(run["result"], "failure");
    let found: Vec<(bool, &str)> = run["drill"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["passed"].as_bool().unwrap(), c["message"].as_str().unwrap()))
        .collect();
    let expected = [
        (false, "it is not there"),
        (false, "a symbolic link is in the way"),
        (false, "there are only 6 files"),
        (false, "there are only "),
        (false, "SQLite "),
        (false, "it is not a regular file"),
        (false, "it ended with 3; it wrote: it is broken"),
        (false, "it did not end within 1s"),
        (false, "this host has no image seawall-test-none:none"),
        (false, "the server ended with 1; it wrote: no server"),
        (false, "it answers 404, and did not change that in 2s"),
        (true, "3 B"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.0 == expected.0 && found.1.starts_with(expected.1), "{found:?}, not {expected:?}");
    }
    assert_eq!(drilled.leftovers(), [""; 0]);

    let operator = drilled.host.start();
    assert_eq!(drilled.condition("Verified"), ("False".into(), "DrillFailed".into()));
    assert_eq!(drilled.condition("Ready").0, "False");
    let labels = [("policy", "app")];
    assert_eq!(operator.metric("seawall_drill_last_run_successful", &labels), Some(0.0));
    assert_eq!(operator.metric("seawall_drill_last_success_timestamp_seconds", &labels), Some(0.0));
    drilled.ask("{fileExists: health}", &[]);
    operator.until("the edit is in force", |o| o.status()["policies"]["app"]["generation"] == 2);
    drilled.host.seawall(&["drill", "app"]).ok();
    assert_eq!(drilled.condition("Verified").0, "True");
    operator.stop();
}

#[test]
fn a_drill_that_takes_longer_than_promised_is_told() {
    let drilled = Drilled::new("{minFiles: 1}", &["objectives: {rto: 1ms}"]);
    let operator = drilled.host.start();
    operator.until_saved("app");
    let said = drilled.host.seawall(&["drill", "app"]);
    assert!(said.code == 0 && said.out.contains("longer than the promised"), "{said:#?}");
    assert_eq!(drilled.condition("ObjectivesMet"), ("False".into(), "RecoveryTimeExceeded".into()));
    assert_eq!(drilled.condition("Verified").0, "True");
    operator.stop();
}

/// The first slot is the policy's next one, and a slot that nothing answered is counted once.
#[test]
fn a_drill_is_made_when_its_slot_has_come() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    let text = fs::read_to_string(drilled.host.policies().join("app.yaml")).unwrap();
    drilled.host.write("app.yaml", &text.replace("drill: {schedule: {every: 52w}", "drill: {schedule: {every: 1m}"));
    let operator = drilled.host.start();
    let counted = [("policy", "app"), ("operation", "drill"), ("result", "success")];
    operator.until("a drill by schedule", |o| o.metric("seawall_runs_total", &counted).is_some_and(|n| n >= 1.0));
    assert_eq!(drilled.last("drill")["cause"], "scheduled");
    operator.stop();
}

#[test]
fn what_cannot_be_drilled_is_refused_in_words() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    let said = drilled.host.seawall(&["drill", "app"]);
    assert!(said.code == 1 && said.err.contains("no complete snapshot"), "{said:#?}");
    let said = drilled.host.seawall(&["drill", "none"]);
    assert!(said.code == 1 && said.err.contains("no policy none"), "{said:#?}");
    drilled.ask("{minFiles: 1}", &["suspend: true"]);
    let said = drilled.host.seawall(&["drill", "app"]);
    assert!(said.code == 1 && said.err.contains("suspended"), "{said:#?}");
}
