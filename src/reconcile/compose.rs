//! What Compose's labels on containers tell of its projects.

use crate::policy::shell::word;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A Compose project of the host, as its containers' labels tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Where it was started from; empty: not told.
    pub directory: String,
    /// Its files, in the order in which they were given.
    pub files: Vec<String>,
}

impl Project {
    /// The command that does something with it, such as `up -d`.
    #[must_use]
    pub fn command(&self, name: &str, what: &str) -> String {
        let files: Vec<String> = self.files.iter().map(|file| format!(" -f {}", word(file))).collect();
        let at = if self.directory.is_empty() { String::new() } else { format!("cd {} && ", word(&self.directory)) };
        format!("{at}docker compose -p {}{} {what}", word(name), files.concat())
    }
}

/// The projects that containers with these labels belong to, by name.
#[must_use]
pub fn projects<'a>(labels: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, Project> {
    let mut projects = BTreeMap::new();
    for labels in labels {
        let label = |name: &str| labels.get(&format!("com.docker.compose.{name}")).map_or("", String::as_str);
        if !label("project").is_empty() {
            projects.entry(label("project").to_owned()).or_insert_with(|| Project {
                directory: label("project.working_dir").to_owned(),
                files: label("project.config_files").split(',').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
            });
        }
    }
    projects
}
