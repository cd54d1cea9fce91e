//! Dumps that come about.

use crate::server::{Scene, contents};
use crate::support::operator::run;
use std::fs;
use std::process::Command;

#[test]
fn a_database_becomes_a_snapshot_that_restic_and_pg_restore_read() {
    let scene = Scene::new(&[]);
    let said = scene.backup();
    assert!(said.out.contains("success"), "{said:#?}");
    let host = &scene.host;
    let snapshot = host.snapshots()[0]["id"].as_str().unwrap().to_owned();
    assert!(host.restic(&["check", "--read-data"]).contains("no errors were found"));

    // Another program agrees on lengths and content.
    let target = host.path("restic");
    host.restic(&["restore", &snapshot, "--target", target.to_str().unwrap()]);
    let (dump, globals) = (target.join("app/app.dump"), target.join("app/globals.sql"));
    let listed = host.restic(&["ls", "--json", &snapshot]);
    let lengths: Vec<u64> = listed
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|entry| entry["path"].as_str().is_some_and(|path| path.starts_with("/app/")))
        .map(|entry| entry["size"].as_u64().unwrap())
        .collect();
    assert_eq!(lengths, [fs::metadata(&dump).unwrap().len(), fs::metadata(&globals).unwrap().len()]);
    let toc = contents(&dump);
    for wanted in
        ["TABLE DATA public users", "TABLE DATA log calls", "VIEW public names", "INDEX public users_name_idx"]
    {
        assert!(toc.contains(wanted), "{toc}");
    }
    assert!(fs::read_to_string(globals).unwrap().contains("SCRAM-SHA-256"));

    // And so does Seawall.
    let file = host.path("cat.dump");
    let mut cat = host.command(&["cat", "db:app.dump"]);
    assert!(cat.stdout(fs::File::create(&file).unwrap()).status().unwrap().success());
    assert_eq!(fs::read(&file).unwrap(), fs::read(&dump).unwrap());
    host.seawall(&["restore", "db", "--to", host.path("laid").to_str().unwrap()]).ok();
    assert_eq!(fs::read(host.path("laid").join("app.dump")).unwrap(), fs::read(&dump).unwrap());
    let ls = host.seawall(&["ls", "db"]).ok();
    assert!(ls.contains("app.dump") && ls.contains("globals.sql"), "{ls}");
    scene.tells_no_secret();
    assert_eq!(scene.programs_left(), Vec::<String>::new());
}

#[test]
fn a_second_dump_of_the_same_adds_next_to_nothing() {
    let scene = Scene::new(&[]);
    scene.server.sql("app", "CREATE TABLE big AS SELECT i, md5(i::text) FROM generate_series(1, 200000) i");
    scene.backup().ok();
    scene.server.sql("app", "INSERT INTO log.calls VALUES (now())");
    scene.backup().ok();
    let listed = scene.host.seawall(&["get", "snapshots", "-o", "json"]).json();
    let added: Vec<u64> = listed.as_array().unwrap().iter().map(|s| s["addedBytes"].as_u64().unwrap()).collect();
    assert!(added[0] * 2 < added[1], "{added:?}");
}

#[test]
fn a_role_that_may_only_read_is_enough() {
    let scene = Scene::new(&[]);
    scene.server.role("reader");
    scene.server.sql("app", "GRANT pg_read_all_data TO reader");
    scene.point_at(&scene.server.url("reader", "app").replace("postgresql:", "postgresql+psycopg2:"));
    let said = scene.backup();
    assert!(said.out.contains("success"), "{said:#?}");
    let runs = scene.host.seawall(&["get", "runs", "-o", "json"]).json();
    assert!(runs[0]["warnings"][0].as_str().unwrap().contains("has no passwords"), "{runs:#}");
    let globals = scene.host.seawall(&["cat", "db:globals.sql"]).ok();
    assert!(globals.contains("CREATE ROLE reader") && !globals.contains("SCRAM"), "{globals}");
}

#[test]
fn what_is_excluded_is_neither_read_nor_needed() {
    let scene = Scene::new(&[]);
    scene.server.role("reader");
    scene.server.sql(
        "app",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader;
         CREATE TABLE \"Secret.1\" (a int); CREATE TABLE sessions AS SELECT 'session' || i AS s FROM generate_series(1, 9) i;
         GRANT SELECT ON sessions TO reader",
    );
    scene.point_at(&scene.server.url("reader", "app"));
    scene.ask("exclude: {schemas: [lo*], tables: [public.Secre??1], rows: [public.sessions]}", &[]);
    scene.backup().ok();
    scene.host.seawall(&["restore", "db", "--to", scene.host.path("laid").to_str().unwrap()]).ok();
    let toc = contents(&scene.host.path("laid").join("app.dump"));
    assert!(!toc.contains("Secret") && !toc.contains("log calls"), "{toc}");
    assert!(toc.contains("TABLE public sessions") && !toc.contains("TABLE DATA public sessions"), "{toc}");
}

#[test]
fn the_address_may_come_from_the_environment() {
    let scene = Scene::new(&[]);
    let text = fs::read_to_string(scene.host.policies().join("db.yaml")).unwrap();
    let file = format!("{{file: {}}}", scene.host.path("url").display());
    scene.host.write("db.yaml", &text.replace(&file, "{env: DATABASE_URL}"));
    let said = run(scene.host.command(&["backup", "db"]).env("DATABASE_URL", scene.server.url("postgres", "app")));
    assert!(said.out.contains("success"), "{said:#?}");
    let _used: Command = scene.host.command(&[]);
}
