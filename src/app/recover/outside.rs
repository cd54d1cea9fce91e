//! Databases and buckets that come back: where they go, and what is there now.

use super::Recovery;
use crate::adapters::postgres::{PostgresError, Target};
use crate::adapters::s3::{S3, wait};
use crate::policy::quantity::bytes;
use crate::policy::{Bucket, Desired, PostgresSource, SecretRef, Source};
use crate::reconcile::recovery::{self, Item, Kind, There, Written};
use crate::reconcile::restore::{IntoDatabase, database_target};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// What the policies say that will be in force: those that are here already, then those of the repository.
pub(super) fn sources(documents: &[Written], here: &Desired) -> BTreeMap<String, Source> {
    let theirs = documents.iter().filter(|written| written.is_policy());
    let mut all: BTreeMap<String, Source> =
        theirs.filter_map(|written| Some((written.name.clone(), recovery::policy(&written.text)?.source))).collect();
    all.extend(here.policies.iter().map(|(name, policy)| (name.clone(), policy.source.clone())));
    all
}

/// Looks at the place of a database or bucket. Writes nothing there.
pub(super) fn look(recovery: &Recovery, item: &Item) -> (String, There) {
    match (item.kind, recovery.sources.get(&item.source.policy)) {
        (Kind::Database, Some(Source::Postgres(source))) if source.name == item.source.source => {
            database(Some(source), &recovery.host, item)
        }
        (Kind::Database, _) if item.to.as_deref().is_some_and(has_address) => database(None, &recovery.host, item),
        (Kind::Bucket, Some(Source::Bucket(source))) if source.source == item.source.source => bucket(source),
        (Kind::Database | Kind::Bucket, _) => unknown("no policy that will be in force says how it is reached"),
        _ => unknown("this version of Seawall does not know what it is"),
    }
}

fn unknown(why: impl Into<String>) -> (String, There) {
    (String::new(), There::Unknown { why: why.into() })
}

fn has_address(to: &str) -> bool {
    !matches!(database_target(to), IntoDatabase::Name(_))
}

fn database(source: Option<&PostgresSource>, host: &str, item: &Item) -> (String, There) {
    let own = source.map(|source| source.url_from.clone());
    let (url, name) = match item.to.as_deref().map(database_target) {
        Some(IntoDatabase::Env(name)) => (Some(SecretRef::Env(name)), None),
        Some(IntoDatabase::File(path)) => (Some(SecretRef::File(PathBuf::from(path))), None),
        Some(IntoDatabase::Name(name)) => (own, Some(name)),
        None => (own, None),
    };
    let Some(url) = url else { return unknown("no policy that will be in force says how it is reached") };
    let binaries = source.and_then(|source| source.binaries.as_deref());
    let found = Target::reach(&url, name.as_deref(), binaries, &CancellationToken::new());
    let looked = found.and_then(|target| {
        let there = match target.look()? {
            None => There::Nothing,
            Some(found) if found.empty => There::Empty,
            Some(_) if target.is_unfinished(&item.source, host)? => There::Nothing,
            Some(found) => {
                There::Holds { what: format!("the database {} holds {} already", target.shown(), bytes(found.bytes)) }
            }
        };
        Ok((target.shown(), there))
    });
    looked.unwrap_or_else(|error: PostgresError| unknown(error.to_string()))
}

/// The name of the database that an item goes into: said, so that one that holds something is never replaced.
pub(super) fn database_of(item: &Item, source: Option<&Source>) -> Option<String> {
    if item.kind != Kind::Database || item.to.is_some() {
        return item.to.clone();
    }
    let Some(Source::Postgres(source)) = source else { return None };
    let secret = crate::adapters::key::read(&source.url_from).ok()?;
    crate::adapters::postgres::Address::parse(&secret).ok()?.database().map(str::to_owned)
}

fn bucket(source: &Bucket) -> (String, There) {
    let Some(access) = &source.s3 else { return unknown("the policy gives no access key") };
    let s3 = match S3::patient(access) {
        Ok(s3) => s3,
        Err(error) => return unknown(error.to_string()),
    };
    let place = format!("the bucket {} at {}", s3.bucket(), s3.host());
    let there = match wait(s3.list(&source.prefix, None, 1)) {
        Ok(Ok(page)) if page.objects.is_empty() => There::Empty,
        Ok(Ok(_)) if source.prefix.is_empty() => There::Holds { what: format!("{place} holds objects already") },
        Ok(Ok(_)) => There::Holds { what: format!("{place} holds objects below {} already", source.prefix) },
        Ok(Err(error)) => There::Unknown { why: format!("{place} cannot be looked into: {error}") },
        Err(error) => There::Unknown { why: format!("{place} cannot be looked into: {error}") },
    };
    (place, there)
}
