//! What an S3 server says of a bucket's own settings. Nothing is changed and nothing of value is touched.

use super::lifecycle::rules;
use super::{Ask, Refused, Response, S3, S3Error, error, parse};
use crate::adapters::http_client::HttpError;
use crate::policy::BucketProvider;
use crate::policy::quantity::count;
use crate::reconcile::watch::bucket::{Holds, Lock, Told, Versioning};
use crate::reconcile::watch::expiry::Expiry;
use hyper::Method;
use serde::Deserialize;
use std::time::Duration;

/// What was learnt.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Older versions of objects.
    pub versioning: Told<Versioning>,
    /// S3 Object Lock.
    pub object_lock: Told<Vec<Lock>>,
    /// What is removed by itself.
    pub lifecycle: Told<Vec<Expiry>>,
    /// The region.
    pub region: Told<String>,
    /// What was asked and answered.
    pub evidence: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersioningConfiguration {
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ObjectLockConfiguration {
    object_lock_enabled: Option<String>,
    rule: Option<LockRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockRule {
    default_retention: Option<Retention>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Retention {
    mode: Option<String>,
    days: Option<u64>,
    years: Option<u64>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(rename = "$text", default)]
    region: String,
    /// SeaweedFS puts it one level deeper.
    #[serde(rename = "LocationConstraint", default)]
    inner: String,
}

/// Asks for all settings of a bucket that begin to tell how it is protected.
///
/// # Errors
/// The key is wrong, there is no such bucket, or no answer: what makes every other answer meaningless.
pub async fn settings(s3: &S3, prefix: &str, provider: BucketProvider) -> Result<Settings, S3Error> {
    let mut asked = Asked { s3, evidence: Vec::new() };
    match s3.list(prefix, None, 1).await {
        Ok(page) => asked.note("ListObjectsV2", if page.objects.is_empty() { "200, nothing" } else { "200" }),
        Err(error) if error.refused() == Some(Refused::Denied) => {
            asked.note("ListObjectsV2", "403, these keys may not list objects");
        }
        Err(error) => return Err(error),
    }
    let versioning = asked.versioning().await?;
    let object_lock = asked.object_lock().await?;
    let lifecycle = asked.lifecycle(provider).await?;
    let region = asked.location().await?;
    asked.deletes(&versioning).await?;
    Ok(Settings { versioning, object_lock, lifecycle, region, evidence: asked.evidence })
}

/// Where a bucket is.
///
/// # Errors
/// See [`S3Error`].
pub async fn region(s3: &S3) -> Result<Told<String>, S3Error> {
    // An R2 bucket is found under the host of its own jurisdiction and no other.
    if let Some(account) = s3.host().strip_suffix(".r2.cloudflarestorage.com") {
        let jurisdiction = account.split_once('.').map_or("default", |(_, jurisdiction)| jurisdiction);
        return Ok(Told::Known(jurisdiction.to_owned()));
    }
    Asked { s3, evidence: Vec::new() }.location().await
}

struct Asked<'a> {
    s3: &'a S3,
    evidence: Vec<String>,
}

/// What a setting is that the server did not show.
enum No {
    /// It is not set.
    Unset,
    /// The server has no such thing.
    Unsupported(String),
    /// These keys may not know.
    Denied(String),
}

impl Asked<'_> {
    fn note(&mut self, what: &str, answer: &str) {
        self.evidence.push(format!("{what}: {answer}"));
    }

    /// A setting by the name of its query. The three ways not to show it are three different answers.
    async fn get(&mut self, call: &str, query: &str) -> Result<Result<Response, No>, S3Error> {
        let what = format!("{call} of bucket {}", self.s3.bucket());
        let response = self.s3.ask(Ask::get(None, &[(query, "")])).await?;
        if response.status.is_success() {
            return Ok(Ok(response));
        }
        let refusal = error::refusal(&what, &response);
        let status = response.status.as_u16();
        let no = match refusal.refused() {
            Some(Refused::NoSetting) => {
                self.note(call, &format!("{status}, it is not set"));
                No::Unset
            }
            Some(Refused::NotImplemented) => {
                self.note(call, &format!("{status}, the server does not implement it"));
                No::Unsupported(format!("the server does not implement {call} ({status})"))
            }
            Some(Refused::Denied) => {
                self.note(call, &format!("{status}, these keys may not know"));
                No::Denied(format!(
                    "these keys may not ask for {call} ({status}): give ones that may read the settings"
                ))
            }
            Some(Refused::Other) if status == 400 || status == 405 => {
                self.note(call, &format!("{status}, the server has no such thing"));
                No::Unsupported(format!("the server has no {call} ({status})"))
            }
            _ => return Err(refusal),
        };
        Ok(Err(no))
    }

    async fn versioning(&mut self) -> Result<Told<Versioning>, S3Error> {
        const CALL: &str = "GetBucketVersioning";
        let response = match self.get(CALL, "versioning").await? {
            Ok(response) => response,
            // Nobody answers so; it is no word for versioning in any case.
            Err(No::Unset) => return Ok(Told::Known(Versioning::Never)),
            Err(No::Unsupported(why)) => return Ok(Told::Unsupported(why)),
            Err(No::Denied(why)) => return Ok(Told::Unknown("NotPermitted", why)),
        };
        // Amazon's answer for a bucket that never had it, Google's, and the one that R2 and Garage always give.
        if response.body.is_empty() {
            self.note(CALL, "200 with no body at all");
            return Ok(Told::Known(Versioning::Never));
        }
        let VersioningConfiguration { status } = parse(CALL, &["VersioningConfiguration"], &response)?;
        match status.as_deref() {
            Some("Enabled") => {
                self.note(CALL, "200, Enabled");
                Ok(Told::Known(Versioning::Enabled))
            }
            Some("Suspended") => {
                self.note(CALL, "200, Suspended");
                Ok(Told::Known(Versioning::Suspended))
            }
            None => {
                self.note(CALL, "200 with no status");
                Ok(Told::Known(Versioning::Never))
            }
            Some(_) => {
                let why = "a status other than Enabled and Suspended".to_owned();
                Err(S3Error::Unexpected { what: CALL.to_owned(), why })
            }
        }
    }

    async fn object_lock(&mut self) -> Result<Told<Vec<Lock>>, S3Error> {
        const CALL: &str = "GetObjectLockConfiguration";
        let response = match self.get(CALL, "object-lock").await? {
            Ok(response) => response,
            Err(No::Unset) => return Ok(Told::Known(Vec::new())),
            Err(No::Unsupported(why)) => return Ok(Told::Unsupported(why)),
            Err(No::Denied(why)) => return Ok(Told::Unknown("NotPermitted", why)),
        };
        let ObjectLockConfiguration { object_lock_enabled, rule } =
            parse(CALL, &["ObjectLockConfiguration"], &response)?;
        let retention = rule.and_then(|rule| rule.default_retention);
        let days = retention.as_ref().and_then(|r| r.days.or(r.years.map(|years| years.saturating_mul(365))));
        let mode = retention.and_then(|retention| retention.mode).unwrap_or_default().to_ascii_lowercase();
        let enabled = object_lock_enabled.as_deref() == Some("Enabled");
        let holds = days.map_or(Holds::Asked, |days| Holds::For(Duration::from_hours(days.saturating_mul(24))));
        let state = if enabled { "Enabled" } else { "not enabled" };
        let default = days.map_or("no default retention".to_owned(), |days| format!("{days} days by default"));
        let bypass = if mode == "governance" { ", in governance mode, which some keys may bypass" } else { "" };
        self.note(CALL, &format!("200, {state}, {default}{bypass}"));
        let name = if mode.is_empty() { "of the bucket".to_owned() } else { format!("in {mode} mode") };
        Ok(Told::Known(vec![Lock { name, enabled, prefix: String::new(), holds }]))
    }

    async fn lifecycle(&mut self, provider: BucketProvider) -> Result<Told<Vec<Expiry>>, S3Error> {
        const CALL: &str = "GetBucketLifecycleConfiguration";
        let response = match self.get(CALL, "lifecycle").await? {
            Ok(response) => response,
            Err(No::Unset) => return Ok(Told::Known(Vec::new())),
            Err(No::Unsupported(why)) => return Ok(Told::Unsupported(why)),
            Err(No::Denied(why)) => return Ok(Told::Unknown("NotPermitted", why)),
        };
        let rules = rules(&parse(CALL, &["LifecycleConfiguration"], &response)?, provider);
        self.note(CALL, &format!("200, {} for removal", count(rules.len() as u64, "rule")));
        Ok(Told::Known(rules))
    }

    async fn location(&mut self) -> Result<Told<String>, S3Error> {
        const CALL: &str = "GetBucketLocation";
        let response = match self.get(CALL, "location").await? {
            Ok(response) => response,
            Err(No::Unset) => return Ok(Told::Unknown("UnexpectedAnswer", format!("{CALL} tells nothing"))),
            Err(No::Unsupported(why)) => return Ok(Told::Unsupported(why)),
            Err(No::Denied(why)) => return Ok(Told::Unknown("NotPermitted", why)),
        };
        let Location { region, inner } = parse(CALL, &["LocationConstraint", "CreateBucketConfiguration"], &response)?;
        let region = if region.trim().is_empty() { inner } else { region };
        // Amazon's oldest regions have names of their own here.
        let region = match region.trim() {
            "" => "us-east-1",
            "EU" if self.s3.host().ends_with("amazonaws.com") => "eu-west-1",
            region => region,
        };
        self.note(CALL, &format!("200, {region}"));
        Ok(Told::Known(region.to_owned()))
    }

    /// Whether these keys could delete: asked for an object that nobody has, and, where versions are kept, for its `null`
    /// version, which leaves not even a marker.
    async fn deletes(&mut self, versioning: &Told<Versioning>) -> Result<(), S3Error> {
        const CALL: &str = "DeleteObject of a key that nobody has";
        let key = format!(".seawall-asks-{:016x}", fastrand::u64(..));
        let unversioned = matches!(versioning, Told::Known(Versioning::Never) | Told::Unsupported(_));
        let query: &[(&str, &str)] = if unversioned { &[] } else { &[("versionId", "null")] };
        let ask = Ask { method: Method::DELETE, ..Ask::get(Some(&key), query) };
        let response = match self.s3.ask(ask).await {
            Ok(response) => response,
            Err(HttpError::LimitReached(..)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let what = if unversioned { "objects" } else { "versions for good" };
        match (response.status.as_u16(), error::refusal(CALL, &response).refused()) {
            (200..=299, _) | (_, Some(Refused::NoObject)) => {
                self.note(
                    CALL,
                    &format!("allowed: whoever has these keys can delete {what}; ones that only read are enough"),
                );
            }
            (_, Some(Refused::Denied)) => self.note(CALL, &format!("403: these keys cannot delete {what}")),
            (_, Some(Refused::Locked)) => self.note(CALL, &format!("403, locked: nobody can delete {what}")),
            (status, _) => self.note(CALL, &format!("{status}, which says nothing")),
        }
        Ok(())
    }
}
