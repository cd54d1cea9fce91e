//! The objects of a bucket as snapshots, and back.

use crate::bucket::Place;
use crate::lab::{HOST, meta, noise};
use crate::seaweed::ADMIN;
use seawall::adapters::repository::{
    BackupReport, Control, PutBack, Reason, RepositoryAdapter, RepositoryError, Wanted,
};
use seawall::adapters::s3::S3;
use seawall::policy::RepositoryLocation;
use seawall::reconcile::restore::Over;
use std::path::Path;
use std::process::Command;

/// Keys that no path can be, and one that is the beginning of others.
const KEYS: [(&str, &str); 9] = [
    ("contracts/2026/a.pdf", "contracts/2026/a.pdf"),
    ("contracts/2026/b%20c%2Bd.pdf", "contracts/2026/b c+d.pdf"),
    ("contracts", "contracts"),
    ("contracts.old", "contracts.old"),
    ("odd//empty", "odd//empty"),
    ("odd/folder/", "odd/folder/"),
    ("100%25", "100%"),
    ("%C3%BC", "ü"),
    ("a%21b", "a!b"),
];

struct World {
    place: Place,
    near: RepositoryAdapter,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        place.server.set("PUT", "/files", "");
        let near = crate::lab::open(&place.lab.repository());
        Self { place, near }
    }

    fn s3(&self, bucket: &str) -> S3 {
        self.s3_at(&self.place.server.url(), bucket)
    }

    fn s3_at(&self, endpoint: &str, bucket: &str) -> S3 {
        let RepositoryLocation::S3(location) = self.place.repository_at(endpoint, ADMIN).location else { panic!() };
        let mut access = location.access.clone();
        bucket.clone_into(&mut access.bucket);
        S3::patient(&access).unwrap()
    }

    fn put(&self, key: &str, body: &str) {
        let (status, said) = self.place.server.ask_with(
            "PUT",
            &format!("/files/{key}"),
            body,
            &["content-type: text/odd", "x-amz-meta-who: me"],
        );
        assert_eq!(status, 200, "{key}: {said}");
    }

    fn backup(&self, second: i64) -> BackupReport {
        self.try_backup(&self.s3("files"), second).unwrap()
    }

    fn try_backup(&self, s3: &S3, second: i64) -> Result<BackupReport, RepositoryError> {
        self.near.backup_objects(s3, "", &meta(second), &Control::default())
    }

    fn put_back(&self, id: &str, bucket: &str, prefix: &str, over_newer: bool) -> PutBack {
        let wanted = Wanted { prefix, over: if over_newer { Over::Anything } else { Over::Older } };
        self.near.put_back(id, &self.s3(bucket), wanted, &Control::default()).unwrap()
    }

    fn there(&self, bucket: &str, key: &str) -> Option<String> {
        let (status, body) = self.place.server.ask("GET", &format!("/{bucket}/{key}"), "");
        (status == 200).then_some(body)
    }
}

#[test]
fn every_object_comes_back_under_its_own_key_with_its_own_headers() {
    let world = World::new();
    assert!(world.backup(0).empty, "nothing in the bucket is no snapshot");
    for (key, plain) in KEYS {
        world.put(key, plain);
    }
    // More than is read, and than is written, at once.
    let large = noise(40 << 20);
    std::fs::write(world.place.lab.volume().join("large"), &large).unwrap();
    let file = world.place.lab.volume().join("large");
    world.place.server.upload("/files/large.bin", &file);
    let first = world.backup(1);
    let snapshot = first.snapshot.unwrap();
    assert_eq!((first.files, first.problem_count, snapshot.complete), (KEYS.len() as u64 + 1, 0, true));
    world.place.lab.check();

    // Nothing changed: nothing is asked for but what there is.
    let second = world.backup(2);
    assert_eq!(second.added_bytes, 0, "{second:?}");
    world.put("contracts", "another text");
    let third = world.backup(3);
    assert!(third.added_bytes > 0 && third.added_bytes < 10_000, "{third:?}");

    // Elsewhere, where there is nothing.
    world.place.server.set("PUT", "/elsewhere", "");
    let back = world.put_back(&snapshot.id, "elsewhere", "", false);
    assert_eq!((back.objects, back.same, back.kept.count), (KEYS.len() as u64 + 1, 0, 0), "{back:?}");
    assert_eq!(back.problems, []);
    for (key, plain) in KEYS {
        // SeaweedFS keeps nothing in what ends with a slash.
        let wanted = if plain.ends_with('/') { "" } else { plain };
        assert_eq!(world.there("elsewhere", key).as_deref(), Some(wanted), "{key}");
    }
    let (_, headers) = world.place.server.ask_with("GET", "/elsewhere/100%25", "", &["range: bytes=0-0"]);
    assert_eq!(headers, "1");
    let head = world.place.server.head("/elsewhere/contracts");
    assert!(head.contains("content-type: text/odd"), "{head}");
    assert!(head.contains("x-amz-meta-who: me"), "{head}");
    let copy = world.place.lab.dir.path().join("copy");
    world.place.server.download("/elsewhere/large.bin", &copy);
    assert!(std::fs::read(&copy).unwrap() == large, "every byte of the large one");
}

