//! What the runbook's script wrote, and what becomes of it.

use crate::desk::{Desk, STAMP, TIME, VOLUME, differences};
use crate::support::operator::policy;
use std::fs;

/// The script's own command, by the tar that its container has.
fn runbook(desk: &Desk, stamp: &str) -> String {
    let file = format!("n8n_data_{stamp}.tar.gz");
    desk.shell(&format!("busybox tar czf {file} data"));
    file
}

#[test]
fn the_scripts_archives_become_snapshots_of_their_own_time() {
    let desk = Desk::new();
    let data = desk.data("one");
    let first = runbook(&desk, STAMP);
    fs::write(data.join("config"), "two").unwrap();
    let second = runbook(&desk, "20260130_140530");
    let said = desk.import(&[&second, &first], &[]);
    assert!(said.err.contains("data/") && said.err.contains(TIME), "it says first what it takes: {}", said.err);
    assert!(said.err.contains("the policy has none, so all of them stay"), "{}", said.err);
    assert_eq!(said.ok().lines().count(), 2);

    let snapshots = desk.host.snapshots();
    let times: Vec<&str> = snapshots.iter().map(|s| s["time"].as_str().unwrap()).collect();
    assert_eq!(times, [TIME, "2026-01-30T14:05:30Z"]);
    let id = |n: usize| snapshots[n]["short_id"].as_str().unwrap();
    desk.host.restic(&["check", "--read-data"]);
    assert_eq!(fs::read_to_string(desk.restored(id(0)).join("config")).unwrap(), "one");
    assert_eq!(differences(&data, &desk.restored(id(1))).iter().filter(|line| !line.contains("mtime")).count(), 0);

    // A snapshot like any other.
    let listed = desk.host.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(listed[0]["source"]["source"], VOLUME);
    assert_eq!(listed[0]["imported"].as_str().unwrap().len(), 64);
    assert_eq!(desk.host.seawall(&["cat", "p:config"]).ok(), "two");
    let manifest = desk.host.restic(&["dump", id(1), "/.seawall.json"]);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["imported"]["file"], second.as_str());
    assert_eq!(manifest["imported"]["sha256"], listed[0]["imported"]);
    assert_eq!(manifest["volume"]["name"], VOLUME);
    let to = desk.work("look");
    desk.host.seawall(&["restore", "p", "--at", "2026-01-25", "--to", to.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(to.join("config")).unwrap(), "one");
    let audit = desk.host.seawall(&["audit", "export"]);
    assert!(audit.out.contains("import"), "{audit:?}");
}

#[test]
fn the_same_file_is_taken_once_under_whatever_name() {
    let desk = Desk::new();
    desk.data("one");
    let file = runbook(&desk, STAMP);
    desk.import(&[&file], &[]).ok();
    fs::copy(desk.work(&file), desk.work("copy_20260124_000000.tgz")).unwrap();
    let again = desk.import(&[&file, "copy_20260124_000000.tgz"], &[]);
    assert!(again.out.contains("nothing to do"), "{again:?}");
    assert_eq!(desk.host.snapshots().len(), 1);
}

#[test]
fn a_time_is_read_in_the_policys_zone_and_has_to_be_there() {
    let desk = Desk::new();
    desk.host.write("p.yaml", &policy("p", VOLUME, "cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem", &[]));
    desk.data("one");
    desk.shell("tar czf n8n.tar.gz data; tar cf n8n_20990101_000000.tar data; tar cf n8n_20260123_140530.tar data");
    let nameless = desk.import(&["n8n.tar.gz"], &[]);
    assert!(nameless.code == 1 && nameless.err.contains("`--time`"), "{nameless:?}");
    let future = desk.import(&["n8n_20990101_000000.tar"], &[]);
    assert!(future.code == 1 && future.err.contains("has not come yet"), "{future:?}");
    desk.import(&["n8n_20260123_140530.tar"], &[]).ok();
    desk.import(&["n8n.tar.gz"], &["--time", "2026-01-24 14:05:30"]).ok();
    let several = desk.import(&["n8n.tar.gz", "n8n_20260123_140530.tar"], &["--time", "2026-01-24"]);
    assert_eq!(several.code, 1, "{several:?}");
    let times: Vec<String> = desk.host.snapshots().iter().map(|s| s["time"].as_str().unwrap().to_owned()).collect();
    assert_eq!(times, ["2026-01-23T12:05:30Z", "2026-01-24T12:05:30Z"]);
}

