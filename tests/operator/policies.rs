//! A policy file in, a volume safe, a metric out; and what becomes of a bad edit, and of a directory that is gone.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, Operator, Tmpfs, policy};
use std::fs;

const LAST_SUCCESS: &str = "seawall_backup_last_success_timestamp_seconds";

fn generation(host: &Host, name: &str) -> u64 {
    let described = host.seawall(&["describe", "policy", name, "-o", "json"]).json();
    described["policy"]["generation"].as_u64().unwrap()
}

fn condition(operator: &Operator, policy: &str, kind: &str) -> (String, String, String) {
    let status = operator.status();
    let conditions = status["policies"][policy]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|c| c["type"] == kind).unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[test]
fn a_new_policy_makes_a_volume_safe_and_its_end_leaves_the_snapshots() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("precious", &[], &[]);
    let files = engine.mountpoint(&volume);
    fs::create_dir(files.join("sub")).unwrap();
    fs::write(files.join("sub/file"), "precious").unwrap();
    std::os::unix::fs::symlink("sub/file", files.join("link")).unwrap();
    host.write("other.yaml", &policy("other", "no-such-volume", RARELY, &[]));
    let operator = host.start();
    assert_eq!(operator.metric(LAST_SUCCESS, &[("policy", "precious")]), None);

    host.write("precious.yaml", &policy("precious", &volume, RARELY, &["objectives: {rpo: 1d}"]));
    operator.until_saved("precious");
    assert_eq!(operator.metric("seawall_backup_last_run_successful", &[("policy", "precious")]), Some(1.0));
    assert_eq!(operator.runs("precious", "success"), 1);
    assert_eq!(operator.metric("seawall_snapshots", &[("policy", "precious"), ("source", &volume)]), Some(1.0));
    operator.until("ready", |o| condition(o, "precious", "Ready").0 == "True");
    let snapshots = host.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(snapshots[0]["complete"], true, "{snapshots:#}");
    let id = snapshots[0]["id"].as_str().unwrap();
    assert_eq!(host.differences(id, &volume, &files), "", "what restic restores is what is there");

    host.remove("precious.yaml");
    operator.until("its series end", |o| !o.get("/metrics").1.contains("precious"));
    assert_eq!(operator.metric("seawall_policy_info", &[("policy", "other")]), Some(1.0));
    assert_eq!(host.snapshots().len(), 1, "the snapshots stay");
    operator.stop();
}

#[test]
fn a_bad_edit_changes_nothing_and_everything_says_where_it_is() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("edited", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("edited.yaml", &policy("edited", &volume, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("edited");
    assert_eq!(generation(&host, "edited"), 1);

    let bad = policy("edited", &volume, "evry: 1m", &["retention: {keepLst: 3}"]);
    host.write("edited.yaml", &bad);
    let file = [("file", "edited.yaml")];
    operator.until("the error in the metrics", |o| o.metric("seawall_policy_file_valid", &file) == Some(0.0));
    assert_eq!(operator.metric("seawall_config_last_reload_successful", &[]), Some(0.0));
    let (status, reason, message) = condition(&operator, "edited", "Accepted");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "InvalidSpec"));
    assert!(message.contains("last known good"), "{message}");
    assert!(operator.metric(LAST_SUCCESS, &[("policy", "edited")]).unwrap() > 0.0, "what was in force stays");
    let described = host.seawall(&["describe", "policy", "edited"]).ok();
    let validated = host.seawall(&["validate"]);
    assert_eq!(validated.code, 1);
    let line = |field: &str| bad.lines().position(|line| line.contains(field)).unwrap() + 1;
    for (wrong, right) in [("evry", "every"), ("keepLst", "keepLast")] {
        let column = bad.lines().nth(line(wrong) - 1).unwrap().find(wrong).unwrap() + 1;
        let place = format!("edited.yaml:{}:{column}", line(wrong));
        for (who, text) in [
            ("log", operator.log()),
            ("condition", message.clone()),
            ("describe", described.clone()),
            ("validate", format!("{}{}", validated.out, validated.err)),
        ] {
            for wanted in [&place, wrong, right] {
                assert!(text.contains(wanted), "{who} does not say {wanted}:\n{text}");
            }
        }
    }
    assert_eq!(generation(&host, "edited"), 1);

    host.write("edited.yaml", &format!("# a comment\n{}", policy("edited", &volume, RARELY, &[])));
    operator.until("valid again", |o| o.metric("seawall_policy_file_valid", &file) == Some(1.0));
    assert_eq!(generation(&host, "edited"), 1, "a comment has no meaning");
    host.write("edited.yaml", &policy("edited", &volume, RARELY, &["criticality: high"]));
    operator.until("the new meaning", |o| {
        o.metric("seawall_policy_info", &[("policy", "edited"), ("criticality", "high")]).is_some()
    });
    assert_eq!(generation(&host, "edited"), 2);
    operator.stop();
    let operator = host.start();
    assert_eq!(generation(&host, "edited"), 2, "a restart is no change");
    operator.stop();
}

