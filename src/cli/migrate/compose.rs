//! What a Compose file says of services, volumes and labels, as far as a backup cares.

use super::env::{self, Variables};
use anyhow::Context;
use serde_json::Value;
use serde_yaml::Options;
use serde_yaml::budget::Budget;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A Compose file may not be larger than this.
const MOST_BYTES: u64 = 4 << 20;

/// One project: a file with what it refers to.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub file: PathBuf,
    pub name: String,
    /// How its name is known, for whoever has to check it.
    pub named_by: &'static str,
    pub services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Value>,
}

/// One service.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub image: String,
    pub container: Option<String>,
    pub variables: Variables,
    pub labels: Variables,
    pub mounts: Vec<Mount>,
}

/// One mount of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// A volume's key in the file, or a path of the host.
    pub from: String,
    pub to: String,
    pub read_only: bool,
}

impl Mount {
    /// Whether it is a directory or file of the host.
    pub fn is_path(&self) -> bool {
        self.from.starts_with(['/', '.', '~'])
    }
}

impl Project {
    /// Reads a file and the environment files that it names. `name`: what a person says that the project is called.
    pub fn read(file: &Path, name: Option<&str>) -> anyhow::Result<Self> {
        let directory = std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        let directory = directory.parent().unwrap_or(Path::new("/")).to_owned();
        let dot_env = fs::read_to_string(directory.join(".env")).unwrap_or_default();
        let outer = env::parse(&dot_env, &Variables::new());
        let raw = yaml(file)?;
        let raw = interpolated(raw, &|name| outer.get(name).cloned());
        let own = raw.get("name").and_then(Value::as_str);
        let (name, named_by) = match (name, own, outer.get("COMPOSE_PROJECT_NAME")) {
            (Some(name), ..) => (name.to_owned(), "--project"),
            (None, Some(name), _) => (name.to_owned(), "its `name`"),
            (None, None, Some(name)) => (name.clone(), "COMPOSE_PROJECT_NAME in .env"),
            (None, None, None) => (project_of(&directory), "the name of its directory; else say `--project`"),
        };
        let mut project = Self { file: file.to_owned(), name, named_by, ..Self::default() };
        for (name, service) in map(raw.get("services")) {
            project.services.insert(name, Service::of(&service, &directory, &outer));
        }
        project.volumes = map(raw.get("volumes")).into_iter().collect();
        Ok(project)
    }

    /// What Docker calls a volume of the file.
    pub fn volume(&self, key: &str) -> String {
        let Some(volume) = self.volumes.get(key) else { return key.to_owned() };
        let external = match volume.get("external") {
            Some(Value::Bool(external)) => *external,
            Some(Value::Object(_)) => true,
            _ => false,
        };
        let named = volume.get("name").or_else(|| volume.get("external").and_then(|external| external.get("name")));
        match named.and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None if external => key.to_owned(),
            None => format!("{}_{key}", self.name),
        }
    }

    /// The absolute path of a mount of the host.
    pub fn path(&self, mount: &Mount) -> Option<PathBuf> {
        let file = std::path::absolute(&self.file).ok()?;
        let path = file.parent()?.join(&mount.from);
        // Nothing is known of whose home `~` is.
        (!mount.from.starts_with('~')).then(|| normal(&path))
    }
}

impl Service {
    fn of(raw: &Value, directory: &Path, outer: &Variables) -> Self {
        let text = |key: &str| raw.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut variables = Variables::new();
        let files = match raw.get("env_file") {
            Some(Value::Array(files)) => files.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        for file in files {
            let path = file.as_str().or_else(|| file.get("path").and_then(Value::as_str)).unwrap_or_default();
            // One that is not here is told by what lacks.
            let text = fs::read_to_string(directory.join(path)).unwrap_or_default();
            variables.extend(env::parse(&text, outer));
        }
        variables.extend(pairs(raw.get("environment"), outer));
        let mut labels = pairs(raw.get("labels"), &Variables::new());
        labels.extend(pairs(raw.get("deploy").and_then(|deploy| deploy.get("labels")), &Variables::new()));
        let mounts = list(raw.get("volumes")).iter().filter_map(mount).collect();
        Self { image: text("image").unwrap_or_default(), container: text("container_name"), variables, labels, mounts }
    }
}

fn yaml(file: &Path) -> anyhow::Result<Value> {
    let length = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    anyhow::ensure!(length <= MOST_BYTES, "{} is too large for a Compose file", file.display());
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut options = Options::default();
    options.budget = Some(Budget::default());
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.merge_keys = MergeKeyPolicy::Merge;
    serde_yaml::from_str_with_options(&text, options)
        .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", file.display()))
}

fn interpolated(value: Value, known: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(env::interpolate(&text, known)),
        Value::Array(items) => items.into_iter().map(|item| interpolated(item, known)).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, interpolated(value, known))).collect(),
        other => other,
    }
}

/// As Compose makes a project's name of its directory.
fn project_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let kept: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// A map, or a list of `NAME=VALUE`; a name alone has its value from around.
fn pairs(raw: Option<&Value>, outer: &Variables) -> Variables {
    let around = |name: &str| outer.get(name).cloned();
    match raw {
        Some(Value::Object(entries)) => {
            let value = |name: &str, value: &Value| match value {
                Value::Null => around(name),
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            entries.iter().filter_map(|(name, found)| Some((name.clone(), value(name, found)?))).collect()
        }
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|item| match item.split_once('=') {
                Some((name, value)) => Some((name.to_owned(), value.to_owned())),
                None => Some((item.to_owned(), around(item)?)),
            })
            .collect(),
        _ => Variables::new(),
    }
}

fn mount(raw: &Value) -> Option<Mount> {
    if let Some(text) = raw.as_str() {
        let mut parts = text.split(':');
        let (from, to, mode) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        let read_only = mode.split(',').any(|word| word == "ro");
        return Some(Mount { from: from.to_owned(), to: to.trim_end_matches('/').to_owned(), read_only });
    }
    let text = |key: &str| raw.get(key).and_then(Value::as_str);
    let read_only = raw.get("read_only").and_then(Value::as_bool).unwrap_or(false);
    let to = text("target")?.trim_end_matches('/').to_owned();
    Some(Mount { from: text("source")?.to_owned(), to, read_only })
}

fn map(raw: Option<&Value>) -> Vec<(String, Value)> {
    let entries = raw.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn list(raw: Option<&Value>) -> Vec<Value> {
    raw.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Without `.` and `..`, by the letters alone: what is not here cannot be resolved.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
        normal
    })
}
