//! Making volumes, and removing those that were made in vain.

use super::{CALL_TIMEOUT, Docker, DockerError};
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;
use std::collections::{BTreeMap, HashMap};

impl Docker {
    /// Makes a volume. Docker leaves one of that name that is there as it is.
    ///
    /// # Errors
    /// See [`DockerError`].
    pub async fn create_volume(
        &self,
        name: &str,
        driver: &str,
        options: &BTreeMap<String, String>,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), DockerError> {
        // Docker tells none from an empty list of them, and so do those who compare.
        let map = |map: &BTreeMap<String, String>| -> Option<HashMap<String, String>> {
            (!map.is_empty()).then(|| map.clone().into_iter().collect())
        };
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some(driver.to_owned()),
            driver_opts: map(options),
            labels: map(labels),
            ..VolumeCreateRequest::default()
        };
        let what = format!("make the volume {name}");
        self.call(&what, CALL_TIMEOUT, self.client.create_volume(request)).await.map(drop)
    }

    /// Removes a volume that nothing uses.
    ///
    /// # Errors
    /// See [`DockerError`].
    pub async fn remove_volume(&self, name: &str) -> Result<(), DockerError> {
        let what = format!("remove the volume {name}");
        self.call(&what, CALL_TIMEOUT, self.client.remove_volume(name, None::<RemoveVolumeOptions>)).await
    }
}
