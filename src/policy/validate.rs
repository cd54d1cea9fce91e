//! From a document that has the right shape to a value that makes sense, or everything that is wrong with it.

use super::document::Node;
use super::structure::{Finding, short};
use super::{
    BackupSpec, Guard, Objectives, Policy, Repository, RepositoryLocation, Retention, Schedule, SecretRef, Source,
    Treatment, VolumeSelect, VolumeSource,
};
use super::{quantity, raw};
use crate::policy::schedule::{Rule, ScheduleError};
use globset::GlobBuilder;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

/// How long a run may take when the policy does not say.
const TIMEOUT: Duration = Duration::from_hours(6);

struct Check<'a> {
    tree: &'a Node,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, path: &str, message: impl Into<String>) {
        self.advise(path, message, None);
    }

    fn advise(&mut self, path: &str, message: impl Into<String>, help: Option<&str>) {
        let parts: Vec<&str> = path.split(['.', '[', ']']).filter(|p| !p.is_empty()).collect();
        let place = self.tree.nearest(&parts).place;
        self.findings.push(Finding {
            place,
            field: path.to_owned(),
            message: message.into(),
            help: help.map(str::to_owned),
        });
    }

    fn duration(&mut self, path: &str, value: Option<&raw::Duration>) -> Option<Duration> {
        match quantity::parse(&value?.0) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.find(path, message);
                None
            }
        }
    }

    fn positive(&mut self, path: &str, value: Option<&raw::Duration>) -> Option<Duration> {
        let duration = self.duration(path, value)?;
        if duration.is_zero() {
            self.find(path, "must be longer than nothing");
            return None;
        }
        Some(duration)
    }

    fn name(&mut self, name: &str) {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let right =
            (1..=63).contains(&name.len()) && name.chars().all(label) && !name.starts_with('-') && !name.ends_with('-');
        if !right {
            let message = format!("`{}` is not a name", short(name));
            let help = "lower-case letters, digits and `-`, at most 63, beginning and ending with a letter or digit";
            self.advise("metadata.name", message, Some(help));
        }
    }

    fn glob(&mut self, path: &str, pattern: &str) {
        if pattern.is_empty() {
            self.find(path, "an empty pattern matches nothing");
        } else if let Err(error) = GlobBuilder::new(pattern).literal_separator(true).build() {
            self.find(path, format!("`{}` is not a glob: {}", short(pattern), error.kind()));
        }
    }
}

/// A policy, if it makes sense; what does not, if it does not.
pub(super) fn policy(raw: &raw::BackupPolicy, tree: &Node, file: &Path, text: &str) -> (Option<Policy>, Vec<Finding>) {
    let mut check = Check { tree, findings: Vec::new() };
    check.name(&raw.metadata.name);
    let source = source(&mut check, &raw.spec.source);
    let treatment = treatment(&mut check, &raw.spec);
    let rpo = check.positive("spec.objectives.rpo", raw.spec.objectives.rpo.as_ref());
    let rto = check.positive("spec.objectives.rto", raw.spec.objectives.rto.as_ref());
    let (Some(source), Some(treatment), true) = (source, treatment, check.findings.is_empty()) else {
        return (None, check.findings);
    };
    let mut policy = Policy {
        name: raw.metadata.name.clone(),
        labels: raw.metadata.labels.clone(),
        description: raw.spec.description.clone(),
        criticality: raw.spec.criticality,
        source,
        treatment,
        objectives: Objectives { rpo, rto },
        suspend: raw.spec.suspend,
        file: file.to_owned(),
        line: tree.place.line,
        text: text.into(),
        digest: String::new(),
        generation: 0,
    };
    policy.digest = digest(&policy);
    (Some(policy), Vec::new())
}

