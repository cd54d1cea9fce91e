//! However a drill ends, nothing of it stays.

use crate::Drilled;
use crate::support::operator::run;
use rustix::process::Signal;

#[test]
fn what_a_killed_drill_leaves_is_removed_at_the_next_start() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    drilled.host.seawall(&["backup", "app"]).ok();
    for place in ["drill-scratch-made", "drill-restored"] {
        let said = run(drilled.host.command(&["drill", "app"]).env("SEAWALL_FAIL_POINT", place));
        assert_eq!(said.code, -1, "it was killed: {said:#?}");
        let left = drilled.leftovers();
        assert!(left.len() == 1 && left[0].starts_with("seawall-drill-"), "{left:?}");
        let operator = drilled.host.start();
        assert_eq!(drilled.leftovers(), [""; 0], "after {place}");
        let volumes = operator.status()["volumes"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(!volumes.iter().any(|name| name.starts_with("seawall-drill-")), "{volumes:?}");
        assert_eq!(drilled.last("drill")["result"], "interrupted", "it is counted");
        operator.stop();
    }
    // Without an operator, the next drill clears up.
    run(drilled.host.command(&["drill", "app"]).env("SEAWALL_FAIL_POINT", "drill-restored"));
    assert_eq!(drilled.leftovers().len(), 1);
    drilled.host.seawall(&["drill", "app"]).ok();
    assert_eq!(drilled.leftovers(), [""; 0]);
}

#[test]
fn a_scratch_volume_is_nobodys_data() {
    let drilled = Drilled::new("{minFiles: 1}", &[]);
    drilled.host.seawall(&["backup", "app"]).ok();
    run(drilled.host.command(&["drill", "app"]).env("SEAWALL_FAIL_POINT", "drill-restored"));
    let volumes = drilled.host.seawall(&["get", "volumes", "-o", "json"]).ok();
    assert!(volumes.contains(&drilled.volume) && !volumes.contains("seawall-drill-"), "{volumes}");
    drilled.host.start().stop();
    assert_eq!(drilled.leftovers(), [""; 0]);
}

#[test]
fn sigterm_ends_a_drill_and_clears_up() {
    let drilled = Drilled::new("", &[]);
    let image = drilled.engine.image();
    let endless = format!("{{command: {{image: \"{image}\", command: [sleep, \"100000\"], timeout: 1h}}}}");
    drilled.ask(&endless, &[]);
    let mut operator = drilled.host.start();
    operator.until_saved("app");
    drilled.host.seawall(&["drill", "app", "--no-wait"]).ok();
    operator.until("the command runs", |_| drilled.leftovers().len() == 2);
    operator.signal(Signal::TERM);
    assert_eq!(operator.ended(), 0);
    assert_eq!(drilled.leftovers(), [""; 0]);
    assert_eq!(drilled.last("drill")["result"], "interrupted");
}

#[test]
fn a_drill_that_takes_too_long_is_ended() {
    let drilled = Drilled::new("", &[]);
    let image = drilled.engine.image();
    let endless = format!("{{command: {{image: \"{image}\", command: [sleep, \"100000\"], timeout: 1h}}}}");
    drilled.ask(&endless, &[]);
    let text = std::fs::read_to_string(drilled.host.policies().join("app.yaml")).unwrap();
    drilled.host.write("app.yaml", &text.replace("drill: {", "drill: {timeout: 5s, "));
    drilled.host.seawall(&["backup", "app"]).ok();
    let said = drilled.host.seawall(&["drill", "app"]);
    assert!(said.code == 1 && said.out.contains("longer than its timeout of 5s"), "{said:#?}");
    assert_eq!(drilled.leftovers(), [""; 0]);
}
