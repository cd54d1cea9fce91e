//! A PostgreSQL server of its own for one test, on loopback, and a host whose policy dumps a database of it.

use crate::support::operator::{Host, Said, run};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A password that is found wherever it is printed, and that has to be written with `%` in an address.
pub const PASSWORD: &str = "s3cr3t/@:needle";
const ESCAPED: &str = "s3cr3t%2F%40%3Aneedle";
/// A schedule that no test lives to see a slot of.
pub const RARELY: &str = "every: 52w";

pub struct Server {
    dir: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
}

/// Where Debian has the newest server.
pub fn binaries() -> PathBuf {
    let found = fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path().join("bin"));
    found.filter(|bin| bin.join("initdb").exists()).max().unwrap()
}

fn user() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (fields.next().unwrap(), fields.next().unwrap())
}

impl Server {
    pub fn new(settings: &[&str]) -> Self {
        Self::with(&[], settings)
    }

    /// Made with further options of `initdb`.
    pub fn with(options: &[&str], settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (uid, gid) = user();
        chown(dir.path(), Some(uid), Some(gid)).unwrap();
        let password = dir.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        chown(&password, Some(uid), Some(gid)).unwrap();
        let mut initdb = Command::new(binaries().join("initdb"));
        initdb.arg("--pgdata").arg(dir.path().join("data")).arg("--pwfile").arg(&password);
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        initdb.args(options);
        run(initdb.uid(uid).gid(gid).current_dir("/")).ok();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { dir, port, child: None };
        server.start(settings);
        server.sql("postgres", "CREATE DATABASE app");
        server
    }

