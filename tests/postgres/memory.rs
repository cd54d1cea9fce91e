//! Memory does not grow with the database, whether what is in it becomes smaller or not. At full size:
//! `SEAWALL_TEST_DATABASE_MIB=1100`.

use crate::server::Scene;
use crate::support::operator::run;
use std::process::Command;

/// Most that a run may take, KiB.
const MOST: u64 = 200 << 10;

/// The most memory that a command took at once, KiB.
fn peak(scene: &Scene, args: &[&str]) -> u64 {
    let seawall = scene.host.command(args);
    let mut time = Command::new("/usr/bin/time");
    time.arg("--format=peak %M").arg(seawall.get_program()).args(seawall.get_args()).env_clear();
    time.envs(seawall.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = run(&mut time);
    assert_eq!(said.code, 0, "{said:#?}");
    let line = said.err.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    line.parse().unwrap()
}

/// How much is put into the database, MiB.
fn size(least: u64) -> u64 {
    std::env::var("SEAWALL_TEST_DATABASE_MIB").map_or(least, |size| size.parse().unwrap())
}

fn stays_small(scene: &Scene, commands: &[&[&str]]) {
    let bytes: u64 = scene.server.sql("app", "SELECT pg_database_size('app')").parse().unwrap();
    let peaks: Vec<u64> = commands.iter().map(|args| peak(scene, args)).collect();
    println!("{} MiB of database: {peaks:?} KiB", bytes >> 20);
    assert!(peaks.iter().all(|peak| *peak < MOST), "{} MiB: {peaks:?} KiB", bytes >> 20);
}

/// Rows of bytes are digits in a dump, two for each byte.
#[test]
fn of_a_dump_a_restore_and_a_drill() {
    let scene = Scene::new(&[]);
    let rows = (size(96) << 20) / 1100;
    scene.server.sql(
        "app",
        &format!(
            "CREATE EXTENSION pgcrypto; CREATE TABLE big (i bigint, a bytea);
             INSERT INTO big SELECT i, gen_random_bytes(1000) FROM generate_series(1, {rows}) i"
        ),
    );
    stays_small(&scene, &[&["backup", "db"], &["restore", "db", "--yes", "--to-database", "copy"], &["drill", "db"]]);
    assert_eq!(scene.server.content("copy"), scene.server.content("app"));
}

/// Large objects stand in a dump as they are, and random bytes become no smaller: whatever is under way is as large as it
/// can be.
#[test]
fn of_a_dump_that_does_not_become_smaller() {
    let scene = Scene::new(&[]);
    let objects = size(1024);
    scene.server.sql(
        "app",
        &format!(
            "CREATE EXTENSION pgcrypto;
             SELECT count(lo_from_bytea(0, (SELECT string_agg(gen_random_bytes(1024), NULL) FROM generate_series(1, 1024)
               WHERE i > 0))) FROM generate_series(1, {objects}) i"
        ),
    );
    stays_small(&scene, &[&["backup", "db"]]);
    let runs = scene.host.seawall(&["get", "runs", "-o", "json"]).json();
    let stored = runs[0]["snapshot"]["addedBytes"].as_u64().unwrap();
    assert!(stored > objects << 20, "{stored} bytes of {objects} MiB");
}
