//! What is known of a database before it is dumped, and whether all of it can be read.

use super::ask::{Asker, identifier, literal};
use super::error::PostgresError;
use super::locale::{self, Locale};
use crate::policy::PostgresExclude;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a server says of itself and of one of its databases. Travels with the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerFacts {
    /// The server's version, as in 150018.
    pub version: u32,
    /// The name of the database.
    pub database: String,
    /// Its size on the server's disk, bytes.
    pub bytes: u64,
    /// How it writes and sorts.
    #[serde(flatten)]
    pub locale: Locale,
    /// Every role of the server but PostgreSQL's own.
    pub roles: Vec<String>,
    /// As whom it was asked.
    #[serde(skip_serializing)]
    pub user: String,
    /// Whether that is a superuser.
    #[serde(skip_serializing)]
    pub superuser: bool,
    /// Whether the server only follows another one.
    #[serde(skip_serializing)]
    pub standby: bool,
}

impl ServerFacts {
    /// The major version. Before 10 it had two parts.
    #[must_use]
    pub const fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// Asks a server.
    ///
    /// # Errors
    /// There is no connection.
    pub fn ask(asker: &Asker) -> Result<Self, PostgresError> {
        asker.json(&format!(
            "SELECT json_build_object(
               'version', current_setting('server_version_num')::int, 'database', current_database(), 'user', current_user,
               'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
               'bytes', pg_database_size(d.oid), 'standby', pg_is_in_recovery(), {},
               'roles', (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]') FROM pg_roles WHERE rolname !~ '^pg_'))
             FROM pg_database d WHERE d.datname = current_database();",
            locale::FACTS
        ))
    }
}

/// One thing that cannot be read.
#[derive(Deserialize)]
struct Unreadable {
    name: String,
    rows: bool,
}

/// Refuses a database of which something cannot be read: `pg_dump` would break off in the middle, or leave rows out.
///
/// # Errors
/// Which tables, and what to do.
pub fn readable(asker: &Asker, facts: &ServerFacts, exclude: &PostgresExclude) -> Result<(), PostgresError> {
    let mut but = String::new();
    for (what, patterns) in [("n.nspname", &exclude.schemas), ("n.nspname || '.' || c.relname", &exclude.tables)] {
        if !patterns.is_empty() {
            let any: Vec<String> = patterns.iter().map(|pattern| expression(pattern)).collect();
            but = format!("{but} AND {what} !~ {}", literal(&format!("^({})$", any.join("|"))));
        }
    }
    let found: Vec<Unreadable> = asker.json(&format!(
        "SELECT coalesce(json_agg(f), '[]') FROM (
           SELECT format('%I.%I', n.nspname, c.relname) AS name,
                  has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS rows
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
             AND NOT EXISTS (SELECT FROM pg_depend d
                             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
             AND (NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
                  OR (c.relkind <> 'S' AND row_security_active(c.oid))){but}
           ORDER BY 1 LIMIT 100) f;"
    ))?;
    let Some(first) = found.first() else { return Ok(()) };
    let user = identifier(&facts.user);
    let names: Vec<&str> = found.iter().take(5).map(|one| one.name.as_str()).collect();
    let more =
        if found.len() > names.len() { format!(" and {} more", found.len() - names.len()) } else { String::new() };
    let (why, help) = if first.rows {
        ("row-level security hides rows of", format!("ALTER ROLE {user} BYPASSRLS"))
    } else {
        ("may not read", format!("GRANT pg_read_all_data TO {user}"))
    };
    let names = names.join(", ");
    Err(PostgresError::refused(if first.rows {
        format!("{why} {names}{more} from the role {}, and a dump has to be whole: {help}, or exclude them", facts.user)
    } else {
        format!("The role {} {why} {names}{more}, and a dump has to be whole: {help}, or exclude them", facts.user)
    }))
}

/// A name in which `*` and `?` stand for others, as a regular expression of the server.
fn expression(pattern: &str) -> String {
    let mut text = String::new();
    for c in pattern.chars() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            c if c.is_alphanumeric() || c == '_' => text.push(c),
            c => text.extend(['\\', c]),
        }
    }
    text
}

/// The same as a pattern of `pg_dump`: what stands for itself is in quotes, and so keeps its case.
pub(super) fn pattern(pattern: &str) -> String {
    let mut text = String::new();
    for part in pattern.split('.') {
        if !text.is_empty() {
            text.push('.');
        }
        for piece in part.split_inclusive(['*', '?']) {
            let name = piece.trim_end_matches(['*', '?']);
            if !name.is_empty() {
                text.push_str(&identifier(name));
            }
            text.push_str(&piece[name.len()..]);
        }
    }
    text
}

/// Writes the time into the table that a person has made for it.
///
/// # Errors
/// It cannot be written; says how the table is made.
pub fn beat(asker: &Asker, facts: &ServerFacts, id: &str, at: Timestamp) -> Result<(), PostgresError> {
    let statement = format!(
        "INSERT INTO seawall.heartbeat (id, at) VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET at = excluded.at;",
        literal(id),
        literal(&format!("{at:.6}"))
    );
    asker.run(&statement).map(drop).map_err(|error| {
        PostgresError::server(format!(
            "The heartbeat could not be written, so no drill can prove how fresh this dump is ({error}). It needs \
             CREATE SCHEMA seawall; CREATE TABLE seawall.heartbeat (id text PRIMARY KEY, at timestamptz NOT NULL); GRANT \
             USAGE ON SCHEMA seawall TO {user}; GRANT SELECT, INSERT, UPDATE ON seawall.heartbeat TO {user}",
            user = identifier(&facts.user)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_the_same_to_both() {
        for (written, server, dump) in [
            ("public.sessions", "public\\.sessions", "\"public\".\"sessions\""),
            ("log.*", "log\\..*", "\"log\".*"),
            ("Log.a*b?", "Log\\.a.*b.", "\"Log\".\"a\"*\"b\"?"),
            ("a$b.c|d", "a\\$b\\.c\\|d", "\"a$b\".\"c|d\""),
        ] {
            assert_eq!((expression(written).as_str(), pattern(written).as_str()), (server, dump));
        }
    }
}
