//! Databases of one server that are made, given another name, and removed: what a restore does around the loading.

use super::ask::{Asker, identifier, literal};
use super::error::PostgresError;
use super::locale::{self, Locale};
use super::preflight::ServerFacts;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// How often an exchange is tried: whoever comes back between the end of the sessions and the exchange holds it up.
const TRIES: usize = 5;
/// What a server allows for a name.
const LONGEST: usize = 63;

/// One database of a server, as far as a restore cares.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Database {
    /// Whether it holds nothing that somebody made.
    pub empty: bool,
    /// Bytes on the server's disk.
    pub bytes: u64,
    /// Sessions that use it, ours not counted.
    pub sessions: u64,
}

/// What a database that is made is to have in common with another one.
#[derive(Deserialize)]
struct Likeness {
    owner: String,
    #[serde(flatten)]
    locale: Locale,
}

/// A server, seen from a database that is not the one that is replaced.
#[derive(Debug, Clone)]
pub struct Server {
    asker: Asker,
}

impl Server {
    /// Finds a database to work from; `but` is the one that will not do.
    ///
    /// # Errors
    /// There is no connection to any.
    pub fn reach(asker: &Asker, but: &str) -> Result<Self, PostgresError> {
        let mut first = None;
        for name in ["postgres", "template1", asker.address.database().unwrap_or("postgres")] {
            if name == but {
                continue;
            }
            let asker = asker.of(name);
            match asker.run("SELECT 1;") {
                Ok(_) => return Ok(Self { asker }),
                Err(error) => first = first.or(Some(error)),
            }
        }
        let why = first.map(|error| error.to_string()).unwrap_or_default();
        Err(PostgresError::server(format!("There is no other database on the server to work from ({why})")))
    }

    /// Asks about a database; `None`: there is none of this name.
    ///
    /// # Errors
    /// It cannot be looked into.
    pub fn look(&self, name: &str) -> Result<Option<Database>, PostgresError> {
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = {};", literal(name));
        if self.asker.run(&there)? == "0" {
            return Ok(None);
        }
        self.asker.of(name).json(LOOK).map(Some)
    }

    /// Makes an empty database: like another one of this server, or like one that a snapshot speaks of.
    ///
    /// # Errors
    /// The role may not, or the server lacks the locale.
    pub fn make(&self, name: &str, like: Option<&str>, facts: &ServerFacts, mark: &str) -> Result<(), PostgresError> {
        let new = identifier(name);
        let major = self.version()?;
        let options = match like {
            Some(like) => {
                let Likeness { owner, locale } = self.asker.json(&format!(
                    "SELECT json_build_object('owner', pg_get_userbyid(d.datdba), {}) FROM pg_database d WHERE datname = {};",
                    locale::FACTS,
                    literal(like)
                ))?;
                format!("OWNER {} {}", identifier(&owner), locale.options(major)?)
            }
            None => facts.locale.options(major)?,
        };
        let made = self.asker.run(&format!("CREATE DATABASE {new} TEMPLATE template0 {options};"));
        made.map_err(|error| {
            PostgresError::refused(format!(
                "A database cannot be made beside ({error}). Let the role do so (ALTER ROLE … CREATEDB), give the server the \
                 locale if that is what it lacks, or make an empty database and name it by `--to-database`"
            ))
        })?;
        self.mark(name, mark)
    }

    /// Writes beside a database what it is.
    fn mark(&self, name: &str, mark: &str) -> Result<(), PostgresError> {
        self.asker.run(&format!("COMMENT ON DATABASE {} IS {};", identifier(name), literal(mark))).map(drop)
    }

    /// The databases whose mark begins so, each with the rest of it.
    ///
    /// # Errors
    /// There is no connection.
    pub fn marked(&self, mark: &str) -> Result<Vec<(String, String)>, PostgresError> {
        self.asker.json(&format!(
            "SELECT coalesce(json_agg(json_build_array(datname, substr(mark, length({mark}) + 1)) ORDER BY datname), '[]')
             FROM (SELECT datname, shobj_description(oid, 'pg_database') AS mark FROM pg_database) d
             WHERE left(mark, length({mark})) = {mark};",
            mark = literal(mark)
        ))
    }

    /// Says of a database that was made that it is whole.
    ///
    /// # Errors
    /// There is no connection.
    pub fn finish(&self, name: &str) -> Result<(), PostgresError> {
        self.asker.run(&format!("COMMENT ON DATABASE {} IS NULL;", identifier(name))).map(drop)
    }

    /// The server's major version.
    ///
    /// # Errors
    /// There is no connection.
    pub fn version(&self) -> Result<u32, PostgresError> {
        Ok(ServerFacts::ask(&self.asker)?.major())
    }

    /// The same, for what is to be done although the run was ended.
    #[must_use]
    pub fn unstoppable(&self) -> Self {
        Self { asker: Asker { cancel: CancellationToken::new(), ..self.asker.clone() } }
    }