fn source(check: &mut Check<'_>, raw: &raw::Source) -> Option<Source> {
    let raw::Source::Volume(volume) = raw;
    for (i, pattern) in volume.exclude.iter().enumerate() {
        check.glob(&format!("spec.source.volume.exclude[{i}]"), pattern);
    }
    let select = match (&volume.name, &volume.selector) {
        (Some(name), None) => {
            let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            let right = name.chars().all(inner) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !right {
                let message = format!("`{}` is not a volume's name", short(name));
                let help = "a glob goes into `selector: {names: [...]}`, a directory of the host is no volume";
                check.advise("spec.source.volume.name", message, Some(help));
                return None;
            }
            VolumeSelect::Name(name.clone())
        }
        (None, Some(selector)) => {
            for (i, pattern) in selector.names.iter().enumerate() {
                check.glob(&format!("spec.source.volume.selector.names[{i}]"), pattern);
            }
            if selector.names.is_empty() && selector.labels.is_empty() && selector.compose_project.is_none() {
                let message = "at least one of `names`, `labels`, `composeProject` is needed";
                check.advise("spec.source.volume.selector", message, Some("`names: [\"*\"]` is every volume"));
            }
            VolumeSelect::Selector {
                names: selector.names.clone(),
                labels: selector.labels.clone(),
                compose_project: selector.compose_project.clone(),
            }
        }
        (None, None) | (Some(_), Some(_)) => {
            check.find("spec.source.volume", "exactly one of `name` and `selector` is needed");
            return None;
        }
    };
    Some(Source::Volume(VolumeSource { select, exclude: volume.exclude.clone() }))
}

fn treatment(check: &mut Check<'_>, spec: &raw::BackupPolicySpec) -> Option<Treatment> {
    if let Some(exempt) = &spec.exempt {
        if exempt.reason.trim().is_empty() {
            check.find("spec.exempt.reason", "a reason is needed, for whoever asks in a year");
        }
        let given = [
            ("schedule", spec.schedule.is_some()),
            ("repositories", spec.repositories.is_some()),
            ("retention", spec.retention.is_some()),
            ("timeout", spec.timeout.is_some()),
        ];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            check.find(&format!("spec.{field}"), "an exempt source has none: take out this field, or `exempt`");
        }
        return Some(Treatment::Exempt { reason: exempt.reason.trim().to_owned() });
    }
    if spec.schedule.is_none() {
        let help = "add `schedule: {cron: \"0 2 * * *\"}`, or `exempt: {reason: ...}` if no backup is needed";
        check.advise("spec.schedule", "the field is missing", Some(help));
    }
    let schedule = spec.schedule.as_ref().and_then(|raw| schedule(check, raw));
    let repositories = repositories(check, spec.repositories.as_deref());
    let retention = spec.retention.as_ref().map(|raw| retention(check, raw));
    let timeout = check.positive("spec.timeout", spec.timeout.as_ref()).unwrap_or(TIMEOUT);
    Some(Treatment::Backup(Box::new(BackupSpec { schedule: schedule?, repositories, retention, timeout })))
}

fn repositories(check: &mut Check<'_>, names: Option<&[String]>) -> Vec<String> {
    let Some(names) = names else { return vec!["default".to_owned()] };
    if names.is_empty() {
        check.advise("spec.repositories", "at least one is needed", Some("leave the field out for `[default]`"));
    }
    for (i, name) in names.iter().enumerate().filter(|(i, name)| names[..*i].contains(name)) {
        check.find(&format!("spec.repositories[{i}]"), format!("`{}` is named twice", short(name)));
    }
    names.to_vec()
}

