//! Archives of one file, for a policy whose source is one; and archives that go into a bucket.

use crate::desk::{STAMP, TIME};
use crate::seaweed::{ADMIN, Seaweed};
use crate::support::operator::{Host, Said, run};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A host whose policy `env` is of one file, without any Docker.
struct Scene {
    host: Host,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let scene = Self { host: Host::on("unix:///nonexistent/docker.sock") };
        fs::create_dir(scene.host.path("shop")).unwrap();
        scene.write("SECRET=then\n");
        run(Command::new("chown").arg("1000:1001").arg(scene.env())).ok();
        run(Command::new("chmod").arg("640").arg(scene.env())).ok();
        scene.host.write(
            "env.yaml",
            &format!(
                "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: env}}\nspec:\n  source: {{path: \
                 {{path: {}}}}}\n  schedule: {{every: 52w}}\n{more}",
                scene.env().display()
            ),
        );
        scene
    }

    fn env(&self) -> PathBuf {
        self.host.path("shop/.env")
    }

    fn write(&self, text: &str) {
        fs::write(self.env(), text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.env()).unwrap()
    }

    fn shell(&self, script: &str) {
        run(Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(self.host.path(""))).ok();
    }

    fn archive(&self, name: &str) -> String {
        self.host.path(name).display().to_string()
    }

    fn import(&self, name: &str, args: &[&str]) -> Said {
        let file = self.archive(name);
        self.host.seawall(&[&["import", "--policy", "env", "--yes", &file], args].concat())
    }

    fn attributes(&self) -> (u32, u32, u32) {
        let found = fs::metadata(self.env()).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    }
}

#[test]
fn an_archive_of_one_file_becomes_a_snapshot_of_it() {
    let scene = Scene::new();
    scene.shell(&format!("tar -C shop -czf env_{STAMP}.tar.gz .env; tar -czf whole_20260124_140530.tar.gz shop/.env"));
    scene.import(&format!("env_{STAMP}.tar.gz"), &[]).ok();
    // As a backup has it: one file, under its own name.
    let listed = scene.host.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(
        (listed[0]["files"].as_u64(), listed[0]["time"].as_str().unwrap().starts_with(&TIME[..19])),
        (Some(1), true)
    );
    assert_eq!(scene.host.seawall(&["ls", "env"]).ok().lines().filter(|line| line.contains(".env")).count(), 1);
    assert_eq!(scene.host.seawall(&["cat", "env:.env"]).ok(), "SECRET=then\n");
    // The path that it was packed with does not matter: it is the only file.
    scene.import("whole_20260124_140530.tar.gz", &[]).ok();
    scene.write("SECRET=now\n");
    scene.host.seawall(&["backup", "env"]).ok();
    let changed = scene.host.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(changed.as_array().unwrap().len(), 3);
    run(Command::new("chown").arg("0:0").arg(scene.env())).ok();
    scene.host.seawall(&["restore", "env", "--at", "2026-01-23", "--yes"]).ok();
    assert_eq!((scene.read().as_str(), scene.attributes()), ("SECRET=then\n", (1000, 1001, 0o640)));
    scene.host.restic(&["check", "--read-data"]);

    // It is known again, and so is a file that is gone when it is of the same name and alone.
    assert!(scene.import(&format!("env_{STAMP}.tar.gz"), &[]).ok().contains("nothing to do"));
    fs::remove_file(scene.env()).unwrap();
    scene.shell("mkdir gone; echo gone > gone/.env; tar -C gone -cf gone_20260125_140530.tar .env");
    scene.import("gone_20260125_140530.tar", &[]).ok();
    scene.host.seawall(&["restore", "env", "--at", "2026-01-25", "--yes"]).ok();
    assert_eq!(scene.read(), "gone\n");
}

#[test]
fn which_file_is_meant_has_to_be_clear() {
    let scene = Scene::new();
    scene.shell(&format!(
        "mkdir b; echo one > b/env.txt; echo two > b/.env; ln -s /etc/passwd b/link
         tar -C b -cf other_{STAMP}.tar env.txt; tar -C b -cf several_{STAMP}.tar env.txt .env
         tar -cf none_{STAMP}.tar --no-recursion b; tar -C b -cf link_{STAMP}.tar link"
    ));
    for (file, part) in [
        ("other", "`--strip env.txt`"),
        ("several", "holds several files"),
        ("none", "holds no file"),
        ("link", "holds no file"),
    ] {
        let said = scene.import(&format!("{file}_{STAMP}.tar"), &[]);
        assert!(said.code == 1 && said.err.contains(part), "{file}: {said:#?}");
    }
    let said = scene.import(&format!("none_{STAMP}.tar"), &["--strip", "b"]);
    assert!(said.code == 1 && said.err.contains("is no file"), "{said:#?}");
    scene.import(&format!("several_{STAMP}.tar"), &["--strip", ".env"]).ok();
    assert_eq!(scene.host.seawall(&["cat", "env:.env"]).ok(), "two\n");
    scene.import(&format!("other_{STAMP}.tar"), &["--strip", "env.txt", "--time", "2026-02-01T00:00:00Z"]).ok();
    assert_eq!(scene.host.seawall(&["cat", "env:.env"]).ok(), "one\n");
}

