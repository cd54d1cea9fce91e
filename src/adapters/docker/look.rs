//! One look at everything that the engine has.

use super::readable::Here;
use super::{CALL_TIMEOUT, DRILL, Docker, DockerError};
use crate::reconcile::observed::{Container, DockerState, Volume};
use bollard::models::{ContainerSummary, Volume as Found};
use bollard::query_parameters::{ListContainersOptions, ListVolumesOptions};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Set by newer engines on volumes that nobody named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Docker {
    /// Lists volumes and containers, one call each, and finds out which volumes can be read from here. The state that
    /// comes back is up and was seen at `now`.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering in full; there is no half a look.
    pub async fn look(&self, now: Timestamp) -> Result<DockerState, DockerError> {
        let containers = ListContainersOptions { all: true, ..Default::default() };
        let (version, volumes, containers) = tokio::try_join!(
            self.call("tell its version", CALL_TIMEOUT, self.client.version()),
            self.call("list its volumes", CALL_TIMEOUT, self.client.list_volumes(None::<ListVolumesOptions>)),
            self.call("list its containers", CALL_TIMEOUT, self.client.list_containers(Some(containers))),
        )?;
        let containers: BTreeMap<_, _> = containers
            .into_iter()
            .map(container)
            .filter(|container| !container.labels.contains_key(DRILL))
            .map(|container| (container.name.clone(), container))
            .collect();
        let mut volumes = volumes.volumes.unwrap_or_default();
        // What a drill works with is nobody's data, and no policy is to speak of it.
        volumes.retain(|volume| !volume.labels.contains_key(DRILL));
        let mut volumes = self.probe(volumes, now).await?;
        for container in containers.values() {
            for name in container.volumes.keys() {
                if let Some(volume) = volumes.get_mut(name) {
                    volume.used_by.push(container.name.clone());
                }
            }
        }
        Ok(DockerState {
            up: true,
            message: String::new(),
            version: version.version.unwrap_or_default(),
            seen_at: Some(now),
            volumes,
            containers,
        })
    }

    /// Every container, running or not, by name. Waits for no file system.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn containers(&self) -> Result<BTreeMap<String, Container>, DockerError> {
        let all = ListContainersOptions { all: true, ..Default::default() };
        let found = self.call("list its containers", CALL_TIMEOUT, self.client.list_containers(Some(all))).await?;
        Ok(found.into_iter().map(container).map(|container| (container.name.clone(), container)).collect())
    }

    /// One volume as it is this moment, for whoever is about to read it: one that Docker mounts for a container may have been
    /// unmounted since the last look, and an empty directory is then in its place. `used_by` is left empty.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] when there is none.
    pub async fn volume(&self, name: &str, now: Timestamp) -> Result<Volume, DockerError> {
        let what = format!("inspect volume {name}");
        let found = self.call(&what, CALL_TIMEOUT, self.client.inspect_volume(name)).await?;
        let mut volumes = self.probe(vec![found], now).await?;
        volumes
            .remove(name)
            .ok_or_else(|| DockerError::NotFound { what, message: "it answered with another".to_owned() })
    }

    /// Finds out which volumes can be read from here. A file system that hangs holds up one thread and no more.
    async fn probe(&self, found: Vec<Found>, now: Timestamp) -> Result<BTreeMap<String, Volume>, DockerError> {
        let remote = matches!(self.address, super::Address::Tcp(_));
        let probe = async {
            let turn = self.probing.clone().lock_owned().await;
            let probe = tokio::task::spawn_blocking(move || {
                let here = Here::look(if remote { Some((&found, now)) } else { None });
                let volumes = found.into_iter().map(|volume| (volume.name.clone(), volume_of(volume, &here))).collect();
                drop(turn);
                volumes
            });
            probe.await.ok()
        };
        match tokio::time::timeout(CALL_TIMEOUT, probe).await {
            Ok(Some(volumes)) => Ok(volumes),
            Ok(None) | Err(_) => Err(DockerError::Directories { after: CALL_TIMEOUT }),
        }
    }
}

fn volume_of(volume: Found, here: &Here) -> Volume {
    Volume {
        readable: here.readable(&volume),
        anonymous: volume.labels.contains_key(ANONYMOUS) || is_random(&volume.name),
        name: volume.name,
        driver: volume.driver,
        options: sorted(volume.options),
        labels: sorted(volume.labels),
        used_by: Vec::new(),
    }
}

fn container(summary: ContainerSummary) -> Container {
    let id = summary.id.unwrap_or_default();
    let (mut volumes, mut binds) = (BTreeMap::new(), Vec::new());
    for mount in summary.mounts.unwrap_or_default() {
        match (mount.typ.as_deref(), mount.name, mount.source) {
            // One volume may be mounted at several places.
            (Some("volume"), Some(name), _) => *volumes.entry(name).or_insert(false) |= mount.rw.unwrap_or(true),
            (Some("bind"), _, Some(source)) => binds.push(source.into()),
            _ => {}
        }
    }
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Container {
        networks: networks.into_keys().collect::<BTreeSet<_>>().into_iter().collect(),
        name: own_name(&summary.names.unwrap_or_default()).unwrap_or(&id).to_owned(),
        id,
        image: summary.image.unwrap_or_default(),
        image_id: summary.image_id.unwrap_or_default(),
        state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
        labels: sorted(summary.labels.unwrap_or_default()),
        volumes,
        binds,
    }
}

/// A container's own name; `/other/alias` is how links of other containers call it.
fn own_name(names: &[String]) -> Option<&str> {
    names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'))
}

/// The form of name that Docker makes up: 64 hexadecimal digits.
fn is_random(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn sorted(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_of_a_link_is_not_a_name() {
        let names = ["/web/db".to_owned(), "/db".to_owned()];
        assert_eq!(own_name(&names), Some("db"));
        assert_eq!(own_name(&[]), None);
    }

    #[test]
    fn only_sixty_four_hexadecimal_digits_are_random() {
        assert!(is_random(&"0af".repeat(22)[..64]));
        assert!(!is_random(&"0ag".repeat(22)[..64]));
        assert!(!is_random(&"A".repeat(64)));
        assert!(!is_random("n8n_data"));
    }

    #[test]
    fn a_volume_mounted_twice_is_writable_when_one_mount_is() {
        let mount = |rw| bollard::models::MountPoint {
            typ: Some("volume".to_owned()),
            name: Some("v".to_owned()),
            rw: Some(rw),
            ..Default::default()
        };
        for mounts in [vec![mount(true), mount(false)], vec![mount(false), mount(true)]] {
            let summary = ContainerSummary { id: Some("1".into()), mounts: Some(mounts), ..Default::default() };
            assert_eq!(container(summary).volumes, BTreeMap::from([("v".to_owned(), true)]));
        }
    }
}
