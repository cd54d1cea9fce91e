//! The runbook: what stands in it follows from the status, and nothing in the status can break it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail so")]

#[path = "support/values.rs"]
mod values;

use jiff::Timestamp;
use seawall::reconcile::SnapshotRecord;
use seawall::reconcile::compose::Project;
use seawall::reconcile::plan::Coverage;
use seawall::reconcile::watch::Kind;
use seawall::status::model::{Condition, PolicyStatus, StatusSnapshot, Truth};
use seawall::status::runbook;
use std::sync::Arc;
use values::{at, policy, policy_of, source, status, unseen};

const NOW: i64 = 90_000;

fn snapshot(id: char, seconds: i64) -> Arc<SnapshotRecord> {
    Arc::new(SnapshotRecord {
        id: id.to_string().repeat(64).into(),
        time: at(seconds),
        host: "host-1".into(),
        source: None,
        slot: None,
        run: None,
        imported: None,
        complete: true,
        files: 3,
        bytes: 4_096,
        added_bytes: 10,
    })
}

fn protected(name: &str, volume: &str, id: char, criticality: &str) -> PolicyStatus {
    let mut source = source(volume);
    source.repositories[0].newest = Some(snapshot(id, 10));
    PolicyStatus { criticality: criticality.into(), ..policy(name, vec![source]) }
}

fn bucket(name: &str, protection: &str) -> PolicyStatus {
    let mut policy = PolicyStatus { criticality: "high".into(), ..unseen(Kind::Bucket, "cloudflareR2", name) };
    let watched = policy.watched.as_mut().unwrap();
    watched.known = true;
    watched.protection = Some(protection.into());
    watched.verdict.status = if protection == "none" { Truth::False } else { Truth::True };
    watched.verdict.message = "the bucket lock rule `keep` holds what is written for 30d".into();
    watched.evidence = vec!["GET lock: 1 rule, 1 of them enabled".into()];
    policy
}

/// The product of the page that Seawall replaces, in the middle of its life.
fn product() -> StatusSnapshot {
    let exempt = |name: &str, reason: &str, sources| PolicyStatus {
        exempt: Some(reason.into()),
        criticality: "low".into(),
        ..policy(name, sources)
    };
    let mut status = status(vec![
        exempt("redis", "Cache only; rebuilt by itself on restart", vec![]),
        exempt(
            "recordings-data",
            "Temporary call recordings before their upload to R2",
            vec![source("prosaasil_recordings_data")],
        ),
        protected("n8n-data", "prosaasil_n8n_data", 'a', "critical"),
        protected("whatsapp-auth", "prosaasil_whatsapp_auth", 'b', "critical"),
        PolicyStatus { criticality: "critical".into(), ..unseen(Kind::Database, "supabase", "main") },
        bucket("uploads", "bucketLock"),
    ]);
    let volume = status.volumes.remove("a").unwrap();
    for (name, coverage, policies) in [
        ("prosaasil_n8n_data", Coverage::Protected, vec!["n8n-data".to_owned()]),
        ("prosaasil_whatsapp_auth", Coverage::Protected, vec!["whatsapp-auth".to_owned()]),
        ("prosaasil_recordings_data", Coverage::Exempt, vec!["recordings-data".to_owned()]),
    ] {
        let volume = seawall::status::model::VolumeStatus { name: name.into(), coverage, policies, ..volume.clone() };
        status.volumes.insert(name.into(), volume);
    }
    let files = vec!["docker-compose.yml".to_owned(), "docker-compose.prod.yml".to_owned()];
    status.projects.insert("prosaasil".into(), Project { directory: "/srv/pro saas".into(), files });
    status
}

fn now() -> Timestamp {
    at(NOW)
}

#[test]
fn the_whole_book() {
    insta::assert_snapshot!(runbook::render(&product(), now()));
}

/// The page that Seawall replaces: every system, target and scenario of it has its place.
#[test]
fn what_the_old_page_says_is_in_the_book() {
    let mut host = product();
    policy_of(&mut host, "whatsapp-auth").rto_seconds = Some(600);
    let book = runbook::render(&host, now());
    let in_order = [
        "## What is wrong now",
        "| n8n-data | critical | prosaasil_n8n_data |",
        "| 30m |",
        "| whatsapp-auth | critical | prosaasil_whatsapp_auth |",
        "| 10m |",
        "exempt: Temporary call recordings before their upload to R2",
        "exempt: Cache only; rebuilt by itself on restart",
        "## Where the snapshots are",
        "## What is not backed up",
        "at supabase is corrupt or lost",
        " stop\n",
        "supabase's console",
        "The volume `prosaasil_n8n_data` is lost or damaged",
        "seawall restore n8n-data",
        "--undo",
        "The volume `prosaasil_whatsapp_auth` is lost or damaged",
        "Objects in the bucket `uploads` at cloudflareR2 were deleted or overwritten",
        "bucket lock rule",
        "### One file is lost",
        "### The whole host is lost",
        "`.env`",
        "create the networks",
        "up -d",
        "move the DNS names",
    ];
    let mut rest = book.as_str();
    for wanted in in_order {
        let (_, after) = rest.split_once(wanted).unwrap_or_else(|| panic!("{wanted} in its place in:\n{book}"));
        rest = after;
    }
}

#[test]
fn an_empty_host_has_one_too() {
    let book = runbook::render(&StatusSnapshot::default(), now());
    assert!(book.starts_with("# Runbook of "), "{book}");
    assert!(book.contains("Docker does not answer"), "{book}");
}

#[test]
fn what_is_wrong_stands_at_the_head() {
    let mut host = product();
    let policy = policy_of(&mut host, "n8n-data");
    policy.conditions.push(Condition {
        kind: "BackupFresh".into(),
        status: Truth::False,
        reason: "Overdue".into(),
        message: "the newest is 9 days old".into(),
        last_transition_time: None,
    });
    policy.sources[0].repositories[0].newest = None;
    let book = runbook::render(&host, now());
    let wrong = book.split("## ").nth(1).unwrap();
    assert!(wrong.contains("- n8n-data: BackupFresh (Overdue): the newest is 9 days old"), "{wrong}");
    assert!(wrong.contains("1 volume of this host that nobody protects"), "{wrong}");
    assert!(book.contains("**There is no complete snapshot that could be restored.**"), "{book}");
    assert!(!book.contains("--snapshot aaaaaaaa"), "{book}");
}

#[test]
fn a_repository_that_was_not_listed_offers_nothing() {
    let mut host = product();
    policy_of(&mut host, "n8n-data").sources[0].repositories[0].known = false;
    let book = runbook::render(&host, now());
    assert!(!book.contains("--snapshot aaaaaaaa"), "{book}");
    assert!(book.contains("unknown: it has not been listed"), "{book}");
}

#[test]
fn a_name_never_becomes_markup_or_a_command() {
    let mut host = product();
    let mut evil = protected("n8n-data", "v`; rm -rf /'|\n# x", 'c', "critical");
    evil.description = "<script>alert(1)</script> | `x` \n# heading".into();
    host.policies.insert("n8n-data".into(), Arc::new(evil));
    let book = runbook::render(&host, now());
    assert!(!book.contains("<script>"), "{book}");
    assert!(!book.lines().any(|line| line.starts_with("# ") && !line.starts_with("# Runbook")), "{book}");
    // In a shell it is one word.
    assert!(book.contains(r"--source 'v`; rm -rf /'\''|"), "{book}");
    for row in book.lines().filter(|line| line.starts_with("| n8n-data")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}
