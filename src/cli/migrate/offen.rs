//! From the configuration of docker-volume-backup to policies.

use super::compose::{Mount, Project, Service};
use super::env::Variables;
use super::quiesce::Labels;
use super::repository;
use super::schedule;
use super::variables::{Fate, fate};
use super::write::{Document, Lines, name, quoted};
use crate::policy::{Kind, Rule, Schedule, parse};
use std::path::Path;
use std::time::Duration;

const IMAGE: &str = "offen/docker-volume-backup";
/// Where it looks for a configuration for each of several schedules.
pub(super) const CONF_D: &str = "/etc/dockervolumebackup/conf.d";

/// One schedule of a backup service: its variables, and the file that they are from where that is one of conf.d.
pub(super) struct Configuration {
    pub file: Option<String>,
    pub variables: Variables,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Converted {
    pub documents: Vec<Document>,
    /// What has no counterpart, or is other than it was.
    pub remarks: Vec<String>,
    pub taken: Vec<String>,
}

/// Whether a service makes backups.
pub(super) fn is_backup(service: &Service) -> bool {
    let own_image = || service.variables.keys().any(|name| name.starts_with("BACKUP_"));
    service.image.contains(IMAGE) || own_image()
}

/// Converts what one schedule of a service backs up.
pub(super) fn convert(project: &Project, service: &str, configuration: &Configuration, into: &mut Converted) {
    let Some(backup) = project.services.get(service) else { return };
    let mut variables = backup.variables.clone();
    variables.extend(configuration.variables.clone());
    let origin = match &configuration.file {
        Some(file) => format!("{}: service {service}, {file}", project.file.display()),
        None => format!("{}: service {service}", project.file.display()),
    };
    let mut remarks = Vec::new();
    let sources = variables.get("BACKUP_SOURCES").map_or("/backup", String::as_str).trim_end_matches('/');
    let below = |mount: &&Mount| Path::new(&mount.to).starts_with(sources);
    let mounts: Vec<&Mount> = backup.mounts.iter().filter(below).collect();
    if mounts.is_empty() {
        remarks.push(format!("nothing is mounted at {sources}, so there is nothing to back up"));
    }
    let retained = Retained::of(&variables, project, backup, into, &mut remarks);
    let volumes = mounts.iter().filter(|mount| !mount.is_path()).map(|mount| mount.from.as_str()).collect();
    let labels = Labels::new(project, &variables, volumes);
    for mount in mounts {
        let wanted = match &configuration.file {
            Some(file) => {
                format!("{}-{}", stem(mount), Path::new(file).file_stem().unwrap_or_default().to_string_lossy())
            }
            None => stem(mount),
        };
        let mut lines = Lines::default();
        lines.remark(&format!("From {origin}, mount {}:{}", mount.from, mount.to));
        let name = name(&wanted, &mut into.taken);
        let one = One { project, variables: &variables, mount, labels: &labels, retained: &retained, name: &name };
        if one.write(&mut lines, &mut remarks) {
            into.documents.push(checked(Document { name, text: lines.into_text() }, &mut remarks));
        }
    }
    labels.lost(&mut remarks);
    for name in variables.keys() {
        match fate(name) {
            Some(Fate::Lost(why)) => remarks.push(format!("{name} has no counterpart: {why}")),
            Some(Fate::Moot(why)) => remarks.push(format!("{name} is not needed: {why}")),
            Some(Fate::Taken) | None => {}
        }
    }
    into.remarks.extend(remarks.into_iter().map(|remark| format!("{origin}: {remark}")));
}

/// A name for a policy: the volume's, or the last part of the path.
fn stem(mount: &Mount) -> String {
    mount.from.rsplit('/').find(|part| !part.is_empty() && *part != ".").unwrap_or("backup").to_owned()
}

/// What is alike for all that one schedule backs up.
struct Retained {
    retention: Option<(String, String)>,
    /// Names of repositories, and what each is from.
    repositories: Vec<(String, &'static str)>,
}

impl Retained {
    fn of(
        variables: &Variables,
        project: &Project,
        backup: &Service,
        into: &mut Converted,
        remarks: &mut Vec<String>,
    ) -> Self {
        let days = variables.get("BACKUP_RETENTION_DAYS").and_then(|days| days.trim().parse::<i64>().ok());
        let retention = match days {
            Some(0) => Some(("retention: {keepLast: 1}".to_owned(), "BACKUP_RETENTION_DAYS=0".to_owned())),
            Some(days) if days > 0 => Some((
                format!("retention: {{keepWithin: {days}d, keepLast: 1}}"),
                format!("BACKUP_RETENTION_DAYS={days}"),
            )),
            _ => None,
        };
        let mut repositories = Vec::new();
        repositories.extend(repository::local(variables, project, backup, into, remarks));
        let alone = repositories.is_empty();
        repositories.extend(repository::bucket(variables, project, alone, into, remarks));
        Self { retention, repositories }
    }
}

/// One policy.
struct One<'a> {
    project: &'a Project,
    variables: &'a Variables,
    mount: &'a Mount,
    labels: &'a Labels<'a>,
    retained: &'a Retained,
    name: &'a str,
}

impl One<'_> {
    /// Whether there is one.
    fn write(&self, lines: &mut Lines, remarks: &mut Vec<String>) -> bool {
        let mut source = Lines::default();
        let mount = self.mount;
        if mount.is_path() {
            let Some(path) = self.project.path(mount) else {
                remarks.push(format!("the mount {} is left out: whose home `~` is, is not known here", mount.from));
                return false;
            };
            source.line(2, "path:", "");
            source.line(3, &format!("path: {}", quoted(&path.display().to_string())), "a bind mount");
            self.exclude(&mut source, remarks);
            if self.project.services.values().any(|service| {
                !is_backup(service) && service.mounts.iter().any(|other| other.from == mount.from && !other.read_only)
            }) {
                remarks.push(format!("no container is stopped for {}: policies of a `path` touch none", mount.from));
            }
        } else {
            let volume = self.project.volume(&mount.from);
            source.line(2, "volume:", "");
            let from = format!("volume {} of project {}, by {}", mount.from, self.project.name, self.project.named_by);
            source.line(3, &format!("name: {}", quoted(&volume)), &from);
            self.exclude(&mut source, remarks);
            self.labels.write(&mount.from, &mut source, remarks);
        }
        for line in ["apiVersion: seawall.dev/v1", "kind: BackupPolicy"] {
            lines.line(0, line, "");
        }
        lines.line(0, &format!("metadata: {{name: {}}}", self.name), "");
        lines.line(0, "spec:", "");
        lines.line(1, "source:", "");
        for line in source.into_text().lines() {
            lines.line(0, line, "");
        }
        self.schedule(lines, remarks);
        let (names, from): (Vec<&str>, Vec<&str>) =
            self.retained.repositories.iter().map(|(name, from)| (name.as_str(), *from)).unzip();
        if !names.is_empty() {
            lines.line(1, &format!("repositories: [{}]", names.join(", ")), &from.join(", "));
        }
        if let Some((text, from)) = &self.retained.retention {
            lines.line(1, text, from);
        }
        true
    }