    pub fn start(&mut self, settings: &[&str]) {
        let (uid, gid) = user();
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        let mut postgres = Command::new(binaries().join("postgres"));
        postgres.arg("-D").arg(self.dir.path().join("data")).arg("-k").arg(self.dir.path());
        postgres.arg("-p").arg(self.port.to_string());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=32MB"].iter().chain(settings) {
            postgres.arg("-c").arg(setting);
        }
        postgres.uid(uid).gid(gid).current_dir("/").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(postgres.spawn().unwrap());
        let begun = Instant::now();
        while self.psql("postgres", "postgres", "SELECT 1").code != 0 {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_mins(1), "the server does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `SIGINT` is a fast shutdown, `SIGQUIT` as if the machine had crashed.
    pub fn stop(&mut self, signal: rustix::process::Signal) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
            child.wait().unwrap();
        }
    }

    pub fn psql(&self, user: &str, database: &str, sql: &str) -> Said {
        let mut psql = Command::new(binaries().join("psql"));
        psql.env_clear().env("PGPASSWORD", PASSWORD).args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h"]);
        psql.arg("127.0.0.1").args(["-p", &self.port.to_string(), "-U", user, "-d", database, "-c", sql]);
        run(&mut psql)
    }

    /// As the superuser.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.psql("postgres", database, sql).ok().trim_end().to_owned()
    }

    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}:{ESCAPED}@127.0.0.1:{}/{database}", self.port)
    }

    /// A role that may log in and nothing else.
    pub fn role(&self, name: &str) {
        self.sql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
    }

    /// What a database holds, as one text: every table's rows, by other means than a dump.
    pub fn content(&self, database: &str) -> String {
        let tables = "SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(md5(t::text), '''' ORDER BY md5(t::text)), '''')) \
                      FROM %I.%I t', schemaname || '.' || tablename, schemaname, tablename) FROM pg_tables \
                      WHERE schemaname !~ '^pg_' AND schemaname NOT IN ('information_schema', 'seawall') ORDER BY 1";
        let queries = self.sql(database, tables);
        queries.lines().map(|query| self.sql(database, query) + "\n").collect()
    }

    /// Some tables of several kinds, with owners, rights, sequences and bytes.
    pub fn fill(&self, database: &str) {
        self.sql(
            database,
            "CREATE SCHEMA log; CREATE TABLE public.users (id bigserial PRIMARY KEY, name text NOT NULL, data bytea);
             INSERT INTO users (name, data) SELECT 'user ' || i, decode(md5(i::text), 'hex') FROM generate_series(1, 5000) i;
             CREATE TABLE log.calls (at timestamptz, \"Weird \"\"Name\" jsonb);
             INSERT INTO log.calls SELECT now(), json_build_object('n', i, 'ü', E'\\n') FROM generate_series(1, 1000) i;
             CREATE TABLE public.empty (a int); CREATE VIEW names AS SELECT name FROM users;
             CREATE INDEX ON users (name)",
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(rustix::process::Signal::QUIT);
    }
}

/// A server with a database `app` in it, and a host that dumps it by the policy `db`.
pub struct Scene {
    pub server: Server,
    pub host: Host,
}

impl Scene {
    pub fn new(more: &[&str]) -> Self {
        let scene = Self::of(Host::on("unix:///nowhere/docker.sock"));
        scene.ask("globals: true", more);
        scene
    }

    /// On a host that has no policy yet.
    pub fn of(host: Host) -> Self {
        let server = Server::new(&[]);
        server.fill("app");
        let scene = Self { server, host };
        scene.point_at(&scene.server.url("postgres", "app"));
        scene
    }

    pub fn point_at(&self, url: &str) {
        fs::write(self.host.path("url"), format!("{url}\n")).unwrap();
    }

    /// `source`: further fields of the source; `more`: further lines of the policy.
    pub fn ask(&self, source: &str, more: &[&str]) {
        let more: String = more.iter().flat_map(|line| ["  ", line, "\n"]).collect();
        let (url, comma) = (self.host.path("url"), if source.is_empty() { "" } else { ", " });
        let text = format!(
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: db}}\nspec:\n  source: {{postgres: {{name: \
             app, urlFrom: {{file: {}}}{comma}{source}}}}}\n  schedule: {{{RARELY}}}\n{more}",
            url.display()
        );
        self.host.write("db.yaml", &text);
    }

    pub fn backup(&self) -> Said {
        self.host.seawall(&["backup", "db"])
    }

    /// That a backup does not come about, for a reason that has all of this in it, and that nothing says the password.
    pub fn is_refused(&self, wanted: &[&str]) -> String {
        let said = self.backup();
        assert_ne!(said.code, 0, "{said:#?}");
        let text = format!("{}{}", said.out, said.err);
        for part in wanted {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
        let path = self.host.state().join("repository/snapshots");
        assert_eq!(fs::read_dir(path).unwrap().count(), 0, "{text}");
        self.tells_no_secret();
        text
    }

    /// Nothing that a command prints, and nothing in the state directory, has the password in it.
    pub fn tells_no_secret(&self) {
        for args in [&["describe", "policy", "db"][..], &["get", "runs", "-o", "json"], &["plan"], &["runbook"]] {
            let said = self.host.seawall(args);
            for secret in [PASSWORD, ESCAPED, "needle"] {
                assert!(!said.out.contains(secret) && !said.err.contains(secret), "{args:?} {said:#?}");
            }
        }
        let mut grep = Command::new("grep");
        let said = run(grep.args(["-r", "-l", "-a", "-F", "needle"]).arg(self.host.state()));
        assert_eq!(said.out, "");
    }

    /// Programs of PostgreSQL that this host's Seawall has started and that are still there.
    pub fn programs_left(&self) -> Vec<String> {
        let port = self.server.port.to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let mine = environment.split(|b| *b == 0).any(|pair| pair == format!("PGPORT={port}").as_bytes());
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            mine.then(|| name.trim_end().to_owned())
        });
        processes.filter(|name| name.starts_with("pg_")).collect()
    }
}

/// What `pg_restore --list` says of a dump.
pub fn contents(dump: &Path) -> String {
    run(Command::new(binaries().join("pg_restore")).arg("--list").arg(dump)).ok()
}