fn schedule(check: &mut Check<'_>, raw: &raw::Schedule) -> Option<Schedule> {
    let every = check.duration("spec.schedule.every", raw.every.as_ref());
    let jitter = check.duration("spec.schedule.jitter", raw.jitter.as_ref()).unwrap_or_default();
    let starting_deadline = check.positive("spec.schedule.startingDeadline", raw.starting_deadline.as_ref());
    let rule = match (&raw.cron, &raw.every) {
        (Some(cron), None) => Rule::Cron(cron.clone()),
        (None, Some(_)) => Rule::Every(every?),
        (None, None) | (Some(_), Some(_)) => {
            check.find("spec.schedule", "exactly one of `cron` and `every` is needed");
            return None;
        }
    };
    match Schedule::new(rule, raw.time_zone.as_deref().unwrap_or("UTC"), jitter, starting_deadline) {
        Ok(schedule) => Some(schedule),
        Err(errors) => {
            for error in errors {
                let field = match error {
                    ScheduleError::Cron(_) => "cron",
                    ScheduleError::TimeZone(_) => "timeZone",
                    ScheduleError::Jitter(_) => "jitter",
                    ScheduleError::Every(_) => "every",
                    ScheduleError::StartingDeadline(_) => "startingDeadline",
                };
                check.find(&format!("spec.schedule.{field}"), error.to_string());
            }
            None
        }
    }
}

fn retention(check: &mut Check<'_>, raw: &raw::Retention) -> Retention {
    Retention {
        within: check.positive("spec.retention.keepWithin", raw.keep_within.as_ref()),
        last: raw.keep_last.unwrap_or(1).max(1),
        hourly: raw.keep_hourly.unwrap_or(0),
        daily: raw.keep_daily.unwrap_or(0),
        weekly: raw.keep_weekly.unwrap_or(0),
        monthly: raw.keep_monthly.unwrap_or(0),
        yearly: raw.keep_yearly.unwrap_or(0),
        guard: Guard {
            max_delete_percent: raw.guard.max_delete_percent.unwrap_or(50),
            acknowledge: raw.guard.acknowledge.clone(),
        },
    }
}

/// A repository, if it makes sense; what does not, if it does not.
pub(super) fn repository(
    raw: &raw::RepositoryDocument,
    tree: &Node,
    file: &Path,
) -> (Option<Repository>, Vec<Finding>) {
    let mut check = Check { tree, findings: Vec::new() };
    check.name(&raw.metadata.name);
    match &raw.spec.local.path {
        Some(path) if !path.is_absolute() => {
            check.find("spec.local.path", format!("`{}` is not an absolute path", short(&path.to_string_lossy())));
        }
        None if raw.metadata.name != "default" => {
            let message = "the field is missing; only the repository named `default` has a place of its own";
            check.find("spec.local.path", message);
        }
        _ => {}
    }
    match &raw.spec.password_from {
        Some(SecretRef::File(path)) if !path.is_absolute() => {
            check.find("spec.passwordFrom.file", "the path of a secret is absolute");
        }
        Some(SecretRef::Env(name)) if name.is_empty() || name.contains(['=', '\0']) => {
            check.find("spec.passwordFrom.env", "this is not the name of an environment variable");
        }
        _ => {}
    }
    if !check.findings.is_empty() {
        return (None, check.findings);
    }
    let location = RepositoryLocation::Local { path: raw.spec.local.path.clone() };
    let password_from = raw.spec.password_from.clone();
    let digest = hash(&format!("{:?}", (&raw.metadata.name, &location, &password_from)));
    let name = raw.metadata.name.clone();
    (Some(Repository { name, location, password_from, file: file.to_owned(), digest }), Vec::new())
}

/// The meaning of a policy: everything but where and how it was written.
fn digest(policy: &Policy) -> String {
    let Policy { name, labels, description, criticality, source, treatment, objectives, suspend, .. } = policy;
    hash(&format!("{:?}", (name, labels, description, criticality, source, meaning(treatment), objectives, suspend)))
}

/// A treatment by what was asked for, without what a schedule keeps in parsed form.
fn meaning(treatment: &Treatment) -> String {
    match treatment {
        Treatment::Exempt { reason } => format!("exempt {reason:?}"),
        Treatment::Backup(spec) => {
            let BackupSpec { schedule: s, repositories, retention, timeout } = &**spec;
            let schedule = (&s.rule, &s.time_zone, s.jitter, s.starting_deadline);
            format!("{schedule:?} {repositories:?} {retention:?} {timeout:?}")
        }
    }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