#[test]
fn an_emptied_or_vanished_directory_withdraws_nothing() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("kept", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("kept.yaml", &policy("kept", &volume, RARELY, &[]));
    let operator = host.start_with(&["--rescan", "1"]);
    operator.until_saved("kept");
    let trouble = |o: &Operator| {
        o.metric("seawall_config_last_reload_successful", &[]) == Some(0.0)
            && o.metric("seawall_policy_file_valid", &[("file", "kept.yaml")]) == Some(0.0)
            && condition(o, "kept", "Accepted").1 == "DirectoryUnavailable"
    };
    let well = |o: &Operator| o.metric("seawall_config_last_reload_successful", &[]) == Some(1.0);
    let in_force = |o: &Operator, when: &str| {
        assert!(o.metric(LAST_SUCCESS, &[("policy", "kept")]).unwrap() > 0.0, "{when}");
        let answer = host.seawall(&["backup", "kept"]);
        assert_eq!(answer.code, 0, "{when}: {answer:#?}");
    };
    let aside = host.path("aside");

    fs::rename(host.policies().join("kept.yaml"), &aside).unwrap();
    operator.until("emptied is seen", trouble);
    in_force(&operator, "emptied");
    fs::rename(&aside, host.policies().join("kept.yaml")).unwrap();
    operator.until("filled is seen", well);

    fs::rename(host.policies(), &aside).unwrap();
    operator.until("moved away is seen", trouble);
    in_force(&operator, "moved away");
    operator.stop();
    let operator = host.start_with(&["--rescan", "1"]);
    operator.until("in force after a restart without the directory", trouble);
    in_force(&operator, "restarted");
    fs::rename(&aside, host.policies()).unwrap();
    operator.until("back is seen", well);

    // As when the disk that the directory is on is not mounted any more.
    let cover = Tmpfs::over(&host.policies(), "1m");
    operator.until("covered is seen", trouble);
    in_force(&operator, "covered");
    drop(cover);
    operator.until("uncovered is seen", well);
    operator.stop();
}

#[test]
fn a_suspended_policy_makes_no_run_and_says_so() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("suspended", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    host.write("s.yaml", &policy("s", &volume, RARELY, &["suspend: true"]));
    let operator = host.start();
    operator
        .until("suspended in the metrics", |o| o.metric("seawall_policy_suspended", &[("policy", "s")]) == Some(1.0));
    assert!(operator.metric("seawall_policy_suspended_since_timestamp_seconds", &[("policy", "s")]).unwrap() > 0.0);
    assert_eq!(operator.metric("seawall_backup_deadline_timestamp_seconds", &[("policy", "s")]), None);
    operator.until("the condition", |o| condition(o, "s", "Suspended").0 == "True");
    assert_ne!(condition(&operator, "s", "Ready").0, "True");
    let asked = host.seawall(&["backup", "s"]);
    assert_eq!(asked.code, 1);
    assert!(asked.err.contains("suspended"), "{}", asked.err);
    assert_eq!(host.seawall(&["get", "runs", "-o", "json"]).json().as_array().unwrap().len(), 0);

    host.write("s.yaml", &policy("s", &volume, RARELY, &[]));
    operator.until_saved("s");
    operator.stop();
}
