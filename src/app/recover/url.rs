//! How a repository is named on the command line, before any document says where it is.

use crate::policy::{RepositoryLocation, S3Access, S3Location, SecretRef};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the keys of a bucket are, where no document says it: the variables that restic and others read.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
/// And the rest of what they read.
const REGION: &str = "AWS_REGION";
const AUTHORITY: &str = "AWS_CA_BUNDLE";

/// Where a repository is: an absolute path, `local:` and one, or a bucket as restic names it, `s3:ENDPOINT/BUCKET/PREFIX`.
/// What else a bucket needs comes from the variables that others read, by `variable`: its region, and a private authority.
///
/// # Errors
/// It names no place where a repository can be, as a sentence.
pub fn location(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<RepositoryLocation, String> {
    if let Some(address) = url.strip_prefix("s3:") {
        return bucket(address, variable)
            .ok_or_else(|| format!("`{url}` names no bucket: write `s3:https://SERVER/BUCKET/PREFIX`"));
    }
    let path = Path::new(url.strip_prefix("local:").unwrap_or(url));
    if path.is_absolute() {
        return Ok(RepositoryLocation::Local { path: Some(path.to_owned()) });
    }
    Err(format!(
        "`{url}` names no repository: write an absolute path, `local:` and one, or `s3:https://SERVER/BUCKET/PREFIX`"
    ))
}

fn bucket(address: &str, variable: impl Fn(&str) -> Option<String>) -> Option<RepositoryLocation> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let (server, bucket, prefix) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let fine = matches!(scheme, "https" | "http") && !server.is_empty() && !bucket.is_empty();
    fine.then(|| {
        let access = S3Access {
            endpoint: format!("{scheme}://{server}"),
            bucket: bucket.to_owned(),
            region: variable(REGION).unwrap_or_else(|| "us-east-1".to_owned()),
            access_key_id_from: SecretRef::Env(KEY_ID.to_owned()),
            secret_access_key_from: SecretRef::Env(SECRET.to_owned()),
            ca_file: variable(AUTHORITY).map(PathBuf::from),
            // Whoever writes `http://` has said so, and what is in the repository is encrypted.
            allow_http: scheme == "http",
        };
        RepositoryLocation::S3(Box::new(S3Location { access, prefix: prefix.to_owned(), residency: None }))
    })
}

/// The document that has a repository of this name there. What was known of it is kept as a comment, since only the place
/// has changed and a person may want the rest.
#[must_use]
pub fn document(name: &str, location: &RepositoryLocation, before: Option<&str>) -> String {
    let quoted = |text: &str| Value::from(text);
    let place = match location {
        RepositoryLocation::Local { path } => {
            let path = path.as_deref().unwrap_or_else(|| Path::new("")).display().to_string();
            format!("local: {{path: {}}}", quoted(&path))
        }
        RepositoryLocation::S3(s3) => {
            let S3Access { endpoint, bucket, region, ca_file, allow_http, .. } = &s3.access;
            let [endpoint, bucket, prefix, region] = [endpoint, bucket, &s3.prefix, region].map(|text| quoted(text));
            let mut more = ca_file
                .as_ref()
                .map_or_else(String::new, |file| format!(", caFile: {}", quoted(&file.display().to_string())));
            more += if *allow_http { ", allowHttp: true" } else { "" };
            format!(
                "s3: {{endpoint: {endpoint}, bucket: {bucket}, prefix: {prefix}, region: {region}, accessKeyIdFrom: {{env: \
                 {KEY_ID}}}, secretAccessKeyFrom: {{env: {SECRET}}}{more}}}"
            )
        }
    };
    let mut text = format!(
        "# Written by `seawall recover`.\napiVersion: seawall.dev/v1\nkind: Repository\nmetadata: {{name: {name}}}\nspec:\n  \
         {place}\n"
    );
    if let Some(before) = before {
        text += "# On the host that is gone it was:\n";
        text.extend(before.lines().map(|line| format!("#   {line}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Document, parse};

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_place_is_an_absolute_path() {
        let local = |path: &str| Ok(RepositoryLocation::Local { path: Some(path.into()) });
        assert_eq!(location("/mnt/b", nothing), local("/mnt/b"));
        assert_eq!(location("local:/mnt/b", nothing), local("/mnt/b"));
        assert!(location("mnt", nothing).unwrap_err().contains("write an absolute path"));
        for url in ["ftp://x", "s3:bucket", "s3:https://server", "s3:https:///bucket", "s3:ftp://server/bucket"] {
            assert!(location(url, nothing).is_err(), "{url}");
        }
    }

    #[test]
    fn the_document_is_valid_whatever_the_path() {
        let variable = |name: &str| match name {
            REGION => Some("eu-1".to_owned()),
            AUTHORITY => Some("/etc/own \"ca\".pem".to_owned()),
            _ => None,
        };
        for url in [
            "/mnt/a \"b\": {c}\\d",
            "s3:https://s3.eu.example/acme-backups/host-1/x",
            "s3:s3.eu.example/acme",
            "s3:http://nas.lan:9000/acme",
        ] {
            let place = location(url, variable).unwrap();
            let text = document("offsite", &place, Some("kind: Repository\nspec: {check: {}}"));
            let parsed = parse(Path::new("x.yaml"), text.as_bytes());
            let [Document::Repository { repository, .. }] = parsed.documents.as_slice() else { panic!("{parsed:?}") };
            assert_eq!((repository.name.as_str(), &repository.location), ("offsite", &place));
            assert!(text.contains("#   spec: {check: {}}"));
        }
    }
}