    /// Removes a database if it has this very mark: no other one is ever removed. Whether there was such a database.
    ///
    /// # Errors
    /// Somebody uses it, or the role may not.
    pub fn remove(&self, name: &str, mark: &str) -> Result<bool, PostgresError> {
        let found = "FROM pg_database WHERE datname = ".to_owned()
            + &format!("{} AND shobj_description(oid, 'pg_database') = {}", literal(name), literal(mark));
        // What is looked at is what is removed: one statement makes the other.
        let said = self
            .asker
            .run(&format!("SELECT count(*) {found};\nSELECT format('DROP DATABASE %I', datname) {found} \\gexec\n"))?;
        Ok(said.lines().next() == Some("1"))
    }

    /// What tells the server from all others; `None`: it does not tell this role.
    #[must_use]
    pub fn system(&self) -> Option<String> {
        self.asker.run("SELECT system_identifier FROM pg_control_system();").ok()
    }

    /// How much a database takes on the server's disk, bytes.
    ///
    /// # Errors
    /// There is no connection.
    pub fn size(&self, name: &str) -> Result<u64, PostgresError> {
        self.asker.json(&format!("SELECT pg_database_size({});", literal(name)))
    }

    /// Gives a database the rights and settings that another one has: they are the server's, and so in no dump.
    ///
    /// # Errors
    /// The role may not.
    pub fn dress(&self, name: &str, like: &str) -> Result<(), PostgresError> {
        let statements = self.asker.run(&format!(
            "WITH old AS (SELECT * FROM pg_database WHERE datname = {old}), lists AS (SELECT '{{search_path,temp_tablespaces,\
             session_preload_libraries,local_preload_libraries}}'::text[] AS names)
             SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC;', {new}) FROM old WHERE datacl IS NOT NULL
             UNION ALL SELECT format('GRANT %s ON DATABASE %I TO %s%s;', a.privilege_type, {new},
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
               CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM old, aclexplode(old.datacl) a
             UNION ALL SELECT format('ALTER %s %I SET %I TO %s;',
               CASE s.setrole WHEN 0 THEN 'DATABASE' ELSE format('ROLE %I IN DATABASE', pg_get_userbyid(s.setrole)) END, {new},
               split_part(c, '=', 1), CASE WHEN split_part(c, '=', 1) = ANY (lists.names)
               THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END)
               FROM lists, old JOIN pg_db_role_setting s ON s.setdatabase = old.oid, unnest(s.setconfig) c;",
            old = literal(like),
            new = literal(name),
        ))?;
        if statements.is_empty() { Ok(()) } else { self.asker.run(&statements).map(drop) }
    }

    /// Gives databases other names, one after the other: all of them or none. Ends the sessions of those that there are.
    /// Afterwards one is in use and has no mark, and the other is kept and has this one.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn rename(&self, names: &[(&str, &str)], (used, kept): (&str, &str), mark: &str) -> Result<(), PostgresError> {
        let busy: Vec<String> = names.iter().map(|(from, _)| literal(from)).collect();
        let renames: Vec<String> = names
            .iter()
            .map(|(from, to)| format!("ALTER DATABASE {} RENAME TO {};", identifier(from), identifier(to)))
            .collect();
        let statements = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({});
             BEGIN; {} COMMENT ON DATABASE {} IS NULL; COMMENT ON DATABASE {} IS {}; COMMIT;",
            busy.join(", "),
            renames.concat(),
            identifier(used),
            identifier(kept),
            literal(mark),
        );
        let mut last = PostgresError::interrupted();
        for _ in 0..TRIES {
            if self.asker.cancel.is_cancelled() {
                return Err(PostgresError::interrupted());
            }
            match self.asker.run(&statements) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(PostgresError::server(format!(
            "The databases could not exchange their names ({last}): the role has to own both, and be allowed to end the \
             sessions of others (GRANT pg_signal_backend); or stop what uses the database"
        )))
    }
}

/// A name beside another one.
#[must_use]
pub fn beside(name: &str, what: &str) -> String {
    let suffix = format!("_{what}");
    let end = (0..=LONGEST.saturating_sub(suffix.len()).min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    format!("{}{suffix}", &name[..end.unwrap_or(0)])
}

const LOOK: &str = "SELECT json_build_object(
    'empty', NOT EXISTS (
      SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
    'bytes', pg_database_size(current_database()),
    'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()));";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_what_a_server_allows() {
        assert_eq!(beside("app", "seawall_old_3f9a1c"), "app_seawall_old_3f9a1c");
        let long = beside(&"ä".repeat(40), "seawall_old_3f9a1c");
        assert!(long.len() <= LONGEST && long.ends_with("ä_seawall_old_3f9a1c"), "{long}");
    }
}
