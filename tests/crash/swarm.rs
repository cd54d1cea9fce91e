//! A Swarm service is scaled to zero and back to what it was. On an engine of its own, since that joins no swarm else.

use crate::host::{Host, text};
use crate::support::engine::Engine;

const REPLICAS: usize = 2;

fn host() -> Host {
    let host = Host::on(Engine::private());
    host.engine.swarm();
    let mount = format!("--mount=type=volume,source={},target=/data", host.volume);
    let replicas = format!("--replicas={REPLICAS}");
    let args = ["service", "create", "--detach", "--no-resolve-image", "--network=host", "--name=web"];
    // Writes a line for every start, and needs a moment before it is well.
    let begin = "echo begun >>/data/starts; /bin/busybox sleep 1; : >/tmp-ready; exec /bin/busybox sleep 1000000";
    let health = ["--health-cmd=test -e /tmp-ready", "--health-interval=1s", "--stop-grace-period=1s"];
    let image = host.engine.image();
    host.engine.docker(&[&args[..], &health, &[&replicas, &mount, image, "sh", "-c", begin]].concat());
    host.until("the service runs", || running(&host) == REPLICAS);
    host
}

/// Tasks that run and are well, in the engine's eyes.
fn running(host: &Host) -> usize {
    host.engine
        .docker(&["ps", "--quiet", "--filter=label=com.docker.swarm.service.name=web", "--filter=health=healthy"])
        .lines()
        .count()
}

fn replicas(host: &Host) -> String {
    host.engine.docker(&["service", "inspect", "--format={{.Spec.Mode.Replicated.Replicas}}", "web"])
}

fn starts(host: &Host) -> usize {
    std::fs::read_to_string(host.engine.mountpoint(&host.volume).join("starts")).unwrap().lines().count()
}

#[test]
fn a_service_is_scaled_to_zero_and_back_and_waited_for() {
    let host = host();
    let before = starts(&host);
    host.policy("p", "mode: stop, timeout: 60s", false);
    let output = host.backup("p");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!((running(&host), replicas(&host)), (REPLICAS, REPLICAS.to_string()), "it was waited for");
    assert_eq!(starts(&host), before + REPLICAS, "each task began once more");
    assert_eq!(host.journal(), "");
    let runs = host.get(&["get", "runs"]);
    assert!(runs[0]["quiesceSeconds"].as_f64().unwrap() > 0.0 && runs[0]["warnings"].is_null(), "{runs}");
}

#[test]
fn a_service_comes_back_after_a_kill_at_every_step_that_touches_it() {
    let host = host();
    for step in ["touching", "touched", "still", "returning", "returned"] {
        host.policy("p", "mode: stop, timeout: 60s", false);
        host.killed_at("p", step);
        host.policy("p", "mode: stop", true);
        let operator = host.operator();
        host.until(&format!("it is as before, after {step}"), || {
            replicas(&host) == REPLICAS.to_string() && running(&host) == REPLICAS && host.journal().is_empty()
        });
        host.until("the operator runs", || host.log().contains("is running"));
        operator.end();
    }
}

#[test]
fn a_service_that_a_person_scaled_meanwhile_is_left_so() {
    let host = host();
    host.policy("p", "mode: stop, timeout: 60s", false);
    host.killed_at("p", "still");
    host.engine.docker(&["service", "scale", "--detach", "web=1"]);
    host.policy("p", "mode: stop", true);
    let operator = host.operator();
    host.until("it is noted", || host.log().contains("scaled by somebody else"));
    host.until("the operator runs", || host.log().contains("is running"));
    operator.end();
    assert_eq!((replicas(&host).as_str(), host.journal().as_str()), ("1", ""));
}
