//! Databases come back writing and sorting as they did.

use crate::server::{RARELY, Scene, Server};
use std::fs;

const LOCALE: &str = "SELECT pg_encoding_to_char(encoding) || ' ' || datlocprovider::text || ' ' || coalesce(daticulocale, datcollate) \
                      FROM pg_database WHERE datname = ";

fn locale(server: &Server, database: &str) -> String {
    server.sql("postgres", &format!("{LOCALE}'{database}'"))
}

/// A scene whose policy dumps a database that was made with these options.
fn of(options: &str, drill: &str) -> Scene {
    let scene = Scene::new(&[]);
    scene.server.sql("postgres", &format!("CREATE DATABASE sorted TEMPLATE template0 {options}"));
    let words = "CREATE TABLE words (word text); INSERT INTO words VALUES ('a10'), ('a9'), ('Z'), ('b')";
    scene.server.sql("sorted", words);
    scene.point_at(&scene.server.url("postgres", "sorted"));
    scene.ask("", &[&format!("verification: {{drill: {{schedule: {{{RARELY}}}, checks: [{{query: \"{drill}\"}}]}}}}")]);
    scene
}

const SORTED: &str = "SELECT string_agg(word, ' ' ORDER BY word) FROM words";

#[test]
fn of_icu_anew_in_place_and_in_a_drill() {
    let options = "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' ENCODING 'UTF8'";
    let scene = of(options, &format!("SELECT ({SORTED}) = 'a9 a10 b Z'"));
    let (server, host) = (&scene.server, &scene.host);
    assert_eq!(server.sql("sorted", SORTED), "a9 a10 b Z", "ICU counts, and knows that case comes last");
    scene.backup().ok();
    host.seawall(&["restore", "db", "--yes", "--to-database", "anew"]).ok();
    host.seawall(&["restore", "db", "--yes"]).ok();
    for database in ["anew", "sorted"] {
        assert_eq!(locale(server, database), "UTF8 i de-u-kn-true", "{database}");
        assert_eq!(server.sql(database, SORTED), "a9 a10 b Z", "{database}");
    }
    assert_eq!(server.sql("postgres", "SELECT datctype FROM pg_database WHERE datname = 'anew'"), "C.UTF-8");
    host.seawall(&["drill", "db"]).ok();
}

#[test]
fn of_another_encoding() {
    let scene =
        of("LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'LATIN1'", "SELECT ascii(word) = 228 FROM words WHERE word > 'z'");
    let (server, host) = (&scene.server, &scene.host);
    server.sql("sorted", "INSERT INTO words VALUES (chr(228))");
    scene.backup().ok();
    host.seawall(&["restore", "db", "--yes", "--to-database", "anew"]).ok();
    assert_eq!(locale(server, "anew"), "LATIN1 c C");
    assert_eq!(server.content("anew"), server.content("sorted"));
    host.seawall(&["drill", "db"]).ok();
}

/// A new database takes after `template0` in whatever it is not told.
#[test]
fn of_the_c_library_onto_a_server_of_icu() {
    let scene = of("LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' ENCODING 'UTF8'", "SELECT true");
    scene.backup().ok();
    let other = Server::with(&["--locale-provider=icu", "--icu-locale=en"], &[]);
    assert!(locale(&other, "postgres").starts_with("UTF8 i"));
    let file = scene.host.path("other");
    fs::write(&file, other.url("postgres", "anew")).unwrap();
    let to = format!("file:{}", file.display());
    scene.host.seawall(&["restore", "db", "--yes", "--to-database", &to]).ok();
    assert_eq!(locale(&other, "anew"), "UTF8 c C.UTF-8");
    assert_eq!(other.sql("anew", SORTED), "Z a10 a9 b");
}
