//! Volumes, containers and networks that serve one drill and then go away.
//!
//! Each carries the label [`DRILL`] with the name of its run, and [`OWNER`] with who made it, so that a crash leaves
//! nothing that could not be found again, and nobody removes what another Seawall on the same engine works with.

use super::{CALL_TIMEOUT, Docker, DockerError, Executed};
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, MountVolumeOptions, NetworkCreateRequest,
    RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
    LogsOptions, RemoveContainerOptions, RemoveVolumeOptions,
};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::sleep;

/// The label of everything that was made for a drill; its value is the run.
pub const DRILL: &str = "dev.seawall.drill";
/// The label that says who made it.
pub const OWNER: &str = "dev.seawall.owner";

/// How much of a container's output is kept, from its end, bytes.
const OUTPUT_KEPT: usize = 4 << 10;
/// How often a container is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Removing a volume means removing its files.
const REMOVE_TIMEOUT: Duration = Duration::from_mins(10);

/// For whom something is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// Who makes it: tells several Seawalls on one engine apart.
    pub owner: String,
    /// The run. Names are made of it.
    pub run: String,
}

impl Purpose {
    /// The name of the volume.
    #[must_use]
    pub fn name(&self) -> String {
        format!("seawall-drill-{}", self.run)
    }

    /// The name of what serves one check: its container, and its network.
    #[must_use]
    pub fn name_of(&self, nth: usize) -> String {
        format!("{}-{nth}", self.name())
    }

    fn labels(&self) -> HashMap<String, String> {
        HashMap::from([(DRILL.to_owned(), self.run.clone()), (OWNER.to_owned(), self.owner.clone())])
    }
}

/// A container that looks at what was restored, or that it is restored into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its image, which is there already.
    pub image: String,
    /// What comes before the command; `None`: what the image says.
    pub entrypoint: Option<String>,
    /// What it runs; empty: what the image says.
    pub command: Vec<String>,
    /// As whom; `None`: as the image says.
    pub user: Option<String>,
    /// Variables, as `NAME=VALUE`.
    pub env: Vec<String>,
    /// Where the scratch volume is in it.
    pub mount_path: String,
    /// The network that it joins; `None`: none at all.
    pub network: Option<String>,
}

impl Docker {
    /// Makes the scratch volume of a drill.
    ///
    /// # Errors
    /// Whatever keeps the engine from it.
    pub async fn make_scratch(&self, purpose: &Purpose) -> Result<(), DockerError> {
        let what = format!("make volume {}", purpose.name());
        let request = VolumeCreateRequest {
            name: Some(purpose.name()),
            driver: Some("local".to_owned()),
            labels: Some(purpose.labels()),
            ..VolumeCreateRequest::default()
        };
        self.call(&what, CALL_TIMEOUT, self.client.create_volume(request)).await.map(drop)
    }

    /// Makes a network between this host and the container of one check, from which no way leads on.
    ///
    /// # Errors
    /// Whatever keeps the engine from it: where the kernel has no bridges, it cannot.
    pub async fn make_scratch_network(&self, purpose: &Purpose, nth: usize) -> Result<(), DockerError> {
        let what = format!("make network {}", purpose.name_of(nth));
        let request = NetworkCreateRequest {
            name: purpose.name_of(nth),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            labels: Some(purpose.labels()),
            ..NetworkCreateRequest::default()
        };
        self.call(&what, CALL_TIMEOUT, self.client.create_network(request)).await.map(drop)
    }

