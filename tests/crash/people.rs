//! What a person did meanwhile is respected.

use crate::host::Host;

fn after_a_kill(quiesce: &str, person: impl Fn(&Host, &str), ending: &str) {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", quiesce, false);
    host.killed_at("p", "still");
    person(&host, &app);
    host.policy("p", quiesce, true);
    let operator = host.operator();
    host.until("the journal is empty", || host.journal().is_empty());
    host.until("the operator looks", || host.log().contains("is running"));
    assert_eq!(host.status(&app), ending, "{}", host.log());
    operator.end();
    let events = host.get(&["get", "runs"]);
    assert!(events.is_array());
    assert!(host.log().contains(&app), "it is noted: {}", host.log());
}

#[test]
fn a_paused_container_that_a_person_stopped_stays_stopped() {
    after_a_kill("mode: pause", |h, app| drop(h.engine.docker(&["stop", "--time=1", app])), "exited");
}

#[test]
fn a_paused_container_that_a_person_set_going_and_paused_again_stays_paused() {
    let again = |h: &Host, app: &str| {
        h.engine.docker(&["unpause", app]);
        h.engine.docker(&["pause", app]);
    };
    after_a_kill("mode: pause", again, "paused");
}

#[test]
fn a_stopped_container_that_a_person_started_runs() {
    after_a_kill("mode: stop", |h, app| drop(h.engine.docker(&["start", app])), "running");
}

#[test]
fn a_stopped_container_that_a_person_started_and_stopped_stays_stopped() {
    let both = |h: &Host, app: &str| {
        h.engine.docker(&["start", app]);
        h.engine.docker(&["stop", "--time=1", app]);
    };
    after_a_kill("mode: stop", both, "exited");
}

#[test]
fn a_renamed_container_comes_back() {
    for quiesce in ["mode: pause", "mode: stop"] {
        let host = Host::new();
        let app = host.app(&[]);
        host.policy("p", quiesce, false);
        host.killed_at("p", "still");
        let other = format!("{app}-renamed");
        host.engine.docker(&["rename", &app, &other]);
        host.policy("p", quiesce, true);
        host.recovers(&other, "its name changed");
        host.engine.remove_container(&other);
    }
}

#[test]
fn a_removed_container_leaves_nothing_open() {
    let host = Host::new();
    let app = host.app(&[]);
    host.policy("p", "mode: stop", false);
    host.killed_at("p", "still");
    host.engine.remove_container(&app);
    let operator = host.operator();
    host.until("the journal is empty", || host.journal().is_empty());
    operator.end();
    assert!(host.log().contains("was removed"), "{}", host.log());
}

#[test]
fn a_container_that_was_made_anew_is_found_by_what_it_is() {
    let host = Host::new();
    let labels = [
        "--label=com.docker.compose.project=shop",
        "--label=com.docker.compose.service=db",
        "--label=com.docker.compose.container-number=1",
    ];
    let app = host.app(&labels);
    host.policy("p", "mode: stop", false);
    host.killed_at("p", "still");
    host.engine.remove_container(&app);
    // As updaters do: what was stopped is made anew and left stopped.
    let image = host.engine.image();
    let new = format!("{app}-new");
    let create = ["create", "--network=none", "--name", &new];
    host.engine.docker(&[&create[..], &labels[..], &[image, "sleep", "1000000"]].concat());
    host.policy("p", "mode: stop", true);
    host.recovers(&new, "it was made anew");
    host.engine.remove_container(&new);
}
