//! What fails, fails alone and visibly.

use crate::RARELY;
use crate::support::engine::Engine;
use crate::support::operator::{Host, Tmpfs, policy};
use std::fs;

fn repository(host: &Host, name: &str) -> String {
    format!(
        "---\napiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: {name}}}\nspec: {{local: {{path: {}}}}}\n",
        host.path(name).join("repository").display()
    )
}

#[test]
fn a_full_repository_fails_its_runs_and_no_others() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let [big, small] = ["big", "small"].map(|hint| engine.volume(hint, &[], &[]));
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(24 << 20).collect();
    fs::write(engine.mountpoint(&big).join("file"), noise).unwrap();
    fs::write(engine.mountpoint(&small).join("file"), "small").unwrap();
    let _tmpfs = Tmpfs::over(&host.path("tiny"), "8m");
    let text = policy("big", &big, RARELY, &["repositories: [tiny]"]) + &repository(&host, "tiny");
    host.write("big.yaml", &text);
    host.write("small.yaml", &policy("small", &small, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("small");
    operator.until("a failure is counted", |o| o.runs("big", "failure") >= 1);
    assert_eq!(operator.metric("seawall_backup_last_run_successful", &[("policy", "big")]), Some(0.0));
    assert_eq!(operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "big")]), Some(0.0));
    let status = operator.status();
    let source = &status["policies"]["big"]["sources"][0];
    assert!(source["retryAt"].is_string() || operator.runs("big", "failure") > 1, "{source:#}");
    let message = source["lastRun"]["message"].as_str().unwrap();
    assert!(message.contains("space"), "{message}");
    assert_eq!(host.seawall(&["backup", "big"]).code, 4);
    operator.until("it is tried again by itself", |o| o.runs("big", "failure") >= 3);
    assert_eq!(operator.runs("small", "success"), 1);
    assert_eq!(operator.runs("small", "failure"), 0);
    operator.stop();
}

#[test]
fn a_repository_that_cannot_be_written_is_unhealthy_or_fails_and_heals() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("readonly", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "1").unwrap();
    let tmpfs = Tmpfs::over(&host.path("disk"), "64m");
    let text = policy("p", &volume, RARELY, &["repositories: [disk]"]) + &repository(&host, "disk");
    host.write("p.yaml", &text);
    let operator = host.start();
    operator.until_saved("p");
    tmpfs.set("ro");
    assert_eq!(host.seawall(&["backup", "p"]).code, 4);
    operator.until("the failure is counted", |o| o.runs("p", "failure") >= 1);
    assert!(
        operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "p")]).unwrap() > 0.0,
        "the snapshot from before is still there"
    );
    tmpfs.set("rw");
    assert_eq!(host.seawall(&["backup", "p"]).code, 0);
    operator.stop();
}

#[test]
fn a_volume_that_cannot_be_read_waits_and_says_why() {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")];
    let (elsewhere, fine) = (engine.volume("elsewhere", &options, &[]), engine.volume("fine", &[], &[]));
    fs::write(engine.mountpoint(&fine).join("file"), "1").unwrap();
    host.write("elsewhere.yaml", &policy("elsewhere", &elsewhere, RARELY, &[]));
    host.write("fine.yaml", &policy("fine", &fine, RARELY, &[]));
    let operator = host.start();
    operator.until_saved("fine");
    let status = operator.status();
    let source = &status["policies"]["elsewhere"]["sources"][0];
    assert_eq!(source["verdict"], "waiting", "{source:#}");
    assert!(source["why"].as_str().unwrap().contains("cannot be read"), "{source:#}");
    let conditions = status["policies"]["elsewhere"]["conditions"].to_string();
    assert!(conditions.contains("Unreadable"), "{conditions}");
    let last = operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "elsewhere")]);
    assert_eq!(last, Some(0.0));
    assert!(operator.metric("seawall_backup_deadline_timestamp_seconds", &[("policy", "elsewhere")]).is_some());
    operator.stop();
}
