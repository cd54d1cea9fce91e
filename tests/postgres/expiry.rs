//! What restores have set aside on a server: shown, and gone when its time is over. Nothing else ever goes.

use crate::server::{Scene, Server};
use crate::support::operator::Host;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn databases(server: &Server) -> Vec<String> {
    let all = server.sql("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1");
    all.lines().map(str::to_owned).collect()
}

/// The records of databases that are set aside.
fn records(host: &Host) -> Vec<PathBuf> {
    let directory = host.state().join("restores/databases");
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Has the time of all that is set aside be over; their names.
fn age(host: &Host) -> Vec<String> {
    let age = |path: &PathBuf| {
        let mut record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        record["undo"]["expires"] = "2026-01-01T00:00:00Z".into();
        fs::write(path, record.to_string()).unwrap();
        record["undo"]["place"].as_str().unwrap().to_owned()
    };
    records(host).iter().map(age).collect()
}

/// A scene whose database was replaced, with the name under which it is kept.
fn replaced() -> (Scene, String) {
    let scene = Scene::new(&[]);
    scene.backup().ok();
    scene.server.sql("app", "CREATE TABLE later AS SELECT 1");
    scene.host.seawall(&["restore", "db", "--yes"]).ok();
    let kept = databases(&scene.server).into_iter().find(|name| name.starts_with("app_seawall_old_")).unwrap();
    (scene, kept)
}

#[test]
fn it_is_shown_with_its_bytes_and_goes_when_its_time_is_over() {
    let (scene, kept) = replaced();
    let (server, host) = (&scene.server, &scene.host);
    let described = host.seawall(&["describe", "policy", "db"]).ok();
    assert!(described.contains("what the restore replaced") && described.contains("--undo"), "{described}");
    let size: f64 = server.sql("postgres", &format!("SELECT pg_database_size('{kept}')")).parse().unwrap();
    let operator = host.start();
    let bytes = || operator.metric("seawall_restore_undo_bytes", &[]).unwrap();
    operator.until("it is counted", |_| bytes() > 0.0);
    assert!((bytes() - size).abs() < size / 10.0, "{} of {size}", bytes());
    assert!(databases(server).contains(&kept), "its time is not over");
    operator.stop();

    // What looks like one and is none: the name alone, the mark alone, both of another restore.
    let mark = server.sql(
        "postgres",
        &format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{kept}'"),
    );
    let decoys = [
        ("app_seawall_old_ffffff", None),
        ("prod", Some(mark.clone())),
        ("app_seawall_old_eeeeee", Some(mark.replace("what restore", "what restore 2"))),
    ];
    for (name, mark) in &decoys {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        if let Some(mark) = mark {
            server.sql("postgres", &format!("COMMENT ON DATABASE {name} IS '{mark}'"));
        }
    }
    assert_eq!(age(host), std::slice::from_ref(&kept));
    let operator = host.start();
    operator.until("it is gone", |_| !databases(server).contains(&kept));
    operator.until("nothing is kept", |o| o.metric("seawall_restore_undo_bytes", &[]) == Some(0.0));
    operator.stop();
    assert_eq!(databases(server), ["app", "app_seawall_old_eeeeee", "app_seawall_old_ffffff", "postgres", "prod"]);
    assert!(records(host).is_empty());
    assert_ne!(host.seawall(&["restore", "db", "--undo", "--yes"]).code, 0);
    scene.tells_no_secret();
}

#[test]
fn a_database_that_took_its_name_or_that_was_renamed_stays() {
    let (scene, kept) = replaced();
    let (server, host) = (&scene.server, &scene.host);
    server.sql("postgres", &format!("ALTER DATABASE {kept} RENAME TO rescued"));
    server.sql("postgres", &format!("CREATE DATABASE {kept}"));
    for step in ["--undo", "--discard"] {
        let said = host.seawall(&["restore", "db", step, "--yes"]);
        assert!(said.code != 0 && said.out.contains("There is no database"), "{said:#?}");
    }
    age(host);
    let operator = host.start();
    operator.until("its record is gone", |_| records(host).is_empty());
    operator.stop();
    assert_eq!(databases(server), ["app".to_owned(), kept, "postgres".into(), "rescued".into()]);
}

#[test]
fn one_that_is_in_use_or_on_another_server_stays_and_so_does_its_record() {
    let (scene, kept) = replaced();
    let (server, host) = (&scene.server, &scene.host);
    age(host);
    let mut psql = Command::new(crate::server::binaries().join("psql"));
    psql.env_clear().env("PGPASSWORD", crate::server::PASSWORD).args(["-X", "-h", "127.0.0.1", "-U", "postgres"]);
    psql.args(["-p", &server.port.to_string(), "-d", &kept, "-c", "SELECT pg_sleep(600)"]);
    let mut session = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{kept}'");
    while server.sql("postgres", &sessions) == "0" {}
    let tried = || {
        let operator = host.start();
        operator.until("it was tried", |o| o.log().contains("was not looked after"));
        operator.stop();
        assert!(databases(server).contains(&kept));
        assert_eq!(records(host).len(), 1);
    };
    tried();
    session.kill().unwrap();
    session.wait().unwrap();
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");

    let other = Server::new(&[]);
    other.sql("postgres", &format!("CREATE DATABASE {kept}"));
    scene.point_at(&other.url("postgres", "app"));
    tried();
    let said = host.seawall(&["restore", "db", "--undo", "--yes"]);
    assert!(said.code != 0 && said.out.contains("another server"), "{said:#?}");
    scene.point_at(&server.url("postgres", "app"));
    let operator = host.start();
    operator.until("it is gone", |_| !databases(server).contains(&kept));
    operator.stop();
    assert!(databases(&other).contains(&kept));
}

#[test]
fn a_restore_that_is_killed_after_the_exchange_can_be_undone() {
    for by_operator in [false, true] {
        let scene = Scene::new(&[]);
        let (server, host) = (&scene.server, &scene.host);
        scene.backup().ok();
        server.sql("app", "DROP TABLE users CASCADE");
        let before = server.content("app");
        let mut restore = host.command(&["restore", "db", "--yes"]);
        let ended = restore.env("SEAWALL_FAIL_POINT", "exchanged").output().unwrap();
        assert_eq!(ended.status.code(), None, "it was killed");
        assert_ne!(server.content("app"), before);
        if by_operator {
            let operator = host.start();
            operator.until("it is found", |o| o.metric("seawall_restore_undo_bytes", &[]).is_some_and(|n| n > 0.0));
            host.seawall(&["restore", "db", "--undo", "--yes"]).ok();
            operator.stop();
        } else {
            host.seawall(&["restore", "db", "--undo", "--yes"]).ok();
        }
        assert_eq!(server.content("app"), before);
        host.seawall(&["restore", "db", "--discard", "--yes"]).ok();
        assert_eq!(databases(server), ["app", "postgres"]);
    }
}

#[test]
fn one_on_a_server_that_no_policy_names_is_put_back_and_removed_too() {
    let scene = Scene::new(&[]);
    scene.backup().ok();
    let other = Server::new(&[]);
    other.sql("app", "CREATE TABLE own AS SELECT 7 AS n");
    let file = scene.host.path("other");
    fs::write(&file, other.url("postgres", "app")).unwrap();
    let to = format!("file:{}", file.display());
    scene.host.seawall(&["restore", "db", "--yes", "--to-database", &to, "--clean"]).ok();
    assert_eq!(other.sql("app", "SELECT count(*) FROM users"), "5000");
    let said = scene.host.seawall(&["restore", "db", "--undo", "--yes"]);
    assert!(said.out.contains("is undone") && said.err.contains("ends the sessions of both"), "{said:#?}");
    assert_eq!(other.sql("app", "SELECT n FROM own"), "7");
    scene.host.seawall(&["restore", "db", "--discard", "--yes"]).ok();
    assert_eq!(databases(&other), ["app", "postgres"]);
}
