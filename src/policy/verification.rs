//! What proves that a restore would do: drills of a policy, checks of a repository.

use super::finding::{is_secret, short};
use super::validate::{Check, schedule};
use super::{BackupSpec, Schedule, Source, postgres, quantity, raw};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long a drill may take when the policy does not say.
const DRILL_TIMEOUT: Duration = Duration::from_hours(6);
/// How long a container of a check may take when the policy does not say.
const CHECK_TIMEOUT: Duration = Duration::from_mins(5);
/// How much of the data one check of a repository reads when its document does not say.
const READ_PERCENT: u8 = 5;
/// As whom a server from an image runs when the policy does not say: the user that such images have for it.
const SERVER_USER: &str = "postgres";
/// How much of the content a drill compares when the policy names no check.
const SAMPLE_PERCENT: u8 = 5;

/// How a policy's sources are restored where nobody needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Drill {
    /// When.
    pub schedule: Schedule,
    /// What has to hold, in the order in which it is looked at; at least one.
    pub checks: Vec<DrillCheck>,
    /// A drill that takes longer is ended as a failure.
    pub timeout: Duration,
    /// The repository that is restored from; one of the policy's.
    pub repository: String,
    /// What a database is restored into; `None`: a server from the programs of this host.
    pub server: Option<DrillServer>,
}

/// A PostgreSQL server that is started from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillServer {
    /// The image.
    pub image: String,
    /// As whom.
    pub user: String,
}

impl BackupSpec {
    /// What a drill of this source looks at, on its schedule or when a person asks.
    #[must_use]
    pub fn drill_checks(&self, source: &Source) -> Vec<DrillCheck> {
        let database = matches!(source, Source::Postgres(_));
        self.drill.as_ref().map_or_else(|| default_checks(database), |drill| drill.checks.clone())
    }

    /// How long a drill of this source may take.
    #[must_use]
    pub fn drill_timeout(&self) -> Duration {
        self.drill.as_ref().map_or(DRILL_TIMEOUT, |drill| drill.timeout)
    }

    /// What a drill of this source restores from.
    #[must_use]
    pub fn drill_repository(&self) -> &str {
        let named = self.drill.as_ref().map(|drill| &drill.repository);
        named.or(self.repositories.first()).map_or("", String::as_str)
    }
}

fn default_checks(database: bool) -> Vec<DrillCheck> {
    vec![if database { DrillCheck::MinTables(1) } else { DrillCheck::CompareSample(SAMPLE_PERCENT) }]
}

/// What has to hold of restored files. Paths are relative to the source's root and do not leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillCheck {
    /// There is something at this path.
    FileExists(String),
    /// There are at least so many files.
    MinFiles(u64),
    /// The files hold at least so many bytes.
    MinBytes(u64),
    /// The SQLite database at this path is whole.
    SqliteIntegrity(String),
    /// This percentage of the files has the content that the snapshot says, and all of them its attributes.
    CompareSample(u8),
    /// A command succeeds.
    Command(CommandCheck),
    /// A server answers.
    Http(HttpCheck),
    /// The database has at least so many tables.
    MinTables(u64),
    /// These tables, each with its schema, have at least so many rows.
    MinRows(BTreeMap<String, u64>),
    /// This `SELECT` of one value is true.
    Query(String),
}

impl DrillCheck {
    /// Whether it looks at a database, and not at files.
    const fn is_of_database(&self) -> bool {
        matches!(self, Self::MinTables(_) | Self::MinRows(_) | Self::Query(_))
    }
}

/// A command in a container without network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandCheck {
    /// The image.
    pub image: String,
    /// The program and its arguments; empty: the image's own.
    pub command: Vec<String>,
    /// Where the files are in the container; absolute.
    pub mount_path: String,
    /// As whom; `None`: the image's own user.
    pub user: Option<String>,
    /// It is given up after so long.
    pub timeout: Duration,
}

/// A server in a network that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// How it is started, and how long it may take until it answers.
    pub server: CommandCheck,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// The port that it listens on.
    pub port: u16,
    /// What is asked for; begins with a slash.
    pub path: String,
    /// The status that it has to answer with; `None`: any from 200 to 299.
    pub expect_status: Option<u16>,
}

