//! What a document means, apart from how it is written: the hash that tells a changed policy from an edited file.
//!
//! The hash is that of JSON with sorted keys, defaults filled in and lengths of time in milliseconds. It is stored, so its
//! form is a promise: a new field appears in it only where its value is not the default, or every policy would seem changed
//! after an upgrade. A test holds the hash of a known policy.

use super::{
    BackupSpec, CommandCheck, ContainerSelector, Drill, DrillCheck, DrillServer, Hook, HttpCheck, Means, Policy,
    Quiesce, Repository, RepositoryLocation, Resources, Retention, Rule, Schedule, SecretRef, Source, Sqlite,
    Treatment, VolumeSelect, VolumeSource,
};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The digest of a policy: everything but where and how it was written.
pub(super) fn policy(policy: &Policy) -> String {
    let mut meaning = json!({
        "kind": "BackupPolicy",
        "name": policy.name,
        "labels": policy.labels,
        "description": policy.description,
        "criticality": policy.criticality.as_str(),
        "treatment": treatment(&policy.treatment),
        "rpo": policy.objectives.rpo.map(ms),
        "rto": policy.objectives.rto.map(ms),
        "suspend": policy.suspend,
    });
    meaning[policy.source.kind()] = match &policy.source {
        Source::Volume(volume) => self::volume(volume),
        Source::ManagedDatabase(database) => database.meaning(),
        Source::Bucket(bucket) => bucket.meaning(),
        Source::Path(path) => json!({ "path": path.path, "exclude": set(&path.exclude) }),
        Source::Postgres(database) => database.meaning(),
    };
    hash(meaning)
}

/// The digest of a repository.
pub(super) fn repository(repository: &Repository) -> String {
    let (path, s3) = match &repository.location {
        RepositoryLocation::Local { path } => (path.as_ref(), None),
        RepositoryLocation::S3(s3) => (None, Some(s3)),
    };
    let password = repository.password_from.as_ref().map(SecretRef::meaning);
    let mut meaning = json!({ "kind": "Repository", "name": repository.name, "path": path, "password": password });
    if let Some(s3) = s3 {
        meaning["s3"] = json!({ "access": s3.access.meaning(), "prefix": s3.prefix, "residency": s3.residency });
    }
    if let Some(check) = &repository.check {
        meaning["check"] = json!({ "schedule": schedule(&check.schedule), "read": check.read_data_percent });
    }
    hash(meaning)
}

fn volume(volume: &VolumeSource) -> Json {
    let select = match &volume.select {
        VolumeSelect::Name(name) => json!({ "name": name }),
        VolumeSelect::Selector { names, labels, compose_project } => {
            json!({ "names": set(names), "labels": labels, "composeProject": compose_project })
        }
    };
    let mut meaning = json!({ "select": select, "exclude": set(&volume.exclude) });
    if let Some(quiesce) = &volume.quiesce {
        meaning["quiesce"] = self::quiesce(quiesce);
    }
    match &volume.sqlite {
        None => {}
        Some(Sqlite::Auto) => meaning["sqlite"] = "auto".into(),
        Some(Sqlite::Files(files)) => meaning["sqlite"] = json!(set(files)),
    }
    if volume.clone {
        meaning["snapshot"] = "auto".into();
    }
    meaning
}

fn quiesce(quiesce: &Quiesce) -> Json {
    let hook = |hook: &Option<Hook>| {
        hook.as_ref().map(|Hook { command, container, user, timeout, on_error }| {
            json!({ "command": command, "container": container, "user": user, "timeout": ms(*timeout), "onError": on_error })
        })
    };
    let hooks: Vec<Json> = match &quiesce.means {
        Means::Pause | Means::Stop => Vec::new(),
        Means::Hooks(pairs) => pairs.iter().map(|(pre, post)| json!([hook(pre), hook(post)])).collect(),
    };
    let also = quiesce.also.iter().map(|selector| match selector {
        ContainerSelector::Name(name) => json!({ "name": name }),
        ContainerSelector::Labels(labels) => json!({ "labels": labels }),
    });
    json!({
        "mode": quiesce.means.mode(),
        "timeout": ms(quiesce.timeout),
        "maxDuration": ms(quiesce.max_duration),
        "also": also.collect::<Vec<_>>(),
        "hooks": hooks,
    })
}

