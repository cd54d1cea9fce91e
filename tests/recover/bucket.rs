//! A host whose repository is in a bucket: what is left of it is the bucket, its credentials and the key.

use crate::seaweed::{ADMIN, READER, Seaweed};
use crate::support::engine::{Engine, unique};
use crate::support::operator::{Host, Said, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable from which the document of the repository takes the id of its access key.
const KEY_ID: &str = "OFFSITE_KEY_ID";

struct Lost {
    server: Seaweed,
    engine: Engine,
    volume: String,
    dir: tempfile::TempDir,
}

impl Lost {
    fn new() -> Self {
        let (server, engine, dir) = (Seaweed::start(), Engine::shared(), tempfile::tempdir().unwrap());
        server.set("PUT", "/backups", "");
        let volume = unique("offsite");
        engine.volume_named(&volume, &[], &[("app", "shop")]);
        let lost = Self { server, engine, volume, dir };
        let root = lost.engine.mountpoint(&lost.volume);
        let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hard_tree.py");
        run(Command::new("python3").arg(tree).arg(root.join("tree"))).ok();
        fs::create_dir_all(lost.site()).unwrap();
        fs::write(lost.site().join("nginx.conf"), "listen 443;\n").unwrap();
        fs::create_dir(lost.secrets().parent().unwrap()).unwrap();
        fs::write(lost.secrets(), format!("{}\n", ADMIN.1)).unwrap();
        lost
    }

    fn site(&self) -> PathBuf {
        self.dir.path().join("srv/site")
    }

    /// Where the document of the repository has the secret.
    fn secrets(&self) -> PathBuf {
        self.dir.path().join("secrets/offsite")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("copy")
    }

    fn documents(&self) -> String {
        let policy = |name: &str, source: &str| {
            format!(
                "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}} # as in git\nspec:\n  source: \
                 {source}\n  schedule: {{every: 52w}}\n  repositories: [offsite]\n---\n"
            )
        };
        let repository = format!(
            "apiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: offsite}}\nspec:\n  s3: {{endpoint: \
             \"{}/\", bucket: backups, prefix: host-1, region: us-east-1, accessKeyIdFrom: {{env: {KEY_ID}}}, \
             secretAccessKeyFrom: {{file: {}}}}}\n",
            self.server.url(),
            self.secrets().display()
        );
        policy("data", &format!("{{volume: {{name: {}}}}}", self.volume))
            + &policy("site", &format!("{{path: {{path: {}}}}}", self.site().display()))
            + &repository
    }

    /// What a person has of it.
    fn url(&self) -> String {
        format!("s3:{}/backups/host-1", self.server.url())
    }

    /// The whole host goes: the volume, the path, the state with the key in it, and the secrets.
    fn lose(&self, host: &Host) {
        let volume = self.engine.mountpoint(&self.volume);
        for (from, name) in [(&volume, "volume"), (&self.site(), "site")] {
            fs::create_dir_all(self.copy()).unwrap();
            run(Command::new("cp").arg("-a").arg(from).arg(self.copy().join(name))).ok();
        }
        self.engine.remove_volume(&self.volume);
        fs::remove_dir_all(self.dir.path().join("srv")).unwrap();
        fs::remove_dir_all(host.state()).unwrap();
        fs::remove_dir_all(self.secrets().parent().unwrap()).unwrap();
    }

    fn recover(&self, host: &Host, (id, secret): (&str, &str), args: &[&str]) -> Said {
        let (url, key) = (self.url(), self.key());
        let own = ["recover", "--repository", &url, "--key-file", key.to_str().unwrap()];
        let mut command = host.command(&[&own, args].concat());
        run(command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret))
    }
}

fn differences(a: &Path, b: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compare_trees.py");
    run(Command::new("python3").arg(script).arg(a).arg(b)).ok()
}

