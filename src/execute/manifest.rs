//! What travels with a snapshot, so that a volume can be rebuilt on a host that knows nothing of it.

use crate::policy::{Bucket, Desired, PathSource, Policy, PostgresSource, S3Access};
use crate::reconcile::{Container, DockerState, Volume};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The manifest. Equal for an unchanged world, so that an unchanged volume adds nothing to the repository.
pub(super) fn of(policy: &Policy, volume: &Volume, docker: &DockerState) -> Value {
    let containers: Vec<Value> =
        volume.used_by.iter().filter_map(|name| docker.containers.get(name)).map(|c| container(c, volume)).collect();
    json!({
        "apiVersion": "seawall.dev/v1",
        "kind": "Manifest",
        "volume": {
            "name": volume.name,
            "driver": volume.driver,
            "options": volume.options,
            "labels": volume.labels,
            "anonymous": volume.anonymous,
        },
        "containers": containers,
        "policy": { "name": policy.name, "text": &*policy.text },
        "dockerVersion": docker.version,
    })
}

/// The same for a path of the host.
pub(super) fn of_path(policy: &Policy, source: &PathSource, file: bool) -> Value {
    json!({
        "apiVersion": "seawall.dev/v1",
        "kind": "Manifest",
        "path": { "path": source.path, "file": file },
        "policy": { "name": policy.name, "text": &*policy.text },
    })
}

/// The same for a volume that is not there, and of which nothing more is known.
pub(super) fn of_lost(policy: &Policy, name: &str) -> Value {
    json!({
        "apiVersion": "seawall.dev/v1",
        "kind": "Manifest",
        "volume": { "name": name, "driver": "local", "options": {}, "labels": {}, "anonymous": false },
        "containers": [],
        "policy": { "name": policy.name, "text": &*policy.text },
    })
}

/// The same for a database; what its server says of itself is added once it has been asked.
pub(super) fn of_database(policy: &Policy, source: &PostgresSource) -> Value {
    json!({
        "apiVersion": "seawall.dev/v1",
        "kind": "Manifest",
        "postgres": { "dump": source.dump_file(), "globals": source.globals, "heartbeat": source.heartbeat },
        "policy": { "name": policy.name, "text": &*policy.text },
    })
}

/// With what a host that has nothing needs besides: which repository this is, and every document that was in force, those
/// among them of which there are no snapshots. Secrets are in none of them.
pub(super) fn with_documents(mut manifest: Value, desired: &Desired, repository: &str) -> Value {
    let policies = desired.policies.values().map(|policy| ("BackupPolicy", &policy.name, &policy.text));
    let repositories = desired.repositories.values().map(|known| ("Repository", &known.name, &known.text));
    let documents: Vec<Value> = policies
        .chain(repositories)
        .filter(|(_, _, text)| !text.is_empty())
        .map(|(kind, name, text)| json!({ "kind": kind, "name": name, "text": &**text }))
        .collect();
    manifest["repository"] = repository.into();
    manifest["documents"] = documents.into();
    manifest
}

/// The same for a bucket.
pub(super) fn of_bucket(policy: &Policy, source: &Bucket, access: &S3Access) -> Value {
    json!({
        "apiVersion": "seawall.dev/v1",
        "kind": "Manifest",
        "bucket": {
            "provider": source.provider.as_str(),
            "name": source.name,
            "prefix": source.prefix,
            "endpoint": access.endpoint,
            "region": access.region,
        },
        "policy": { "name": policy.name, "text": &*policy.text },
    })
}

fn container(container: &Container, volume: &Volume) -> Value {
    let orchestration: BTreeMap<&String, &String> = container
        .labels
        .iter()
        .filter(|(key, _)| key.starts_with("com.docker.compose.") || key.starts_with("com.docker.stack."))
        .collect();
    json!({
        "name": container.name,
        "image": container.image,
        "imageId": container.image_id,
        "writes": container.volumes.get(&volume.name).copied().unwrap_or(false),
        "networks": container.networks,
        "compose": orchestration,
    })
}
