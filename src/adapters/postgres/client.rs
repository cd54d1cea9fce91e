//! Which of the installed versions of PostgreSQL's programs is used.

use super::child::Start;
use super::error::PostgresError;
use std::fs;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Where Debian and Red Hat put several versions beside each other: a directory, what each begins with, and what is
/// below it.
const PLACES: [(&str, &str, &str); 2] = [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")];

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    directory: PathBuf,
    /// The major version.
    pub major: u32,
}

impl Programs {
    /// One of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The versions that are installed, oldest first; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    all: Vec<Programs>,
    named: Option<PathBuf>,
}

impl Clients {
    /// Those of a directory, or all that are found.
    ///
    /// # Errors
    /// There is none.
    pub fn find(named: Option<&Path>, cancel: &CancellationToken) -> Result<Self, PostgresError> {
        let mut all: Vec<Programs> = match named {
            Some(directory) => of(directory, cancel).into_iter().collect(),
            None => directories().iter().filter_map(|directory| of(directory, cancel)).collect(),
        };
        if cancel.is_cancelled() {
            return Err(PostgresError::interrupted());
        }
        all.sort_by_key(|programs| programs.major);
        all.dedup_by_key(|programs| programs.major);
        if all.is_empty() {
            let place = match named {
                Some(directory) => format!("in {}, which the policy names as `binaries`", directory.display()),
                None => "in /usr/lib/postgresql/*/bin, nor on the PATH".to_owned(),
            };
            let help = "apt-get install postgresql-client, or name the directory that has them by `binaries`";
            return Err(PostgresError::refused(format!(
                "PostgreSQL's programs (pg_dump, pg_restore, psql) are not {place}: {help}"
            )));
        }
        Ok(Self { all, named: named.map(Path::to_owned) })
    }

    /// The newest: good for questions.
    #[must_use]
    pub fn newest(&self) -> &Programs {
        &self.all[self.all.len() - 1]
    }

    /// The one for a server of this major version: a `pg_dump` reads servers as old as itself or older, and what it
    /// writes suits its own version best.
    ///
    /// # Errors
    /// All are older.
    pub fn for_server(&self, major: u32) -> Result<&Programs, PostgresError> {
        self.all.iter().find(|programs| programs.major >= major).ok_or_else(|| {
            let newest = self.newest().major;
            let place = match &self.named {
                Some(directory) => format!("put them into {}, or name another directory by `binaries`", directory.display()),
                None => format!("install postgresql-client-{major} (into /usr/lib/postgresql/{major}/bin, where they are \
                                 found), or name their directory by `binaries`"),
            };
            PostgresError::refused(format!(
                "The server is PostgreSQL {major} and the newest programs here are of {newest}, which cannot read it: {place}"
            ))
        })
    }
}

impl Clients {
    /// Programs that can also be a server, of this major version at least.
    ///
    /// # Errors
    /// There are none.
    pub fn for_scratch(&self, major: u32, named: Option<&Path>) -> Result<Programs, PostgresError> {
        let serves = |programs: &&Programs| ["initdb", "postgres"].iter().all(|name| programs.path(name).is_file());
        let own = named.and_then(|directory| of(directory, &CancellationToken::new()));
        let found = own.iter().chain(&self.all).filter(serves).find(|programs| programs.major >= major);
        found.cloned().ok_or_else(|| {
            PostgresError::refused(format!(
                "A drill of this database needs a PostgreSQL server of version {major} or newer on this host, to be started for \
                 it alone: install postgresql-{major}, and disable its own service if nobody needs that"
            ))
        })
    }
}

fn of(directory: &Path, cancel: &CancellationToken) -> Option<Programs> {
    let program = directory.join("pg_dump");
    if !program.is_file() {
        return None;
    }
    let start = Start { program: &program, address: None, user: None, cancel };
    let said = start.answer(["--version"], "").inspect_err(|error| tracing::debug!(%error, "not taken")).ok()?;
    Some(Programs { directory: directory.to_owned(), major: major(&said)? })
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `17beta1`.
fn major(said: &str) -> Option<u32> {
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (place, begin, below) in PLACES {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let fits = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(begin));
        found.extend(fits.map(|entry| entry.path().join(below)));
    }
    // Debian's own in the PATH is a script that chooses among the above; it comes last.
    found.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|path| path.is_absolute()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_programs_say_them() {
        for (said, wanted) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("pg_dump (PostgreSQL) 18beta2", Some(18)),
            ("pg_dump (PostgreSQL) 9.6.24", Some(9)),
            ("no", None),
        ] {
            assert_eq!(major(said), wanted, "{said}");
        }
    }

    #[test]
    fn the_oldest_that_can_read_the_server_is_taken() {
        let programs = |major: u32| Programs { directory: PathBuf::from(format!("/{major}")), major };
        let clients = Clients { all: [15, 17].map(programs).to_vec(), named: None };
        assert_eq!([9, 15, 16, 17].map(|major| clients.for_server(major).unwrap().major), [15, 15, 17, 17]);
        let refused = clients.for_server(18).unwrap_err().to_string();
        assert!(refused.contains("postgresql-client-18") && refused.contains("are of 17"), "{refused}");
    }
}
