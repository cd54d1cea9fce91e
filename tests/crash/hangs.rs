//! A run that hangs, or panics, keeps nothing still; one that dies when all was done has done it.

use crate::host::Host;

/// `maxDuration`, twice the timeout, and half a minute: after that the watchdog acts, whatever the run does.
#[test]
fn a_run_that_hangs_for_ever_loses_its_application_to_the_watchdog() {
    let host = Host::new();
    let app = host.app(&["--stop-timeout=1"]);
    host.policy("p", "mode: stop, timeout: 1s, maxDuration: 1s", false);
    let operator = host.operator_at(Some("read=hang"));
    host.until("it stands still", || host.status(&app) == "exited");
    host.until("it is back", || host.status(&app) == "running" && host.journal().is_empty());
    assert!(host.results().is_empty(), "the run has not ended");
    operator.kill();
    host.policy("p", "mode: stop", true);
    host.recovers(&app, "the operator was restarted");
    assert_eq!(host.results(), ["interrupted"]);
}

#[test]
fn a_panic_in_the_window_is_a_failure_and_the_application_comes_back() {
    for step in ["read", "returning", "returned"] {
        let host = Host::new();
        let app = host.app(&["--stop-timeout=1"]);
        host.policy("p", "mode: stop", false);
        let operator = host.operator_at(Some(&format!("{step}=panic")));
        host.until(&format!("it failed, after {step}"), || host.log().contains("programming error"));
        host.until(&format!("it is back, after {step}"), || {
            host.status(&app) == "running" && host.journal().is_empty()
        });
        host.until("the run is counted", || host.results().contains(&"failure".to_owned()));
        operator.end();
    }
}

#[test]
fn a_run_killed_after_its_snapshot_was_published_has_answered_its_slot() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", "mode: pause", false);
    host.killed_at("p", "published");
    assert_eq!((host.status(&app).as_str(), host.journal().as_str()), ("running", ""));
    let operator = host.operator();
    host.until("it is believed", || {
        let described = host.get(&["describe", "policy", "p"]);
        described["policy"]["sources"][0]["lastRunSuccessful"] == true
    });
    operator.end();
    assert_eq!(host.results(), ["interrupted"], "no second run for the same slot");
    assert_eq!(host.get(&["get", "snapshots"]).as_array().unwrap().len(), 1);
}
