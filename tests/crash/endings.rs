//! What may go wrong in a window, each with its ending.

use crate::host::{Host, text};

/// Backs up once; what was said, and whether there was a snapshot.
fn ends(host: &Host, app: &str, status: &str, words: &[&str], success: bool) {
    let output = host.backup("p");
    let said = text(&output);
    assert_eq!(output.status.success(), success, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert_eq!((host.status(app).as_str(), host.journal().as_str()), (status, ""), "{said}");
}

#[test]
fn a_command_that_hangs_fails_the_run_and_what_was_begun_is_undone() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy(
        "p",
        "mode: hooks, pre: [{command: [/bin/busybox, touch, /data/one]}, {command: [/bin/busybox, sleep, '300'], timeout: 1s}, \
         {command: [/bin/busybox, touch, /data/three]}], post: [{command: [/bin/sh, -c, 'echo one >>/data/undone']}, \
         {command: [/bin/sh, -c, 'echo two >>/data/undone']}, {command: [/bin/sh, -c, 'echo three >>/data/undone']}]",
        false,
    );
    ends(&host, &app, "running", &["pre command", "within 1s"], false);
    let root = host.engine.mountpoint(&host.volume);
    assert_eq!(std::fs::read_to_string(root.join("undone")).unwrap(), "two\none\n", "of those begun, in reverse");
    assert!(root.join("one").exists() && !root.join("three").exists());
    assert!(host.get(&["get", "snapshots"]).as_array().unwrap().is_empty());
}

#[test]
fn a_command_that_may_fail_fails_nothing() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", "mode: hooks, pre: [{command: [/bin/busybox, 'false'], onError: continue}]", false);
    ends(&host, &app, "running", &["success"], true);
}

#[test]
fn a_container_that_refuses_to_stop_is_killed_and_comes_back() {
    let host = Host::new();
    let deaf = ["sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done"];
    let app = host.app_with(&["--stop-timeout=300"], &deaf);
    host.policy("p", "mode: stop, timeout: 1s", false);
    ends(&host, &app, "running", &["success"], true);
    let warned = host.get(&["get", "runs"])[0]["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warned.contains("was killed"), "{warned}");
}

#[test]
fn a_container_that_crashes_on_its_start_is_a_failure_that_says_so() {
    let host = Host::new();
    // Runs once, and never again.
    let once = ["sh", "-c", "test ! -e /data/ran || exit 7; echo >/data/ran; exec /bin/busybox sleep 1000000"];
    let app = host.app_with(&[], &once);
    host.until("it has begun", || host.engine.mountpoint(&host.volume).join("ran").exists());
    host.policy("p", "mode: stop", false);
    ends(&host, &app, "exited", &["ended at once with code 7"], false);
}

#[test]
fn a_container_that_is_not_healthy_in_time_is_reported() {
    let host = Host::new();
    let app = host.app(&["--health-cmd=/bin/busybox false", "--health-interval=1s", "--health-retries=1"]);
    host.policy("p", "mode: stop, timeout: 3s", false);
    ends(&host, &app, "running", &["success"], true);
    let warned = host.get(&["get", "runs"])[0]["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warned.contains("unhealthy") || warned.contains("starting"), "{warned}");
}

#[test]
fn past_its_longest_the_application_comes_back_and_the_run_fails() {
    let host = Host::new();
    let app = host.app(&[]);
    host.big_file();
    host.policy("p", "mode: pause, maxDuration: 2s", false);
    ends(&host, &app, "running", &["maxDuration"], false);
    assert_eq!(host.results(), ["failure"]);
}

#[test]
fn a_journal_that_cannot_be_written_means_that_nothing_is_touched() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", "mode: stop", false);
    let started = |host: &Host| host.engine.docker(&["inspect", "--format={{.State.StartedAt}}", &app]);
    let before = started(&host);
    std::fs::create_dir_all(host.state()).unwrap();
    std::fs::write(host.state().join("journal"), "in the way").unwrap();
    let output = host.backup("p");
    assert!(!output.status.success());
    assert_eq!((host.status(&app), started(&host)), ("running".to_owned(), before), "{}", text(&output));
}

#[test]
fn a_volume_that_a_stop_would_unmount_is_refused() {
    let mut host = Host::new();
    host.volume = host.engine.volume("memory", &[("type", "tmpfs"), ("device", "tmpfs")], &[]);
    let app = host.app_with(&[], &["sh", "-c", "echo x >/data/file; exec /bin/busybox sleep 1000000"]);
    host.until("it has begun", || host.engine.mountpoint(&host.volume).join("file").exists());
    host.policy("p", "mode: stop", false);
    ends(&host, &app, "running", &["unmounts", "pause"], false);
    host.policy("p", "mode: pause", false);
    ends(&host, &app, "running", &["success"], true);
}

#[test]
fn two_policies_on_one_volume_take_turns() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", "mode: stop", false);
    host.policy("q", "mode: pause", false);
    let operator = host.operator();
    host.until("both have run", || {
        let runs = host.get(&["get", "runs"]);
        let runs = runs.as_array().unwrap();
        ["p", "q"]
            .iter()
            .all(|policy| runs.iter().any(|run| run["source"]["policy"] == *policy && run["result"] == "success"))
    });
    operator.end();
    assert_eq!((host.status(&app).as_str(), host.journal().as_str()), ("running", ""));
    assert_eq!(host.results(), ["success", "success"], "neither was in the other's way: {}", host.log());
}
