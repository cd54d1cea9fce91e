//! Cloudflare's API for R2 (its own SDK, and the reference for R2): the bucket, its lock rules, its lifecycle.

use super::http_client::{HttpClient, Request, Response};
use super::key::Secret;
use super::providers::{decode, refusal, trouble, unexpected};
use crate::policy::CloudflareAccess;
use crate::policy::quantity::count;
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::bucket::{Holds, Lock};
use crate::reconcile::watch::expiry::{Expiry, Removes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const BASE: &str = "https://api.cloudflare.com/client/v4";
const NEEDED: &str = "the permission `Workers R2 Storage Read` of the account";

/// What was learnt.
#[derive(Debug, Clone)]
pub struct R2Settings {
    /// The bucket's lock rules.
    pub locks: Vec<Lock>,
    /// What is removed by itself.
    pub lifecycle: Vec<Expiry>,
    /// Where the bucket was made.
    pub jurisdiction: String,
    /// What was asked and answered.
    pub evidence: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    success: bool,
    #[serde(default)]
    errors: Vec<Complaint>,
    result: Option<T>,
}

#[derive(Deserialize)]
struct Complaint {
    code: i64,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
    jurisdiction: Option<String>,
    location: Option<String>,
}

#[derive(Deserialize)]
struct Rules<T> {
    #[serde(default = "Vec::new")]
    rules: Vec<T>,
}

#[derive(Deserialize)]
struct LockRule {
    #[serde(default)]
    id: String,
    enabled: bool,
    prefix: Option<String>,
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: String,
    max_age_seconds: Option<u64>,
    max_age: Option<u64>,
    date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LifecycleRule {
    #[serde(default)]
    id: String,
    enabled: bool,
    #[serde(default)]
    conditions: Conditions,
    delete_objects_transition: Option<Transition>,
}

#[derive(Deserialize, Default)]
struct Conditions {
    prefix: Option<String>,
}

#[derive(Deserialize)]
struct Transition {
    condition: Condition,
}

/// Asks Cloudflare for the settings of a bucket.
///
/// # Errors
/// There is no answer that tells.
pub async fn settings(
    access: &CloudflareAccess,
    name: &str,
    client: &HttpClient,
    token: &Secret,
) -> Result<R2Settings, Trouble> {
    let mut asked = Asked { access, name, client, token, evidence: Vec::new() };
    let bucket: Bucket = asked.get("", "the bucket").await?;
    if bucket.name != name {
        return Err(unexpected("Cloudflare told of another bucket than the one that was asked for".to_owned()));
    }
    let word = |text: Option<String>| -> String {
        text.unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect()
    };
    let (jurisdiction, location) = (word(bucket.jurisdiction), word(bucket.location));
    let jurisdiction = if jurisdiction.is_empty() { access.jurisdiction.as_str().to_owned() } else { jurisdiction };
    asked.evidence.push(format!("GET bucket: jurisdiction {jurisdiction}, location {location}"));

    let rules: Rules<LockRule> = asked.get("/lock", "the bucket's lock rules").await?;
    let locks: Vec<Lock> = rules.rules.into_iter().map(lock).collect::<Result<_, _>>()?;
    let on = locks.iter().filter(|lock| lock.enabled).count();
    asked.evidence.push(format!("GET lock: {}, {on} of them enabled", count(locks.len() as u64, "rule")));
    let rules: Rules<LifecycleRule> = asked.get("/lifecycle", "the bucket's lifecycle").await?;
    let lifecycle: Vec<Expiry> = rules.rules.into_iter().filter_map(expiry).collect();
    for rule in lifecycle.iter().filter(|rule| rule.enabled) {
        let Removes::Current { days } = rule.removes else { continue };
        let (name, prefix) = (&rule.name, &rule.prefix);
        asked
            .evidence
            .push(format!("GET lifecycle: rule {name} deletes what begins with `{prefix}` after {days} days"));
    }
    Ok(R2Settings { locks, lifecycle, jurisdiction, evidence: asked.evidence })
}

struct Asked<'a> {
    access: &'a CloudflareAccess,
    name: &'a str,
    client: &'a HttpClient,
    token: &'a Secret,
    evidence: Vec<String>,
}

impl Asked<'_> {
    async fn get<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, Trouble> {
        let base = self.access.access.endpoint.as_deref().unwrap_or(BASE);
        let url = format!("{base}/accounts/{}/r2/buckets/{}{path}", self.access.account, self.name);
        let jurisdiction = self.access.jurisdiction.as_str();
        let request = Request::get(url).bearer(self.token.reveal()).header("cf-r2-jurisdiction", jurisdiction);
        let response: Response = self.client.send(&request).await.map_err(|error| trouble(&error))?;
        if response.status.as_u16() == 404 {
            let message = format!(
                "{what}: there is no bucket {} in the account in the jurisdiction `{jurisdiction}`, or the token may not \
                 see it (404); a bucket of another jurisdiction looks like this too",
                self.name
            );
            return Err(Trouble { reason: "NotFound", message });
        }
        if let Some(trouble) = refusal(&response, what, NEEDED) {
            return Err(trouble);
        }
        let envelope: Envelope<T> = decode(&response, what)?;
        let codes: Vec<String> = envelope.errors.iter().map(|complaint| complaint.code.to_string()).collect();
        match envelope.result {
            Some(result) if envelope.success && codes.is_empty() => Ok(result),
            _ => Err(unexpected(format!("{what}: 200, and no success (codes: {})", codes.join(", ")))),
        }
    }
}

fn name(id: &str) -> String {
    let id: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("`{id}`")
}

fn lock(rule: LockRule) -> Result<Lock, Trouble> {
    let LockRule { id, enabled, prefix, condition } = rule;
    let name = name(&id);
    let strange = || unexpected(format!("the bucket's lock rules: the condition of {name} is none that is known"));
    let holds = match condition.r#type.as_str() {
        "Age" => Holds::For(Duration::from_secs(condition.max_age_seconds.ok_or_else(strange)?)),
        "Date" => Holds::Until(condition.date.and_then(|date| date.parse().ok()).ok_or_else(strange)?),
        "Indefinite" => Holds::Indefinitely,
        _ => return Err(strange()),
    };
    Ok(Lock { name, enabled, prefix: prefix.unwrap_or_default(), holds })
}

fn expiry(rule: LifecycleRule) -> Option<Expiry> {
    let condition = rule.delete_objects_transition?.condition;
    let days = condition.max_age.map_or(0, |seconds| u32::try_from(seconds / 86_400).unwrap_or(u32::MAX));
    let prefix = rule.conditions.prefix.unwrap_or_default();
    Some(Expiry { name: name(&rule.id), enabled: rule.enabled, prefix, removes: Removes::Current { days } })
}