#[test]
fn what_is_newer_stays_unless_a_person_says_otherwise() {
    let world = World::new();
    for key in ["kept", "changed", "deleted", "part/one", "part/two"] {
        world.put(key, "then");
    }
    let snapshot = world.backup(0).snapshot.unwrap();
    // Times in a head have whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    world.put("changed", "now");
    world.place.server.set("DELETE", "/files/deleted", "");
    let back = world.put_back(&snapshot.id, "files", "", false);
    assert_eq!((back.objects, back.same, back.replaced.count), (1, 3, 0));
    assert_eq!((back.kept.count, back.kept.first), (1, vec!["changed".to_owned()]));
    assert_eq!(world.there("files", "deleted").as_deref(), Some("then"));
    assert_eq!(world.there("files", "changed").as_deref(), Some("now"));
    let back = world.put_back(&snapshot.id, "files", "chan", true);
    assert_eq!((back.objects, back.same), (1, 0));
    assert_eq!((back.replaced.count, back.replaced.first), (1, vec!["changed".to_owned()]));
    assert_eq!(world.there("files", "changed").as_deref(), Some("then"));

    // One key, a prefix, and nothing at all.
    for key in ["part/one", "part/two", "kept"] {
        world.place.server.set("DELETE", &format!("/files/{key}"), "");
    }
    assert_eq!(world.put_back(&snapshot.id, "files", "part/one", false).objects, 1);
    assert_eq!(world.put_back(&snapshot.id, "files", "part/", false).objects, 1);
    assert_eq!(world.there("files", "kept"), None, "it was not asked for");
    let none = Wanted { prefix: "nothing", over: Over::Older };
    let error = world.near.put_back(&snapshot.id, &world.s3("files"), none, &Control::default()).unwrap_err();
    assert_eq!(error.kind(), Reason::NotFound);
}

#[test]
fn one_object_that_goes_makes_it_partial_and_a_server_that_goes_makes_none() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.put(key, key);
    }
    let url = world.place.server.url();
    let gone = "<Error><Code>NoSuchKey</Code></Error>";
    let one = crate::trouble::Proxy::start_with(&url, |head| head.starts_with("GET /files/b "), gone, "404 Not Found");
    let report = world.try_backup(&world.s3_at(&one, "files"), 0).unwrap();
    assert_eq!((report.files, report.problem_count), (2, 1), "{report:?}");
    assert_eq!(report.problems[0].path, "b");
    assert!(!report.snapshot.unwrap().complete);

    let none = crate::trouble::Proxy::start(&url, |head| head.starts_with("GET /files/b "), "");
    let error = world.try_backup(&world.s3_at(&none, "files"), 1).unwrap_err();
    assert_eq!(error.kind(), Reason::SourceLost, "{}", error.told());
    assert_eq!(world.near.snapshots().unwrap().len(), 1);
    let whole = world.backup(2);
    assert_eq!((whole.files, whole.problem_count), (3, 0));
    world.place.lab.check();
}