fn treatment(treatment: &Treatment) -> Json {
    match treatment {
        Treatment::Exempt { reason } => json!({ "exempt": reason }),
        Treatment::Watch(schedule) => json!({ "watch": self::schedule(schedule) }),
        Treatment::Backup(spec) => {
            let BackupSpec { schedule, repositories, retention, timeout, resources, drill } = &**spec;
            let mut meaning = json!({
                "schedule": self::schedule(schedule),
                "repositories": repositories,
                "retention": retention.as_ref().map(self::retention),
                "timeout": ms(*timeout),
            });
            if *resources != Resources::default() {
                let Resources { read_rate, low_cpu, idle_io } = resources;
                meaning["resources"] = json!({ "readRate": read_rate, "lowCpu": low_cpu, "idleIo": idle_io });
            }
            if let Some(drill) = drill {
                meaning["drill"] = self::drill(drill);
            }
            meaning
        }
    }
}

fn drill(drill: &Drill) -> Json {
    let container = |check: &CommandCheck| {
        let CommandCheck { image, command, mount_path, user, timeout } = check;
        json!({ "image": image, "command": command, "mountPath": mount_path, "user": user, "timeout": ms(*timeout) })
    };
    let check = |check: &DrillCheck| match check {
        DrillCheck::FileExists(path) => json!({ "fileExists": path }),
        DrillCheck::MinFiles(n) => json!({ "minFiles": n }),
        DrillCheck::MinBytes(n) => json!({ "minBytes": n }),
        DrillCheck::SqliteIntegrity(path) => json!({ "sqliteIntegrity": path }),
        DrillCheck::CompareSample(percent) => json!({ "compareSample": percent }),
        DrillCheck::Command(check) => json!({ "command": container(check) }),
        DrillCheck::MinTables(n) => json!({ "minTables": n }),
        DrillCheck::MinRows(tables) => json!({ "minRows": tables }),
        DrillCheck::Query(statement) => json!({ "query": statement }),
        DrillCheck::Http(HttpCheck { server, env, port, path, expect_status }) => {
            json!({ "http": container(server), "env": env, "port": port, "path": path, "status": expect_status })
        }
    };
    let mut meaning = json!({
        "schedule": schedule(&drill.schedule),
        "checks": drill.checks.iter().map(check).collect::<Vec<_>>(),
        "timeout": ms(drill.timeout),
        "repository": drill.repository,
    });
    if let Some(DrillServer { image, user }) = &drill.server {
        meaning["server"] = json!({ "image": image, "user": user });
    }
    meaning
}

fn schedule(schedule: &Schedule) -> Json {
    let rule = match &schedule.rule {
        Rule::Cron(text) => {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
            json!({ "cron": words })
        }
        Rule::Every(every) => json!({ "every": ms(*every) }),
    };
    json!({
        "rule": rule,
        "timeZone": schedule.time_zone,
        "jitter": ms(schedule.jitter),
        "startingDeadline": schedule.starting_deadline.map(ms),
    })
}

fn retention(rule: &Retention) -> Json {
    json!({
        "within": rule.within.map(ms),
        "last": rule.last,
        "hourly": rule.hourly,
        "daily": rule.daily,
        "weekly": rule.weekly,
        "monthly": rule.monthly,
        "yearly": rule.yearly,
        "maxDeletePercent": rule.guard.max_delete_percent,
        "acknowledge": rule.guard.acknowledge,
    })
}

/// Globs of which any may match: their order means nothing.
pub(super) fn set(globs: &[String]) -> Vec<&String> {
    let mut globs: Vec<&String> = globs.iter().collect();
    globs.sort();
    globs.dedup();
    globs
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn hash(mut meaning: Json) -> String {
    meaning.sort_all_objects();
    hex::encode(Sha256::digest(meaning.to_string()))
}