    fn schedule(&self, lines: &mut Lines, remarks: &mut Vec<String>) {
        let daily = "@daily".to_owned();
        let (cron, from) = match self.variables.get("BACKUP_CRON_EXPRESSION") {
            Some(cron) => (cron, format!("BACKUP_CRON_EXPRESSION={cron}")),
            None => (&daily, "the default of docker-volume-backup".to_owned()),
        };
        let zone = self.variables.get("TZ").map_or("UTC", String::as_str);
        let known = Schedule::new(Rule::Cron("@daily".to_owned()), zone, Duration::ZERO, None).is_ok();
        if !known {
            remarks.push(format!("TZ={zone} is no time zone that is known by name: UTC is written instead"));
        }
        let written = schedule::convert(cron, if known { zone } else { "UTC" });
        lines.line(1, &format!("schedule: {{{}}}", written.text), &from);
        if written.never {
            lines.line(1, "suspend: true", "until there is a schedule");
        }
        remarks.extend(written.differs);
        let local = ["/etc/localtime", "/etc/timezone"];
        let services = self.project.services.values().filter(|service| is_backup(service));
        if !self.variables.contains_key("TZ")
            && services.flat_map(|s| &s.mounts).any(|mount| local.contains(&&*mount.to))
        {
            remarks.push(
                "its time zone is the host's, by /etc/localtime: write that into `timeZone` in place of UTC".to_owned(),
            );
        }
    }

    fn exclude(&self, lines: &mut Lines, remarks: &mut Vec<String>) {
        let Some(expression) = self.variables.get("BACKUP_EXCLUDE_REGEXP").filter(|text| !text.is_empty()) else {
            return;
        };
        match globs(expression) {
            Some(globs) => {
                let globs: Vec<String> = globs.iter().map(|glob| quoted(glob)).collect();
                let from = format!("BACKUP_EXCLUDE_REGEXP={expression}");
                lines.line(3, &format!("exclude: [{}]", globs.join(", ")), &from);
            }
            None => remarks.push(format!(
                "BACKUP_EXCLUDE_REGEXP={expression} is left out: excludes are globs here, such as `*.log` or `cache/**`"
            )),
        }
    }
}

/// The globs that mean what a simple expression does: `\.log$`, `\.(log|tmp)$`, `/cache/`.
fn globs(expression: &str) -> Option<Vec<String>> {
    let plain = |text: &str| {
        let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (word && !text.is_empty()).then(|| text.to_owned())
    };
    if let Some(name) = expression.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return plain(name).map(|name| vec![format!("{name}/")]);
    }
    let ending = expression.strip_suffix('$')?.strip_prefix("\\.")?;
    let endings = ending.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(ending);
    endings.split('|').map(|ending| plain(ending).map(|ending| format!("*.{ending}"))).collect()
}

/// A document that Seawall itself would refuse is told as such, and not silently handed out.
pub(super) fn checked(document: Document, remarks: &mut Vec<String>) -> Document {
    let parsed = parse(Path::new(&format!("{}.yaml", document.name)), document.text.as_bytes());
    for error in parsed.errors {
        remarks.push(format!("{}.yaml has to be put right by hand: {error}", document.name));
    }
    document
}

/// What documents there are, in the order in which they are best read.
pub(super) fn is_repository(document: &Document) -> bool {
    document.text.contains(&format!("\nkind: {}\n", Kind::Repository.as_str()))
}

#[cfg(test)]
mod tests {
    use super::globs;

    #[test]
    fn simple_expressions_become_globs() {
        let all = |globs: &[&str]| Some(globs.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(globs(r"\.log$"), all(&["*.log"]));
        assert_eq!(globs(r"\.(log|tmp)$"), all(&["*.log", "*.tmp"]));
        assert_eq!(globs("/cache/"), all(&["cache/"]));
        for other in [".*", r"\.log", "^/backup/x$", r"\.(a|b*)$", "/a/b/", r"\.()$"] {
            assert_eq!(globs(other), None, "{other}");
        }
    }
}
