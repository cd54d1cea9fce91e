//! Which sources a policy has on this host.

use super::observed::{DockerState, Volume};
use crate::policy::{Policy, Source, VolumeSelect};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::BTreeMap;

/// The label by which Compose marks what belongs to a project.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";

/// One source of a policy.
pub(super) struct Matched<'a> {
    pub name: &'a str,
    pub place: Place<'a>,
}

/// Where a source is.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In a volume, if the host has it.
    Volume(Option<&'a Volume>),
    /// In no volume, and so to be had whether or not Docker runs.
    NoVolume,
}

/// The sources of a policy, sorted by name. A policy that names its volume has that source whether or not the volume
/// is there: what a person asked for by name must not drop out of sight with it.
pub(super) fn of<'a>(policy: &'a Policy, docker: &'a DockerState) -> Vec<Matched<'a>> {
    let source = match &policy.source {
        Source::Volume(source) => source,
        Source::Path(source) => return vec![Matched { name: &source.path, place: Place::NoVolume }],
        Source::Postgres(source) => return vec![Matched { name: &source.name, place: Place::NoVolume }],
        Source::Bucket(bucket) if policy.backup().is_some() => {
            return vec![Matched { name: &bucket.source, place: Place::NoVolume }];
        }
        Source::ManagedDatabase(_) | Source::Bucket(_) => return Vec::new(),
    };
    match &source.select {
        VolumeSelect::Name(name) => vec![Matched { name, place: Place::Volume(docker.volumes.get(name)) }],
        VolumeSelect::Selector { names, labels, compose_project } => {
            let globs = compile(names);
            docker
                .volumes
                .values()
                .filter(|v| names.is_empty() || globs.is_match(&v.name))
                .filter(|v| carries(&v.labels, labels))
                .filter(|v| compose_project.as_ref().is_none_or(|p| v.labels.get(COMPOSE_PROJECT) == Some(p)))
                .map(|v| Matched { name: &v.name, place: Place::Volume(Some(v)) })
                .collect()
        }
    }
}

/// The names of the sources that a policy has on this host, sorted. See [`of`].
#[must_use]
pub fn names(policy: &Policy, docker: &DockerState) -> Vec<String> {
    of(policy, docker).into_iter().map(|matched| matched.name.to_owned()).collect()
}

fn carries(has: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(k, v)| has.get(k) == Some(v))
}

/// Validation has seen every pattern; one that does not compile here matches nothing.
fn compile(names: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for name in names {
        if let Ok(glob) = Glob::new(name) {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}
