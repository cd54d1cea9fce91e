//! Archives that nobody should trust: refused or confined, with nothing written outside, and a reason.

use crate::desk::Desk;
use crate::support::operator::run;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What each is answered with. All of these are refused.
const REFUSED: &[(&str, &str)] = &[
    ("upwards", "leads upwards"),
    ("upwards-at-once", "leads upwards"),
    ("upwards-pax", "leads upwards"),
    ("upwards-long", "leads upwards"),
    ("through-link", "twice, as a directory and as something else"),
    ("through-relative-link", "twice, as a directory and as something else"),
    ("through-link-made-late", "twice, as a directory and as something else"),
    ("hard-link-outside", "something that is not taken"),
    ("hard-link-upwards", "leads upwards"),
    ("hard-link-through-link", "is not in it before that"),
    ("hard-link-to-later", "is not in it before that"),
    ("hard-link-to-directory", "another name of a directory"),
    ("character-device", "is a device file"),
    ("block-device", "is a device file"),
    ("file-then-directory", "twice, as a directory and as something else"),
    ("directory-then-file", "twice, as a directory and as something else"),
    ("file-as-parent", "twice, as a directory and as something else"),
    ("root-is-a-file", "root is no directory"),
    ("name-too-long", "longer than a file system takes"),
    ("path-too-long", "longer than a path can be"),
    ("zero-in-name", "holds a zero byte"),
    ("unknown-kind", "is of a kind that is not known (Z)"),
    ("empty-target", "points nowhere"),
    ("truncated-header", "truncated"),
    ("truncated-content", "truncated"),
    ("no-end", "truncated"),
    ("bad-checksum", "wrong checksum"),
    ("truncated-gzip", "truncated"),
    ("bad-gzip-checksum", "changed or damaged"),
    ("truncated-zstd", "truncated"),
    ("bad-zstd-checksum", "changed or damaged"),
    ("joined", "several were joined"),
    ("trailing", "several were joined"),
    ("empty", "it is empty"),
    ("no-tar", "it is no tar file"),
    ("nothing-in-it", "there is nothing in it"),
    ("zstd-bomb", "taken for a bomb"),
    ("sparse-bomb", "larger than a file can be"),
    ("sparse-overlap", "its parts do not fit"),
    ("sparse-beyond", "its parts do not fit"),
    ("sparse-short", "its parts do not fit"),
    ("endless-headers", "more than 16 headers"),
    ("huge-header", "a header of it has 8589934592 bytes"),
    ("pax-length-lies", "extended header"),
    ("pax-no-length", "extended header"),
    ("pax-negative", "extended header"),
    ("size-lies", "a number in an extended header"),
    ("owner-lies", "is no number of a user"),
    ("time-lies", "a time of it"),
];

/// One that is confined: a link is replaced by the file of its name, and not written through.
const CONFINED: &str = "over-link";

fn made(desk: &Desk, victim: &Path) -> Vec<String> {
    fs::create_dir(victim).unwrap();
    fs::write(victim.join("secret"), "secret").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/hostile_archives.py");
    let said = run(Command::new("python3").arg(script).arg(desk.work("")).arg(victim)).ok();
    said.lines().map(ToOwned::to_owned).collect()
}

