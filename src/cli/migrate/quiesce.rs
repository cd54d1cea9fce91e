//! Labels that stop containers and run commands in them, as `quiesce` of a policy.

use super::compose::{Project, Service};
use super::env::{Variables, arguments};
use super::write::{Lines, quoted};

const PREFIX: &str = "docker-volume-backup.";

/// Which services a configuration stops, and in which it runs commands.
pub(super) struct Labels<'a> {
    project: &'a Project,
    stop: String,
    exec: Option<String>,
    timeout: Option<String>,
    /// Volumes that are backed up by it, by their keys.
    volumes: Vec<&'a str>,
}

/// A command before, and one after.
struct Hook<'a> {
    service: &'a str,
    container: String,
    pre: Option<Command>,
    post: Option<Command>,
}

/// Its arguments, and as whom.
type Command = (Vec<String>, Option<String>);

/// One of a hook's two commands.
type Side<'a> = fn(&'a Hook<'a>) -> Option<&'a Command>;

impl<'a> Labels<'a> {
    pub fn new(project: &'a Project, variables: &Variables, volumes: Vec<&'a str>) -> Self {
        let stop =
            variables.get("BACKUP_STOP_DURING_BACKUP_LABEL").or_else(|| variables.get("BACKUP_STOP_CONTAINER_LABEL"));
        Self {
            project,
            stop: stop.cloned().unwrap_or_else(|| "true".to_owned()),
            exec: variables.get("EXEC_LABEL").filter(|label| !label.is_empty()).cloned(),
            timeout: variables.get("BACKUP_STOP_SERVICE_TIMEOUT").cloned(),
            volumes,
        }
    }

    fn stops(&self, service: &Service) -> bool {
        let label = |name: &str| service.labels.get(&format!("{PREFIX}{name}"));
        label("stop-during-backup").or_else(|| label("stop-container-during-backup")) == Some(&self.stop)
    }

    /// Writes what makes the containers of a volume stand still, and says what is other than it was.
    pub fn write(&self, volume: &str, lines: &mut Lines, remarks: &mut Vec<String>) {
        let uses = |service: &Service| service.mounts.iter().any(|mount| mount.from == volume);
        let uses_any =
            |service: &Service| self.volumes.iter().any(|volume| service.mounts.iter().any(|m| m.from == *volume));
        let services = || self.project.services.iter().filter(|(_, service)| !super::offen::is_backup(service));
        let stopped: Vec<&str> =
            services().filter(|(_, s)| self.stops(s) && uses(s)).map(|(name, _)| name.as_str()).collect();
        let also: Vec<&str> =
            services().filter(|(_, s)| self.stops(s) && !uses_any(s)).map(|(name, _)| name.as_str()).collect();
        let hooks = self.hooks(volume);
        let timeout = self.timeout.as_ref().map_or_else(String::new, |timeout| format!(", timeout: {timeout}"));
        if !stopped.is_empty() || (!also.is_empty() && hooks.is_empty()) {
            let from = format!(
                "label {PREFIX}stop-during-backup={} of {}",
                self.stop,
                [stopped, also.clone()].concat().join(", ")
            );
            if also.is_empty() {
                lines.line(3, &format!("quiesce: {{mode: stop{timeout}}}"), &from);
            } else {
                let labels: Vec<String> = also
                    .iter()
                    .map(|name| {
                        let (project, name) = (quoted(&self.project.name), quoted(name));
                        format!(
                            "{{labels: {{com.docker.compose.project: {project}, com.docker.compose.service: {name}}}}}"
                        )
                    })
                    .collect();
                lines.line(3, &format!("quiesce: {{mode: stop{timeout}, also: [{}]}}", labels.join(", ")), &from);
            }
            let unlabelled = services().filter(|(_, s)| uses(s) && !self.stops(s));
            let writers =
                unlabelled.filter(|(_, s)| s.mounts.iter().any(|mount| mount.from == volume && !mount.read_only));
            let writers: Vec<&str> = writers.map(|(name, _)| name.as_str()).collect();
            if !writers.is_empty() {
                remarks.push(format!(
                    "{} has no label and writes to {volume}: `mode: stop` stops every container that does",
                    writers.join(", ")
                ));
            }
            for hook in hooks {
                remarks.push(format!(
                    "the commands of {} around a backup of {volume} are left out: a policy stops containers, or runs \
                     commands in them, and not both",
                    hook.service
                ));
            }
        } else if !hooks.is_empty() {
            if !also.is_empty() {
                remarks.push(format!(
                    "{} is not stopped for a backup of {volume}: a policy stops containers, or runs commands in them, and \
                     not both",
                    also.join(", ")
                ));
            }
            write_hooks(hooks, lines, remarks);
        }
    }