/// As evidence names it: `fileExists database.sqlite`.
impl fmt::Display for DrillCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileExists(path) => write!(f, "fileExists {path}"),
            Self::MinFiles(n) => write!(f, "minFiles {n}"),
            Self::MinBytes(n) => write!(f, "minBytes {}", quantity::bytes(*n)),
            Self::SqliteIntegrity(path) => write!(f, "sqliteIntegrity {path}"),
            Self::CompareSample(percent) => write!(f, "compareSample {percent}%"),
            Self::Command(check) => write!(f, "command in {}", check.image),
            Self::Http(check) => write!(f, "http {} of {}", check.path, check.server.image),
            Self::MinTables(n) => write!(f, "minTables {n}"),
            Self::MinRows(tables) => {
                let tables: Vec<String> = tables.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
                write!(f, "minRows {}", tables.join(", "))
            }
            Self::Query(statement) => write!(f, "query {}", short(statement)),
        }
    }
}

/// When a repository is looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct RepositoryCheck {
    /// When.
    pub schedule: Schedule,
    /// How much of the data one check reads: 0 to 100.
    pub read_data_percent: u8,
}

const DRILL: &str = "spec.verification.drill";

/// The drill that a policy asks for. `repositories`: those of the policy.
/// `database`: whether its source is one.
pub(super) fn drill(check: &mut Check<'_>, raw: &raw::Drill, repositories: &[String], database: bool) -> Option<Drill> {
    let schedule = raw.schedule.as_ref().and_then(|raw| schedule(check, &format!("{DRILL}.schedule"), raw));
    let checks = match &raw.checks {
        None => default_checks(database),
        Some(checks) => {
            let each = |(i, raw)| {
                let field = format!("{DRILL}.checks[{i}]");
                let one = one(check, &field, raw)?;
                if one.is_of_database() != database {
                    let message = if database {
                        "this looks at files; of a database there are `minTables`, `minRows` and `query`"
                    } else {
                        "this looks at a database, which the source is not"
                    };
                    check.find(&field, message);
                }
                Some(one)
            };
            let mut checks: Vec<DrillCheck> = checks.iter().enumerate().filter_map(each).collect();
            // What a container, or a database's own recovery, may change is compared before.
            checks.sort_by_key(|check| !matches!(check, DrillCheck::CompareSample(_)));
            checks
        }
    };
    let timeout = check.positive(&format!("{DRILL}.timeout"), raw.timeout.as_ref()).unwrap_or(DRILL_TIMEOUT);
    if let Some(name) = raw.repository.as_ref().filter(|name| !repositories.contains(name)) {
        let message = format!("the policy does not back up to `{}`", short(name));
        check.find(&format!("{DRILL}.repository"), message);
    }
    let server = raw.server.as_ref().and_then(|raw| server(check, raw, database));
    let repository = raw.repository.as_ref().or(repositories.first())?.clone();
    Some(Drill { schedule: schedule?, checks, timeout, repository, server })
}

fn server(check: &mut Check<'_>, raw: &raw::DrillServer, database: bool) -> Option<DrillServer> {
    let field = format!("{DRILL}.server");
    if !database {
        check.find(&field, "this is what a database is restored into, which the source is not: take it out");
    }
    image(check, &field, raw.image.as_ref());
    let user = raw.user.clone().unwrap_or_else(|| SERVER_USER.to_owned());
    if user.trim().is_empty() || matches!(user.split(':').next(), Some("root" | "0")) {
        let message =
            format!("`{}` is nobody that PostgreSQL runs as; without this field it is `postgres`", short(&user));
        check.find(&format!("{field}.user"), message);
    }
    Some(DrillServer { image: raw.image.clone()?, user })
}

fn image(check: &mut Check<'_>, field: &str, image: Option<&String>) {
    if image.is_some_and(|image| image.trim().is_empty() || image.starts_with('-')) {
        check.find(&format!("{field}.image"), "the name of an image is needed");
    }
}

/// When a repository is checked.
pub(super) fn repository(check: &mut Check<'_>, raw: &raw::RepositoryCheck) -> Option<RepositoryCheck> {
    let schedule = schedule(check, "spec.check.schedule", raw.schedule.as_ref()?)?;
    Some(RepositoryCheck { schedule, read_data_percent: raw.read_data_percent.unwrap_or(READ_PERCENT) })
}