#[test]
fn by_a_policy_and_the_command_line() {
    let world = World::new();
    world.put("uploads/a", "a");
    world.put("logs/b", "b");
    let directory = world.place.lab.dir.path();
    std::fs::create_dir(directory.join("policies")).unwrap();
    std::fs::write(directory.join("id"), ADMIN.0).unwrap();
    std::fs::write(directory.join("secret"), ADMIN.1).unwrap();
    let policy = format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: uploads}}\nspec:\n  source:\n    bucket:\n      \
         provider: s3Compatible\n      name: files\n      prefix: uploads/\n      endpoint: {}\n      copy: true\n      \
         accessKeyIdFrom: {{file: {}}}\n      secretAccessKeyFrom: {{file: {}}}\n  schedule: {{every: 1h}}\n",
        world.place.server.url(),
        directory.join("id").display(),
        directory.join("secret").display()
    );
    std::fs::write(directory.join("policies/uploads.yaml"), policy).unwrap();
    let seawall = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.arg("--policies").arg(directory.join("policies")).arg("--state").arg(directory.join("state"));
        let output = command.args(["--host", HOST]).args(args).env_remove("DOCKER_HOST").output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!said.contains("hunter2"), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = seawall(&["backup", "uploads"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = seawall(&["ls", "uploads"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("uploads/") && !said.contains("logs"), "{said}");
    let (_, said) = seawall(&["plan", "uploads"]);
    assert!(said.contains("it is copied, and looked at"), "{said}");

    world.place.server.set("DELETE", "/files/uploads/a", "");
    let (code, said) = seawall(&["restore", "uploads"]);
    assert_ne!(code, Some(0), "nobody was asked: {said}");
    assert_eq!(world.there("files", "uploads/a"), None);
    let (code, said) = seawall(&["restore", "uploads", "--path", "uploads/", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("success: 1 object, 1 B, as of ") && said.contains("are in the bucket files at"), "{said}");
    assert_eq!(world.there("files", "uploads/a").as_deref(), Some("a"));

    // What is newer is left and named, or replaced and named; the history and the audit trail have both.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    world.put("uploads/a", "newer");
    let (code, said) = seawall(&["restore", "uploads", "--yes"]);
    assert!(code == Some(0) && said.contains("note: uploads/a: left as it is"), "{said}");
    assert_eq!(world.there("files", "uploads/a").as_deref(), Some("newer"));
    let (code, said) = seawall(&["restore", "uploads", "--yes", "--over-newer"]);
    assert!(
        code == Some(0) && said.contains("note: uploads/a: another content was there, which is replaced"),
        "{said}"
    );
    assert_eq!(world.there("files", "uploads/a").as_deref(), Some("a"));
    world.place.server.set("PUT", "/elsewhere", "");
    let (code, said) = seawall(&["restore", "uploads", "--yes", "--to", "elsewhere"]);
    assert!(code == Some(0) && said.contains("are in the bucket elsewhere at"), "{said}");
    assert_eq!(world.there("elsewhere", "uploads/a").as_deref(), Some("a"));
    let (_, runs) = seawall(&["get", "runs", "-o", "json"]);
    let mut runs = serde_json::Deserializer::from_str(&runs).into_iter::<serde_json::Value>();
    let runs = runs.next().unwrap().unwrap();
    let restores: Vec<_> = runs.as_array().unwrap().iter().filter(|run| run["operation"] == "restore").collect();
    assert_eq!(restores.len(), 4, "{runs:#}");
    assert!(restores[1]["warnings"].to_string().contains("which is replaced"), "{runs:#}");
    assert_eq!(restores[0]["restored"]["files"], 1, "{runs:#}");
    let (_, audit) = seawall(&["audit", "export"]);
    assert!(audit.lines().filter(|line| line.contains("restore") && line.contains("uploads")).count() >= 4, "{audit}");
    let into = directory.join("into");
    let (code, said) = seawall(&["restore", "uploads", "--to", into.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(std::fs::read(into.join(Path::new("uploads/a"))).unwrap(), b"a");
}
