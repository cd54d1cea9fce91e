//! SIGKILL, at every step of a quiesced run and at moments of no one's choice.

use crate::host::Host;
use crate::support::long_file::long_file;
use std::time::Duration;

/// The places named in `src/execute/quiesce`, in the order in which a run comes by.
const STEPS: [&str; 9] =
    ["intended", "touching", "touched", "still", "read", "returning", "returned", "closed", "back"];

fn killed_at_every_step(quiesce: &str, args: &[&str]) {
    let host = Host::new();
    let app = host.app(args);
    let bystander = host.app(&[]);
    host.engine.docker(&["stop", "--time=0", &bystander]);
    host.policy("p", quiesce, false);
    // The repository is there, and holds what a check can read.
    assert!(host.backup("p").status.success(), "{}", host.log());
    for step in STEPS {
        host.policy("p", quiesce, false);
        host.killed_at("p", step);
        host.policy("p", quiesce, true);
        host.recovers(&app, step);
        assert_eq!(host.status(&bystander), "exited", "what did not run before does not run after {step}");
        assert_eq!(host.results()[0], "interrupted", "{step}");
    }
    let counted = host.results().iter().filter(|result| *result == "interrupted").count();
    assert_eq!(counted, STEPS.len());
    host.repository_is_clean();
}

#[test]
fn a_run_that_pauses_is_killed_at_every_step() {
    killed_at_every_step("mode: pause", &[]);
}

#[test]
fn a_run_that_stops_is_killed_at_every_step() {
    killed_at_every_step("mode: stop", &["--restart=unless-stopped"]);
}

#[test]
fn a_run_that_tells_by_commands_is_killed_between_them() {
    let host = Host::new();
    let app = host.app(&[]);
    let mark = host.engine.mountpoint(&host.volume).join("mark");
    let quiesce = "mode: hooks, pre: [{command: [/bin/busybox, touch, /data/mark]}], \
                   post: [{command: [/bin/busybox, rm, -f, /data/mark]}]";
    for step in ["intended", "touched", "still", "read", "returning", "returned", "closed"] {
        host.policy("p", quiesce, false);
        host.killed_at("p", step);
        host.policy("p", quiesce, true);
        host.recovers(&app, step);
        assert!(!mark.exists(), "the post command ran after {step}");
    }
}

/// 25 by default; `SEAWALL_TEST_KILLS=100` for as many as the promise was made for. Every other one hits a window, at
/// any time of it; the others anything from the start of the process to its end.
#[test]
fn a_run_is_killed_at_random_moments() {
    let kills = std::env::var("SEAWALL_TEST_KILLS").map_or(25, |n| n.parse().unwrap());
    let host = Host::new();
    let app = host.app(&["--stop-timeout=1"]);
    let wide = host.engine.mountpoint(&host.volume).join("wide");
    for nth in 0..kills {
        let quiesce = if nth % 2 == 0 { "mode: pause" } else { "mode: stop" };
        host.policy("p", quiesce, false);
        // A window of a second or so: made anew, so that it is read again.
        long_file(&wide, 512 << 20);
        let mut run = host.begin_backup("p");
        if nth % 4 < 2 {
            host.until("the window begins", || !host.journal().is_empty());
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..2000)));
        run.kill().unwrap();
        run.wait().unwrap();
        let left = (host.status(&app), !host.journal().is_empty());
        host.policy("p", quiesce, true);
        host.recovers(&app, &format!("kill {nth}, which left {left:?}"));
        println!("kill {nth}: {quiesce}, left {left:?}");
    }
    let ended = host.results();
    let interrupted = ended.iter().filter(|result| *result == "interrupted").count();
    assert!(interrupted > 0 && interrupted <= kills, "{ended:?}");
    host.policy("p", "mode: pause", false);
    assert!(host.backup("p").status.success());
    host.repository_is_clean();
}

#[test]
fn sigterm_in_the_window_brings_the_application_back_in_time() {
    for quiesce in ["mode: pause", "mode: stop", "mode: hooks, pre: [{command: [/bin/busybox, sleep, '300']}]"] {
        let host = Host::new();
        // Ends by itself only after a long while: the stop is under way when the signal comes.
        let deaf = ["sh", "-c", "trap '' TERM; while :; do /bin/busybox sleep 1; done"];
        let app = host.app_with(&["--stop-timeout=300"], &deaf);
        host.big_file();
        host.policy("p", &format!("{quiesce}, timeout: 5m"), false);
        let operator = host.operator();
        host.until("the window begins", || !host.journal().is_empty());
        std::thread::sleep(Duration::from_millis(500));
        let took = operator.end();
        // The promise itself is a time: what is asserted is that, and nothing of the machine's speed.
        assert!(took < Duration::from_secs(10), "{quiesce}: {took:?}");
        assert_eq!((host.status(&app).as_str(), host.journal().as_str()), ("running", ""), "{quiesce}: {}", host.log());
        assert_eq!(host.results()[0], "interrupted", "{quiesce}");
    }
}
