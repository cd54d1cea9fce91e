//! From what a person wrote of a source outside the host to a value that makes sense.

use super::{Access, EVERY, ManagedDatabase, raw};
use crate::policy::finding::short;
use crate::policy::raw::BackupPolicySpec;
use crate::policy::validate::{Check, schedule};
use crate::policy::{Rule, Schedule, Treatment};
use raw::{DatabaseProvider, TokenScope};
use std::path::PathBuf;
use std::time::Duration;

/// How old the newest restorable backup may be when the policy does not say.
const MAX_AGE: Duration = Duration::from_hours(24);

/// An id goes into the path of a URL, and names a series.
const MAX_ID: usize = 128;

/// How a source outside the host is looked at. Nothing is copied, so there is no place for copies, and none to remove.
pub(in crate::policy) fn watch(check: &mut Check<'_>, spec: &BackupPolicySpec) -> Option<Treatment> {
    let given = [
        ("repositories", spec.repositories.is_some()),
        ("retention", spec.retention.is_some()),
        ("timeout", spec.timeout.is_some()),
        ("resources", spec.resources.is_some()),
        ("verification", spec.verification.drill.is_some()),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = "no copy is made of this source, it is only looked at: take out this field";
        check.find(&format!("spec.{field}"), message);
    }
    let Some(raw) = &spec.schedule else {
        let every = Schedule::new(Rule::Every(EVERY), "UTC", Duration::ZERO, None).ok()?;
        return Some(Treatment::Watch(Box::new(every)));
    };
    schedule(check, "spec.schedule", raw).map(Box::new).map(Treatment::Watch)
}

pub(in crate::policy) use super::bucket::check::{bucket, name as bucket_name, place as region};

pub(in crate::policy) fn database(check: &mut Check<'_>, raw: &raw::ManagedDatabase) -> Option<ManagedDatabase> {
    let at = |field: &str| format!("spec.source.managedDatabase.{field}");
    let before = check.count();
    let railway = raw.provider == DatabaseProvider::Railway;
    let (wanted, given, other, misplaced) = if railway {
        ("volumeInstance", &raw.volume_instance, "project", &raw.project)
    } else {
        ("project", &raw.project, "volumeInstance", &raw.volume_instance)
    };
    let provider = raw.provider.as_str();
    if misplaced.is_some() {
        check.find(&at(other), format!("{provider} has no such field: it is `{wanted}` that names the database"));
    }
    match given {
        None => check.find(&at(wanted), format!("the field is missing: it names the database at {provider}")),
        Some(id) if raw.provider == DatabaseProvider::Supabase => {
            if id.len() != 20 || !id.chars().all(|c| c.is_ascii_lowercase()) {
                let message = format!("`{}` is not a project's ref: twenty lower-case letters", short(id));
                check.advise(&at(wanted), message, Some("it is in the address of the project's dashboard"));
            }
        }
        Some(id) => self::id(check, &at(wanted), id),
    }
    match &raw.branch {
        Some(branch) if raw.provider == DatabaseProvider::Neon => id(check, &at("branch"), branch),
        Some(_) => check.find(&at("branch"), format!("{provider} has no branches; only neon has")),
        None => {}
    }
    if raw.scope == TokenScope::Project && !railway {
        check.find(&at("scope"), format!("{provider} has no tokens of a project; only railway has"));
    }
    check.secret(&at("tokenFrom"), &raw.token_from);
    if let Some(from) = &raw.database_url_from {
        check.secret(&at("databaseUrlFrom"), from);
        if raw.provider == DatabaseProvider::Neon {
            let message = "neon does not keep a database by its archiver, and every question would wake it";
            check.find(&at("databaseUrlFrom"), message);
        }
    }
    let max_age = check.positive(&at("maxAge"), raw.max_age.as_ref()).unwrap_or(MAX_AGE);
    let min_window = check.positive(&at("minWindow"), raw.min_window.as_ref());
    let access = access(check, &at, raw.endpoint.as_ref(), raw.ca_file.as_ref(), raw.allow_http);
    if check.count() > before {
        return None;
    }
    Some(ManagedDatabase {
        provider: raw.provider,
        id: given.clone()?,
        branch: raw.branch.clone(),
        scope: raw.scope,
        token_from: raw.token_from.clone(),
        database_url_from: raw.database_url_from.clone(),
        max_age,
        min_window,
        access,
    })
}

fn id(check: &mut Check<'_>, field: &str, id: &str) {
    let right = (1..=MAX_ID).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !right {
        check.find(field, format!("`{}` is not an id: letters, digits, `-` and `_`", short(id)));
    }
}

fn access(
    check: &mut Check<'_>,
    at: &dyn Fn(&str) -> String,
    endpoint: Option<&String>,
    ca_file: Option<&PathBuf>,
    allow_http: bool,
) -> Access {
    if let Some(url) = endpoint {
        endpoint_url(check, &at("endpoint"), url, allow_http);
    }
    self::ca_file(check, &at("caFile"), ca_file);
    let endpoint = endpoint.map(|url| url.trim_end_matches('/').to_owned());
    Access { endpoint, ca_file: ca_file.cloned(), allow_http }
}

pub(in crate::policy) fn ca_file(check: &mut Check<'_>, field: &str, file: Option<&PathBuf>) {
    if file.is_some_and(|file| !file.is_absolute()) {
        check.find(field, "the path of a file of certificates is absolute");
    }
}

pub(in crate::policy) fn endpoint_url(check: &mut Check<'_>, field: &str, url: &str, allow_http: bool) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\');
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && rest.len() <= 1024 && !rest.contains(strange)) else {
        // What is not an address may hold a user and a password.
        check.advise(field, "this is not an address", Some("such as https://example.com, without a user and a query"));
        return;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let name = if host.starts_with('[') { host.split(']').next() } else { host.split(':').next() };
    let name = name.unwrap_or_default().trim_matches(['[', ']']);
    let digits = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    let here = matches!(name, "localhost" | "::1") || name.strip_prefix("127.").is_some_and(digits);
    if url.starts_with("http://") && !here && !allow_http {
        check.advise(field, "a token would travel without encryption", Some("use https, or say `allowHttp: true`"));
    }
}