fn one(check: &mut Check<'_>, field: &str, raw: &raw::DrillCheck) -> Option<DrillCheck> {
    Some(match raw {
        raw::DrillCheck::FileExists(path) => {
            DrillCheck::FileExists(inside(check, &format!("{field}.fileExists"), path)?)
        }
        raw::DrillCheck::MinFiles(n) => DrillCheck::MinFiles(*n),
        raw::DrillCheck::MinBytes(size) => match quantity::parse_bytes(&size.0) {
            Ok(bytes) => DrillCheck::MinBytes(bytes),
            Err(message) => {
                check.find(&format!("{field}.minBytes"), message);
                return None;
            }
        },
        raw::DrillCheck::SqliteIntegrity(path) => {
            DrillCheck::SqliteIntegrity(inside(check, &format!("{field}.sqliteIntegrity"), path)?)
        }
        raw::DrillCheck::CompareSample(percent) => {
            let number = percent.0.strip_suffix('%').and_then(|n| n.parse().ok()).filter(|n| (1..=100).contains(n));
            let Some(number) = number else {
                let message = format!("`{}` is not a share from 1% to 100%", short(&percent.0));
                check.find(&format!("{field}.compareSample"), message);
                return None;
            };
            DrillCheck::CompareSample(number)
        }
        raw::DrillCheck::Command(raw) => {
            let raw::CommandCheck { image, command, mount_path, user, timeout } = raw;
            let parts = (image, command, mount_path, user, timeout);
            DrillCheck::Command(container(check, &format!("{field}.command"), parts)?)
        }
        raw::DrillCheck::Http(raw) => DrillCheck::Http(http(check, &format!("{field}.http"), raw)?),
        raw::DrillCheck::MinTables(n) => DrillCheck::MinTables(*n),
        raw::DrillCheck::MinRows(tables) => {
            for table in tables.keys() {
                postgres::table(check, &format!("{field}.minRows.{}", short(table)), table);
            }
            DrillCheck::MinRows(tables.clone())
        }
        raw::DrillCheck::Query(statement) => DrillCheck::Query(statement.trim().to_owned()),
    })
}

fn http(check: &mut Check<'_>, field: &str, raw: &raw::HttpCheck) -> Option<HttpCheck> {
    let parts = (&raw.image, &raw.command, &raw.mount_path, &raw.user, &raw.timeout);
    let server = container(check, field, parts);
    for name in raw.env.keys() {
        let at = format!("{field}.env.{}", short(name));
        if is_secret(name) {
            check.find(&at, "a secret is never written into a policy file");
        } else if name.is_empty() || name.contains(['=', '\0']) {
            check.find(&at, format!("`{}` is not the name of a variable", short(name)));
        }
    }
    let path = raw.path.clone().unwrap_or_else(|| "/".to_owned());
    // It becomes a line of a request.
    if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!("`{}` is not the path of an address: it begins with `/` and has no blank", short(&path));
        check.find(&format!("{field}.path"), message);
    }
    if raw.port == Some(0) {
        check.find(&format!("{field}.port"), "a port is a number from 1 to 65535");
    }
    Some(HttpCheck { server: server?, env: raw.env.clone(), port: raw.port?, path, expect_status: raw.expect_status })
}

type Container<'a> =
    (&'a Option<String>, &'a Vec<String>, &'a Option<String>, &'a Option<String>, &'a Option<raw::Duration>);

fn container(check: &mut Check<'_>, field: &str, parts: Container<'_>) -> Option<CommandCheck> {
    let (image, command, mount_path, user, timeout) = parts;
    self::image(check, field, image.as_ref());
    if command.first().is_some_and(String::is_empty) {
        check.find(&format!("{field}.command"), "a program is needed, and its arguments: [\"sync\"]");
    }
    let mount_path = mount_path.clone().unwrap_or_else(|| "/data".to_owned());
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains([':', '\0']);
    if !mount_path.strip_prefix('/').is_some_and(|rest| rest.trim_end_matches('/').split('/').all(plain)) {
        let message = format!("`{}` is not an absolute path below `/`", short(&mount_path));
        check.find(&format!("{field}.mountPath"), message);
    }
    let timeout = check.positive(&format!("{field}.timeout"), timeout.as_ref()).unwrap_or(CHECK_TIMEOUT);
    Some(CommandCheck { image: image.clone()?, command: command.clone(), mount_path, user: user.clone(), timeout })
}

/// A path that stays below where it begins.
fn inside(check: &mut Check<'_>, field: &str, path: &str) -> Option<String> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if trimmed.split('/').all(plain) {
        return Some(trimmed.to_owned());
    }
    let message = format!("`{}` is not a path below the source's root, such as `data/app.sqlite`", short(path));
    check.find(field, message);
    None
}
