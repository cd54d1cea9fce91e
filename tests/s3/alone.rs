//! A policy whose only repository is in a bucket, end to end: the operator, by schedule, with nothing on this host's disk.

use crate::lab::{PASSWORD, differences, noise};
use crate::seaweed::{ADMIN, Seaweed};
use crate::support::engine::Engine;
use crate::support::operator::{Host, policy, run};
use std::fs;
use std::process::Command;

struct Alone {
    server: Seaweed,
    engine: Engine,
    host: Host,
    volume: String,
}

impl Alone {
    fn new() -> Self {
        let (server, engine) = (Seaweed::start(), Engine::shared());
        server.set("PUT", "/backups", "");
        let (host, volume) = (Host::new(&engine), engine.volume("alone", &[], &[]));
        let alone = Self { server, engine, host, volume };
        let file = |name: &str, text: &str| {
            let path = alone.host.path(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (id, secret, password) = (file("id", ADMIN.0), file("secret", ADMIN.1), file("password", PASSWORD));
        let repository = format!(
            "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: offsite}}\nspec:\n  s3:\n    endpoint: {}\n    \
             bucket: backups\n    prefix: host-1\n    accessKeyIdFrom: {{file: {id}}}\n    secretAccessKeyFrom: {{file: \
             {secret}}}\n  passwordFrom: {{file: {password}}}\n  check: {{schedule: {{every: 1m}}, readDataPercent: 100}}\n",
            alone.server.url()
        );
        alone.host.write("offsite.yaml", &repository);
        let root = alone.engine.mountpoint(&alone.volume);
        fs::create_dir(root.join("deep")).unwrap();
        fs::write(root.join("deep/noise"), noise(3 << 20)).unwrap();
        fs::write(root.join("counted"), "0").unwrap();
        let drill = "verification: {drill: {schedule: {every: 1m}, checks: [{compareSample: 100%}, {minFiles: 2}]}}";
        let more = ["repositories: [offsite]", "retention: {keepLast: 2}", drill];
        alone.host.write("app.yaml", &policy("app", &alone.volume, "every: 1m", &more));
        alone
    }

    fn restic(&self, args: &[&str]) -> String {
        let mut restic = Command::new("restic");
        restic
            .args(["--no-cache", "--no-lock", "--repo", &format!("s3:{}/backups/host-1", self.server.url())])
            .args(args);
        restic.env("RESTIC_PASSWORD", PASSWORD).env("AWS_ACCESS_KEY_ID", ADMIN.0).env("AWS_SECRET_ACCESS_KEY", ADMIN.1);
        run(restic.env_remove("AWS_CA_BUNDLE")).ok()
    }
}

#[test]
fn backups_retention_drills_and_checks_come_by_schedule_and_nothing_lies_on_this_host() {
    let alone = Alone::new();
    let operator = alone.host.start();
    operator.until_saved("app");
    let runs = |operation: &str, policy: &str, result: &str| {
        let labels = [("policy", policy), ("operation", operation), ("result", result)];
        operator.metric("seawall_runs_total", &labels).unwrap_or(0.0)
    };
    // More than retention keeps, each of its own slot.
    let root = alone.engine.mountpoint(&alone.volume);
    operator.until("three backups by schedule", |_| {
        fs::write(root.join("counted"), runs("backup", "app", "success").to_string()).unwrap();
        runs("backup", "app", "success") >= 3.0
    });
    operator.until("a drill by schedule", |_| runs("drill", "app", "success") >= 1.0);
    operator.until("a check by schedule", |_| runs("check", "@offsite", "success") >= 1.0);
    let kept = [("policy", "app"), ("repository", "offsite")];
    operator.until("retention", |o| {
        runs("forget", "app", "success") >= 1.0 && o.metric("seawall_snapshots", &kept) == Some(2.0)
    });
    for (operation, policy) in [("backup", "app"), ("drill", "app"), ("check", "@offsite"), ("forget", "app")] {
        for result in ["failure", "partial", "interrupted"] {
            assert!(runs(operation, policy, result) < 1.0, "{operation} {result}: {}", operator.log());
        }
    }
    assert_eq!(operator.metric("seawall_repository_healthy", &[("repository", "offsite")]), Some(1.0));
    let deadline = operator.metric("seawall_drill_deadline_timestamp_seconds", &[("policy", "app")]).unwrap();
    assert!(deadline > operator.metric("seawall_drill_last_success_timestamp_seconds", &[("policy", "app")]).unwrap());
    operator.stop();

    assert!(!alone.host.state().join("repository").exists(), "no repository is made that no policy names");
    let said = alone.restic(&["check", "--read-data"]);
    assert!(said.contains("no errors were found"), "{said}");
    let target = alone.host.path("by-restic");
    alone.restic(&["restore", "latest", "--target", target.to_str().unwrap()]);
    fs::write(root.join("counted"), fs::read(target.join(&alone.volume).join("counted")).unwrap()).unwrap();
    assert_eq!(differences(&root.join("deep"), &target.join(&alone.volume).join("deep")), Vec::<String>::new());

    // By hand, without an operator.
    alone.host.seawall(&["backup", "app"]).ok();
}

#[test]
fn a_bucket_that_goes_away_is_told() {
    let alone = Alone::new();
    let operator = alone.host.start();
    operator.until_saved("app");
    let saved = operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "app")]);
    drop(alone.server);
    operator.until("a failed backup", |o| o.runs("app", "failure") >= 1);
    assert_eq!(operator.metric("seawall_backup_last_run_successful", &[("policy", "app")]), Some(0.0));
    assert_eq!(operator.metric("seawall_backup_last_success_timestamp_seconds", &[("policy", "app")]), saved);
    operator.until("it is not healthy", |o| {
        o.metric("seawall_repository_healthy", &[("repository", "offsite")]) == Some(0.0)
    });
    operator.stop();
}
