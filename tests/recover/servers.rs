//! Databases and buckets, which come back where their servers can be reached and hold nothing.

use crate::seaweed::{ADMIN, Seaweed};
use crate::server::Server;
use crate::support::engine::{Engine, unique};
use crate::support::operator::{Host, Said, run};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

/// The variable that has the address of one of the databases.
const URL: &str = "NO_SECRET_URL";
/// The databases of the host, by name. Each has its own policy of that name.
const DATABASES: [&str; 5] = ["absent", "empty", "full", "nosecret", "down"];

/// What is left of a host: its repository and its key. The servers are others, and hold what is said.
struct Lost {
    engine: Engine,
    weed: Seaweed,
    /// The server on which the databases are to be again.
    server: Server,
    volume: String,
    /// What every database held.
    content: String,
    dir: tempfile::TempDir,
}

impl Lost {
    fn new() -> Self {
        let (engine, weed, dir) = (Engine::shared(), Seaweed::start(), tempfile::tempdir().unwrap());
        let (old, server) = (Server::new(&[]), Server::new(&[]));
        old.fill("app");
        weed.set("PUT", "/files", "");
        for (key, body) in [("uploads/a", "a"), ("uploads/b/c", "c"), ("logs/today", "then")] {
            weed.set("PUT", &format!("/files/{key}"), body);
        }
        let volume = unique("servers");
        engine.volume_named(&volume, &[], &[]);
        fs::write(engine.mountpoint(&volume).join("file"), "of the volume").unwrap();
        let content = old.content("app");
        let lost = Self { engine, weed, server, volume, content, dir };
        fs::create_dir(lost.dir.path().join("secrets")).unwrap();
        for database in DATABASES {
            fs::write(lost.secret(database), old.url("postgres", "app")).unwrap();
        }
        fs::write(lost.secret("id"), ADMIN.0).unwrap();
        fs::write(lost.secret("key"), ADMIN.1).unwrap();
        let host = Host::new(&lost.engine).with_env(URL, &old.url("postgres", "app"));
        host.write("all.yaml", &lost.policies());
        for policy in DATABASES.iter().chain(&["data", "uploads", "logs"]) {
            host.seawall(&["backup", policy]).ok();
        }
        host.seawall(&["key", "export", "--output", lost.dir.path().join("exported").to_str().unwrap()]).ok();
        run(Command::new("mv").arg(host.state().join("repository")).arg(lost.dir.path().join("rescued"))).ok();
        lost.lose();
        lost
    }

    /// The servers as they are afterwards.
    fn lose(&self) {
        self.engine.remove_volume(&self.volume);
        for key in ["uploads/a", "uploads/b/c"] {
            self.weed.set("DELETE", &format!("/files/{key}"), "");
        }
        self.weed.set("PUT", "/files/logs/today", "now");
        for statement in ["DROP DATABASE app", "CREATE DATABASE empty", "CREATE DATABASE \"full\""] {
            self.server.sql("postgres", statement);
        }
        self.server.sql("full", "CREATE TABLE mine AS SELECT 1 AS one");
        for database in ["absent", "empty", "full"] {
            fs::write(self.secret(database), self.server.url("postgres", database)).unwrap();
        }
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::write(self.secret("down"), format!("postgres://u:needle@127.0.0.1:{nobody}/down")).unwrap();
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.dir.path().join("secrets").join(name)
    }

    fn policies(&self) -> String {
        let policy = |name: &str, criticality: &str, source: &str| {
            format!(
                "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  criticality: \
                 {criticality}\n  source: {source}\n  schedule: {{every: 52w}}\n---\n"
            )
        };
        let database = |name: &&str| {
            let from = match *name {
                "nosecret" => format!("env: {URL}"),
                name => format!("file: {}", self.secret(name).display()),
            };
            let criticality = if *name == "absent" { "critical" } else { "medium" };
            policy(name, criticality, &format!("{{postgres: {{name: {name}, urlFrom: {{{from}}}, globals: true}}}}"))
        };
        let bucket = |name: &str| {
            let source = format!(
                "{{bucket: {{provider: s3Compatible, name: files, prefix: {name}/, endpoint: \"{}\", copy: true, \
                 accessKeyIdFrom: {{file: {}}}, secretAccessKeyFrom: {{file: {}}}}}}}",
                self.weed.url(),
                self.secret("id").display(),
                self.secret("key").display()
            );
            policy(name, "high", &source)
        };
        DATABASES.iter().map(database).collect::<String>()
            + &policy("data", "low", &format!("{{volume: {{name: {}}}}}", self.volume))
            + &bucket("uploads")
            + &bucket("logs")
    }