    /// Whether the engine has an image. It is never asked to fetch one.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        let what = format!("inspect image {image}");
        match self.call(&what, CALL_TIMEOUT, self.client.inspect_image(image)).await {
            Ok(_) => Ok(true),
            Err(DockerError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts a container with the scratch volume in it; returns its id.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] without the image; whatever else keeps the engine from it.
    pub async fn start_probe(&self, purpose: &Purpose, nth: usize, probe: &Probe) -> Result<String, DockerError> {
        let what = format!("make a container of image {}", probe.image);
        let mount = Mount {
            target: Some(probe.mount_path.clone()),
            source: Some(purpose.name()),
            typ: Some(MountType::VOLUME),
            // What the image has at that place must not be taken for something that was restored.
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        };
        let bounded = [("max-size", "10m"), ("max-file", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let restart = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), ..RestartPolicy::default() };
        let body = ContainerCreateBody {
            image: Some(probe.image.clone()),
            entrypoint: probe.entrypoint.clone().map(|program| vec![program]),
            cmd: (!probe.command.is_empty()).then(|| probe.command.clone()),
            user: probe.user.clone(),
            env: Some(probe.env.clone()),
            labels: Some(purpose.labels()),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                network_mode: Some(probe.network.clone().unwrap_or_else(|| "none".to_owned())),
                restart_policy: Some(restart),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                log_config: Some(HostConfigLogConfig {
                    typ: Some("json-file".to_owned()),
                    config: Some(HashMap::from(bounded)),
                }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions { name: Some(purpose.name_of(nth)), ..CreateContainerOptions::default() };
        let made = self.call(&what, CALL_TIMEOUT, self.client.create_container(Some(options), body)).await?;
        self.start(&made.id).await?;
        Ok(made.id)
    }

    /// Waits for the end of a container; its exit code and the end of its output.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] when it is removed meanwhile; see [`DockerError`].
    pub async fn probe_ended(&self, id: &str) -> Result<Executed, DockerError> {
        loop {
            let now = self.inspect(id).await?;
            if matches!(now.state.as_str(), "exited" | "dead") {
                return Ok(Executed { code: now.exit_code, output: self.output(id).await? });
            }
            sleep(LOOK).await;
        }
    }

    /// The end of what a container wrote.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn output(&self, id: &str) -> Result<String, DockerError> {
        let options = LogsOptions { stdout: true, stderr: true, tail: "100".to_owned(), ..LogsOptions::default() };
        let read = async {
            let mut kept = Vec::new();
            let mut pieces = std::pin::pin!(self.client.logs(id, Some(options)));
            while let Some(piece) = pieces.next().await {
                kept.extend_from_slice(&piece?.into_bytes());
                kept.drain(..kept.len().saturating_sub(OUTPUT_KEPT));
            }
            Ok(String::from_utf8_lossy(&kept).trim().to_owned())
        };
        self.call("tell what the container wrote", CALL_TIMEOUT, read).await
    }

    /// The address of a container in a network; `None`: it has none, or not yet.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn address_in(&self, id: &str, network: &str) -> Result<Option<IpAddr>, DockerError> {
        let what = format!("inspect container {id}");
        let call = self.client.inspect_container(id, None::<InspectContainerOptions>);
        let found = self.call(&what, CALL_TIMEOUT, call).await?;
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let endpoint = networks.get(network);
        Ok(endpoint.and_then(|endpoint| endpoint.ip_address.as_deref()).and_then(|text| text.parse().ok()))
    }

    /// Ends and removes a container.
    ///
    /// # Errors
    /// Whatever keeps the engine from it.
    pub async fn remove_probe(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptions { v: true, force: true, ..RemoveContainerOptions::default() };
        let what = format!("remove container {id}");
        self.call(&what, REMOVE_TIMEOUT, self.client.remove_container(id, Some(options))).await
    }

    /// Removes everything that `owner` made for drills: that of one run, or all. Returns the names of what was there.
    ///
    /// # Errors
    /// The first that could not be removed; what could be is removed all the same.
    pub async fn remove_scratch(&self, owner: &str, run: Option<&str>) -> Result<Vec<String>, DockerError> {
        let drill = run.map_or_else(|| DRILL.to_owned(), |run| format!("{DRILL}={run}"));
        let filters = HashMap::from([("label".to_owned(), vec![drill, format!("{OWNER}={owner}")])]);
        let (mut removed, mut trouble) = (Vec::new(), None);
        let mut note = |name: String, result: Result<(), DockerError>| match result {
            Ok(()) => removed.push(name),
            Err(DockerError::NotFound { .. }) => {}
            Err(error) => {
                trouble.get_or_insert(error);
            }
        };
        let options =
            ListContainersOptions { all: true, filters: Some(filters.clone()), ..ListContainersOptions::default() };
        let containers = self.call("list its containers", CALL_TIMEOUT, self.client.list_containers(Some(options)));
        for id in containers.await?.into_iter().filter_map(|container| container.id) {
            let result = self.remove_probe(&id).await;
            note(format!("container {id}"), result);
        }
        let options = ListNetworksOptions { filters: Some(filters.clone()) };
        let networks = self.call("list its networks", CALL_TIMEOUT, self.client.list_networks(Some(options)));
        for name in networks.await?.into_iter().filter_map(|network| network.name) {
            let what = format!("remove network {name}");
            let result = self.call(&what, CALL_TIMEOUT, self.client.remove_network(&name)).await;
            note(format!("network {name}"), result);
        }
        let options = ListVolumesOptions { filters: Some(filters) };
        let volumes = self.call("list its volumes", CALL_TIMEOUT, self.client.list_volumes(Some(options)));
        for volume in volumes.await?.volumes.unwrap_or_default() {
            let what = format!("remove volume {}", volume.name);
            let options = RemoveVolumeOptions { force: true };
            let call = self.client.remove_volume(&volume.name, Some(options));
            let result = self.call(&what, REMOVE_TIMEOUT, call).await;
            note(format!("volume {}", volume.name), result);
        }
        trouble.map_or(Ok(removed), Err)
    }
}