#[test]
fn one_is_restored_as_it_is_and_undone() {
    let scene = Scene::new();
    scene.shell(&format!("tar -C shop -czf env_{STAMP}.tar.gz .env"));
    scene.write("SECRET=now\n");
    let file = scene.archive(&format!("env_{STAMP}.tar.gz"));
    let restore =
        |args: &[&str]| scene.host.seawall(&[&["restore", "env", "--yes", "--from-archive", &file], args].concat());
    restore(&[]).ok();
    assert_eq!((scene.read().as_str(), scene.attributes()), ("SECRET=then\n", (1000, 1001, 0o640)));
    scene.host.seawall(&["restore", "env", "--undo", "--yes"]).ok();
    assert_eq!(scene.read(), "SECRET=now\n");
    let to = scene.host.path("to");
    restore(&["--to", to.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(to.join(".env")).unwrap(), "SECRET=then\n");
    let said = restore(&["--path", "x"]);
    assert!(said.code == 1 && said.err.contains("is of one file"), "{said:#?}");
    // The file is gone.
    fs::remove_file(scene.env()).unwrap();
    restore(&[]).ok();
    assert_eq!(scene.read(), "SECRET=then\n");
}

#[test]
fn archives_go_into_a_bucket_that_restic_reads() {
    let server = Seaweed::start();
    server.set("PUT", "/backups", "");
    let scene = Scene::with("  repositories: [offsite]\n");
    let data = scene.host.path("data");
    crate::desk::hard_tree(&data);
    fs::write(scene.host.path("id"), ADMIN.0).unwrap();
    fs::write(scene.host.path("secret"), ADMIN.1).unwrap();
    scene.host.write(
        "more.yaml",
        &format!(
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: tree}}\nspec:\n  source: {{path: {{path: {}}}}}\n  \
             schedule: {{every: 52w}}\n  repositories: [offsite, default]\n---\napiVersion: seawall.dev/v1\nkind: \
             Repository\nmetadata: {{name: offsite}}\nspec:\n  s3: {{endpoint: \"{}\", bucket: backups, prefix: host-1, \
             accessKeyIdFrom: {{file: {}}}, secretAccessKeyFrom: {{file: {}}}}}\n",
            data.display(),
            server.url(),
            scene.host.path("id").display(),
            scene.host.path("secret").display()
        ),
    );
    scene.shell(&format!(
        "tar --format=pax --xattrs --xattrs-include='*' --acls -S -czf tree_{STAMP}.tar.gz data
         tar -C shop -cf env_{STAMP}.tar .env"
    ));
    let archive = scene.archive(&format!("tree_{STAMP}.tar.gz"));
    let said = scene.host.seawall(&["import", "--policy", "tree", "--yes", &archive]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains(" in offsite, as of") && said.out.contains(" in default, as of"), "{said:#?}");
    scene.import(&format!("env_{STAMP}.tar"), &[]).ok();
    let again = scene.host.seawall(&["import", "--policy", "tree", "--yes", &archive]);
    assert!(again.out.contains("nothing to do"), "{again:#?}");

    let restic = |args: &[&str]| {
        let mut command = Command::new("restic");
        command.args(["--no-cache", "--repo", &format!("s3:{}/backups/host-1", server.url())]);
        command.arg("--password-file").arg(scene.host.state().join("keys/offsite.key"));
        command.env("AWS_ACCESS_KEY_ID", ADMIN.0).env("AWS_SECRET_ACCESS_KEY", ADMIN.1).env_remove("AWS_CA_BUNDLE");
        run(command.args(args)).ok()
    };
    let listed: serde_json::Value = serde_json::from_str(&restic(&["snapshots", "--json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed:#}");
    assert!(restic(&["check", "--read-data"]).contains("no errors were found"));
    assert_eq!(scene.host.seawall(&["cat", "env:.env"]).ok(), "SECRET=then\n");
    let to = scene.host.path("to");
    scene.host.seawall(&["restore", "tree", "--repository", "offsite", "--to", to.to_str().unwrap()]).ok();
    assert_eq!(crate::desk::differences(Path::new(&data), &to), Vec::<String>::new());
    scene.write("SECRET=now\n");
    scene.host.seawall(&["restore", "env", "--yes"]).ok();
    assert_eq!(scene.read(), "SECRET=then\n");
}
