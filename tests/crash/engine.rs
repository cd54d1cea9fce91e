//! The engine itself ends and comes back in the window.

use crate::host::Host;
use crate::support::engine::Engine;

fn restarted_in_the_window(quiesce: &str, restart: &str) {
    let host = Host::on(Engine::private());
    let app = host.app(&[restart]);
    host.big_file();
    host.policy("p", &format!("{quiesce}, timeout: 60s"), false);
    let operator = host.operator();
    host.until("it stands still", || matches!(host.status(&app).as_str(), "paused" | "exited"));
    host.engine.stop();
    host.engine.start();
    // The run goes on reading: ending it ends the window.
    operator.end();
    host.policy("p", quiesce, true);
    host.recovers(&app, "the engine came back");
}

#[test]
fn a_paused_container_without_restart_policy_comes_back() {
    restarted_in_the_window("mode: pause", "--restart=no");
}

#[test]
fn a_stopped_container_comes_back_whatever_its_restart_policy() {
    restarted_in_the_window("mode: stop", "--restart=unless-stopped");
}

#[test]
fn an_engine_that_is_away_at_the_start_is_waited_for() {
    let host = Host::on(Engine::private());
    let app = host.app(&["--restart=no"]);
    host.policy("p", "mode: stop", false);
    host.killed_at("p", "still");
    host.engine.stop();
    host.policy("p", "mode: stop", true);
    let operator = host.operator();
    host.until("it says what it waits for", || host.log().contains("was left stop"));
    assert!(!host.log().contains("is running"), "nothing else begins: {}", host.log());
    host.engine.start();
    host.until("it is back", || host.status(&app) == "running" && host.journal().is_empty());
    operator.end();
}

/// Everything ends at once, and everything is started again. Docker itself brings back what it is told to bring back
/// after a boot, and no other.
fn after_a_power_cut(quiesce: &str) {
    let host = Host::on(Engine::private());
    let plain = host.app(&["--restart=no", "--stop-timeout=1"]);
    let kept = host.app(&["--restart=unless-stopped", "--stop-timeout=1"]);
    let bystander = host.engine.sleeper("bystander", &["--restart=unless-stopped"]);
    host.engine.docker(&["stop", "--time=0", &bystander]);
    host.big_file();
    host.policy("p", &format!("{quiesce}, timeout: 60s"), false);
    let operator = host.operator();
    let still = |app: &str| matches!(host.status(app).as_str(), "paused" | "exited");
    host.until("both stand still", || still(&plain) && still(&kept));
    operator.kill();
    host.engine.crash();
    assert_eq!(host.status(&plain), "gone", "nobody answers");
    host.engine.start();
    assert_eq!(host.status(&plain), "exited", "Docker leaves it");
    host.policy("p", quiesce, true);
    host.recovers(&plain, "the power cut");
    assert_eq!((host.status(&kept).as_str(), host.status(&bystander).as_str()), ("running", "exited"));
    assert_eq!(host.results(), ["interrupted"]);
}

#[test]
fn paused_containers_come_back_after_a_power_cut() {
    after_a_power_cut("mode: pause");
}

#[test]
fn stopped_containers_come_back_after_a_power_cut() {
    after_a_power_cut("mode: stop");
}