    /// The commands of services that use the volume, or use none that is backed up.
    fn hooks(&self, volume: &str) -> Vec<Hook<'a>> {
        let label = format!("{PREFIX}exec-label");
        let meant = |service: &&Service| self.exec.as_ref().is_none_or(|exec| service.labels.get(&label) == Some(exec));
        let concerned = |service: &&Service| {
            let uses = |volume: &str| service.mounts.iter().any(|mount| mount.from == volume);
            uses(volume) || !self.volumes.iter().any(|volume| uses(volume))
        };
        let services = self.project.services.iter().filter(|(_, service)| meant(service) && concerned(service));
        let hooks = services.map(|(name, service)| {
            let command = |phase: &str| {
                let old = phase.replace("archive", "exec");
                let label = |phase: &str| service.labels.get(&format!("{PREFIX}{phase}"));
                let command = label(phase).or_else(|| label(&old))?;
                let user = label(&format!("{phase}.user")).or_else(|| label(&format!("{old}.user")));
                Some((arguments(command), user.cloned())).filter(|(command, _)| !command.is_empty())
            };
            let container = service.container.clone().unwrap_or_else(|| format!("{}-{name}-1", self.project.name));
            Hook { service: name, container, pre: command("archive-pre"), post: command("archive-post") }
        });
        let mut hooks: Vec<Hook<'_>> = hooks.filter(|hook| hook.pre.is_some() || hook.post.is_some()).collect();
        // The nth of `post` undoes the nth of `pre`.
        hooks.sort_by_key(|hook| (hook.pre.is_none(), hook.post.is_none()));
        hooks
    }

    /// Labels that nothing stands for.
    pub fn lost(&self, remarks: &mut Vec<String>) {
        for (name, service) in &self.project.services {
            for label in service.labels.keys().filter_map(|label| label.strip_prefix(PREFIX)) {
                let phase = label.trim_end_matches(".user");
                let lost = match phase {
                    "stop-during-backup-no-restart" => "what Seawall stops it starts again, whatever happens",
                    "process-pre" | "process-post" | "copy-pre" | "copy-post" | "prune-pre" | "prune-post" => {
                        "commands run before and after the volume is read, and around nothing else"
                    }
                    _ => continue,
                };
                if phase == label {
                    remarks.push(format!("label {PREFIX}{label} of {name} is left out: {lost}"));
                }
            }
        }
    }
}

fn write_hooks(hooks: Vec<Hook<'_>>, lines: &mut Lines, remarks: &mut Vec<String>) {
    let (paired, alone): (Vec<_>, Vec<_>) = hooks.into_iter().partition(|hook| hook.pre.is_some());
    for hook in alone.iter().filter(|_| !paired.is_empty()) {
        remarks.push(format!(
            "the command of {} after a backup is left out: each of `post` undoes one of `pre`, and it has none",
            hook.service
        ));
    }
    let hooks = if paired.is_empty() { alone } else { paired };
    lines.line(3, "quiesce:", "");
    lines.line(4, "mode: hooks", "");
    let sides: [(&str, Side<'_>); 2] = [("pre", |hook| hook.pre.as_ref()), ("post", |hook| hook.post.as_ref())];
    for (name, side) in sides {
        let written: Vec<_> = hooks.iter().filter_map(|hook| Some((hook, side(hook)?))).collect();
        if written.is_empty() {
            continue;
        }
        lines.line(4, &format!("{name}:"), "");
        for (hook, (command, user)) in written {
            let command: Vec<String> = command.iter().map(|part| quoted(part)).collect();
            let user = user.as_ref().map_or_else(String::new, |user| format!(", user: {}", quoted(user)));
            let text = format!("- {{container: {}, command: [{}]{user}}}", quoted(&hook.container), command.join(", "));
            lines.line(5, &text, &format!("label {PREFIX}archive-{name} of {}", hook.service));
        }
    }
}
