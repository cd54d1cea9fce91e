//! Databases brought back: in their place, beside it, elsewhere, and undone.

use crate::server::{Scene, Server};
use std::fs;
use std::process::{Command, Stdio};

fn databases(server: &Server) -> String {
    server.sql("postgres", "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")
}

/// What the server keeps of a database beside its content.
fn properties(server: &Server) -> String {
    server.sql(
        "postgres",
        "SELECT pg_get_userbyid(datdba), ARRAY(SELECT a::text FROM unnest(datacl) a ORDER BY 1), datcollate, (SELECT string_agg(setrole || ' ' || setconfig::text, ',' ORDER \
         BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid), shobj_description(oid, 'pg_database') \
         FROM pg_database d WHERE datname = 'app'",
    )
}

#[test]
fn in_its_place_and_undone_and_discarded() {
    let scene = Scene::new(&[]);
    let server = &scene.server;
    server.role("owner");
    server.sql(
        "app",
        "ALTER DATABASE app OWNER TO owner; ALTER TABLE users OWNER TO owner; REVOKE CONNECT ON DATABASE app FROM PUBLIC;
         GRANT CONNECT ON DATABASE app TO owner; ALTER DATABASE app SET search_path = log, public;
         ALTER ROLE owner IN DATABASE app SET work_mem = '8MB'; GRANT SELECT ON users TO owner",
    );
    let (before, properties_before) = (server.content("app"), properties(server));
    scene.backup().ok();
    server.sql("app", "DELETE FROM public.users WHERE id > 10; CREATE TABLE public.later AS SELECT 1");
    let after = server.content("app");
    assert_ne!(before, after);
    // An application that holds on to it.
    let mut psql = Command::new(crate::server::binaries().join("psql"));
    psql.env_clear().env("PGPASSWORD", crate::server::PASSWORD).args([
        "-X",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-d",
        "app",
    ]);
    psql.args(["-p", &server.port.to_string(), "-c", "SELECT pg_sleep(600)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut session = psql.spawn().unwrap();
    while server.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'") == "0" {}

    let host = &scene.host;
    let refused = host.seawall(&["restore", "db"]);
    assert!(refused.code != 0 && refused.err.contains("kept on its server"), "{refused:#?}");
    assert_eq!(server.content("app"), after);
    let said = host.seawall(&["restore", "db", "--yes"]);
    assert!(said.out.contains("success") && said.out.contains("is kept as app_seawall_old_"), "{said:#?}");
    assert!(!session.wait().unwrap().success());
    assert_eq!(server.content("app"), before);
    assert_eq!(properties(server), properties_before);
    let owner = server.sql("app", "SELECT tableowner FROM pg_tables WHERE tablename = 'users'");
    assert_eq!(owner, "owner");

    host.seawall(&["restore", "db", "--undo", "--yes"]).ok();
    assert_eq!(server.content("app"), after);
    host.seawall(&["restore", "db", "--undo", "--yes"]).ok();
    assert_eq!(server.content("app"), before);
    host.seawall(&["restore", "db", "--discard", "--yes"]).ok();
    assert_eq!(databases(server), "app postgres");
    assert_ne!(host.seawall(&["restore", "db", "--undo", "--yes"]).code, 0);
    scene.tells_no_secret();
}

#[test]
fn into_databases_that_are_new_empty_or_full() {
    let scene = Scene::new(&[]);
    let (server, host) = (&scene.server, &scene.host);
    let before = server.content("app");
    scene.backup().ok();
    let restore = |args: &[&str]| {
        let all: Vec<&str> = ["restore", "db", "--yes"].iter().chain(args).copied().collect();
        host.seawall(&all)
    };
    restore(&["--to-database", "new"]).ok();
    assert_eq!(server.content("new"), before);
    server.sql("postgres", "CREATE DATABASE \"Empty one\"");
    restore(&["--to-database", "Empty one"]).ok();
    assert_eq!(server.content("Empty one"), before);

    server.sql("new", "DELETE FROM users");
    let changed = server.content("new");
    let said = restore(&["--to-database", "new"]);
    assert!(said.code != 0 && said.out.contains("`--clean`"), "{said:#?}");
    assert_eq!(server.content("new"), changed);
    restore(&["--to-database", "new", "--clean"]).ok();
    assert_eq!(server.content("new"), before);
    host.seawall(&["restore", "db", "--undo", "--yes"]).ok();
    assert_eq!(server.content("new"), changed);

    // The source itself is gone.
    server.sql("postgres", "DROP DATABASE app");
    restore(&[]).ok();
    assert_eq!(server.content("app"), before);
    let said = restore(&["--path", "app.dump"]);
    assert!(said.code != 0 && said.err.contains("as a whole"), "{said:#?}");
    let said = restore(&["--to", "volume"]);
    assert!(said.code != 0 && said.err.contains("does not go into a volume"), "{said:#?}");
}

#[test]
fn onto_another_server_that_has_other_roles() {
    let scene = Scene::new(&[]);
    scene.server.role("owner");
    scene.server.sql("app", "ALTER TABLE users OWNER TO owner");
    let before = scene.server.content("app");
    scene.backup().ok();
    let other = Server::new(&[]);
    other.sql("postgres", "DROP DATABASE app");
    let file = scene.host.path("other");
    fs::write(&file, other.url("postgres", "app")).unwrap();
    let to = format!("file:{}", file.display());
    let said = scene.host.seawall(&["restore", "db", "--yes", "--to-database", &to]);
    assert!(said.code != 0 && said.out.contains("role \"owner\" does not exist"), "{said:#?}");
    assert!(said.out.contains("globals.sql") && said.out.contains("`--no-owner`"), "{said:#?}");
    assert_eq!(databases(&other), "postgres");
    scene.host.seawall(&["restore", "db", "--yes", "--to-database", &to, "--no-owner"]).ok();
    assert_eq!(other.content("app"), before);
    // The policy need not be in force for that.
    scene.host.remove("db.yaml");
    other.sql("postgres", "DROP DATABASE app");
    scene.host.seawall(&["restore", "db", "--yes", "--to-database", &to, "--no-owner"]).ok();
    assert_eq!(other.content("app"), before);
    let said = scene.host.seawall(&["restore", "db", "--yes"]);
    assert!(said.code != 0 && said.out.contains("is not in force"), "{said:#?}");
}

#[test]
fn a_role_that_may_not_make_databases_is_told_what_to_do_and_nothing_is_touched() {
    let scene = Scene::new(&[]);
    scene.server.role("reader");
    scene.server.sql("app", "GRANT pg_read_all_data TO reader");
    scene.backup().ok();
    let before = scene.server.content("app");
    scene.point_at(&scene.server.url("reader", "app"));
    let said = scene.host.seawall(&["restore", "db", "--yes"]);
    assert!(said.code != 0 && said.out.contains("CREATEDB"), "{said:#?}");
    assert_eq!(scene.server.content("app"), before);
    assert_eq!(databases(&scene.server), "app postgres");
}

#[test]
fn what_cannot_be_read_back_replaces_nothing_and_leaves_nothing() {
    let scene = Scene::new(&[]);
    scene.server.sql("app", "CREATE TABLE big AS SELECT i, md5(i::text) FROM generate_series(1, 100000) i");
    scene.backup().ok();
    let before = scene.server.content("app");
    for directory in fs::read_dir(scene.host.state().join("repository/data")).unwrap() {
        for pack in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = pack.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if bytes.len() > 1_000_000 {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(&path, bytes).unwrap();
            }
        }
    }
    for args in [&["restore", "db", "--yes"][..], &["restore", "db", "--yes", "--to-database", "new"]] {
        let said = scene.host.seawall(args);
        assert!(said.code != 0 && said.out.contains("damaged"), "{said:#?}");
    }
    assert_eq!(scene.server.content("app"), before);
    assert_eq!(databases(&scene.server), "app postgres");
}

#[test]
fn by_the_operator() {
    let scene = Scene::new(&[]);
    let before = scene.server.content("app");
    let operator = scene.host.start();
    operator.until_saved("db");
    scene.server.sql("app", "DROP TABLE users CASCADE");
    scene.host.seawall(&["restore", "db", "--yes"]).ok();
    assert_eq!(scene.server.content("app"), before);
    scene.host.seawall(&["restore", "db", "--yes", "--to-database", "beside"]).ok();
    assert_eq!(scene.server.content("beside"), before);
    let labels = [("policy", "db"), ("operation", "restore"), ("result", "success")];
    assert_eq!(operator.metric("seawall_runs_total", &labels), Some(2.0));
    operator.stop();
}
