//! The address of a database, as PostgreSQL's programs read it from their environment.
//!
//! Form: libpq, "Connection URIs" and "Environment Variables". The whole of it is a secret; what is shown of it is host and
//! database.

use super::error::PostgresError;
use crate::adapters::key::Secret;
use std::collections::BTreeMap;

/// Parameters of an address, and the variables that say the same.
const PARAMETERS: [(&str, &str); 24] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("requirepeer", "PGREQUIREPEER"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// What libraries of applications put into an address for themselves.
const OTHERS: [&str; 8] = [
    "connection_limit",
    "pgbouncer",
    "pool_timeout",
    "pool_size",
    "prepared_statements",
    "schema",
    "socket_timeout",
    "statement_cache_size",
];

/// Where a database is and how one gets in.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    variables: BTreeMap<&'static str, Secret>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({})", self.shown())
    }
}

impl Address {
    /// Reads an address: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require`, also with the name of a driver
    /// in its scheme (`postgresql+psycopg2://`).
    ///
    /// # Errors
    /// It is none. Says what is wrong and repeats nothing of it.
    pub fn parse(secret: &Secret) -> Result<Self, PostgresError> {
        let wrong = |what: &str| {
            let shape =
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in a password written as %XX";
            PostgresError::refused(format!("The address of the database cannot be read: {what}. It is written {shape}"))
        };
        let text = secret.reveal().trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("there is no `://` in it"))?;
        if !matches!(scheme.split('+').next(), Some("postgres" | "postgresql")) {
            return Err(wrong("it does not begin with postgresql://"));
        }
        let mut found: BTreeMap<&'static str, Secret> = BTreeMap::new();
        let mut set = |variable: &'static str, text: &str, what: &str| -> Result<(), PostgresError> {
            let plain =
                decode(text).ok_or_else(|| wrong(&format!("a % in its {what} is not followed by two hex digits")))?;
            if plain.contains('\0') {
                return Err(wrong(&format!("its {what} has a zero byte")));
            }
            if !plain.is_empty() {
                found.insert(variable, Secret::new(plain));
            }
            Ok(())
        };
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (authority, database) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        // Up to the last `@`: one that was not written as %40 belongs to the password.
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let (user, password) = user.split_once(':').map_or((user, ""), |(user, password)| (user, password));
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
                Some((name, port)) => (name, port.strip_prefix(':').unwrap_or("")),
                None => host.split_once(':').unwrap_or((host, "")),
            };
            if !port.chars().all(|c| c.is_ascii_digit()) {
                return Err(wrong("its port is not a number"));
            }
            names.push(name);
            ports.push(port);
        }
        set("PGUSER", user, "user")?;
        set("PGPASSWORD", password, "password")?;
        set("PGHOST", &names.join(","), "host")?;
        if ports.iter().any(|port| !port.is_empty()) {
            set("PGPORT", &ports.join(","), "port")?;
        }
        set("PGDATABASE", database, "database")?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = if name == "ssl" && value == "true" { "sslmode" } else { name };
            let value = if value == "true" && name == "sslmode" { "require" } else { value };
            match PARAMETERS.iter().find(|(parameter, _)| *parameter == name) {
                Some((_, variable)) => set(variable, value, name)?,
                None if OTHERS.contains(&name) => {}
                // A name may be a part of a password that was not written as it should be.
                None => return Err(wrong("one of its parameters is not known to PostgreSQL")),
            }
        }
        Ok(Self { variables: found })
    }

    /// A server on this host that is reached by a socket in a directory.
    #[must_use]
    pub fn socket(directory: &str, port: u16, user: &str, database: &str) -> Self {
        let pairs = [("PGHOST", directory), ("PGUSER", user), ("PGDATABASE", database)];
        let mut variables: BTreeMap<_, _> =
            pairs.into_iter().map(|(name, text)| (name, Secret::new(text.to_owned()))).collect();
        variables.insert("PGPORT", Secret::new(port.to_string()));
        Self { variables }
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.insert("PGDATABASE", Secret::new(name.to_owned()));
        Self { variables }
    }

    /// The database, where the address names one.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.get("PGDATABASE")
    }

    fn get(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(Secret::reveal)
    }

    /// What a program is told.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let patience = (!self.variables.contains_key("PGCONNECT_TIMEOUT")).then_some(("PGCONNECT_TIMEOUT", "15"));
        let name = (!self.variables.contains_key("PGAPPNAME")).then_some(("PGAPPNAME", "seawall"));
        let given = self.variables.iter().map(|(name, secret)| (*name, secret.reveal()));
        given.chain(patience).chain(name)
    }

    /// Where it is, for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        let database = self.database().unwrap_or("the default database");
        match (self.get("PGHOST"), self.get("PGPORT")) {
            (Some(host), Some(port)) => format!("{database} at {host}:{port}"),
            (Some(host), None) => format!("{database} at {host}"),
            (None, _) => format!("{database} on this host"),
        }
    }

    /// What is unwise about it; a sentence with what to do.
    #[must_use]
    pub fn doubts(&self) -> Option<String> {
        let host = self.get("PGHOST").unwrap_or_default();
        if host.ends_with(".neon.tech") && host.split('.').next().is_some_and(|first| first.ends_with("-pooler")) {
            let what = "The address leads to Neon's pooler, which is not made for dumps";
            return Some(format!("{what}: take `-pooler` out of the host's name"));
        }
        if self.get("PGPORT") == Some("6543") && host.contains("supabase.") {
            let what = "The address leads to Supabase's pooler of transactions, which is not made for dumps";
            return Some(format!("{what}: use port 5432 (of the pooler for sessions, or the database's own)"));
        }
        None
    }

    /// A text of a program without the password, should it be in there.
    pub(super) fn without_password(&self, text: &str) -> String {
        match self.get("PGPASSWORD") {
            Some(password) if password.len() >= 3 => text.replace(password, "***"),
            _ => text.to_owned(),
        }
    }
}

