//! From a `Repository` document that has the right shape to a value that makes sense.

use super::document::Node;
use super::finding::{Finding, short};
use super::outside::check::{bucket_name, ca_file, endpoint_url, region};
use super::validate::Check;
use super::{Repository, RepositoryLocation, S3Access, S3Location, digest, raw, verification};
use std::path::Path;

/// A repository, if it makes sense; what does not, if it does not.
pub(super) fn check(
    raw: &raw::RepositoryDocument,
    tree: &Node,
    file: &Path,
    text: &str,
) -> (Option<Repository>, Vec<Finding>) {
    let mut check = Check { tree, findings: Vec::new() };
    check.name(&raw.metadata.name);
    let location = location(&mut check, raw);
    if let Some(from) = &raw.spec.password_from {
        check.secret("spec.passwordFrom", from);
    }
    let looked = raw.spec.check.as_ref().and_then(|raw| verification::repository(&mut check, raw));
    let (Some(location), true) = (location, check.findings.is_empty()) else {
        return (None, check.findings);
    };
    let password_from = raw.spec.password_from.clone();
    let name = raw.metadata.name.clone();
    let (file, text, digest) = (file.to_owned(), text.into(), String::new());
    let mut repository = Repository { name, location, password_from, check: looked, file, text, digest };
    repository.digest = digest::repository(&repository);
    (Some(repository), Vec::new())
}

fn location(check: &mut Check<'_>, raw: &raw::RepositoryDocument) -> Option<RepositoryLocation> {
    match (&raw.spec.local, &raw.spec.s3) {
        (Some(local), None) => {
            if raw.spec.residency.is_some() {
                check.find("spec.residency", "a directory of this host is where this host is: take out this field");
            }
            self::local(check, local, &raw.metadata.name);
            Some(RepositoryLocation::Local { path: local.path.clone() })
        }
        (None, Some(s3)) => Some(RepositoryLocation::S3(Box::new(self::s3(check, s3, raw.spec.residency.as_ref())))),
        (Some(_), Some(_)) => {
            check.find("spec.s3", "`local` and `s3` exclude each other: take one out");
            None
        }
        (None, None) => {
            // Where it was given and is no place, that has been said.
            if check.tree.get("spec").is_some_and(|spec| spec.get("local").is_none() && spec.get("s3").is_none()) {
                check.find("spec", "`local` or `s3` is needed: where the snapshots live");
            }
            None
        }
    }
}

fn local(check: &mut Check<'_>, local: &raw::Local, name: &str) {
    match &local.path {
        Some(path) if !path.is_absolute() => {
            check.find("spec.local.path", format!("`{}` is not an absolute path", short(&path.to_string_lossy())));
        }
        None if name != "default" => {
            let message = "the field is missing; only the repository named `default` has a place of its own";
            check.find("spec.local.path", message);
        }
        _ => {}
    }
}

fn s3(check: &mut Check<'_>, raw: &raw::S3, residency: Option<&String>) -> S3Location {
    endpoint_url(check, "spec.s3.endpoint", &raw.endpoint, raw.allow_http);
    bucket_name(check, "spec.s3.bucket", &raw.bucket);
    let part = |part: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && part.chars().all(inner) && part.chars().any(|c| c != '.')
    };
    if raw.prefix.len() > 255 || !(raw.prefix.is_empty() || raw.prefix.split('/').all(part)) {
        let message = format!("`{}` is not a place in a bucket", short(&raw.prefix));
        let help = "words of letters, digits, `-`, `_` and `.`, with `/` between them and at neither end";
        check.advise("spec.s3.prefix", message, Some(help));
    }
    if let Some(name) = &raw.region {
        region(check, "spec.s3.region", name);
    }
    if let Some(residency) = residency {
        region(check, "spec.residency", residency);
    }
    check.secret("spec.s3.accessKeyIdFrom", &raw.access_key_id_from);
    check.secret("spec.s3.secretAccessKeyFrom", &raw.secret_access_key_from);
    ca_file(check, "spec.s3.caFile", raw.ca_file.as_ref());
    let access = S3Access {
        endpoint: raw.endpoint.trim_end_matches('/').to_owned(),
        bucket: raw.bucket.clone(),
        region: raw.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
        access_key_id_from: raw.access_key_id_from.clone(),
        secret_access_key_from: raw.secret_access_key_from.clone(),
        ca_file: raw.ca_file.clone(),
        allow_http: raw.allow_http,
    };
    S3Location { access, prefix: raw.prefix.clone(), residency: residency.cloned() }
}
