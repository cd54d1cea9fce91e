//! From a document that has the right shape to a value that makes sense, or everything that is wrong with it.

use super::document::Node;
use super::finding::{Finding, short};
use super::{
    BackupSpec, Guard, Objectives, Policy, Resources, Retention, Schedule, SecretRef, Source, Sqlite, Treatment,
    VolumeSelect, VolumeSource,
};
use super::{
    Rule, ScheduleError, digest, host_path, outside, postgres, quantity, quiesce, raw, resources, verification,
};
use globset::GlobBuilder;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a run may take when the policy does not say.
const TIMEOUT: Duration = Duration::from_hours(6);

/// More globs than this, or longer words of a schedule or glob, are no person's, and cost time to compile and compare.
const MAX_GLOBS: usize = 100;
const MAX_WORD: usize = 256;
const MAX_ZONE: usize = 64;
/// Docker makes a directory with the volume's name; a file system allows no longer one.
const MAX_VOLUME_NAME: usize = 255;

pub(super) struct Check<'a> {
    pub(super) tree: &'a Node,
    pub(super) findings: Vec<Finding>,
}

impl Check<'_> {
    pub(super) fn find(&mut self, path: &str, message: impl Into<String>) {
        self.advise(path, message, None);
    }

    /// How much is wrong so far.
    pub(super) fn count(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn advise(&mut self, path: &str, message: impl Into<String>, help: Option<&str>) {
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

    pub(super) fn positive(&mut self, path: &str, value: Option<&raw::Duration>) -> Option<Duration> {
        let duration = self.duration(path, value)?;
        if duration.is_zero() {
            self.find(path, "must be longer than nothing");
            return None;
        }
        Some(duration)
    }

    pub(super) fn name(&mut self, name: &str) {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let right =
            (1..=63).contains(&name.len()) && name.chars().all(label) && !name.starts_with('-') && !name.ends_with('-');
        if !right {
            let message = format!("`{}` is not a name", short(name));
            let help = "lower-case letters, digits and `-`, at most 63, beginning and ending with a letter or digit";
            self.advise("metadata.name", message, Some(help));
        }
    }

    /// Where a secret is read from has to be a place, and not the secret itself.
    pub(super) fn secret(&mut self, path: &str, from: &SecretRef) {
        match from {
            SecretRef::File(file) if !file.is_absolute() => {
                self.find(&format!("{path}.file"), "the path of a secret is absolute");
            }
            SecretRef::Env(name) if !is_variable(name) => {
                let message =
                    "this is not the name of an environment variable: letters, digits and `_`, no digit first";
                self.find(&format!("{path}.env"), message);
            }
            _ => {}
        }
    }

    pub(super) fn globs(&mut self, path: &str, patterns: &[String]) {
        if patterns.len() > MAX_GLOBS {
            self.find(path, format!("more than {MAX_GLOBS} patterns"));
        }
        for (i, pattern) in patterns.iter().enumerate().take(MAX_GLOBS) {
            self.glob(&format!("{path}[{i}]"), pattern);
        }
    }

    fn glob(&mut self, path: &str, pattern: &str) {
        if pattern.is_empty() {
            self.find(path, "an empty pattern matches nothing");
        } else if pattern.len() > MAX_WORD {
            self.find(path, format!("a pattern has at most {MAX_WORD} bytes"));
        } else if let Err(error) = GlobBuilder::new(pattern).literal_separator(true).build() {
            self.find(path, format!("`{}` is not a glob: {}", short(pattern), error.kind()));
        }
    }
}

/// A policy, if it makes sense; what does not, if it does not.
pub(super) fn policy(raw: &raw::BackupPolicy, tree: &Node, file: &Path, text: &str) -> (Option<Policy>, Vec<Finding>) {
    let mut check = Check { tree, findings: Vec::new() };
    check.name(&raw.metadata.name);
    let source = source(&mut check, &raw.spec.source, &raw.metadata.name);
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
    policy.digest = digest::policy(&policy);
    (Some(policy), Vec::new())
}

fn source(check: &mut Check<'_>, raw: &raw::Source, policy: &str) -> Option<Source> {
    match raw {
        raw::Source::Volume(volume) => self::volume(check, volume).map(Source::Volume),
        raw::Source::Path(path) => host_path::check(check, path).map(Source::Path),
        raw::Source::Postgres(database) => postgres::check(check, database, policy).map(Source::Postgres),
        raw::Source::ManagedDatabase(database) => {
            outside::check::database(check, database).map(Box::new).map(Source::ManagedDatabase)
        }
        raw::Source::Bucket(bucket) => outside::check::bucket(check, bucket).map(Box::new).map(Source::Bucket),
    }
}

fn volume(check: &mut Check<'_>, volume: &raw::VolumeSource) -> Option<VolumeSource> {
    check.globs("spec.source.volume.exclude", &volume.exclude);
    let select = match (&volume.name, &volume.selector) {
        (Some(name), None) => {
            let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            let right = name.len() <= MAX_VOLUME_NAME
                && name.chars().all(inner)
                && name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !right {
                let message = format!("`{}` is not a volume's name", short(name));
                let help = "a glob goes into `selector: {names: [...]}`, a directory of the host is no volume";
                check.advise("spec.source.volume.name", message, Some(help));
                return None;
            }
            VolumeSelect::Name(name.clone())
        }
        (None, Some(selector)) => {
            check.globs("spec.source.volume.selector.names", &selector.names);
            VolumeSelect::Selector {
                names: selector.names.clone(),
                labels: selector.labels.clone(),
                compose_project: selector.compose_project.clone(),
            }
        }
        (Some(_), Some(_)) => {
            check.find("spec.source.volume.selector", "`name` and `selector` exclude each other: take one out");
            return None;
        }
        (None, None) => {
            check.find("spec.source.volume", "`name` or `selector` is needed");
            return None;
        }
    };
    let quiesce = volume.quiesce.as_ref().and_then(|raw| quiesce::check(check, raw)).map(Arc::new);
    let sqlite = volume.sqlite.as_ref().map(|raw| sqlite(check, raw));
    let clone = volume.snapshot == raw::Snapshot::Auto;
    if clone && volume.quiesce.as_ref().is_none_or(|quiesce| quiesce.mode == raw::QuiesceMode::None) {
        let message = "`auto` shortens the time for which containers stand still, and here none does";
        check.advise("spec.source.volume.snapshot", message, Some("add `quiesce: {mode: pause}`, or take it out"));
    }
    Some(VolumeSource { select, exclude: volume.exclude.clone(), quiesce, sqlite, clone })
}

fn sqlite(check: &mut Check<'_>, raw: &raw::Sqlite) -> Sqlite {
    let raw::Sqlite::Files(patterns) = raw else { return Sqlite::Auto };
    let field = "spec.source.volume.sqlite";
    check.globs(field, patterns);
    for (i, pattern) in patterns.iter().enumerate().take(MAX_GLOBS) {
        if pattern.split('/').any(|part| part == "..") {
            check.find(&format!("{field}[{i}]"), "a path is relative to the volume's root and does not leave it");
        } else if ["-wal", "-shm", "-journal"].iter().any(|suffix| pattern.ends_with(suffix)) {
            let help = "what SQLite keeps beside it belongs to its copy";
            check.advise(&format!("{field}[{i}]"), "name the database itself", Some(help));
        }
    }
    Sqlite::Files(patterns.clone())
}

fn treatment(check: &mut Check<'_>, spec: &raw::BackupPolicySpec) -> Option<Treatment> {
    if let Some(exempt) = &spec.exempt {
        let (quiesced, copied, cloned) = match &spec.source {
            raw::Source::Volume(volume) => {
                (volume.quiesce.is_some(), volume.sqlite.is_some(), volume.snapshot == raw::Snapshot::Auto)
            }
            raw::Source::Path(_)
            | raw::Source::Postgres(_)
            | raw::Source::ManagedDatabase(_)
            | raw::Source::Bucket(_) => (false, false, false),
        };
        if exempt.reason.trim().is_empty() {
            check.find("spec.exempt.reason", "a reason is needed, for whoever asks in a year");
        }
        let given = [
            ("schedule", spec.schedule.is_some()),
            ("repositories", spec.repositories.is_some()),
            ("retention", spec.retention.is_some()),
            ("timeout", spec.timeout.is_some()),
            ("resources", spec.resources.is_some()),
            ("verification", spec.verification.drill.is_some()),
            ("source.volume.quiesce", quiesced),
            ("source.volume.sqlite", copied),
            ("source.volume.snapshot", cloned),
        ];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            check.find(&format!("spec.{field}"), "an exempt source has none: take out this field, or `exempt`");
        }
        return Some(Treatment::Exempt { reason: exempt.reason.trim().to_owned() });
    }
    let watched = match &spec.source {
        raw::Source::ManagedDatabase(_) => true,
        raw::Source::Bucket(bucket) => !bucket.copy,
        _ => false,
    };
    if watched {
        return outside::check::watch(check, spec);
    }
    if spec.schedule.is_none() && check.tree.get("spec").is_none_or(|spec| spec.get("exempt").is_none()) {
        let help = "add `schedule: {cron: \"0 2 * * *\"}`, or `exempt: {reason: ...}` if no backup is needed";
        check.advise("spec.schedule", "the field is missing", Some(help));
    }
    let schedule = spec.schedule.as_ref().and_then(|raw| schedule(check, "spec.schedule", raw));
    let repositories = repositories(check, spec.repositories.as_deref());
    let retention = spec.retention.as_ref().map(|raw| retention(check, raw));
    let timeout = check.positive("spec.timeout", spec.timeout.as_ref()).unwrap_or(TIMEOUT);
    let database = matches!(spec.source, raw::Source::Postgres(_));
    let resources = spec.resources.as_ref().map_or_else(Resources::default, |raw| resources::resources(check, raw));
    let drill =
        spec.verification.drill.as_ref().and_then(|raw| verification::drill(check, raw, &repositories, database));
    let schedule = schedule?;
    Some(Treatment::Backup(Box::new(BackupSpec { schedule, repositories, retention, timeout, resources, drill })))
}

