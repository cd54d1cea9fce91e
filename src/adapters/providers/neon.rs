//! Neon's API v2 (its generated client and documentation).

use super::{Asked, decode, instant, refusal, trouble, unexpected};
use crate::adapters::http_client::{Request, Response};
use crate::policy::quantity::{count, display};
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::database::{DatabaseAnswer, Fate, ProviderBackup, Window};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::time::Duration;

const BASE: &str = "https://console.neon.tech/api/v2";

#[derive(Deserialize)]
struct OfProject {
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    history_retention_seconds: u32,
}

#[derive(Deserialize)]
struct Branches {
    branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct OfBranch {
    branch: Branch,
}

#[derive(Deserialize)]
struct Branch {
    id: String,
    created_at: String,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
struct Snapshots {
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Snapshot {
    created_at: String,
    timestamp: Option<String>,
    source_branch_id: Option<String>,
    expires_at: Option<String>,
}

pub(super) async fn look(asked: Asked<'_>) -> Result<DatabaseAnswer, Trouble> {
    let path = format!("/projects/{}", asked.database.id);
    let OfProject { project } = told(asked, &path).await?;
    let held = Duration::from_secs(project.history_retention_seconds.into());
    let mut evidence = vec![format!("GET {path}: history_retention_seconds {}", held.as_secs())];
    let branch = branch(asked, &path).await?;
    evidence.push(format!("GET {path}/branches: branch {} of {}", branch.id, branch.created_at));
    let born = at(&branch.created_at)?;
    let backups = snapshots(asked, &path, &branch.id, &mut evidence).await?;
    // A branch has no history from before it was made, however long history is kept.
    let kept = asked.now.saturating_sub(SignedDuration::try_from(held).unwrap_or_default()).unwrap_or(born);
    let window = (!held.is_zero() && born < asked.now).then(|| Window { from: kept.max(born), to: asked.now });
    if let Some(window) = window {
        let reach = Duration::from_secs(window.to.duration_since(window.from).unsigned_abs().as_secs());
        evidence.push(format!(
            "history reaches back {}; on Free no further than the last 1 GB, which is not told",
            display(reach)
        ));
    }
    Ok(DatabaseAnswer { stopped: None, backups, window, rhythm: None, archiver: None, evidence })
}

async fn get(asked: Asked<'_>, path: &str) -> Result<Response, Trouble> {
    let request = Request::get(asked.url(BASE, path)).bearer(asked.token.reveal());
    asked.client.send(&request).await.map_err(|error| trouble(&error))
}

async fn told<T: serde::de::DeserializeOwned>(asked: Asked<'_>, path: &str) -> Result<T, Trouble> {
    let response = get(asked, path).await?;
    let what = format!("GET {path}");
    match refusal(&response, &what, "to be of the organization that owns the project") {
        Some(trouble) => Err(trouble),
        None => decode(&response, &what),
    }
}

async fn branch(asked: Asked<'_>, path: &str) -> Result<Branch, Trouble> {
    if let Some(id) = &asked.database.branch {
        let OfBranch { branch } = told(asked, &format!("{path}/branches/{id}")).await?;
        return Ok(branch);
    }
    let Branches { branches } = told(asked, &format!("{path}/branches")).await?;
    let default = branches.into_iter().find(|branch| branch.default);
    default.ok_or_else(|| unexpected("the project lists no default branch; name one as `branch`".to_owned()))
}

/// Snapshots are a beta of Neon's: where they cannot be had, the history speaks alone.
async fn snapshots(
    asked: Asked<'_>,
    path: &str,
    branch: &str,
    evidence: &mut Vec<String>,
) -> Result<Vec<ProviderBackup>, Trouble> {
    let what = format!("GET {path}/snapshots");
    let response = get(asked, &format!("{path}/snapshots")).await?;
    if let Some(trouble) = refusal(&response, &what, "") {
        if matches!(trouble.reason, "RateLimited" | "ProviderTrouble") {
            return Err(trouble);
        }
        evidence.push(format!("{what}: not told ({})", response.status.as_u16()));
        return Ok(Vec::new());
    }
    let Snapshots { snapshots } = decode(&response, &what)?;
    let mut backups = Vec::new();
    for snapshot in snapshots.iter().filter(|s| s.source_branch_id.as_deref().is_none_or(|of| of == branch)) {
        let gone =
            snapshot.expires_at.as_deref().map(self::at).transpose()?.is_some_and(|expires| expires <= asked.now);
        let fate = if gone { Fate::Other } else { Fate::Restorable };
        let of = snapshot.timestamp.as_ref().unwrap_or(&snapshot.created_at);
        backups.push(ProviderBackup { at: self::at(of)?, fate });
    }
    evidence.push(format!("{what}: {}", count(backups.len() as u64, "snapshot")));
    Ok(backups)
}

fn at(text: &str) -> Result<Timestamp, Trouble> {
    instant(text).ok_or_else(|| unexpected("a time in the answer is none that can be read".to_owned()))
}
