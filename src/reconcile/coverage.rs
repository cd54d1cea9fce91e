//! Which volumes of the host are protected, exempt, or nobody's.

use super::observed::DockerState;
use super::plan::{Coverage, VolumeCoverage};
use super::sources::{self, Place};
use crate::policy::{Desired, Policy, Treatment};
use std::collections::BTreeMap;

/// Every volume of the host with the policies that speak of it, sorted by name.
pub(super) fn conclude(desired: &Desired, docker: &DockerState) -> Vec<VolumeCoverage> {
    let mut matches: BTreeMap<&str, Vec<&Policy>> = BTreeMap::new();
    for policy in desired.policies.values() {
        for matched in sources::of(policy, docker).into_iter().filter(|m| matches!(m.place, Place::Volume(_))) {
            matches.entry(matched.name).or_default().push(policy);
        }
    }
    docker
        .volumes
        .values()
        .map(|volume| {
            let policies = matches.get(volume.name.as_str()).map_or(&[][..], Vec::as_slice);
            let (coverage, reason) = judge(policies);
            VolumeCoverage {
                volume: volume.name.clone(),
                coverage,
                policies: policies.iter().map(|p| p.name.clone()).collect(),
                reason,
                used_by: volume.used_by.clone(),
            }
        })
        .collect()
}

fn judge(policies: &[&Policy]) -> (Coverage, String) {
    if let Some(policy) = policies.iter().find(|p| p.backup().is_some()) {
        let suffix = if policy.suspend { ", which is suspended" } else { "" };
        return (Coverage::Protected, format!("backed up by {}{suffix}", policy.name));
    }
    let exempt = policies.iter().find_map(|p| match &p.treatment {
        Treatment::Exempt { reason } => Some(reason.clone()),
        Treatment::Backup(_) | Treatment::Watch(_) => None,
    });
    match exempt {
        Some(reason) => (Coverage::Exempt, reason),
        None => (Coverage::Unprotected, "no policy speaks of it".to_owned()),
    }
}
