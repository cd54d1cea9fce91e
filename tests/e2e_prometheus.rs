//! The whole chain, nothing faked: the binary, a Docker engine, a Prometheus that scrapes it with the shipped rules. A backup
//! goes stale, the alert fires; backups go on, the alert resolves.
//!
//! What is shortened: how often Prometheus looks, and how long an alert has to hold (`for`, `keep_firing_for`), because the
//! rules' own minutes are covered by `promtool test rules`.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses its helpers")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::engine::Engine;

const ALERT: &str = "SeawallBackupStale";

/// A process that ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(command: &mut Command, log: &Path) -> Running {
    let log = fs::File::create(log).unwrap();
    let out = log.try_clone().unwrap();
    Running(command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().unwrap())
}

fn curl(url: &str) -> String {
    let answer = Command::new("curl").args(["-sS", "--max-time", "5", url]).output().unwrap();
    String::from_utf8_lossy(&answer.stdout).into_owned()
}

fn policy(volume: &str, suspend: bool) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: short}}\nspec:\n  \
         source: {{volume: {{name: {volume}}}}}\n  schedule: {{every: 1m}}\n  objectives: {{rpo: 1m}}\n  suspend: {suspend}\n"
    )
}

/// The shipped rules, with every waiting time cut to a second.
fn impatient(rules: &str) -> String {
    let cut = |line: &str| {
        let (indent, word) = line.split_at(line.len() - line.trim_start().len());
        match word.split_once(": ") {
            Some((key @ ("for" | "keep_firing_for"), _)) => format!("{indent}{key}: 1s\n"),
            _ => format!("{line}\n"),
        }
    };
    rules.lines().map(cut).collect()
}

#[test]
fn a_backup_goes_stale_and_the_alert_fires_and_resolves() {
    let engine = Engine::shared();
    let volume = engine.volume("stale", &[], &[]);
    fs::write(engine.mountpoint(&volume).join("file"), "precious").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("policies")).unwrap();
    let file = at("policies/short.yaml");
    fs::write(&file, policy(&volume, false)).unwrap();

    let seawall = format!("127.0.0.1:{}", free_port());
    let prometheus = format!("127.0.0.1:{}", free_port());
    let _operator = start(
        Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(["run", "--listen", &seawall, "--docker-host", engine.host()])
            .arg("--policies")
            .arg(at("policies"))
            .arg("--state")
            .arg(at("state")),
        &at("seawall.log"),
    );
    let rules = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml")).unwrap();
    fs::write(at("rules.yml"), impatient(&rules)).unwrap();
    fs::write(
        at("prometheus.yml"),
        format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n  \
             - job_name: seawall\n    static_configs: [{{targets: [\"{seawall}\"]}}]\n"
        ),
    )
    .unwrap();
    let _prometheus = start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("tsdb").display()))
            .arg(format!("--web.listen-address={prometheus}")),
        &at("prometheus.log"),
    );

    let logs = || {
        let tail = |name: &str| {
            let text = fs::read_to_string(at(name)).unwrap_or_default();
            text.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("{}\n{}", tail("seawall.log"), tail("prometheus.log"))
    };
    let query = |expression: &str| -> serde_json::Value {
        let url = format!("http://{prometheus}/api/v1/query?query={expression}");
        serde_json::from_str(&curl(&url)).unwrap_or_default()
    };
    // Seconds are only ever a bound on patience: what is asserted is the order of things.
    let await_that = |what: &str, seconds: u64, holds: &dyn Fn() -> bool| {
        let patience = Instant::now() + Duration::from_secs(seconds);
        while !holds() {
            assert!(Instant::now() < patience, "waited {seconds} s in vain for: {what}\n{}", logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let series = |expression: &str| query(expression)["data"]["result"].as_array().map_or(0, Vec::len);
    let firing = || series(&format!("ALERTS%7Balertname%3D%22{ALERT}%22%2Calertstate%3D%22firing%22%7D")) > 0;

    await_that("the first backup, seen by Prometheus", 60, &|| {
        series("seawall_backup_last_success_timestamp_seconds%3E0") == 1
    });
    assert!(!firing(), "a fresh backup is not stale");

    fs::write(&file, policy(&volume, true)).unwrap();
    await_that("the edit, in the metrics", 30, &|| series("seawall_policy_suspended%3D%3D1") == 1);
    await_that("the alert", 120, &firing);

    fs::write(&file, policy(&volume, false)).unwrap();
    await_that("a new backup and the end of the alert", 180, &|| !firing());
    assert_eq!(series("seawall_backup_last_success_timestamp_seconds%3E0"), 1, "it ended by a backup, not by silence");
    assert_eq!(series("up%3D%3D1"), 1, "Prometheus still reads the operator");
}