/// What is written with %XX.
fn decode(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            plain.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, PostgresError> {
        Address::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn addresses_as_people_and_providers_write_them() {
        let all = |text: &str| {
            let address = parse(text).unwrap();
            let shown = address.variables().map(|(name, value)| format!("{}={value}", name.trim_start_matches("PG")));
            shown
                .filter(|pair| !pair.starts_with("APPNAME") && !pair.starts_with("CONNECT"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (text, wanted) in [
            ("postgres://u:p@h/d", "DATABASE=d HOST=h PASSWORD=p USER=u"),
            ("postgresql+psycopg2://u@h:5433/d", "DATABASE=d HOST=h PORT=5433 USER=u"),
            ("postgresql://u:p%40%2F%3a%25@[::1]:5/d%20d\n", "DATABASE=d d HOST=::1 PASSWORD=p@/:% PORT=5 USER=u"),
            ("postgresql://u:a@b@h/d", "DATABASE=d HOST=h PASSWORD=a@b USER=u"),
            (
                "postgresql://h1:1,h2/d?sslmode=verify-full&sslrootcert=/a%20b",
                "DATABASE=d HOST=h1,h2 PORT=1, SSLMODE=verify-full SSLROOTCERT=/a b",
            ),
            (
                "postgresql:///d?host=/run/postgresql&options=-c%20x%3D1",
                "DATABASE=d HOST=/run/postgresql OPTIONS=-c x=1",
            ),
            (
                "postgres://u:p@h/d?pgbouncer=true&connection_limit=1&ssl=true",
                "DATABASE=d HOST=h PASSWORD=p SSLMODE=require USER=u",
            ),
        ] {
            assert_eq!(all(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        for text in [
            "hunter2",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2%@h/d",
            "postgres://u:x@h:hunter2/d",
            "postgres://u:x@h/d?hunter2=1",
            "postgres://u:hunter2%00@h/d",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let address = parse("postgres://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{address:?}"), "Address(d at h)");
        assert_eq!(address.without_password("no hunter2!"), "no ***!");
    }

    #[test]
    fn poolers_are_doubted() {
        for (text, doubted) in [
            ("postgres://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d", true),
            ("postgres://u:p@ep-cool-1.eu-central-1.aws.neon.tech/d", false),
            ("postgres://u:p@aws-0-eu.pooler.supabase.com:6543/d", true),
            ("postgres://u:p@aws-0-eu.pooler.supabase.com:5432/d", false),
            ("postgres://u:p@h:6543/d", false),
        ] {
            assert_eq!(parse(text).unwrap().doubts().is_some(), doubted, "{text}");
        }
    }
}
