//! From what a person wrote of a bucket to a value that makes sense.

use super::raw::{self, BucketProvider, ProtectionKind};
use super::{Bucket, CloudflareAccess};
use crate::policy::finding::short;
use crate::policy::outside::Access;
use crate::policy::outside::check::{ca_file, endpoint_url};
use crate::policy::s3::S3Access;
use crate::policy::validate::Check;

pub(in crate::policy) fn bucket(check: &mut Check<'_>, raw: &raw::Bucket) -> Option<Bucket> {
    let at = |field: &str| format!("spec.source.bucket.{field}");
    let before = check.count();
    let provider = raw.provider;
    let word = provider.as_str();
    name(check, &at("name"), &raw.name);
    if raw.prefix.starts_with('/') || raw.prefix.len() > 512 || raw.prefix.chars().any(char::is_control) {
        check.find(&at("prefix"), "what keys begin with: no slash at its begin, at most 512 bytes");
    }
    let only_r2 = [
        ("account", raw.account.is_some()),
        ("jurisdiction", raw.jurisdiction.is_some()),
        ("tokenFrom", raw.token_from.is_some()),
        ("apiEndpoint", raw.api_endpoint.is_some()),
    ];
    if provider != BucketProvider::CloudflareR2 {
        for (field, _) in only_r2.into_iter().filter(|(_, given)| *given) {
            check.find(&at(field), format!("{word} has no such field; only cloudflareR2 has"));
        }
    }
    for (field, url) in [("endpoint", &raw.endpoint), ("apiEndpoint", &raw.api_endpoint)] {
        if let Some(url) = url {
            endpoint_url(check, &at(field), url, raw.allow_http);
        }
    }
    ca_file(check, &at("caFile"), raw.ca_file.as_ref());
    for (field, from) in [
        ("accessKeyIdFrom", &raw.access_key_id_from),
        ("secretAccessKeyFrom", &raw.secret_access_key_from),
        ("tokenFrom", &raw.token_from),
    ] {
        if let Some(from) = from {
            check.secret(&at(field), from);
        }
    }
    protection(check, &at, raw);
    if let Some(residency) = &raw.residency {
        place(check, &at("residency"), residency);
    }
    let cloudflare = (provider == BucketProvider::CloudflareR2).then(|| cloudflare(check, &at, raw)).flatten();
    let s3 = s3(check, &at, raw, cloudflare.as_ref());
    (check.count() == before).then(|| Bucket {
        provider,
        name: raw.name.clone(),
        prefix: raw.prefix.clone(),
        source: source(raw),
        copy: raw.copy,
        s3,
        cloudflare,
        require: raw.protection.require.clone(),
        keep_at_least: raw.keep_at_least,
        residency: raw.residency.clone(),
    })
}

/// The name of the source.
fn source(raw: &raw::Bucket) -> String {
    let slash = if raw.prefix.is_empty() { "" } else { "/" };
    format!("{}/{}{slash}{}", raw.provider.as_str(), raw.name, raw.prefix)
}

