//! A world to decide on: policies as a person writes them, and hand-made observations.

use jiff::{SignedDuration, Timestamp};
use seawall::policy::{Desired, link, parse};
use seawall::reconcile::lint::lint;
use seawall::reconcile::plan::{Decision, Plan};
use seawall::reconcile::{
    Action, Attempt, BackupAction, DockerState, Facts, ForgetAction, Observed, Operation, Readable, RepositoryHealth,
    RepositoryState, Request, RunId, RunResult, Running, SnapshotRecord, SourceKey, TargetFacts, Volume, decide,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn key(policy: &str, source: &str) -> SourceKey {
    SourceKey { policy: policy.into(), source: source.into() }
}

/// A policy for volume `data`, daily at 02:00 UTC, with more lines of its spec.
pub fn daily(name: &str, more: &str) -> String {
    let more = more.lines().fold(String::new(), |all, line| all + "  " + line + "\n");
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  source: {{volume: {{name: data}}}}\n  schedule: {{cron: \"0 2 * * *\"}}\n{more}"
    )
}

pub fn desired(documents: &[String]) -> Desired {
    let mut all = Vec::new();
    for (i, text) in documents.iter().enumerate() {
        let file = PathBuf::from(format!("{i}.yaml"));
        let parsed = parse(&file, text.as_bytes());
        assert_eq!(parsed.errors, []);
        all.extend(parsed.documents.into_iter().map(|d| (file.clone(), d)));
    }
    let (desired, errors) = link(all);
    assert_eq!(errors, []);
    desired
}

#[derive(Debug)]
pub struct World {
    pub desired: Desired,
    pub docker: DockerState,
    pub repositories: BTreeMap<String, RepositoryState>,
    pub facts: Facts,
    pub running: Vec<Running>,
    pub requested: Vec<Request>,
    pub now: Timestamp,
}

pub const NOW: &str = "2026-11-23T12:00:00Z";

impl World {
    /// Volume `data` exists, Docker answers, every repository in force is healthy and empty.
    pub fn new(documents: &[String]) -> Self {
        let desired = desired(documents);
        let now = at(NOW);
        let mut docker = DockerState { up: true, seen_at: Some(now), ..DockerState::default() };
        docker.volumes.insert("data".into(), volume("data"));
        let repositories = desired.repositories.keys().map(|n| (n.clone(), empty(now))).collect();
        Self { desired, docker, repositories, facts: Facts::default(), running: vec![], requested: vec![], now }
    }

    pub fn seen(mut self, key: &SourceKey, since: &str) -> Self {
        self.facts.first_seen.insert(key.clone(), at(since));
        self
    }

    /// A complete snapshot in the default repository for each slot, with the facts of a run that succeeded.
    pub fn backed_up(mut self, key: &SourceKey, slots: &[&str]) -> Self {
        for slot in slots {
            self.snapshot(key, slot, true);
        }
        let slot = at(slots.last().unwrap());
        self.facts.first_seen.entry(key.clone()).or_insert(at("2026-01-01T00:00:00Z"));
        let target = self.target(key);
        target.accounted = Some(slot);
        target.last_run = Some(attempt(slot, RunResult::Success));
        target.last_success = Some(slot);
        target.last_success_slot = Some(slot);
        self
    }

    pub fn snapshot(&mut self, key: &SourceKey, slot: &str, complete: bool) -> String {
        let repository = self.repositories.get_mut("default").unwrap();
        let list = Arc::make_mut(repository.own.entry(key.clone()).or_default());
        let id = format!("{:08x}{}", list.len(), "0".repeat(56));
        list.push(Arc::new(SnapshotRecord {
            id: id.as_str().into(),
            time: at(slot),
            host: "host".into(),
            source: Some(key.clone()),
            slot: Some(at(slot)),
            run: None,
            imported: None,
            complete,
            files: 1,
            bytes: 1,
            added_bytes: 1,
        }));
        id
    }

    pub fn target(&mut self, key: &SourceKey) -> &mut TargetFacts {
        self.facts.targets.entry(key.target("default")).or_default()
    }

    /// The last run failed for a slot, and the next attempt may be made at an instant.
    pub fn failed(mut self, key: &SourceKey, slot: &str, result: RunResult, retry_at: &str) -> Self {
        let target = self.target(key);
        target.last_run = Some(attempt(at(slot), result));
        target.failures = 1;
        target.retry_at = Some(at(retry_at));
        self
    }

    pub fn running(mut self, operation: Operation, source: Option<SourceKey>) -> Self {
        let run = RunId("run".into());
        self.running.push(Running {
            run,
            operation,
            source,
            repositories: vec!["default".into()],
            started: self.now,
            alone: false,
        });
        self
    }

    pub fn at(mut self, now: &str) -> Self {
        self.now = at(now);
        for repository in self.repositories.values_mut() {
            repository.listed_at = repository.listed_at.map(|_| at(now));
        }
        self
    }

    pub fn observed(&self) -> Observed {
        Observed {
            probes: Arc::default(),
            host: "host".into(),
            docker: Arc::new(self.docker.clone()),
            repositories: Arc::new(self.repositories.clone()),
            facts: Arc::new(self.facts.clone()),
            running: self.running.clone(),
            requested: self.requested.clone(),
        }
    }

    /// The plan, which is also held against the lint: no test may see a plan that breaks the law.
    pub fn plan(&self) -> Plan {
        let observed = self.observed();
        let plan = decide(&self.desired, &observed, self.now);
        assert_eq!(lint(&plan, &self.desired, &observed), []);
        assert_eq!(decide(&self.desired, &observed, self.now), plan, "equal input, equal plan");
        plan
    }

    pub fn decision(&self, policy: &str) -> Decision {
        self.plan().decisions.into_iter().find(|d| d.policy == policy).unwrap()
    }
}

pub fn backups(plan: &Plan) -> Vec<&BackupAction> {
    plan.actions.iter().filter_map(|a| if let Action::Backup(b) = a { Some(b) } else { None }).collect()
}

pub fn forgets(plan: &Plan) -> Vec<&ForgetAction> {
    plan.actions.iter().filter_map(|a| if let Action::Forget(f) = a { Some(f) } else { None }).collect()
}

pub fn volume(name: &str) -> Volume {
    Volume {
        name: name.into(),
        driver: "local".into(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        anonymous: false,
        readable: Readable::At(Path::new("/volumes").join(name)),
        used_by: vec![],
    }
}

pub fn empty(now: Timestamp) -> RepositoryState {
    RepositoryState {
        health: RepositoryHealth::Healthy,
        listed_at: Some(now),
        own: BTreeMap::new(),
        foreign: 0,
        generated_key: true,
        location: "/repository".into(),
    }
}

pub fn attempt(slot: Timestamp, result: RunResult) -> Arc<Attempt> {
    Arc::new(Attempt {
        run: RunId("earlier".into()),
        slot: Some(slot),
        started: slot,
        finished: slot.saturating_add(SignedDuration::from_secs(60)).unwrap(),
        result,
        message: "as it was".into(),
    })
}
