//! Two who want the same thing at once, and people who do something in the window of a run that lives.

use crate::host::Host;
use crate::support::long_file::long_file;

/// Two volumes of one container, each under a policy of its own: never both at once.
#[test]
fn a_container_in_two_policies_stands_still_for_one_after_the_other() {
    let host = Host::new();
    let second = host.engine.volume("second", &[], &[]);
    std::fs::write(host.engine.mountpoint(&second).join("file"), "precious too").unwrap();
    let mount = format!("--volume={second}:/more");
    let app = host.app(&[&mount, "--stop-timeout=1"]);
    host.policy("p", "mode: stop", false);
    host.policy_of("q", &second, "mode: pause", false);
    let operator = host.operator();
    host.until("both have run", || host.results().len() == 2);
    operator.end();
    assert_eq!(host.results(), ["success", "success"], "{}", host.log());
    assert_eq!((host.status(&app).as_str(), host.journal().as_str()), ("running", ""));
    let runs = host.get(&["get", "runs"]);
    assert!(runs.as_array().unwrap().iter().all(|run| run["quiesceSeconds"].as_f64() > Some(0.0)), "{runs}");
    host.engine.remove_container(&app);
}

/// What a person does in the window: the run is none of a success's, and everything stands as the person left it.
fn in_the_window(quiesce: &str, person: impl Fn(&Host, &str)) -> (Host, String) {
    let host = Host::new();
    let app = host.app(&["--stop-timeout=1"]);
    host.big_file();
    host.policy("p", quiesce, false);
    let operator = host.operator();
    host.until("it stands still", || matches!(host.status(&app).as_str(), "paused" | "exited"));
    person(&host, &app);
    host.remove_big_file();
    host.until("the run has ended", || !host.results().is_empty() && host.journal().is_empty());
    operator.end();
    (host, app)
}

const SHORT: &str = "timeout: 5s, maxDuration: 5s";

#[test]
fn a_container_renamed_in_the_window_comes_back_under_its_new_name() {
    for mode in ["mode: pause", "mode: stop"] {
        let rename = |host: &Host, app: &str| {
            host.engine.docker(&["rename", app, &format!("{app}-renamed")]);
        };
        let (host, app) = in_the_window(&format!("{mode}, {SHORT}"), rename);
        let renamed = format!("{app}-renamed");
        assert_eq!(host.status(&renamed), "running", "{mode}: {}", host.log());
        host.engine.remove_container(&renamed);
    }
}

#[test]
fn a_container_removed_in_the_window_stays_removed_and_is_noted() {
    for mode in ["mode: pause", "mode: stop"] {
        let (host, app) = in_the_window(&format!("{mode}, {SHORT}"), |host, app| host.engine.remove_container(app));
        assert_eq!(host.status(&app), "gone", "{mode}");
        assert!(host.get(&["get", "runs"])[0]["warnings"].to_string().contains("was removed"), "{}", host.log());
    }
}

/// What was read after that is not of one moment.
#[test]
fn a_container_that_a_person_set_going_in_the_window_makes_the_run_a_failure() {
    for (mode, command) in [("mode: pause", "unpause"), ("mode: stop", "start")] {
        let host = Host::new();
        let app = host.app(&["--stop-timeout=1"]);
        let root = host.engine.mountpoint(&host.volume);
        // Long enough for a person, and over by itself.
        long_file(&root.join("big"), 3 << 30);
        host.policy("p", mode, false);
        let mut run = host.begin_backup("p");
        host.until("it stands still", || matches!(host.status(&app).as_str(), "paused" | "exited"));
        host.engine.docker(&[command, &app]);
        assert!(!run.wait().unwrap().success(), "{}", host.log());
        assert_eq!(host.status(&app), "running");
        assert!(host.log().contains("did not stand still"), "{}", host.log());
        assert!(host.get(&["get", "snapshots"]).as_array().unwrap().is_empty());
    }
}
