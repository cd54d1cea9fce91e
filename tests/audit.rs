//! The audit trail: it holds, and what is done to it shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail so")]

#[path = "support/values.rs"]
mod values;

use seawall::controller::ports::{AuditEntry, Entry, Record};
use seawall::status::audit::AuditError;
use seawall::status::persist::StateDir;
use std::path::Path;
use values::at;

fn open(dir: &Path) -> StateDir {
    StateDir::open(dir, "test").unwrap()
}

fn audited(seconds: i64, action: &str) -> AuditEntry {
    AuditEntry {
        at: at(seconds),
        actor: "seawall".into(),
        action: action.into(),
        object: "policy/a".into(),
        result: "success".into(),
        detail: format!("at {seconds}"),
    }
}

/// Direct access, as somebody with an editor has it.
fn sql(dir: &Path, text: &str) {
    rusqlite::Connection::open(dir.join("state.db")).unwrap().execute_batch(text).unwrap();
}

/// A trail of ten entries.
fn trail(dir: &Path) -> StateDir {
    let state = open(dir);
    for n in 1..=10 {
        state.record(&Entry { audit: vec![audited(n, "backup")], ..Entry::default() }).unwrap();
    }
    state
}

#[test]
fn a_change_a_removal_an_insertion_and_a_swap_break_the_audit_chain() {
    for (change, seq) in [
        ("UPDATE audit SET entry = replace(entry, 'success', 'failure') WHERE seq = 4", 4),
        ("UPDATE audit SET hash = replace(hash, 'a', 'b') WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4", 4),
        ("DELETE FROM audit WHERE seq <= 3", 1),
        ("DELETE FROM audit WHERE seq > 7", 8),
        ("DELETE FROM audit", 1),
        (
            "UPDATE audit SET seq = -seq WHERE seq > 4; UPDATE audit SET seq = 1 - seq WHERE seq < 0;
          INSERT INTO audit SELECT 5, entry, hash FROM audit WHERE seq = 4",
            5,
        ),
        (
            "UPDATE audit SET seq = 99 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5;
          UPDATE audit SET seq = 5 WHERE seq = 99",
            4,
        ),
        (
            "DELETE FROM audit WHERE seq <= 3; UPDATE audit_ends SET anchor_seq = 3, anchor_hash = (SELECT hash FROM kept)",
            4,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let state = trail(dir.path());
        assert_eq!(state.audit_verify().unwrap().entries, 10);
        sql(dir.path(), "CREATE TABLE kept AS SELECT hash FROM audit WHERE seq = 3");
        sql(dir.path(), change);
        match state.audit_verify() {
            Err(AuditError::Problem(problem)) => assert!(problem.seq.abs_diff(seq) <= 1, "{change}: {problem:?}"),
            other => panic!("{change}: {other:?}"),
        }
    }
}

#[test]
fn the_audit_chain_holds_after_old_entries_were_let_go() {
    const DAY: i64 = 86_400;
    let dir = tempfile::tempdir().unwrap();
    let state = trail(dir.path());
    let head = state.audit_verify().unwrap().head;
    for day in [50, 91, 120, 200] {
        state.record(&Entry { audit: vec![audited(day * DAY, "forget")], ..Entry::default() }).unwrap();
        state.audit_verify().unwrap();
    }
    let summary = state.audit_verify().unwrap();
    assert!(summary.first > 10 && summary.head != head, "{summary:?}");
    assert!(summary.oldest.unwrap() >= at(110 * DAY));
    sql(dir.path(), "UPDATE audit_ends SET anchor_seq = 0, anchor_hash = ''");
    assert!(matches!(state.audit_verify(), Err(AuditError::Problem(_))));
}

#[test]
fn the_export_can_be_checked_by_another_program() {
    use sha2::{Digest, Sha256};
    let dir = tempfile::tempdir().unwrap();
    let state = trail(dir.path());
    let mut text = Vec::new();
    state.audit_export(&mut text).unwrap();
    let mut prev = String::new();
    let text = String::from_utf8(text).unwrap();
    for (n, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry = value["entry"].to_string();
        prev = hex::encode(Sha256::digest(format!("{prev}\n{}\n{entry}", n + 1)));
        assert_eq!(value["hash"], prev);
        assert_eq!(value["entry"]["action"], "backup");
    }
    assert_eq!(text.lines().count(), 10);
    assert_eq!(prev, state.audit_verify().unwrap().head);
}
