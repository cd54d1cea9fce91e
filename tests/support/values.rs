//! Values that several tests speak of.
#![allow(dead_code, reason = "every test program uses some of it")]

use jiff::Timestamp;
use seawall::reconcile::observed::RepositoryHealth;
use seawall::reconcile::plan::{Coverage, RetentionDecision, Verdict};
use seawall::reconcile::watch::{Judgement, Kind, Watched};
use seawall::reconcile::{Attempt, Operation, Outcome, RunId, RunResult, SourceKey};
use seawall::status::model::{
    Condition, ConfigStatus, DockerStatus, FileStatus, PolicyStatus, RepositoryStatus, SourceRepositoryStatus,
    SourceStatus, StatusSnapshot, Truth, VolumeStatus,
};
use seawall::status::verification::{CheckStatus, DrillStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many seconds after an instant that no test cares about.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A short record of a run.
pub fn attempt(result: RunResult) -> Arc<Attempt> {
    Arc::new(Attempt {
        run: RunId("1".into()),
        slot: Some(at(0)),
        started: at(10),
        finished: at(20),
        result,
        message: "why".into(),
    })
}

/// A backup run that began so many seconds in, which is also its id (unless another source's has it).
pub fn outcome(policy: &str, source: &str, seconds: i64, result: RunResult) -> Outcome {
    let run = if source == "v" { seconds.to_string() } else { format!("{source}-{seconds}") };
    let source = SourceKey { policy: policy.into(), source: source.into() };
    let nothing = Outcome::nothing(RunId(run), Operation::Backup, Some(source), "default", at(seconds));
    Outcome { cause: "scheduled".into(), finished: at(seconds + 1), result, message: "done".into(), ..nothing }
}

/// One source of a policy, backed up once with success, in the repository `default`.
pub fn source(name: &str) -> SourceStatus {
    SourceStatus {
        source: name.into(),
        verdict: Verdict::UpToDate,
        why: "nothing is due".into(),
        first_seen: Some(at(0)),
        last_success: Some(at(10)),
        last_run: Some(attempt(RunResult::Success)),
        last_run_successful: Some(true),
        deadline: Some(at(90_000)),
        next_run: Some(at(86_400)),
        jitter_seconds: 0.0,
        retry_at: None,
        repositories: vec![SourceRepositoryStatus {
            repository: "default".into(),
            known: true,
            snapshots: 3,
            bytes: 4_096,
            newest: None,
            last_run: Some(attempt(RunResult::Success)),
        }],
        retention: vec![RetentionDecision { repository: "default".into(), snapshots: vec![], held: None }],
        quiesce: None,
        drill: None,
    }
}

/// The drills of a source that is drilled on a schedule and has not been yet.
pub fn undrilled() -> DrillStatus {
    DrillStatus {
        schedule: Some("0 4 1 * * UTC".into()),
        repository: "default".into(),
        verdict: Verdict::UpToDate,
        why: "no slot is open".into(),
        next_run: Some(at(86_400)),
        deadline: Some(at(90_000)),
        last_success: None,
        last_run: None,
        seconds: None,
        report: None,
    }
}

/// The checks of a repository that is checked on a schedule and has not been yet.
pub fn unchecked() -> CheckStatus {
    CheckStatus {
        schedule: Some("0 5 * * 6 UTC".into()),
        read_data_percent: 5,
        verdict: Verdict::UpToDate,
        why: "no slot is open".into(),
        next_run: Some(at(86_400)),
        deadline: Some(at(90_000)),
        last_success: None,
        last_run: None,
        report: None,
        all_read_since: None,
        all_read_by: Some(at(1_000_000)),
    }
}

/// A policy in force with the given sources.
pub fn policy(name: &str, sources: Vec<SourceStatus>) -> PolicyStatus {
    PolicyStatus {
        name: name.into(),
        description: format!("what {name} keeps"),
        labels: BTreeMap::new(),
        criticality: "high".into(),
        kind: "volume".into(),
        file: format!("{name}.yaml").into(),
        line: 1,
        generation: 1,
        observed_generation: 1,
        observed_revision: Some("abc123".into()),
        suspended: false,
        suspended_since: None,
        exempt: None,
        schedule: Some("0 2 * * * UTC".into()),
        repositories: vec!["default".into()],
        rpo_seconds: Some(86_400),
        rto_seconds: Some(1_800),
        timeout_seconds: Some(21_600),
        missed_slots: 0,
        conditions: vec![Condition {
            kind: "Ready".into(),
            status: Truth::True,
            reason: "AllFresh".into(),
            message: "all is well".into(),
            last_transition_time: Some(at(0)),
        }],
        sources,
        watched: None,
    }
}

/// A policy of a source outside the host that nobody has looked at yet.
pub fn unseen(kind: Kind, provider: &str, name: &str) -> PolicyStatus {
    let watched = Watched {
        policy: name.into(),
        source: format!("{provider}/{name}"),
        kind,
        provider: provider.into(),
        name: name.into(),
        verdict: Judgement { status: Truth::Unknown, reason: "NotLookedYet".into(), message: String::new() },
        objective: None,
        evidence: Vec::new(),
        looked_at: None,
        answered_at: None,
        next_look: None,
        known: false,
        newest: None,
        deadline: (kind == Kind::Database).then_some(Timestamp::UNIX_EPOCH),
        failed: false,
        protection: None,
        copied: false,
    };
    PolicyStatus {
        watched: Some(Box::new(watched)),
        repositories: Vec::new(),
        timeout_seconds: None,
        ..policy(name, Vec::new())
    }
}

/// A host with one repository, two volumes and the given policies.
pub fn status(policies: Vec<PolicyStatus>) -> StatusSnapshot {
    let volume = |name: &str, coverage| VolumeStatus {
        name: name.into(),
        driver: "local".into(),
        coverage,
        policies: vec![],
        reason: "because".into(),
        used_by: vec!["app".into()],
        unreadable: None,
    };
    StatusSnapshot {
        at: Some(at(100)),
        host: "host-1".into(),
        version: "0.1.0".into(),
        revision: "unknown".into(),
        config: ConfigStatus {
            directory: "/etc/seawall/policies".into(),
            files: policies
                .iter()
                .map(|policy| FileStatus {
                    file: policy.file.clone(),
                    valid: true,
                    errors: vec![],
                    documents: vec![policy.name.clone()],
                })
                .collect(),
            last_reload_successful: true,
            last_reload_success: Some(at(1)),
            ..ConfigStatus::default()
        },
        docker: DockerStatus { up: true, ..DockerStatus::default() },
        policies: policies.into_iter().map(|policy| (policy.name.clone(), Arc::new(policy))).collect(),
        repositories: BTreeMap::from([(
            "default".to_owned(),
            RepositoryStatus {
                name: "default".into(),
                location: "/var/lib/seawall/repository".into(),
                health: Some(RepositoryHealth::Healthy),
                listed_at: Some(at(50)),
                snapshots: 3,
                foreign_snapshots: 0,
                key_export_pending: false,
                last_forget: None,
                last_prune: None,
                check: None,
            },
        )]),
        volumes: BTreeMap::from([
            ("a".to_owned(), volume("a", Coverage::Protected)),
            ("b".to_owned(), volume("b", Coverage::Unprotected)),
        ]),
        reconciled_at: Some(at(100)),
        reconciles: 7,
        ..StatusSnapshot::default()
    }
}

/// One of its policies, to be changed.
pub fn policy_of<'a>(status: &'a mut StatusSnapshot, name: &str) -> &'a mut PolicyStatus {
    Arc::make_mut(status.policies.get_mut(name).unwrap())
}
