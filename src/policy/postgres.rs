//! A PostgreSQL database that is dumped.

use super::SecretRef;
use super::finding::short;
use super::raw;
use super::validate::Check;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// What the names of such sources begin with. No volume's name and no path has it.
const KIND: &str = "postgres/";

/// More patterns than this, or longer ones, are no person's.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN: usize = 200;

/// A database, how it is reached, and what of it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSource {
    /// The name of the source: `postgres/NAME`.
    pub name: String,
    /// Where the address is read from.
    pub url_from: SecretRef,
    /// The directory of PostgreSQL's programs; `None`: they are looked for.
    pub binaries: Option<PathBuf>,
    /// Whether roles and tablespaces are taken as well.
    pub globals: bool,
    /// What is left out.
    pub exclude: PostgresExclude,
    /// Whether the time is written into the database before it is dumped.
    pub heartbeat: bool,
}

/// What is left out of a dump: names in which `*` and `?` stand for any characters and any one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresExclude {
    /// Schemas.
    pub schemas: Vec<String>,
    /// Tables and sequences, each with its schema.
    pub tables: Vec<String>,
    /// Tables of which the rows are left out, each with its schema.
    pub rows: Vec<String>,
}

impl PostgresSource {
    /// The file of the dump in a snapshot.
    #[must_use]
    pub fn dump_file(&self) -> String {
        format!("{}.dump", self.short_name())
    }

    /// The name without the kind.
    #[must_use]
    pub fn short_name(&self) -> &str {
        short_name(&self.name).unwrap_or(&self.name)
    }

    /// The meaning, for the digest.
    pub(super) fn meaning(&self) -> Json {
        let PostgresExclude { schemas, tables, rows } = &self.exclude;
        json!({
            "name": self.name,
            "urlFrom": self.url_from.meaning(),
            "binaries": self.binaries,
            "globals": self.globals,
            "heartbeat": self.heartbeat,
            "exclude": {
                "schemas": super::digest::set(schemas),
                "tables": super::digest::set(tables),
                "rows": super::digest::set(rows),
            },
        })
    }
}

/// The name of a source without its kind, if it is such a source.
#[must_use]
pub fn short_name(source: &str) -> Option<&str> {
    source.strip_prefix(KIND)
}

pub(super) fn check(check: &mut Check<'_>, raw: &raw::PostgresSource, policy: &str) -> Option<PostgresSource> {
    let at = |field: &str| format!("spec.source.postgres.{field}");
    let before = check.count();
    let name = raw.name.as_deref().unwrap_or(policy);
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !(1..=63).contains(&name.len()) || !name.chars().all(inner) || name.starts_with(['_', '.', '-']) {
        let help = "letters, digits, `_`, `.` and `-`, at most 63, beginning with a letter or digit";
        check.advise(&at("name"), format!("`{}` is not a name", short(name)), Some(help));
    }
    check.secret(&at("urlFrom"), &raw.url_from);
    if let Some(path) = raw.binaries.as_ref().filter(|path| !path.is_absolute()) {
        check.find(&at("binaries"), format!("`{}` is not an absolute path", short(&path.to_string_lossy())));
    }
    let raw::PostgresExclude { schemas, tables, rows } = &raw.exclude;
    patterns(check, &at("exclude.schemas"), schemas, false);
    patterns(check, &at("exclude.tables"), tables, true);
    patterns(check, &at("exclude.rows"), rows, true);
    if check.count() > before {
        return None;
    }
    Some(PostgresSource {
        name: format!("{KIND}{name}"),
        url_from: raw.url_from.clone(),
        binaries: raw.binaries.clone(),
        globals: raw.globals,
        exclude: PostgresExclude { schemas: schemas.clone(), tables: tables.clone(), rows: rows.clone() },
        heartbeat: raw.heartbeat,
    })
}

fn patterns(check: &mut Check<'_>, field: &str, patterns: &[String], dotted: bool) {
    if patterns.len() > MAX_PATTERNS {
        check.find(field, format!("more than {MAX_PATTERNS} names"));
    }
    for (i, pattern) in patterns.iter().enumerate().take(MAX_PATTERNS) {
        name(check, &format!("{field}[{i}]"), pattern, dotted);
    }
}

/// The name of one table.
pub(super) fn table(check: &mut Check<'_>, field: &str, table: &str) {
    name(check, field, table, true);
}

fn name(check: &mut Check<'_>, field: &str, name: &str, dotted: bool) {
    let parts: Vec<&str> = name.split('.').collect();
    let right = name.len() <= MAX_PATTERN
        && parts.len() == if dotted { 2 } else { 1 }
        && parts.iter().all(|part| !part.is_empty() && !part.contains(|c: char| c == '"' || c.is_control()));
    if !right {
        let shape = if dotted { "`SCHEMA.TABLE`, such as `public.sessions`" } else { "`SCHEMA`" };
        check.find(field, format!("`{}` is not the name of one: {shape}", short(name)));
    }
}
