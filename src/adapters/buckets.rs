//! A bucket's settings, asked for wherever its provider keeps them.

use super::cloudflare;
use super::http_client::{HttpClient, HttpError, Limits, Patience, Reach};
use super::key::{self, KeyError};
use super::providers::trouble;
use super::s3::{self, Keys, Refused, S3, S3Error, Settings};
use crate::policy::{Bucket, BucketProvider, CloudflareAccess};
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::bucket::{BucketAnswer, Told, never_on_r2, no_bucket_locks};
use std::sync::Arc;

/// Asks the provider of a bucket how it protects what is in it.
///
/// # Errors
/// There is no answer that tells: a wrong key, no such bucket, no connection.
pub async fn look(bucket: &Bucket, patience: Patience, limits: &Arc<Limits>) -> Result<BucketAnswer, Trouble> {
    let mut answer = match &bucket.s3 {
        None => nothing(bucket.provider),
        Some(access) => {
            let keys = Keys::read(access).map_err(|error| no_key(&error))?;
            let (access, limits) = (access.clone(), Arc::clone(limits));
            let s3 = off_thread(move || S3::new(&access, keys, patience, limits)).await?;
            let settings = s3::settings(&s3, &bucket.prefix, bucket.provider).await;
            known(bucket, settings.map_err(|error| refused(bucket, &s3, &error))?)
        }
    };
    if let Some(access) = &bucket.cloudflare {
        cloudflare(access, bucket, &mut answer, patience, limits).await?;
    }
    Ok(answer)
}

/// What is known before anything is asked.
fn nothing(provider: BucketProvider) -> BucketAnswer {
    let unasked = || "no access key is given, and nobody was asked".to_owned();
    BucketAnswer {
        versioning: Told::Unknown("NoKey", unasked()),
        object_lock: Told::Unknown("NoKey", unasked()),
        bucket_lock: no_bucket_locks(provider),
        lifecycle: Told::Unknown("NoKey", unasked()),
        region: Told::Unknown("NoKey", unasked()),
        evidence: Vec::new(),
    }
}

fn known(bucket: &Bucket, settings: Settings) -> BucketAnswer {
    let Settings { versioning, object_lock, lifecycle, region, evidence } = settings;
    let bucket_lock = no_bucket_locks(bucket.provider);
    BucketAnswer { versioning, object_lock, bucket_lock, lifecycle, region, evidence }
}

/// What only Cloudflare's API tells, and what R2 tells otherwise by S3's protocol than it means.
async fn cloudflare(
    access: &CloudflareAccess,
    bucket: &Bucket,
    answer: &mut BucketAnswer,
    patience: Patience,
    limits: &Arc<Limits>,
) -> Result<(), Trouble> {
    answer.versioning = never_on_r2();
    answer.object_lock =
        Told::Unsupported("Cloudflare R2 has no S3 Object Lock; bucket lock rules protect there".to_owned());
    let Some(from) = &access.token_from else {
        let why = "bucket lock rules are read through Cloudflare's API, and no token is given: add `tokenFrom`";
        answer.bucket_lock = Told::Unknown("NoToken", why.to_owned());
        answer.region = Told::Unknown("NoToken", why.to_owned());
        return Ok(());
    };
    let token = key::read(from)
        .map_err(|error| Trouble { reason: "NoToken", message: format!("no token was given: {error}") })?;
    let reach = Reach { ca_file: access.access.ca_file.clone(), allow_http: access.access.allow_http };
    let limits = Arc::clone(limits);
    let client = off_thread(move || HttpClient::new(&reach, patience, limits)).await?;
    let told = cloudflare::settings(access, &bucket.name, &client, &token).await?;
    answer.bucket_lock = Told::Known(told.locks);
    answer.lifecycle = Told::Known(told.lifecycle);
    answer.region = Told::Known(told.jurisdiction);
    answer.evidence.extend(told.evidence);
    Ok(())
}

/// Certificates are read from files.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
) -> Result<T, Trouble> {
    let made = tokio::task::spawn_blocking(work).await;
    let made = made.map_err(|error| Trouble { reason: "Misconfigured", message: error.to_string() })?;
    made.map_err(|error| trouble(&error))
}

fn no_key(error: &KeyError) -> Trouble {
    Trouble { reason: "NoKey", message: format!("no access key was given: {error}") }
}

/// What makes every other answer meaningless, each with a message of its own.
fn refused(bucket: &Bucket, s3: &S3, error: &S3Error) -> Trouble {
    let reason = match (error, error.refused()) {
        (S3Error::Http(error), _) => return trouble(error),
        (_, Some(Refused::UnknownKey | Refused::WrongSecret)) => "NotAuthenticated",
        (_, Some(Refused::WrongTime)) => "WrongTime",
        (_, Some(Refused::Denied | Refused::Locked)) => "NotPermitted",
        (_, Some(Refused::NoBucket)) => {
            let place = match &bucket.cloudflare {
                Some(access) => format!("the jurisdiction `{}`", access.jurisdiction.as_str()),
                None => format!("the region `{}`", bucket.s3.as_ref().map_or("", |s3| &s3.region)),
            };
            let message = format!("there is no bucket {} at {} in {place}", bucket.name, s3.host());
            return Trouble { reason: "NotFound", message };
        }
        (_, Some(Refused::WrongRegion)) => "WrongRegion",
        (_, Some(Refused::Trouble)) => "ProviderTrouble",
        _ => "UnexpectedAnswer",
    };
    Trouble { reason, message: error.to_string() }
}
