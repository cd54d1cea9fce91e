//! Which snapshot is meant.

use super::Args;
use crate::app::{Options, Peek};
use crate::cli::human::{relative, seconds, short_id};
use crate::cli::trouble::{self, Advice};
use crate::reconcile::{SnapshotRecord, SourceKey};
use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The snapshot, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub source: SourceKey,
    pub repository: String,
    pub snapshot: Arc<SnapshotRecord>,
    /// Whether another host made it.
    pub others_host: bool,
}

impl Chosen {
    /// Which it is, and of when.
    pub fn line(&self, now: Timestamp) -> String {
        let Self { repository, snapshot, others_host, .. } = self;
        let partial = if snapshot.complete { "" } else { ", partial: not every file could be taken" };
        let imported = if snapshot.imported.is_some() { ", imported from an archive" } else { "" };
        let host = if *others_host { format!(", made by host {}", snapshot.host) } else { String::new() };
        let (id, at, ago) = (short_id(&snapshot.id), seconds(snapshot.time), relative(snapshot.time, now));
        format!("{id} in {repository}, as of {at} ({ago}){imported}{partial}{host}")
    }
}

pub(super) fn choose(peek: &Peek, options: &Options, args: &Args) -> anyhow::Result<Chosen> {
    let policy = args.name.as_deref().unwrap_or_default();
    let mut found: Vec<(String, Arc<SnapshotRecord>)> = Vec::new();
    let mut trouble = Vec::new();
    for repository in repositories(peek, policy, args) {
        match peek.with(&repository, crate::adapters::repository::RepositoryAdapter::snapshots) {
            Ok(all) => found.extend(all.into_iter().map(|snapshot| (repository.clone(), snapshot))),
            Err(error) => trouble.push((repository, error)),
        }
    }
    found.retain(|(_, snapshot)| snapshot.source.as_ref().is_some_and(|source| source.policy == policy));
    if found.is_empty() {
        // What keeps a repository shut is more to the point than that nothing was found.
        if let Some((repository, error)) = trouble.into_iter().next() {
            return Err(error.context(format!("the repository {repository} cannot be looked into")));
        }
        if peek.desired().policies.contains_key(policy) {
            bail!("policy {policy} has no snapshot yet");
        }
        let known = peek.desired().policies.keys().map(String::as_str);
        return Err(trouble::unknown("policy", policy, known, "seawall get snapshots").into());
    }
    for (repository, error) in trouble {
        crate::cli::output::remark(&format!("note: the repository {repository} was left out: {error:#}"));
    }
    let name = source(&found, policy, args.source.as_deref())?;
    let key = SourceKey { policy: policy.to_owned(), source: name };
    found.retain(|(_, snapshot)| snapshot.source.as_ref() == Some(&key));
    // Where this host has made some, those of others are not meant.
    let own = |snapshot: &SnapshotRecord| snapshot.host == options.host;
    if found.iter().any(|(_, snapshot)| own(snapshot)) && args.snapshot == "latest" {
        found.retain(|(_, snapshot)| own(snapshot));
    }
    let (repository, snapshot) = pick(&key, found, args)?;
    Ok(Chosen { others_host: !own(&snapshot), source: key, repository, snapshot })
}

/// In the order of the policy.
fn repositories(peek: &Peek, policy: &str, args: &Args) -> Vec<String> {
    if let Some(named) = &args.repository {
        return vec![named.clone()];
    }
    let spec = peek.desired().policies.get(policy).and_then(|policy| policy.backup());
    spec.map_or_else(|| peek.desired().repositories.keys().cloned().collect(), |spec| spec.repositories.clone())
}

fn source(found: &[(String, Arc<SnapshotRecord>)], policy: &str, wanted: Option<&str>) -> anyhow::Result<String> {
    let names: BTreeSet<&str> =
        found.iter().filter_map(|(_, snapshot)| Some(snapshot.source.as_ref()?.source.as_str())).collect();
    match (wanted, names.iter().collect::<Vec<_>>().as_slice()) {
        (Some(name), _) if names.contains(name) => Ok(name.to_owned()),
        (Some(name), _) => {
            let list = format!("seawall get snapshots --policy {policy}");
            Err(trouble::unknown("source with snapshots", name, names.iter().copied(), &list).into())
        }
        (None, [only]) => Ok((**only).to_owned()),
        (None, several) => {
            let several: Vec<&str> = several.iter().map(|name| **name).collect();
            let what = format!("policy {policy} has snapshots of several sources");
            Err(Advice::new(what, format!("name one with `--source`: {}", several.join(", "))).into())
        }
    }
}

fn pick(
    key: &SourceKey,
    found: Vec<(String, Arc<SnapshotRecord>)>,
    args: &Args,
) -> anyhow::Result<(String, Arc<SnapshotRecord>)> {
    let list = format!("see `seawall get snapshots --policy {}`", key.policy);
    if args.snapshot != "latest" {
        let mut fits: Vec<_> = found.into_iter().filter(|(_, s)| s.id.starts_with(&args.snapshot)).collect();
        let ids: BTreeSet<&str> = fits.iter().map(|(_, s)| &*s.id).collect();
        return match ids.len() {
            0 => Err(Advice::new(format!("{key} has no snapshot {}", args.snapshot), list).into()),
            1 => Ok(fits.remove(0)),
            _ => Err(Advice::new(format!("several snapshots of {key} begin with {}", args.snapshot), list).into()),
        };
    }
    let before = args.at.as_deref().map(instant).transpose()?;
    let (complete, partial): (Vec<_>, Vec<_>) =
        found.into_iter().filter(|(_, s)| before.is_none_or(|at| s.time <= at)).partition(|(_, s)| s.complete);
    // The first of the newest: repositories are in the policy's order.
    let newest = complete.into_iter().reduce(|best, other| if other.1.time > best.1.time { other } else { best });
    newest.ok_or_else(|| {
        let when = before.map_or_else(String::new, |at| format!(" of {} or before", seconds(at)));
        let help = partial.last().map_or(list, |(_, s)| {
            format!("there is a partial one, where some files are missing: `--snapshot {}`", short_id(&s.id))
        });
        Advice::new(format!("{key} has no complete snapshot{when}"), help).into()
    })
}

/// A time as people write it; without a zone, in this host's. A day means its end.
fn instant(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil = match (text.parse::<Date>(), text.parse::<DateTime>()) {
        (Ok(day), _) if !text.contains([':', 'T', ' ']) => day.at(23, 59, 59, 999_999_999),
        (_, Ok(at)) => at,
        _ => bail!("`{text}` is no time: write `2026-01-23`, `2026-01-23 14:05` or `2026-01-23T14:05:30Z`"),
    };
    Ok(TimeZone::system().to_zoned(civil).context("this host has no such time")?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = TimeZone::system();
        let local = |date: DateTime| zone.to_zoned(date).unwrap().timestamp();
        let day = jiff::civil::date(2026, 1, 23);
        assert_eq!(instant("2026-01-23T14:05:30Z").unwrap().to_string(), "2026-01-23T14:05:30Z");
        assert_eq!(instant("2026-01-23 14:05").unwrap(), local(day.at(14, 5, 0, 0)));
        assert_eq!(instant("2026-01-23").unwrap(), local(day.at(23, 59, 59, 999_999_999)));
        assert!(instant("yesterday").unwrap_err().to_string().contains("`yesterday` is no time"));
    }
}
