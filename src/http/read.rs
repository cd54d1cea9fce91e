//! What can be read, and nothing here can be changed: a pure function of the path and the status.

use super::respond::Reply;
use super::{health, page};
use crate::status::model::StatusSnapshot;
use crate::status::runbook;
use jiff::Timestamp;

/// Prometheus' text format.
pub(super) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// RFC 7763.
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const STYLE: &str = include_str!("templates/style.css");

/// A path that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Page,
    Style,
    Runbook,
    RunbookSource,
    Metrics,
    Health,
    Ready,
    Status,
    Policies,
    Policy(String),
    Volumes,
    Repositories,
    Plan,
}

impl Route {
    pub(super) fn parse(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Page,
            "/style.css" => Self::Style,
            "/runbook" => Self::Runbook,
            "/runbook.md" => Self::RunbookSource,
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/api/v1/status" => Self::Status,
            "/api/v1/policies" => Self::Policies,
            "/api/v1/volumes" => Self::Volumes,
            "/api/v1/repositories" => Self::Repositories,
            "/api/v1/plan" => Self::Plan,
            _ => {
                let name = path.strip_prefix("/api/v1/policies/")?;
                (!name.is_empty() && !name.contains('/')).then(|| Self::Policy(name.to_owned()))?
            }
        })
    }
}

/// What is at a path. The series are written by another edge, which `scrape` asks.
pub(super) fn answer(
    route: &Route,
    status: &StatusSnapshot,
    scrape: impl FnOnce() -> Reply,
    started: Timestamp,
    now: Timestamp,
) -> Reply {
    match route {
        Route::Page => match page::render(status, now) {
            Ok(text) => Reply::new(HTML, text),
            Err(error) => Reply::error(500, &format!("the page cannot be written: {error}")),
        },
        Route::Style => Reply::new(CSS, STYLE),
        Route::Runbook => match page::runbook(status, now) {
            Ok(text) => Reply::new(HTML, text),
            Err(error) => Reply::error(500, &format!("the page cannot be written: {error}")),
        },
        Route::RunbookSource => Reply::new(MARKDOWN, runbook::render(status, now)),
        Route::Metrics => scrape(),
        Route::Health => {
            let life = health::life(status, started, now);
            Reply::json(&life).with_status(if life.alive { 200 } else { 503 })
        }
        Route::Ready => {
            let readiness = health::readiness(status);
            Reply::json(&readiness).with_status(if readiness.ready { 200 } else { 503 })
        }
        Route::Status => Reply::json(status),
        Route::Policies => Reply::json(&status.policies.values().collect::<Vec<_>>()),
        Route::Policy(name) => match status.policies.get(name) {
            Some(policy) => Reply::json(policy),
            None => unknown_policy(name),
        },
        Route::Volumes => Reply::json(&status.volumes.values().collect::<Vec<_>>()),
        Route::Repositories => Reply::json(&status.repositories.values().collect::<Vec<_>>()),
        Route::Plan => Reply::json(status.plan.as_ref()),
    }
}

pub(super) fn unknown_policy(name: &str) -> Reply {
    Reply::error(404, &format!("no policy named {name:?} is in force; see /api/v1/policies"))
}