#[test]
fn retention_is_foretold_and_nobody_is_asked_in_a_pipe() {
    let desk = Desk::new();
    desk.host.write("p.yaml", &policy("p", VOLUME, "every: 52w", &["retention: {keepLast: 2}"]));
    let data = desk.data("0");
    let files: Vec<String> = (1..=5)
        .map(|day| {
            fs::write(data.join("config"), day.to_string()).unwrap();
            runbook(&desk, &format!("2026010{day}_020000"))
        })
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let paths: Vec<String> = files.iter().map(|file| desk.work(file).display().to_string()).collect();
    let mut args = vec!["import", "--policy", "p"];
    args.extend(paths.iter().map(String::as_str));
    let unasked = desk.host.seawall(&args);
    assert!(unasked.code == 1 && unasked.err.contains("add `--yes`"), "{unasked:?}");
    assert!(!desk.host.state().join("repository").exists(), "nothing was done, not even a repository made");
    let said = desk.import(&files, &[]);
    assert!(said.err.contains("keep 2 of these 5 and remove 3"), "{}", said.err);
    assert!(said.err.contains("waits for a person"), "{}", said.err);
    said.ok();
    // None goes before a backup has succeeded.
    assert_eq!(desk.host.snapshots().len(), 5);
    let plan = desk.host.seawall(&["plan", "-o", "json"]).out;
    assert!(plan.contains("no rule keeps it") && !plan.contains("\"forget\""), "{plan}");
}

#[test]
fn which_directory_is_meant_is_known_or_asked_for() {
    let desk = Desk::new();
    let data = desk.data("one");
    desk.shell(
        "mkdir -p backup var/lib/docker/volumes/shop_n8n_data; cp -a data backup/n8n_data; mkdir backup/uploads; \
         echo u > backup/uploads/u; cp -a data var/lib/docker/volumes/shop_n8n_data/_data; cp -a data other
         tar -P -czf backup-2026-01-01T02-00-00.tar.gz --transform 's,^,/,' backup
         tar -czf docker_20260102_020000.tar.gz var
         tar -czf dot_20260103_020000.tar.gz -C data .
         (cd data; tar -czf ../flat_20260104_020000.tar.gz *)
         tar -czf other_20260105_020000.tar.gz other",
    );
    let offen = desk.import(&["backup-2026-01-01T02-00-00.tar.gz"], &[]);
    assert!(offen.err.contains("backup/n8n_data/") && offen.err.contains("1 file outside"), "{offen:?}");
    desk.import(&["docker_20260102_020000.tar.gz", "dot_20260103_020000.tar.gz"], &[]).ok();
    let flat = desk.import(&["flat_20260104_020000.tar.gz"], &[]);
    assert!(flat.err.contains("does not say whose its root is"), "{flat:?}");
    let other = desk.import(&["other_20260105_020000.tar.gz"], &[]);
    assert!(other.code == 1 && other.err.contains("`--strip other`"), "{other:?}");
    desk.import(&["other_20260105_020000.tar.gz"], &["--strip", "other/"]).ok();
    let nowhere = desk.import(&["other_20260105_020000.tar.gz"], &["--strip", "nowhere"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("nothing in it below nowhere"), "{nowhere:?}");
    let snapshots = desk.host.snapshots();
    assert_eq!(snapshots.len(), 5);
    for snapshot in snapshots {
        let restored = desk.restored(snapshot["short_id"].as_str().unwrap());
        let different = differences(&data, &restored);
        assert!(different.iter().all(|line| line.contains("mtime") || line.starts_with(".\t")), "{different:?}");
    }
}

#[test]
fn mistakes_are_told_before_anything_is_done() {
    let desk = Desk::new();
    desk.data("one");
    desk.shell("tar cf a_20260123_140530.tar data; echo hello > b_20260123_140530.tar; mkfifo c_20260123_140530.tar");
    let files = ["a_20260123_140530.tar", "b_20260123_140530.tar", "c_20260123_140530.tar", "d_20260123_140530.tar"];
    let said = desk.import(&files, &[]);
    assert_eq!(said.code, 1);
    for part in ["it is no tar file", "it is no regular file", "it cannot be opened", "nothing was imported"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert!(!desk.host.state().join("repository").exists());
    let file = desk.work(files[0]);
    let unknown = desk.host.seawall(&["import", "--policy", "q", "--yes", file.to_str().unwrap()]);
    assert!(unknown.code == 1 && unknown.err.contains("there is no policy in force `q`"), "{unknown:?}");
    for (args, part) in
        [(["--source", "nix"], "source of this policy"), (["--repository", "nix"], "repository in force")]
    {
        let said = desk.import(&files[..1], &args);
        assert!(said.code == 1 && said.err.contains(part), "{said:?}");
    }
}
