//! Restores from an archive as it is, by the way that every restore goes.

use crate::desk::{Desk, differences, hard_tree};
use crate::support::engine::Engine;
use crate::support::operator::run;
use std::fs;

struct Scene {
    engine: Engine,
    desk: Desk,
    volume: String,
}

impl Scene {
    fn new() -> Self {
        let engine = Engine::shared();
        let volume = engine.volume("archive", &[], &[]);
        let desk = Desk::on(&engine, &volume);
        fs::write(engine.mountpoint(&volume).join("config"), "live").unwrap();
        Self { engine, desk, volume }
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.engine.mountpoint(&self.volume).join(file)).ok()
    }

    fn restore(&self, file: &str, args: &[&str]) -> crate::support::operator::Said {
        let file = self.desk.work(file).display().to_string();
        let mut all = vec!["restore", "p", "--yes", "--from-archive", &file];
        all.extend(args);
        self.desk.host.seawall(&all)
    }
}

#[test]
fn an_archive_takes_the_place_of_what_is_there_and_can_be_undone() {
    let scene = Scene::new();
    let data = scene.desk.work("data");
    hard_tree(&data);
    scene.desk.shell("tar --format=pax --xattrs --xattrs-include='*' --acls -S -czf n8n_20260123_140530.tar.gz data");
    let app = scene.engine.sleeper("app", &[&format!("--volume={}:/data", scene.volume), "--stop-timeout=1"]);
    let started = || scene.engine.docker(&["inspect", "--format={{.State.StartedAt}} {{.State.Status}}", &app]);
    let before = started();
    let said = scene.restore("n8n_20260123_140530.tar.gz", &[]);
    for part in ["tar, gzip", "as of 2026-01-23T14:05:30Z", "data/", &app] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert!(said.ok().contains("are in"));
    assert_eq!(differences(&data, &scene.engine.mountpoint(&scene.volume)), Vec::<String>::new());
    assert!(started() != before && started().ends_with("running"), "it was stopped, and started again");
    scene.desk.host.seawall(&["restore", "p", "--undo", "--yes"]).ok();
    assert_eq!(scene.read("config").as_deref(), Some("live"));
    scene.desk.host.seawall(&["restore", "p", "--discard", "--yes"]).ok();
}

#[test]
fn nothing_stops_for_an_archive_that_cannot_be_used() {
    let scene = Scene::new();
    scene.desk.data("old");
    scene.desk.shell(
        "tar czf good.tar.gz data; head -c 150 good.tar.gz > cut.tar.gz
         mkdir -p bad/data; ln -s /etc bad/data/way; tar -C bad -cf bad.tar data; rm bad/data/way; mkdir bad/data/way
         echo x > bad/data/way/passwd-; tar -C bad -rf bad.tar data/way/passwd-",
    );
    let app = scene.engine.sleeper("app", &[&format!("--volume={}:/data", scene.volume), "--stop-timeout=1"]);
    let started = || scene.engine.docker(&["inspect", "--format={{.State.StartedAt}}", &app]);
    let before = started();
    for (file, part) in [("cut.tar.gz", "truncated"), ("bad.tar", "twice, as a directory and as something else")] {
        let said = scene.restore(file, &[]);
        assert!(said.code == 1 && format!("{said:?}").contains(part), "{file}: {said:?}");
    }
    assert_eq!((started(), scene.read("config").as_deref()), (before, Some("live")));
    let root = scene.engine.mountpoint(&scene.volume);
    let left = fs::read_dir(root.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing is left beside it");
}

#[test]
fn an_operator_reads_the_archive_itself_and_only_the_one_that_was_shown() {
    let scene = Scene::new();
    scene.desk.host.write(
        "p.yaml",
        &crate::support::operator::policy("p", &scene.volume, "cron: \"0 2 1 1 *\"", &["suspend: true"]),
    );
    scene.desk.data("old");
    scene.desk.shell(
        "echo hunter2 > pass; chmod 600 pass
         tar cf - data | openssl enc -aes-256-cbc -pbkdf2 -pass file:pass -out n8n_20260123_140530.tar.enc",
    );
    let operator = scene.desk.host.start();
    let pass = scene.desk.work("pass").display().to_string();
    let file = scene.desk.work("n8n_20260123_140530.tar.enc");
    let file = file.to_str().unwrap();
    let mut by_env =
        scene.desk.host.command(&["restore", "p", "--yes", "--passphrase-env", "PASS", "--from-archive", file]);
    let by_env = run(by_env.env("PASS", "hunter2"));
    assert!(by_env.code == 1 && by_env.err.contains("--passphrase-file"), "{by_env:?}");
    assert_eq!(scene.read("config").as_deref(), Some("live"));
    scene.restore("n8n_20260123_140530.tar.enc", &["--passphrase-file", &pass]).ok();
    assert_eq!(scene.read("config").as_deref(), Some("old"));
    assert_eq!(scene.read("nodes/a").as_deref(), Some("a"));
    let runs = scene.desk.host.seawall(&["get", "runs", "-o", "json"]).ok();
    assert!(runs.contains("n8n_20260123_140530.tar.enc") && !runs.contains("hunter2"), "{runs}");
    assert!(!operator.log().contains("hunter2"));
    operator.stop();
}

#[test]
fn a_volume_that_is_gone_is_made_anew_and_another_one_filled() {
    let scene = Scene::new();
    let data = scene.desk.data("old");
    scene.desk.shell("tar czf n8n.tar.gz data");
    let other = format!("{}-other", scene.volume);
    scene.restore("n8n.tar.gz", &["--to", &other]).ok();
    assert_eq!(fs::read_to_string(scene.engine.mountpoint(&other).join("config")).unwrap(), "old");
    assert_eq!(scene.read("config").as_deref(), Some("live"));
    let again = scene.restore("n8n.tar.gz", &["--to", &other]);
    assert!(again.code == 1 && again.out.contains("holds files"), "{again:?}");
    scene.engine.docker(&["volume", "rm", &other]);
    scene.engine.docker(&["volume", "rm", &scene.volume]);
    let made = scene.restore("n8n.tar.gz", &[]).ok();
    assert!(made.contains("was gone and is made anew"), "{made}");
    let different = differences(&data, &scene.engine.mountpoint(&scene.volume));
    assert!(different.iter().all(|line| line.contains("mtime")), "{different:?}");
}