    fn command(&self, host: &Host, args: &[&str]) -> Command {
        let (repository, key) = (self.dir.path().join("rescued"), self.dir.path().join("exported"));
        let own = ["recover", "--repository", repository.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
        host.command(&[&own, args].concat())
    }

    fn recover(&self, host: &Host, args: &[&str]) -> Said {
        let said = run(&mut self.command(host, args));
        let text = format!("{said:?}");
        assert!(!text.contains("needle") && !text.contains("hunter2"), "{said:#?}");
        said
    }

    fn object(&self, key: &str) -> Option<String> {
        let (status, body) = self.weed.ask("GET", &format!("/files/{key}"), "");
        (status == 200).then_some(body)
    }
}

#[test]
fn what_can_be_reached_and_is_empty_comes_back_and_nothing_else_is_touched() {
    let lost = Lost::new();
    let host = Host::unnamed(&lost.engine);
    let full = lost.server.content("full");
    let looked = lost.recover(&host, &["--dry-run"]);
    assert_eq!(looked.code, 0, "{looked:#?}");
    assert_eq!(lost.server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'absent'"), "0");
    assert_eq!(lost.object("uploads/a"), None);
    let place = format!("127.0.0.1:{}", lost.server.port);
    let reasons = [
        ("full", format!("the database full at {place} holds")),
        ("nosecret", format!("the environment variable {URL} is not set")),
        ("down", "Connection refused".to_owned()),
        ("logs", "holds objects below logs/ already".to_owned()),
    ];
    let said = lost.recover(&host, &["--yes"]);
    assert_eq!(said.code, 3, "{said:#?}");
    // Those on the disk first, then by criticality.
    let order: Vec<&str> = said.out.lines().filter(|line| line.contains(" of 8 ")).collect();
    for (nth, (name, ended)) in
        [("data/", "restored"), ("absent/", "restored"), ("uploads/", "restored"), ("logs/", "left alone")]
            .iter()
            .enumerate()
    {
        assert!(order[nth].contains(name) && order[nth].contains(ended), "{nth}: {order:#?}");
    }
    assert!(looked.out.contains(&format!("made and restored: absent at {place}")), "{looked:#?}");
    assert!(looked.out.contains(&format!("restored: empty at {place}, which is empty")), "{looked:#?}");
    assert_eq!(fs::read_to_string(lost.engine.mountpoint(&lost.volume).join("file")).unwrap(), "of the volume");
    for database in ["absent", "empty"] {
        assert_eq!(lost.server.content(database), lost.content, "{database}");
    }
    assert_eq!((lost.object("uploads/a"), lost.object("uploads/b/c")), (Some("a".into()), Some("c".into())));
    assert_eq!(lost.server.content("full"), full);
    assert_eq!(lost.object("logs/today").as_deref(), Some("now"));
    for (policy, why) in &reasons {
        let source =
            if *policy == "logs" { "s3Compatible/files/logs/".to_owned() } else { format!("postgres/{policy}") };
        for said in [&looked.out, &said.out] {
            let step = said.lines().find(|line| line.contains(&format!("Bring {policy}/{source} back"))).unwrap();
            assert!(step.contains(why), "{policy}: {step}");
            assert!(said.contains(&format!("     seawall restore {policy} --source {source}\n")), "{policy}: {said}");
        }
    }
    assert!(said.out.contains("seawall cat full:globals.sql"), "{said:#?}");

    // What it says to do later is right, as far as it goes without more.
    host.seawall(&["restore", "full", "--source", "postgres/full", "--yes"]).ok();
    assert_eq!(lost.server.content("full"), lost.content);
    // Another address for what has none here, and what is back stays.
    fs::write(lost.secret("other"), lost.server.url("postgres", "other")).unwrap();
    let to = format!("nosecret=file:{}", lost.secret("other").display());
    let again = lost.recover(&host, &["--yes", "--to-database", &to]);
    assert_eq!(again.code, 3, "{again:#?}");
    assert_eq!(again.out.matches("already there").count(), 5, "{again:#?}");
    assert_eq!(lost.server.content("other"), lost.content);
    let none = lost.recover(&host, &["--yes", "--to-database", "data=x"]);
    assert!(none.code == 1 && none.err.contains("no database of a policy data"), "{none:#?}");
}

#[test]
fn a_recovery_that_is_killed_between_servers_goes_on() {
    let lost = Lost::new();
    let host = Host::unnamed(&lost.engine);
    let only = ["--yes", "--policy", "absent", "--policy", "uploads"];
    for point in ["made", "put"] {
        let output = lost.command(&host, &only).env("SEAWALL_FAIL_POINT", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point} was not reached: {output:?}");
    }
    assert_eq!(lost.server.content("absent"), lost.content, "the second attempt began it anew");
    // As if it had been cut off earlier.
    lost.weed.set("DELETE", "/files/uploads/b/c", "");
    let done = lost.recover(&host, &only);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(done.out.contains("1 object, 1 B") && done.out.contains("1 there already"), "{done:#?}");
    assert_eq!(lost.object("uploads/b/c").as_deref(), Some("c"));
    let again = lost.recover(&host, &only);
    assert_eq!((again.code, again.out.matches("already there").count()), (0, 2), "{again:#?}");
}
