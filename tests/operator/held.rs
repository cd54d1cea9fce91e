//! What is answered while a run is in its middle, and holds all that a run ever holds.

use crate::RARELY;
use crate::support::long_file::{ENDLESS, long_file};
use crate::support::operator::{Host, Operator};
use std::fs;

/// A policy of a directory of its own.
fn of_directory(host: &Host, name: &str, more: &str) {
    fs::create_dir_all(host.path(name)).unwrap();
    let text = format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{path: {{path: {}}}}}\n  schedule: {{{RARELY}}}\n  {more}\n",
        host.path(name).display()
    );
    host.write(&format!("{name}.yaml"), &text);
}

fn all_is_answered(operator: &Operator, when: &str) {
    for path in ["/metrics", "/api/v1/status", "/api/v1/policies/big", "/api/v1/plan", "/", "/runbook", "/readyz"] {
        assert_eq!(operator.get(path).0, 200, "{path} {when}");
    }
}

#[test]
fn a_scrape_waits_for_nothing_that_a_run_holds() {
    let host = Host::on("unix:///nowhere/docker.sock");
    of_directory(&host, "big", "");
    long_file(&host.path("big/endless"), ENDLESS);
    let operator = host.start();
    operator.until_running("big");
    let locks = host.state().join("repository/locks");
    operator.until("the run holds its lock", |_| fs::read_dir(&locks).is_ok_and(|all| all.count() > 0));

    // What is in force after the run began has never been scraped: its series are written now.
    of_directory(&host, "small", "suspend: true");
    let suspended = |o: &Operator, policy| o.metric("seawall_policy_suspended", &[("policy", policy)]) == Some(1.0);
    operator.until("an edit is in force", |o| suspended(o, "small"));
    all_is_answered(&operator, "while a run reads");
    let read = |o: &Operator| o.status()["running"][0]["bytesDone"].as_u64().unwrap();
    let before = read(&operator);
    operator.until("the run goes on, and is seen to", |o| read(o) > before);

    // The loop waits for the database, with what it has to write of this edit.
    let database = rusqlite::Connection::open(host.state().join("state.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    of_directory(&host, "third", "suspend: true");
    all_is_answered(&operator, "while the state is held");
    database.execute_batch("ROLLBACK").unwrap();
    operator.until("the edit is in force", |o| suspended(o, "third"));
    operator.kill();
}
