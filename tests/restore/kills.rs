//! A restore that is killed leaves the old or the new, and the application runs.

use crate::scene::Scene;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

const FILES: usize = 40;

struct Killed {
    scene: Scene,
    app: String,
}

impl Killed {
    fn new() -> Self {
        let scene = Scene::new();
        let this = Self { app: scene.app(&[]), scene };
        this.write("old");
        this.scene.backup();
        this.write("new");
        this
    }

    fn write(&self, version: &str) {
        for nth in 0..FILES {
            self.scene.fill(&format!("d{}/{nth}", nth % 5), format!("{version} {}", "x".repeat(nth * 1000)));
        }
    }

    /// Which version there is; a mix of two is none.
    fn version(&self) -> String {
        let versions: std::collections::BTreeSet<String> = (0..FILES)
            .map(|nth| {
                let text = self.scene.read(&format!("d{}/{nth}", nth % 5)).unwrap_or_default();
                text.split(' ').next().unwrap_or_default().to_owned()
            })
            .collect();
        let versions: Vec<String> = versions.into_iter().collect();
        versions.join(" and ")
    }

    fn recovers(&self, when: &str) -> String {
        let operator = self.scene.host.start();
        operator.until(&format!("the application runs, after {when}"), |_| {
            self.scene.is_running(&self.app)
                && fs::read_to_string(self.scene.host.state().join("journal/intents")).unwrap_or_default().is_empty()
        });
        let version = self.version();
        assert!(["old", "new"].contains(&version.as_str()), "{when}: {version}");
        let seen = self.scene.seen_by(&self.app, "/data/d0/0").unwrap();
        assert!(seen.starts_with(&version), "{when}: the application sees {seen}, the volume holds {version}");
        let kept = operator.status()["undos"].as_array().unwrap().len();
        assert_eq!(kept, self.scene.beside().len(), "{when}: nothing lies about that is not on record");
        operator.stop();
        version
    }
}

#[test]
fn at_every_step() {
    let killed = Killed::new();
    for (point, version) in [
        ("laying", "new"),
        ("laid", "new"),
        ("intended", "new"),
        ("touching", "new"),
        ("touched", "new"),
        ("still", "new"),
        ("exchanging", "new"),
        ("exchanged", "old"),
        ("returning", "old"),
        ("returned", "old"),
        ("closed", "old"),
        ("back", "old"),
    ] {
        let mut command = killed.scene.host.command(&["restore", "p", "--yes"]);
        let output = command.env("SEAWALL_FAIL_POINT", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point} was not reached: {output:?}");
        assert_eq!(killed.recovers(point), version, "{point}");
        if version == "old" {
            killed.scene.host.seawall(&["restore", "p", "--undo", "--yes"]).ok();
            assert_eq!(killed.version(), "new", "{point}");
            killed.scene.host.seawall(&["restore", "p", "--discard", "--yes"]).ok();
        }
        assert!(killed.scene.beside().is_empty(), "{point}");
    }
    let events = killed.scene.host.seawall(&["get", "events"]).ok();
    assert!(events.contains("RestoreSettled"), "{events}");
}

#[test]
fn while_it_is_undone() {
    let killed = Killed::new();
    killed.scene.restore(&[]).ok();
    for (point, version) in [("exchanging", "old"), ("exchanged", "new"), ("exchanging", "new"), ("exchanged", "old")] {
        let mut command = killed.scene.host.command(&["restore", "p", "--undo", "--yes"]);
        let output = command.env("SEAWALL_FAIL_POINT", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
        assert_eq!(killed.recovers(point), version, "{point}");
    }
}

/// A volume that is gone is made first, so there is a moment more; at each the volume is empty, or whole.
#[test]
fn while_a_volume_is_made() {
    let killed = Killed::new();
    killed.write("old");
    killed.scene.backup();
    killed.scene.engine.remove_container(&killed.app);
    killed.scene.engine.docker(&["volume", "rm", &killed.scene.volume]);
    for (point, version) in [("made", ""), ("laying", ""), ("laid", ""), ("exchanging", ""), ("exchanged", "old")] {
        let mut command = killed.scene.host.command(&["restore", "p", "--yes"]);
        let output = command.env("SEAWALL_FAIL_POINT", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point} was not reached: {output:?}");
        killed.scene.host.start().stop();
        assert_eq!(killed.version(), version, "{point}");
        let entries = fs::read_dir(killed.scene.root()).unwrap().count();
        assert_eq!(entries > 0, version == "old", "{point}");
    }
}

/// 50, spread over the time that a restore takes; `SEAWALL_TEST_KILLS` for another number.
#[test]
fn at_random_moments() {
    let kills = std::env::var("SEAWALL_TEST_KILLS").map_or(50, |n| n.parse().unwrap());
    let killed = Killed::new();
    let began = std::time::Instant::now();
    killed.scene.restore(&[]).ok();
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap();
    killed.scene.restore(&["--undo"]).ok();
    killed.scene.restore(&["--discard"]).ok();
    assert_eq!(killed.version(), "new");
    let mut ended = [0, 0];
    for nth in 0..kills {
        let mut child = killed.scene.host.command(&["restore", "p", "--yes"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(fastrand::u64(whole / 10..whole * 11 / 10)));
        child.kill().unwrap();
        child.wait().unwrap();
        let version = killed.recovers(&format!("kill {nth}"));
        ended[usize::from(version == "old")] += 1;
        if !killed.scene.beside().is_empty() {
            killed.scene.restore(&["--discard"]).ok();
            assert!(killed.scene.beside().is_empty());
        }
        if version == "old" {
            killed.write("new");
        }
    }
    println!("{} left what was there, {} what was brought", ended[0], ended[1]);
}
