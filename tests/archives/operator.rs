//! Imports beside a running operator, and what it makes of them.

use crate::desk::{Desk, TIME};
use crate::support::engine::Engine;
use crate::support::operator::policy;
use std::fs;

#[test]
fn an_operator_sees_what_was_imported_beside_it_at_its_true_time() {
    let engine = Engine::shared();
    let volume = engine.volume("import", &[], &[("com.example.kept", "yes")]);
    let desk = Desk::on(&engine, &volume);
    // Suspended: no backup of the operator's own comes in between.
    desk.host.write("p.yaml", &policy("p", &volume, "cron: \"0 2 1 1 *\"", &["suspend: true"]));
    fs::write(engine.mountpoint(&volume).join("config"), "now").unwrap();
    desk.data("then");
    desk.shell("tar czf n8n_data_20260123_140530.tar.gz data");
    let operator = desk.host.start();
    desk.import(&["n8n_data_20260123_140530.tar.gz"], &[]).ok();
    let time: jiff::Timestamp = TIME.parse().unwrap();
    operator.until("freshness is that of the archive", |o| {
        let at = o.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "p"), ("source", &volume)]);
        at.is_some_and(|at| (at - time.as_duration().as_secs_f64()).abs() < 1.0)
    });
    let audit = desk.host.seawall(&["audit", "export"]).ok();
    assert!(audit.contains("import"), "{audit}");
    let events = desk.host.seawall(&["get", "events"]).ok();
    assert!(events.contains("Imported") && events.contains("n8n_data_20260123_140530.tar.gz is snapshot"), "{events}");
    let manifest = desk.host.restic(&["dump", "latest", "/.seawall.json"]);
    assert!(manifest.contains("com.example.kept"), "what a volume needs to be made anew travels along: {manifest}");

    // Old as it is, it does not stand in for the backup that is due: the next one comes at once.
    desk.host
        .write("p.yaml", &policy("p", &volume, "cron: \"0 2 1 * *\"", &["retention: {keepLast: 1, keepMonthly: 24}"]));
    operator.until("a backup of today", |o| {
        let at = o.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "p")]);
        at.is_some_and(|at| at > time.as_duration().as_secs_f64() + 86_400.0)
    });
    operator.stop();
    assert_eq!(desk.host.snapshots().len(), 2, "and retention keeps the old month");
    let wrong = desk.host.seawall(&["drill", "p"]);
    assert_eq!(wrong.code, 0, "{wrong:?}");
}

#[test]
fn an_interrupted_import_leaves_no_snapshot_and_can_be_made_again() {
    let desk = Desk::new();
    desk.data("one");
    desk.shell("head -c 300M /dev/urandom > data/large; tar cf n8n_20260123_140530.tar data; rm data/large");
    let file = desk.work("n8n_20260123_140530.tar");
    for wait in [300, 900, 1800] {
        let mut child = desk.host.command(&["import", "--policy", "p", "--yes"]).arg(&file).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let done = child.try_wait().unwrap().is_some();
        let _gone = child.kill();
        child.wait().unwrap();
        if done {
            break;
        }
    }
    desk.import(&["n8n_20260123_140530.tar"], &[]).ok();
    assert_eq!(fs::read_dir(desk.host.state().join("imports")).unwrap().count(), 0, "what a kill left is gone");
    assert_eq!(desk.host.snapshots().len(), 1);
    desk.host.restic(&["check", "--read-data"]);
}