/// Everything there is, but for what the archives themselves and Seawall's own state are.
fn seen(desk: &Desk) -> String {
    let listed = desk.shell("cd ..; find . -path ./state -prune -o -printf '%p %s %m %U:%G %T@ %n\\n' | sort");
    listed.lines().filter(|line| !line.starts_with(". ") && !line.starts_with("./work ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_restore_from_one_leaves_nothing_anywhere() {
    let desk = Desk::new();
    let victim = desk.host.path("victim");
    let made = made(&desk, &victim);
    let mut known: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).chain([CONFINED]).collect();
    known.sort_unstable();
    let mut names: Vec<&str> = made.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, known, "each has its answer");
    let before = seen(&desk);
    for (name, answer) in REFUSED {
        let (from, to) = (desk.work(&format!("{name}_20260123_140530.tar")), desk.work("to"));
        let (from, to) = (from.display().to_string(), to.display().to_string());
        let said = desk.host.seawall(&["restore", "p", "--from-archive", &from, "--to", &to]);
        assert_eq!(said.code, 1, "{name}: {said:?}");
        assert!(said.err.contains(answer) && said.err.contains(name), "{name}: {}", said.err);
        assert_eq!(seen(&desk), before, "{name}");
    }
    let (from, to) = (desk.work(&format!("{CONFINED}_20260123_140530.tar")), desk.work("to"));
    let (from, to_text) = (from.display().to_string(), to.display().to_string());
    desk.host.seawall(&["restore", "p", "--from-archive", &from, "--to", &to_text]).ok();
    assert!(fs::symlink_metadata(to.join("way")).unwrap().is_file());
    fs::remove_dir_all(&to).unwrap();
    assert_eq!(seen(&desk), before);
}

#[test]
fn a_part_of_one_is_confined_too() {
    let desk = Desk::new();
    let victim = desk.host.path("victim");
    let made = made(&desk, &victim);
    let before = seen(&desk);
    let to = desk.work("to");
    for name in &made {
        let from = from(&desk, name);
        for path in ["good", "way", "way/outside", "x"] {
            let args = ["restore", "p", "--from-archive", &from, "--path", path, "--to", to.to_str().unwrap()];
            let said = desk.host.seawall(&args);
            assert!(matches!(said.code, 0 | 1 | 3), "{name} {path}: {said:?}");
            assert_eq!(to.exists(), said.code != 1, "what failed leaves nothing: {name} {path}: {said:?}");
            if to.exists() {
                fs::remove_dir_all(&to).unwrap();
            }
            assert_eq!(seen(&desk), before, "{name} {path}");
        }
    }
    let said = desk.host.seawall(&[
        "restore",
        "p",
        "--from-archive",
        &from(&desk, CONFINED),
        "--path",
        "way",
        "--to",
        to.to_str().unwrap(),
    ]);
    assert_eq!((said.code, fs::read_to_string(to.join("way")).unwrap().as_str()), (0, "evil"), "{said:?}");
}

fn from(desk: &Desk, name: &str) -> String {
    desk.work(&format!("{name}_20260123_140530.tar")).display().to_string()
}

#[test]
fn an_import_of_one_makes_no_snapshot() {
    let desk = Desk::new();
    let victim = desk.host.path("victim");
    made(&desk, &victim);
    desk.data("good");
    desk.shell("tar cf good_20260123_140530.tar data");
    let before = seen(&desk);
    // All at once: those that are known for what they are by a look, with one that is good.
    let files: Vec<String> = REFUSED.iter().map(|(name, _)| format!("{name}_20260123_140530.tar")).collect();
    let mut all: Vec<&str> = files.iter().map(String::as_str).collect();
    all.push("good_20260123_140530.tar");
    let said = desk.import(&all, &[]);
    assert_eq!(said.code, 1);
    let unseen: Vec<&str> = REFUSED
        .iter()
        .filter(|(name, _)| !said.err.contains(&format!("/{name}_2026")))
        .map(|(name, _)| *name)
        .collect();
    assert!(unseen.len() < 14, "{unseen:?}");
    for name in unseen {
        let said = desk.import(&[&format!("{name}_20260123_140530.tar")], &[]);
        let (_, answer) = REFUSED.iter().find(|(known, _)| *known == name).unwrap();
        assert!(said.code == 1 && said.err.contains(answer), "{name}: {said:?}");
        assert_eq!(fs::read_dir(desk.host.state().join("imports")).unwrap().count(), 0, "{name}");
    }
    assert_eq!(seen(&desk), before);
    assert!(desk.host.seawall(&["get", "snapshots", "-o", "json"]).json().as_array().unwrap().is_empty());
}
