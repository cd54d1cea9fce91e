//! Which containers are made to stand still, and in which order.

use crate::execute::journal::Identity;
use crate::policy::{ContainerSelector, Quiesce};
use crate::reconcile::Container;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const SWARM_SERVICE: &str = "com.docker.swarm.service.name";

/// The running containers that write to the volume (or only read it, where these count too) or are named besides, those
/// that depend on others before these.
/// Never Seawall's own.
pub(super) fn select(
    containers: &BTreeMap<String, Container>,
    volume: &str,
    readers: bool,
    quiesce: &Quiesce,
    own: Option<&str>,
) -> Vec<Container> {
    let uses = |c: &Container| c.volumes.get(volume).is_some_and(|writes| *writes || readers);
    let named = |c: &Container| {
        quiesce.also.iter().any(|selector| match selector {
            ContainerSelector::Name(name) => *name == c.name,
            ContainerSelector::Labels(labels) => labels.iter().all(|(key, value)| c.labels.get(key) == Some(value)),
        })
    };
    let chosen = containers.values().filter(|c| c.state == "running" && own != Some(c.id.as_str()));
    dependents_first(chosen.filter(|c| uses(c) || named(c)).cloned().collect())
}

/// Compose's order of stopping. Where services depend on each other in a circle, which Compose refuses, by name.
fn dependents_first(mut rest: Vec<Container>) -> Vec<Container> {
    let mut ordered = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let needed: BTreeSet<(String, String)> = rest.iter().flat_map(dependencies).collect();
        let free = |c: &Container| service(c).is_none_or(|service| !needed.contains(&service));
        let next = rest.iter().position(free).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    ordered
}

fn service(container: &Container) -> Option<(String, String)> {
    Some((container.labels.get(PROJECT)?.clone(), container.labels.get(SERVICE)?.clone()))
}

/// What a container depends on, by project and service. The label reads `db:service_healthy:false,cache:…`.
fn dependencies(container: &Container) -> Vec<(String, String)> {
    let Some((project, own)) = service(container) else { return Vec::new() };
    let label = container.labels.get(DEPENDS_ON).map_or("", String::as_str);
    let names =
        label.split(',').filter_map(|one| one.split(':').next()).filter(|name| !name.is_empty() && *name != own);
    names.map(|name| (project.clone(), name.to_owned())).collect()
}

/// By what a container is found again should it be made anew.
pub(super) fn identity(labels: &BTreeMap<String, String>) -> Option<Identity> {
    let label = |name: &str| labels.get(name).cloned();
    if let Some(service) = label(SWARM_SERVICE) {
        return Some(Identity::Swarm { service });
    }
    let number = label(NUMBER).unwrap_or_else(|| "1".to_owned());
    Some(Identity::Compose { project: label(PROJECT)?, service: label(SERVICE)?, number })
}

/// The id of the container that this process runs in, where it does. Docker mounts three files of its own into every
/// container, from a directory that is named by the id.
pub(super) fn own_container() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let (_, rest) = root.split_once("/containers/")?;
        let id = rest.split('/').next()?;
        (matches!(at, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") && id.len() == 64).then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Means;
    use std::time::Duration;

    fn container(name: &str, state: &str, volumes: &[(&str, bool)], labels: &[(&str, &str)]) -> Container {
        Container {
            id: format!("id-{name}"),
            name: name.to_owned(),
            image: String::new(),
            image_id: String::new(),
            state: state.to_owned(),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            volumes: volumes.iter().map(|(name, writes)| ((*name).to_owned(), *writes)).collect(),
            binds: Vec::new(),
            networks: Vec::new(),
        }
    }

    fn names(containers: Vec<Container>, also: Vec<ContainerSelector>, own: Option<&str>) -> Vec<String> {
        let quiesce = Quiesce { means: Means::Pause, timeout: Duration::ZERO, max_duration: Duration::ZERO, also };
        let all = containers.into_iter().map(|c| (c.name.clone(), c)).collect();
        select(&all, "v", false, &quiesce, own).into_iter().map(|c| c.name).collect()
    }

    #[test]
    fn those_that_run_and_write_and_those_named_besides_but_never_ones_own() {
        let all = || {
            vec![
                container("writer", "running", &[("v", true)], &[]),
                container("reader", "running", &[("v", false)], &[]),
                container("ended", "exited", &[("v", true)], &[]),
                container("paused", "paused", &[("v", true)], &[]),
                container("other", "running", &[("w", true)], &[("role", "worker"), ("app", "n8n")]),
                container("seawall", "running", &[("v", true)], &[]),
            ]
        };
        assert_eq!(names(all(), vec![], Some("id-seawall")), ["writer"]);
        let by_name = ContainerSelector::Name("reader".into());
        let by_labels = |role: &str| {
            ContainerSelector::Labels(BTreeMap::from([("app".into(), "n8n".into()), ("role".into(), role.into())]))
        };
        assert_eq!(names(all(), vec![by_name, by_labels("worker")], Some("id-seawall")), ["other", "reader", "writer"]);
        assert_eq!(names(all(), vec![by_labels("web")], Some("id-seawall")), ["writer"]);
    }

    #[test]
    fn what_depends_on_another_goes_first() {
        let of = |name: &str, depends: &str| {
            container(name, "running", &[("v", true)], &[(PROJECT, "p"), (SERVICE, name), (DEPENDS_ON, depends)])
        };
        let chain =
            vec![of("cache", ""), of("db", "cache:service_started:false"), of("app", "db:service_healthy:true,cache")];
        assert_eq!(names(chain, vec![], None), ["app", "db", "cache"]);
        let circle = vec![of("a", "b"), of("b", "a"), of("c", "a")];
        assert_eq!(names(circle, vec![], None), ["c", "a", "b"]);
        let elsewhere =
            container("x", "running", &[("v", true)], &[(PROJECT, "q"), (SERVICE, "app"), (DEPENDS_ON, "db")]);
        assert_eq!(names(vec![of("db", ""), elsewhere], vec![], None), ["db", "x"]);
    }
}
