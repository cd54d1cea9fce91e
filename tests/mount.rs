//! Snapshots as a tree of files, by real clients: rclone and curl. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::engine::Engine;
use support::operator::{Host, Said, policy, run};

const RARELY: &str = "every: 52w";

/// `seawall mount`, until dropped.
struct Mount {
    child: Child,
    url: String,
}

impl Mount {
    fn new(host: &Host, what: &str) -> Self {
        let mut child =
            host.command(&["mount", what, "--webdav", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    /// The answer's head and body, as curl has them.
    fn curl(&self, path: &str, args: &[&str]) -> String {
        let url = format!("{}{}", self.url.trim_end_matches('/'), path);
        run(Command::new("curl").args(["--silent", "--include", "--path-as-is"]).args(args).arg(url)).ok()
    }

    fn rclone(&self, args: &[&str]) -> Said {
        let (user, rest) = self.url.strip_prefix("http://").unwrap().split_once('@').unwrap();
        let password = user.split_once(':').unwrap().1;
        let hidden = run(Command::new("rclone").args(["obscure", password])).ok();
        let mut command = Command::new("rclone");
        command.args(["--config", "/dev/null", "--webdav-vendor", "other", "--webdav-user", "seawall"]);
        command.args(["--webdav-pass", hidden.trim(), "--webdav-url", &format!("http://{rest}")]);
        run(command.args(args))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

struct Scene {
    _engine: Engine,
    host: Host,
    root: std::path::PathBuf,
}

fn scene() -> Scene {
    let engine = Engine::shared();
    let host = Host::new(&engine);
    let volume = engine.volume("mount", &[], &[]);
    host.write("p.yaml", &policy("p", &volume, RARELY, &[]));
    Scene { root: engine.mountpoint(&volume), host, _engine: engine }
}

fn noise(bytes: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(bytes).collect()
}

#[test]
fn rclone_copies_what_was_there_at_any_time() {
    let scene = scene();
    for (name, content) in [
        ("d/b c", "first".to_owned().into_bytes()),
        ("d/deep/über & <x>?#%.txt", b"odd".to_vec()),
        ("big", noise(9 << 20)),
        ("empty", Vec::new()),
    ] {
        let path = scene.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    std::os::unix::fs::symlink("big", scene.root.join("link")).unwrap();
    scene.host.seawall(&["backup", "p"]).ok();
    let before = scene.host.path("before");
    run(Command::new("cp").arg("-a").arg(&scene.root).arg(&before)).ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    fs::write(scene.root.join("d/b c"), "second").unwrap();

    let mount = Mount::new(&scene.host, "p");
    // What is backed up meanwhile shows up without a new start.
    scene.host.seawall(&["backup", "p"]).ok();
    let list = mount.rclone(&["lsf", ":webdav:"]).ok();
    let names: Vec<&str> = list.lines().collect();
    assert!(names.len() == 3 && names[2] == "latest/", "{list}");
    assert_eq!(mount.rclone(&["cat", ":webdav:latest/d/b c"]).ok(), "second");

    let copy = scene.host.path("copy");
    mount.rclone(&["copy", &format!(":webdav:{}", names[0]), copy.to_str().unwrap()]).ok();
    // Links are what WebDAV has no words for.
    fs::remove_file(before.join("link")).unwrap();
    let same = run(Command::new("diff").args(["--recursive", "--brief"]).args([&before, &copy]));
    assert_eq!(same.code, 0, "{same:#?}");
    let time = |dir: &Path| fs::metadata(dir.join("big")).unwrap().mtime();
    assert_eq!(time(&before), time(&copy));
    // One snapshot alone is the root.
    let id = scene.host.snapshots()[0]["id"].as_str().unwrap().to_owned();
    let one = Mount::new(&scene.host, &id[..10]);
    assert_eq!(one.rclone(&["cat", ":webdav:d/b c"]).ok(), "first");
}

#[test]
fn a_directory_shows_it_with_every_attribute() {
    let scene = scene();
    let tree = scene.root.join("tree");
    run(Command::new("python3").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hard_tree.py")).arg(&tree))
        .ok();
    scene.host.seawall(&["backup", "p"]).ok();
    let at = scene.host.path("at");
    fs::create_dir(&at).unwrap();
    let mut child = scene.host.command(&["mount", "p", at.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("is mounted on"), "{told}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare_trees.py");
    let found = run(Command::new("python3").arg(script).arg(&scene.root).arg(at.join("latest")));
    let written = fs::write(at.join("latest/new"), "x").unwrap_err();
    assert_eq!(written.raw_os_error(), Some(30), "nothing can be written: {written}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "it is unmounted");
    // That two names are of one thing, and the numbers of devices, are not shown; the root has the time of the snapshot.
    let other = |line: &&str| !["names:", "device:"].iter().any(|what| line.contains(what)) && !line.starts_with(".\t");
    let found = found.ok();
    assert_eq!(found.lines().filter(other).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn only_what_is_asked_for_is_read() {
    let scene = scene();
    let content = noise(40 << 20);
    fs::write(scene.root.join("big"), &content).unwrap();
    scene.host.seawall(&["backup", "p"]).ok();
    let mount = Mount::new(&scene.host, "p");
    let part = |range: &str, file: &Path| {
        let url = format!("{}latest/big", mount.url);
        run(Command::new("curl").args(["--silent", "--fail", "--range", range, "--output"]).arg(file).arg(url))
    };
    let file = scene.host.path("part");
    for (range, from, to) in
        [("1000000-3000000", 1_000_000, 3_000_001), ("-17", (40 << 20) - 17, 40 << 20), ("0-0", 0, 1)]
    {
        part(range, &file).ok();
        assert!(fs::read(&file).unwrap() == content[from..to], "{range}");
    }
    // Where most of the repository's data is gone, the end of the file can be read all the same.
    let data = scene.host.state().join("repository/data");
    let find = run(Command::new("find").arg(&data).args(["-type", "f", "-size", "+8M"])).ok();
    assert!(find.lines().count() >= 2, "several packs: {find}");
    let read = |range| part(range, &file).code == 0;
    let ends = ["0-9", "-9"];
    for pack in find.lines() {
        fs::rename(pack, format!("{pack}-away")).unwrap();
        if ends.iter().filter(|range| read(range)).count() == 1 {
            // A whole file of which a part is missing is never taken for one.
            assert!(!read("0-"));
            return;
        }
        fs::rename(format!("{pack}-away"), pack).unwrap();
    }
    panic!("every pack was read for both ends");
}

#[test]
fn nobody_changes_anything_and_nobody_looks_without_the_password() {
    let scene = scene();
    fs::write(scene.root.join("secret"), "of the application").unwrap();
    scene.host.seawall(&["backup", "p"]).ok();
    let mount = Mount::new(&scene.host, "p");
    let (_, rest) = mount.url.split_once('@').unwrap();
    for args in [&[][..], &["--user", "seawall:wrong"], &["--user", "other:x"]] {
        let said = run(Command::new("curl")
            .args(["--silent", "--include"])
            .args(args)
            .arg(format!("http://{rest}latest/secret")));
        assert!(said.out.contains("401 Unauthorized") && !said.out.contains("of the application"), "{said:#?}");
    }
    let status = |path: &str, args: &[&str]| mount.curl(path, args).lines().next().unwrap_or_default().to_owned();
    for method in ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPPATCH", "LOCK", "POST"] {
        assert!(status("/latest/secret", &["--request", method]).contains("405"), "{method}");
    }
    for (path, code) in
        [("/latest/nothing", "404"), ("/nothing", "404"), ("/../etc/passwd", "400"), ("/latest/%2e%2e/x", "400")]
    {
        assert!(status(path, &[]).contains(code), "{path}");
    }
    assert!(status("/", &["--request", "PROPFIND"]).contains("403"), "of everything at once");
    assert!(status("/", &["--request", "PROPFIND", "--header", "Depth: 1"]).contains("207"));
    assert!(status("/latest/secret", &["--range", "99-"]).contains("416"));
    let head = mount.curl("/latest/secret", &["--head"]).to_lowercase();
    assert!(head.contains("content-length: 18") && head.contains("accept-ranges: bytes"), "{head}");
    let options = mount.curl("/", &["--request", "OPTIONS"]).to_lowercase();
    assert!(options.contains("dav: 1") && options.contains("allow: options, get, head, propfind"), "{options}");
    let page = mount.curl("/latest/", &[]);
    assert!(page.contains("<a href=\"/latest/secret\">secret</a> (18 bytes)"), "{page}");
    let refused = scene.host.seawall(&["mount", "p", "--webdav", "0.0.0.0:0"]);
    assert!(refused.code == 1 && refused.err.contains("is not only of this host"), "{refused:#?}");
}
