//! Drills in a server from an image. Needs a Docker engine.

use crate::image;
use crate::server::{RARELY, Scene, binaries};
use crate::support::engine::Engine;
use crate::support::operator::Host;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

struct Elsewhere {
    engine: Engine,
    scene: Scene,
    image: String,
}

impl Elsewhere {
    fn new() -> Self {
        let engine = Engine::shared();
        let image = image::postgres(&engine);
        let scene = Scene::of(Host::new(&engine));
        Self { engine, scene, image }
    }

    fn ask(&self, server: &str, checks: &str) {
        let drill = format!("verification: {{drill: {{schedule: {{{RARELY}}}, server: {server}, checks: {checks}}}}}");
        self.scene.ask("heartbeat: true", &[&drill]);
    }

    /// How this host's drills are told from those of others.
    fn owner(&self) -> String {
        let state = fs::canonicalize(self.scene.host.state()).unwrap();
        let hash = Sha256::new().chain_update(state.as_os_str().as_encoded_bytes()).chain_update("testhost").finalize();
        hex::encode(&hash[..8])
    }

    fn containers(&self) -> Vec<String> {
        let owner = format!("label=dev.seawall.owner={}", self.owner());
        let listed = self.engine.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &owner]);
        listed.lines().map(str::to_owned).collect()
    }

    /// What this host's drills have left.
    fn left(&self) -> Vec<String> {
        let owner = format!("label=dev.seawall.owner={}", self.owner());
        let mut left = self.containers();
        left.extend(self.engine.docker(&["volume", "ls", "--quiet", "--filter", &owner]).lines().map(str::to_owned));
        let prefix = format!("seawall-pg-{}", self.owner());
        let names = fs::read_dir("/var/tmp").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        left.extend(names.filter(|name| name.starts_with(&prefix)));
        left
    }

    fn last(&self) -> Value {
        let runs = self.scene.host.seawall(&["get", "runs", "-o", "json"]).json();
        runs.as_array().unwrap().iter().find(|run| run["operation"] == "drill").unwrap().clone()
    }

    /// That a drill does not come about, and why; nothing of it stays.
    fn is_refused(&self, wanted: &[&str]) {
        let said = self.scene.host.seawall(&["drill", "db"]);
        assert_ne!(said.code, 0, "{said:#?}");
        let run = self.last();
        let message = run["message"].as_str().unwrap();
        for part in wanted {
            assert!(message.contains(part), "no `{part}` in {message}");
        }
        assert_eq!(self.left(), [""; 0]);
    }
}

#[test]
fn it_is_restored_into_a_server_that_the_image_starts_and_nothing_stays() {
    let there = Elsewhere::new();
    there.scene.server.sql(
        "app",
        "CREATE SCHEMA seawall; CREATE TABLE seawall.heartbeat (id text PRIMARY KEY, at timestamptz NOT NULL);
         CREATE EXTENSION pgcrypto; CREATE ROLE \"An owner\"; ALTER TABLE users OWNER TO \"An owner\"",
    );
    there.ask(
        &format!("{{image: \"{}\"}}", there.image),
        "[{minTables: 3}, {minRows: {public.users: 5000, log.calls: 1000}}, \
          {query: \"SELECT setting = '/seawall/data' FROM pg_settings WHERE name = 'data_directory'\"}, \
          {query: \"SELECT setting = '' FROM pg_settings WHERE name = 'listen_addresses'\"}]",
    );
    there.scene.backup().ok();
    there.scene.host.seawall(&["drill", "db"]).ok();
    let run = there.last();
    assert_eq!(run["result"], "success", "{run:#}");
    let checks = run["drill"]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 5, "{run:#}");
    assert!(checks.iter().all(|check| check["passed"] == true), "{run:#}");
    assert!(checks[4]["message"].as_str().unwrap().starts_with("the data is of "), "{run:#}");
    assert_eq!(run.get("warnings").and_then(Value::as_array).map_or(0, Vec::len), 0, "{run:#}");
    assert_eq!(there.left(), [""; 0]);
    there.scene.tells_no_secret();
}

#[test]
fn what_cannot_be_a_server_is_told() {
    let there = Elsewhere::new();
    let checks = "[{minTables: 1}]";
    there.ask("{image: \"nowhere.example/postgres:15\"}", checks);
    there.scene.backup().ok();
    there.is_refused(&["no image nowhere.example/postgres:15", "docker pull"]);
    there.ask(&format!("{{image: \"{}\"}}", there.engine.image()), checks);
    there.is_refused(&["cannot be the server of a drill", "PATH"]);
    there.ask(&format!("{{image: \"{}\", user: \"1234\"}}", there.image), checks);
    there.is_refused(&["initdb ended with 1", "1234", "server.user"]);

    // A dump of a newer version: the programs say that they are of 16.
    let newer = there.scene.host.path("newer");
    fs::create_dir(&newer).unwrap();
    for program in ["psql", "pg_restore", "pg_dumpall"] {
        std::os::unix::fs::symlink(binaries().join(program), newer.join(program)).unwrap();
    }
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) 16.1';; *) exec {}/pg_dump \"$@\";; esac\n",
        binaries().display()
    );
    fs::write(newer.join("pg_dump"), script).unwrap();
    fs::set_permissions(newer.join("pg_dump"), fs::Permissions::from_mode(0o755)).unwrap();
    let drill = format!("verification: {{drill: {{schedule: {{{RARELY}}}, server: {{image: \"{}\"}}}}}}", there.image);
    there.scene.ask(&format!("binaries: {}", newer.display()), &[&drill]);
    there.scene.backup().ok();
    there.is_refused(&[&there.image, "has PostgreSQL 15 and the dump is of 16"]);
}

#[test]
fn a_killed_drill_leaves_nothing_beyond_the_next_start() {
    let there = Elsewhere::new();
    there.ask(&format!("{{image: \"{}\"}}", there.image), "[{query: \"SELECT pg_sleep(600) IS NULL\"}]");
    there.scene.backup().ok();
    let mut drill =
        there.scene.host.command(&["drill", "db"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeps = || there.containers().into_iter().find(|id| top(&there.engine, id).contains("SELECT"));
    let begun = Instant::now();
    let container = loop {
        if let Some(container) = sleeps() {
            break container;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "it never gets so far");
        std::thread::sleep(Duration::from_millis(100));
    };
    let format = "{{.HostConfig.NetworkMode}} {{.Config.User}} {{.HostConfig.SecurityOpt}}";
    let how = there.engine.docker(&["inspect", "--format", format, &container]);
    assert_eq!(how, "none postgres [no-new-privileges]");
    drill.kill().unwrap();
    drill.wait().unwrap();
    assert_eq!(there.left().len(), 4, "two containers, a volume and a link: {:?}", there.left());
    let operator = there.scene.host.start();
    assert_eq!(there.left(), [""; 0]);
    operator.stop();
}

/// What runs in a container.
fn top(engine: &Engine, id: &str) -> String {
    engine.try_docker(&["top", id]).unwrap_or_default()
}
