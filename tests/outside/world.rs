//! A policy, a server that plays its provider, and what is concluded.

use crate::cloud::Cloud;
use jiff::Timestamp;
use seawall::adapters::http_client::Patience;
use seawall::observe::outside::Lookout;
use seawall::policy::{Desired, Document, Policy, parse};
use seawall::reconcile::watch::{Probe, Watched};
use seawall::reconcile::{Observed, decide};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The secret that no text may hold.
pub const TOKEN: &str = "sbp_hunter2hunter2";

/// When everything here happens.
pub fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// Somebody who looks, and does not wait long.
pub fn lookout() -> Lookout {
    let millis = Duration::from_millis;
    Lookout::with_patience(Patience { connect: millis(500), attempt: millis(500), pause: millis(1), attempts: 3 })
}

/// A policy of a source, with a file that holds the token for it. `TOKEN_FILE` and `URL` in the text are replaced.
pub fn policy(cloud: &Cloud, directory: &Path, source: &str, more: &str) -> Policy {
    let file = directory.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let text = format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: p}}\nspec:\n  source:\n    {source}\n{more}"
    );
    let text = text.replace("TOKEN_FILE", &file.display().to_string()).replace("URL", &cloud.url());
    let parsed = parse(Path::new("p.yaml"), text.as_bytes());
    match parsed.documents.into_iter().next() {
        Some(Document::Policy(policy)) => (*policy).clone(),
        _ => panic!("{text}{:#?}", parsed.errors),
    }
}

/// What is concluded at `at` from the probes that there are.
pub fn conclude(policy: &Policy, probe: Option<Probe>, at: Timestamp) -> Watched {
    let policies = BTreeMap::from([(policy.name.clone(), Arc::new(policy.clone()))]);
    let desired = Desired { policies, ..Desired::default() };
    let probes = probe.into_iter().map(|probe| (policy.name.clone(), probe)).collect();
    let plan = decide(&desired, &Observed { probes: Arc::new(probes), ..Observed::default() }, at);
    assert!(plan.actions.is_empty(), "nothing is done about what is outside: {:?}", plan.actions);
    plan.watched.into_iter().next().unwrap()
}

/// The verdict with all that it rests on, for a table. Nothing in it may hold the token.
pub fn told(watched: &Watched) -> String {
    let verdict = &watched.verdict;
    let mut text = format!("  {:?} {}: {}\n", verdict.status, verdict.reason, verdict.message);
    if let Some(objective) = &watched.objective {
        let (status, reason, message) = (objective.status, &objective.reason, &objective.message);
        writeln!(text, "  ObjectivesMet {status:?} {reason}: {message}").unwrap();
    }
    for finding in &watched.evidence {
        writeln!(text, "    {finding}").unwrap();
    }
    assert!(!format!("{watched:?}{text}").contains("hunter2"), "{text}");
    text
}