/// The name of a bucket: it goes into the path of a URL, and names a series.
pub(in crate::policy) fn name(check: &mut Check<'_>, field: &str, name: &str) {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let mut ends = name.chars();
    let right = (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && edge(ends.next())
        && edge(ends.next_back())
        && !name.contains("..");
    if !right {
        let help = "3 to 63 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit";
        check.advise(field, format!("`{}` is not a bucket's name", short(name)), Some(help));
    }
}

/// A region, or the beginning of one.
pub(in crate::policy) fn place(check: &mut Check<'_>, field: &str, text: &str) {
    let right = (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !right {
        let message = format!("`{}` is not a region, such as `eu` or `eu-central-1`", short(text));
        check.find(field, message);
    }
}

fn protection(check: &mut Check<'_>, at: &dyn Fn(&str) -> String, raw: &raw::Bucket) {
    let require = &raw.protection.require;
    for (i, kind) in require.iter().enumerate() {
        let field = at(&format!("protection.require[{i}]"));
        if require[..i].contains(kind) {
            check.find(&field, format!("`{}` is named twice", kind.as_str()));
        }
        if *kind == ProtectionKind::BucketLock && raw.provider != BucketProvider::CloudflareR2 && require.len() == 1 {
            check.find(
                &field,
                "bucket locks are read of cloudflareR2 alone; elsewhere it is `versioning` or `objectLock`",
            );
        }
    }
    if let Some(keep) = &raw.keep_at_least
        && keep.versions.is_none()
        && keep.days.is_none()
    {
        check.find(&at("keepAtLeast"), "`versions` or `days` is needed");
    }
}

fn cloudflare(check: &mut Check<'_>, at: &dyn Fn(&str) -> String, raw: &raw::Bucket) -> Option<CloudflareAccess> {
    let Some(account) = &raw.account else {
        check.find(&at("account"), "the field is missing: it names the account at Cloudflare");
        return None;
    };
    if account.len() != 32 || !account.chars().all(|c| c.is_ascii_hexdigit()) {
        let help = "32 hexadecimal digits; it is in the address of the dashboard";
        check.advise(&at("account"), format!("`{}` is not an account's id", short(account)), Some(help));
    }
    if raw.token_from.is_none() && raw.access_key_id_from.is_none() {
        check.find(&at("tokenFrom"), "a token or an access key is needed, or nothing could be asked");
    }
    let access = Access {
        endpoint: raw.api_endpoint.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        ca_file: raw.ca_file.clone(),
        allow_http: raw.allow_http,
    };
    let jurisdiction = raw.jurisdiction.unwrap_or_default();
    Some(CloudflareAccess { account: account.clone(), jurisdiction, token_from: raw.token_from.clone(), access })
}

fn s3(
    check: &mut Check<'_>,
    at: &dyn Fn(&str) -> String,
    raw: &raw::Bucket,
    cloudflare: Option<&CloudflareAccess>,
) -> Option<S3Access> {
    let (id, secret) = match (&raw.access_key_id_from, &raw.secret_access_key_from) {
        (Some(id), Some(secret)) => (id.clone(), secret.clone()),
        (None, None) if raw.provider == BucketProvider::CloudflareR2 && !raw.copy => return None,
        (Some(_), None) => {
            check.find(&at("secretAccessKeyFrom"), "the field is missing: the id of a key is nothing without it");
            return None;
        }
        (None, _) => {
            check.find(&at("accessKeyIdFrom"), "the field is missing: without an access key nothing can be asked");
            return None;
        }
    };
    if let Some(region) = &raw.region {
        place(check, &at("region"), region);
    }
    let region = raw.region.clone();
    let mut regional = |host: &str| {
        if region.is_none() {
            check.find(&at("region"), format!("the field is missing: {} has no bucket without", raw.provider.as_str()));
        }
        host.replace("REGION", region.as_deref()?).into()
    };
    let own: Option<String> = match raw.provider {
        BucketProvider::AwsS3 => regional("https://s3.REGION.amazonaws.com"),
        BucketProvider::BackblazeB2 => regional("https://s3.REGION.backblazeb2.com"),
        BucketProvider::GoogleCloudStorage => Some("https://storage.googleapis.com".to_owned()),
        BucketProvider::CloudflareR2 => {
            cloudflare.map(|CloudflareAccess { account, jurisdiction, .. }| match jurisdiction {
                raw::Jurisdiction::Default => format!("https://{account}.r2.cloudflarestorage.com"),
                other => format!("https://{account}.{}.r2.cloudflarestorage.com", other.as_str()),
            })
        }
        BucketProvider::S3Compatible => {
            if raw.endpoint.is_none() {
                check.find(&at("endpoint"), "the field is missing: it is the address of the server");
            }
            None
        }
    };
    let usual = match raw.provider {
        BucketProvider::CloudflareR2 | BucketProvider::GoogleCloudStorage => "auto",
        _ => "us-east-1",
    };
    Some(S3Access {
        endpoint: raw.endpoint.as_ref().map(|url| url.trim_end_matches('/').to_owned()).or(own)?,
        bucket: raw.name.clone(),
        region: region.unwrap_or_else(|| usual.to_owned()),
        access_key_id_from: id,
        secret_access_key_from: secret,
        ca_file: raw.ca_file.clone(),
        allow_http: raw.allow_http,
    })
}