#[test]
fn a_host_comes_back_from_a_bucket() {
    let lost = Lost::new();
    let old = Host::new(&lost.engine).with_env(KEY_ID, ADMIN.0);
    old.write("all.yaml", &lost.documents());
    for policy in ["data", "site"] {
        old.seawall(&["backup", policy]).ok();
    }
    old.seawall(&["key", "export", "offsite", "--output", lost.key().to_str().unwrap()]).ok();
    lost.lose(&old);

    let engine = Engine::private();
    let new = Host::unnamed(&engine);
    // What the document asks for has to be there afterwards, too: said before anything is done.
    let said = lost.recover(&new, ADMIN, &["--yes"]);
    assert!(said.code == 1 && said.err.contains(&format!("{KEY_ID} is not set")), "{said:#?}");
    let new = new.with_env(KEY_ID, ADMIN.0);
    for (key, wanted) in
        [((ADMIN.0, "wrong"), "the secret access key is wrong"), (("nobody", ADMIN.1), "not known there")]
    {
        let said = lost.recover(&new, key, &["--yes"]);
        assert!(said.code == 1 && said.err.contains(wanted), "{said:#?}");
    }
    let said = lost.recover(&new, ADMIN, &["--dry-run"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains("host testhost: 2 policies, 2 snapshots"), "{said:#?}");
    assert!(!new.state().exists() && !lost.secrets().exists() && !lost.site().exists(), "looking writes nothing");

    let said = lost.recover(&new, ADMIN, &["--yes"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(!format!("{said:?}").contains("hunter2"), "{said:#?}");
    assert_eq!(differences(&lost.copy().join("volume"), &engine.mountpoint(&lost.volume)), "");
    assert_eq!(differences(&lost.copy().join("site"), &lost.site()), "");
    let label = engine.docker(&["volume", "inspect", "--format={{json .Labels}}", &lost.volume]);
    assert_eq!(label, r#"{"app":"shop"}"#);
    for file in ["data.yaml", "site.yaml"] {
        assert!(fs::read_to_string(new.policies().join(file)).unwrap().contains("# as in git"), "{file}");
    }
    assert_eq!(fs::read_to_string(lost.secrets()).unwrap().trim_end(), ADMIN.1, "where the document has it");

    let operator = new.start();
    for policy in ["data", "site"] {
        operator.until_saved(policy);
        let conditions = operator.status()["policies"][policy]["conditions"].to_string();
        assert!(conditions.contains(r#""type":"BackupFresh","status":"True""#), "{conditions}");
    }
    let due = new.seawall(&["plan"]).ok();
    for policy in ["data", "site"] {
        assert_eq!(operator.runs(policy, "success") + operator.runs(policy, "failure"), 0, "{policy}: {due}");
    }
    let listed = new.seawall(&["get", "snapshots", "-o", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed:#}");
    // It goes on under its name, and adds next to nothing.
    new.seawall(&["backup", "data"]).ok();
    let listed = new.seawall(&["get", "snapshots", "--policy", "data", "-o", "json"]).json();
    let newest = listed.as_array().unwrap().iter().max_by_key(|one| one["time"].to_string()).unwrap();
    assert_eq!(newest["host"], "testhost");
    assert!(newest["addedBytes"].as_u64().unwrap() < 100_000, "{newest:#}");
    operator.stop();
}

#[test]
fn a_key_that_may_only_read_is_enough_to_bring_it_back() {
    let lost = Lost::new();
    let old = Host::new(&lost.engine).with_env(KEY_ID, ADMIN.0);
    old.write("all.yaml", &lost.documents());
    old.seawall(&["backup", "site"]).ok();
    old.seawall(&["key", "export", "offsite", "--output", lost.key().to_str().unwrap()]).ok();
    lost.lose(&old);
    let engine = Engine::private();
    let new = Host::unnamed(&engine).with_env(KEY_ID, READER.0);
    let said = lost.recover(&new, READER, &["--yes"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(differences(&lost.copy().join("site"), &lost.site()), "");
}
