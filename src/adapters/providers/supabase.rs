//! Supabase's Management API (its description, as in `supabase/cli`).

use super::{Asked, decode, instant, refusal, trouble, unexpected};
use crate::adapters::http_client::{Request, Response};
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::database::{DatabaseAnswer, Fate, ProviderBackup, Window};
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;

const BASE: &str = "https://api.supabase.com";

#[derive(Deserialize)]
struct Project {
    status: String,
}

/// `walg_enabled` is not read: it is true of projects that have nothing to restore.
#[derive(Deserialize)]
struct Told {
    pitr_enabled: bool,
    backups: Vec<Backup>,
    #[serde(default)]
    physical_backup_data: Physical,
}

#[derive(Deserialize)]
struct Backup {
    status: String,
    inserted_at: String,
}

#[derive(Deserialize, Default)]
struct Physical {
    earliest_physical_backup_date_unix: Option<i64>,
    latest_physical_backup_date_unix: Option<i64>,
}

pub(super) async fn look(asked: Asked<'_>) -> Result<DatabaseAnswer, Trouble> {
    let path = format!("/v1/projects/{}", asked.database.id);
    let what = format!("GET {path}/database/backups");
    let response = get(asked, &format!("{path}/database/backups")).await?;
    if let Some(trouble) = refusal(&response, &what, "the permission `backups_read`") {
        return Err(trouble);
    }
    let told: Told = decode(&response, &what)?;
    let mut evidence = vec![format!("{what}: {}", summary(&told))];
    let stopped = state(asked, &path, &mut evidence).await?;
    answer(&told, stopped, evidence)
}

async fn get(asked: Asked<'_>, path: &str) -> Result<Response, Trouble> {
    let request = Request::get(asked.url(BASE, path)).bearer(asked.token.reveal());
    asked.client.send(&request).await.map_err(|error| trouble(&error))
}

/// Whether the project runs. A token that may read backups and nothing else is right to have; then nobody tells.
async fn state(asked: Asked<'_>, path: &str, evidence: &mut Vec<String>) -> Result<Option<String>, Trouble> {
    let what = format!("GET {path}");
    let response = get(asked, path).await?;
    if response.status.as_u16() == 403 {
        evidence.push(format!("{what}: not told to this token, so a paused project shows by its backups only"));
        return Ok(None);
    }
    if let Some(trouble) = refusal(&response, &what, "to read the project") {
        return Err(trouble);
    }
    let Project { status } = decode(&response, &what)?;
    let status: String = status.chars().take(40).collect();
    evidence.push(format!("{what}: status {status}"));
    let stopped = ["INACTIVE", "PAUSING", "PAUSE_FAILED", "GOING_DOWN", "REMOVED", "INIT_FAILED"];
    Ok(stopped.contains(&status.as_str()).then_some(status))
}

fn summary(told: &Told) -> String {
    let count = |status: &str| told.backups.iter().filter(|backup| backup.status == status).count();
    let newest =
        told.backups.iter().map(|b| &b.inserted_at).max().map_or(String::new(), |at| format!(", newest of {at}"));
    let completed =
        format!("{} listed, {} COMPLETED, {} FAILED", told.backups.len(), count("COMPLETED"), count("FAILED"));
    format!("point-in-time recovery {}; {completed}{newest}", if told.pitr_enabled { "on" } else { "off" })
}

fn answer(told: &Told, stopped: Option<String>, evidence: Vec<String>) -> Result<DatabaseAnswer, Trouble> {
    let mut backups = Vec::new();
    for backup in &told.backups {
        let fate = match backup.status.as_str() {
            "COMPLETED" => Fate::Restorable,
            "FAILED" => Fate::Failed,
            _ => Fate::Other,
        };
        let at = instant(&backup.inserted_at);
        let at = at.ok_or_else(|| unexpected("the time of a backup is none that can be read".to_owned()))?;
        backups.push(ProviderBackup { at, fate });
    }
    let second = |unix: Option<i64>| unix.filter(|unix| *unix > 0).and_then(|unix| Timestamp::from_second(unix).ok());
    let Physical { earliest_physical_backup_date_unix: earliest, latest_physical_backup_date_unix: latest } =
        told.physical_backup_data;
    let window =
        second(latest).filter(|_| told.pitr_enabled).map(|to| Window { from: second(earliest).unwrap_or(to), to });
    // Daily on every plan that has backups; with point-in-time recovery they end, and the log takes their place.
    let rhythm = (!told.pitr_enabled).then_some(Duration::from_hours(24));
    Ok(DatabaseAnswer { stopped, backups, window, rhythm, archiver: None, evidence })
}
