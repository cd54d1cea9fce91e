//! Memory does not grow with the database. At full size: `SEAWALL_TEST_DATABASE_MIB=1100`.

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

#[test]
fn of_a_dump_a_restore_and_a_drill() {
    let scene = Scene::new(&[]);
    let size: u64 = std::env::var("SEAWALL_TEST_DATABASE_MIB").map_or(96, |size| size.parse().unwrap());
    // Rows of about a KiB that do not become smaller.
    let rows = (size << 20) / 1100;
    scene.server.sql(
        "app",
        &format!(
            "CREATE EXTENSION pgcrypto; CREATE TABLE big (i bigint, a bytea);
             INSERT INTO big SELECT i, gen_random_bytes(1000) FROM generate_series(1, {rows}) i"
        ),
    );
    let bytes: u64 = scene.server.sql("app", "SELECT pg_database_size('app')").parse().unwrap();
    let args = [&["backup", "db"][..], &["restore", "db", "--yes", "--to-database", "copy"], &["drill", "db"]];
    let peaks = args.map(|args| peak(&scene, args));
    println!("{} MiB of database: {:?} KiB", bytes >> 20, peaks);
    assert!(peaks.iter().all(|peak| *peak < MOST), "{} MiB: {peaks:?} KiB", bytes >> 20);
    assert_eq!(scene.server.content("copy"), scene.server.content("app"));
}