fn repositories(check: &mut Check<'_>, names: Option<&[String]>) -> Vec<String> {
    let Some(names) = names else { return vec!["default".to_owned()] };
    for (i, name) in names.iter().enumerate().filter(|(i, name)| names[..*i].contains(name)) {
        check.find(&format!("spec.repositories[{i}]"), format!("`{}` is named twice", short(name)));
    }
    names.to_vec()
}

/// A schedule at the path `at`.
pub(super) fn schedule(check: &mut Check<'_>, at: &str, raw: &raw::Schedule) -> Option<Schedule> {
    let every = check.duration(&format!("{at}.every"), raw.every.as_ref());
    let jitter = check.duration(&format!("{at}.jitter"), raw.jitter.as_ref()).unwrap_or_default();
    let starting_deadline = check.positive(&format!("{at}.startingDeadline"), raw.starting_deadline.as_ref());
    let rule = match (&raw.cron, &raw.every) {
        (Some(cron), None) => Rule::Cron(cron.clone()),
        (None, Some(_)) => Rule::Every(every?),
        (Some(_), Some(_)) => {
            check.find(&format!("{at}.every"), "`cron` and `every` exclude each other: take one out");
            return None;
        }
        (None, None) => {
            check.find(at, "`cron` or `every` is needed");
            return None;
        }
    };
    for (field, text, most) in [("cron", &raw.cron, MAX_WORD), ("timeZone", &raw.time_zone, MAX_ZONE)] {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            check.find(&format!("{at}.{field}"), format!("has at most {most} bytes"));
            return None;
        }
    }
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
                check.find(&format!("{at}.{field}"), error.to_string());
            }
            None
        }
    }
}

fn retention(check: &mut Check<'_>, raw: &raw::Retention) -> Retention {
    let numbers = [raw.keep_last, raw.keep_hourly, raw.keep_daily, raw.keep_weekly, raw.keep_monthly, raw.keep_yearly];
    if raw.keep_within.is_none() && numbers.iter().all(|n| n.unwrap_or(0) == 0) {
        // It would remove all but the newest, which nobody asked for in words.
        let help = "say what is kept, such as `keepWithin: 30d`; without `retention` everything is";
        check.advise("spec.retention", "no rule keeps anything", Some(help));
    }
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

/// Whether a text can name a variable. One that cannot may be the secret itself, and is not accepted to be printed later.
fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.starts_with(|c: char| !c.is_ascii_digit())
}
