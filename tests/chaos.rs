//! Two hundred runs that are killed at random moments, and then everything that was promised about them.
//!
//! `SEAWALL_CHAOS_SEED` repeats the choices of an earlier run (not the moments: those are the machine's), and
//! `SEAWALL_CHAOS_RUNS` makes it shorter or longer.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses its helpers")]

mod support;

use fastrand::Rng;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::engine::Engine;
use support::operator::{Host, policy, run};

/// What the volume holds in one round: a function of seed and round, so that it can be made again.
fn fill(directory: &Path, seed: u64, round: u64) {
    let mut rng = Rng::with_seed(seed ^ (round << 20));
    let mut write = |name: String, length: usize| {
        let content: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        fs::write(directory.join(name), content).unwrap();
    };
    write(format!("large-{}", round % 3), 512 * 1024);
    for n in 0..5 {
        write(format!("small-{}", (round * 5 + n) % 40), 3_000);
    }
    fs::write(directory.join("round"), round.to_string()).unwrap();
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The names of the lock files in the repository: each run that reads or writes has one of its own.
fn locks(host: &Host) -> BTreeSet<OsString> {
    fs::read_dir(host.state().join("repository/locks")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Waits until the process has ended, or a run of it has begun to work on the repository.
fn at_work(child: &mut Child, host: &Host, before: &BTreeSet<OsString>) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && locks(host).is_subset(before) {
        assert!(begun.elapsed() < Duration::from_mins(1), "what was asked for was never begun");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill_after(mut child: Child, moment: Duration) {
    let until = Instant::now() + moment;
    while child.try_wait().unwrap().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ended_already = child.kill();
    child.wait().unwrap();
}

#[test]
fn kills_at_random_moments_lose_nothing_that_was_said_to_be_safe() {
    let seed = setting("SEAWALL_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = setting("SEAWALL_CHAOS_RUNS").unwrap_or(200);
    eprintln!("SEAWALL_CHAOS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("chaos", &[], &[]);
    let files = engine.mountpoint(&volume);
    let short = "retention: {keepLast: 5, guard: {maxDeletePercent: 100}}";
    host.write("chaos.yaml", &policy("chaos", &volume, "every: 52w", &[short]));

    // How long a whole one takes here and now, so that kills come in every part of it.
    fill(&files, seed, 0);
    host.seawall(&["backup", "chaos"]).ok();
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    fill(&files, seed, 1);
    let (before, begun) = (locks(&host), Instant::now());
    let mut child = quiet(&mut host.command(&["backup", "chaos"]));
    at_work(&mut child, &host, &before);
    let start = begun.elapsed();
    assert!(child.wait().unwrap().success());
    let work = begun.elapsed().saturating_sub(start);

    for round in 2..rounds {
        fill(&files, seed, round);
        let before = locks(&host);
        // The operator forgets and prunes as well, so it is worth its longer start.
        let (kind, luck) = (rng.u8(..8), rng.f64());
        if kind < 2 {
            let mut operator = quiet(&mut host.command(&["run", "--listen", "127.0.0.1:0"]));
            let socket = host.state().join("seawall.sock");
            support::operator::until("it listens", Path::new(""), || UnixStream::connect(&socket).is_ok());
            host.seawall(&["backup", "chaos", "--no-wait"]).ok();
            at_work(&mut operator, &host, &before);
            kill_after(operator, work.mul_f64(luck * 3.0));
        } else {
            let mut child = quiet(&mut host.command(&["backup", "chaos"]));
            if kind < 7 {
                at_work(&mut child, &host, &before);
                kill_after(child, work.mul_f64(luck * 1.5));
            } else {
                kill_after(child, start.mul_f64(luck));
            }
        }
    }

    // The last kill may have left its lock, which is not restic's to judge.
    host.restic(&["check", "--read-data", "--no-lock"]);
    let newest = host.snapshots().last().unwrap().clone();
    let target = tempfile::tempdir().unwrap();
    host.restic(&["restore", newest["id"].as_str().unwrap(), "--target", target.path().to_str().unwrap()]);
    let restored = target.path().join(&volume);
    let round: u64 = fs::read_to_string(restored.join("round")).unwrap().parse().unwrap();
    let again = tempfile::tempdir().unwrap();
    (0..=round).for_each(|earlier| fill(again.path(), seed, earlier));
    run(Command::new("diff").arg("-r").arg(again.path()).arg(&restored)).ok();

    let operator = host.start();
    host.seawall(&["backup", "chaos"]).ok();
    operator.until("nothing is left to be removed", |_| host.seawall(&["plan"]).code == 0);
    operator.stop();
    let runs = host.seawall(&["get", "runs", "--limit", "100000", "-o", "json"]).json();
    let runs = runs.as_array().unwrap();
    let forgotten: BTreeSet<&str> = runs
        .iter()
        .filter_map(|run| run["forgotten"].as_array())
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let there = host.snapshots();
    let there: BTreeSet<&str> = there.iter().map(|snapshot| snapshot["id"].as_str().unwrap()).collect();
    let mut counts = [0, 0];
    for run in runs.iter().filter(|run| run["operation"] == "backup") {
        match run["result"].as_str().unwrap() {
            "success" => {
                counts[0] += 1;
                let id = run["snapshot"]["id"].as_str().unwrap();
                let told = there.contains(id) || forgotten.contains(id) || forget_was_cut(runs, run);
                assert!(told, "said to be a success, and its snapshot is not there: {run:#}");
            }
            "interrupted" => counts[1] += 1,
            _ => panic!("neither whole nor cut off: {run:#}"),
        }
    }
    eprintln!("{} whole, {} cut off, {} snapshots", counts[0], counts[1], there.len());
    assert!(
        counts.iter().all(|count| *count > rounds / 40),
        "kills came too early or too late to mean anything: {counts:?}"
    );
    // A removal that was cut off is taken up again within the hour, which nobody waits for here.
    let cut = runs.iter().find(|run| run["operation"] == "forget").is_some_and(|run| run["result"] == "interrupted");
    assert!(there.len() == 5 || (cut && there.len() > 5), "retention went on: {} snapshots, cut {cut}", there.len());
    host.restic(&["check", "--read-data"]);
    host.seawall(&["audit", "verify"]).ok();
}

/// Whether a forget was cut off after the run, so that what it had forgotten by then is not on record.
fn forget_was_cut(runs: &[serde_json::Value], run: &serde_json::Value) -> bool {
    let cut = |other: &&serde_json::Value| other["operation"] == "forget" && other["result"] == "interrupted";
    runs.iter().filter(cut).any(|other| other["started"].as_str() > run["started"].as_str())
}
