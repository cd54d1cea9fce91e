//! Looking into repositories without an operator and beside one: nothing is written, no state is held.

use super::Options;
use crate::adapters::docker::Docker;
use crate::adapters::repository::{Registry, RepositoryAdapter, RepositoryError};
use crate::clock::{Clock, SystemClock};
use crate::observe;
use crate::policy::Desired;
use crate::reconcile::{Container, DockerState};
use crate::status::persist::StateDir;
use crate::store;
use anyhow::{Context, bail};
use std::sync::Arc;

/// The repositories that are in force, by the policy files and what was accepted of them.
#[derive(Debug)]
pub struct Peek {
    desired: Arc<Desired>,
    registry: Registry,
}

impl Peek {
    /// Reads the policies.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn open(options: &Options) -> anyhow::Result<Self> {
        let state = StateDir::open_read_only(&options.state)?;
        let desired = store::load_once(&options.policies, &state, SystemClock.now()).desired;
        Ok(Self { desired, registry: Registry::new(&options.state) })
    }

    /// What is in force.
    #[must_use]
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Opens repositories.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Works with a repository. None is made.
    ///
    /// # Errors
    /// It is not in force or not there, and those of the work.
    pub fn with<T>(
        &self,
        repository: &str,
        work: impl FnOnce(&RepositoryAdapter) -> Result<T, RepositoryError>,
    ) -> anyhow::Result<T> {
        let Some(known) = self.desired.repositories.get(repository) else {
            let known: Vec<&str> = self.desired.repositories.keys().map(String::as_str).collect();
            bail!("no repository {repository} is in force; there is {}", known.join(", "));
        };
        self.registry.with_existing(known, work).map_err(|error| anyhow::anyhow!("{}", error.told()))
    }
}

/// The engine as it is now; that it does not answer is part of the look.
///
/// # Errors
/// Its address cannot be used.
pub fn docker_once(options: &Options) -> anyhow::Result<DockerState> {
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    Ok(runtime.block_on(observe::docker::observe_once(&docker, SystemClock.now())))
}

/// Every container of the host.
///
/// # Errors
/// Docker does not answer.
pub fn containers(options: &Options) -> anyhow::Result<Vec<Container>> {
    let docker = Docker::connect(options.docker_host.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    let found = runtime.block_on(docker.containers()).context("Docker does not tell its containers")?;
    Ok(found.into_values().collect())
}
