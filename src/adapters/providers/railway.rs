//! Railway's GraphQL API (its schema, as in `railwayapp/cli`).

use super::{Asked, decode, instant, refusal, trouble, unexpected};
use crate::adapters::http_client::Request;
use crate::policy::TokenScope;
use crate::policy::quantity::display;
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::database::{DatabaseAnswer, Fate, ProviderBackup};
use serde::Deserialize;
use std::time::Duration;

const BASE: &str = "https://backboard.railway.com/graphql/v2";

/// Backups and their schedules in one request: a Free account has a hundred in an hour.
const QUERY: &str = "query Backups($v: String!) { \
    backups: volumeInstanceBackupList(volumeInstanceId: $v) { createdAt expiresAt } \
    schedules: volumeInstanceBackupScheduleList(volumeInstanceId: $v) { kind } }";

#[derive(Deserialize)]
struct Envelope {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Data {
    backups: Vec<Backup>,
    #[serde(default)]
    schedules: Vec<Schedule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Backup {
    created_at: String,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Schedule {
    kind: Option<String>,
}

pub(super) async fn look(asked: Asked<'_>) -> Result<DatabaseAnswer, Trouble> {
    let what = "POST volumeInstanceBackupList".to_owned();
    let body = serde_json::json!({ "query": QUERY, "variables": { "v": asked.database.id } });
    let request = Request::post(asked.url(BASE, ""), body.to_string());
    let token = asked.token.reveal();
    let request = match asked.database.scope {
        TokenScope::Account => request.bearer(token),
        TokenScope::Project => request.header("project-access-token", token),
    };
    let response = asked.client.send(&request).await.map_err(|error| trouble(&error))?;
    if let Some(trouble) = refusal(&response, &what, "to be of the workspace, or of the project and `scope: project`") {
        return Err(trouble);
    }
    let envelope: Envelope = decode(&response, &what)?;
    // GraphQL refuses with 200 and a list of errors, beside which the data means nothing.
    if let Some(error) = envelope.errors.first() {
        return Err(refused(&what, &error.message));
    }
    let data = envelope.data.ok_or_else(|| unexpected(format!("{what}: neither data nor errors")))?;
    let kinds: Vec<&str> = data.schedules.iter().filter_map(|schedule| schedule.kind.as_deref()).collect();
    let rhythm = kinds.iter().filter_map(|kind| rhythm(kind)).min();
    let mut backups = Vec::new();
    for backup in &data.backups {
        let time = |text: &str| {
            instant(text).ok_or_else(|| unexpected(format!("{what}: the time of a backup is none that can be read")))
        };
        let gone = backup.expires_at.as_deref().map(time).transpose()?.is_some_and(|expires| expires <= asked.now);
        // There is no status: that a backup is listed is all there is to know of it.
        let fate = if gone { Fate::Other } else { Fate::Restorable };
        backups.push(ProviderBackup { at: time(&backup.created_at)?, fate });
    }
    let every = rhythm.map_or("no schedule".to_owned(), |rhythm| format!("scheduled every {}", display(rhythm)));
    let evidence =
        vec![format!("{what}: {} listed, {every}; a volume that is wiped takes them with it", backups.len())];
    Ok(DatabaseAnswer { stopped: None, backups, window: None, rhythm, archiver: None, evidence })
}

fn rhythm(kind: &str) -> Option<Duration> {
    const DAY: u64 = 24;
    match kind {
        "DAILY" => Some(Duration::from_hours(DAY)),
        "WEEKLY" => Some(Duration::from_hours(7 * DAY)),
        "MONTHLY" => Some(Duration::from_hours(31 * DAY)),
        _ => None,
    }
}

fn refused(what: &str, message: &str) -> Trouble {
    let told: String = message.chars().filter(|c| !c.is_control()).take(120).collect();
    let lower = told.to_lowercase();
    let reason = if lower.contains("not authorized") || lower.contains("unauthorized") {
        "NotPermitted"
    } else if lower.contains("not found") {
        "NotFound"
    } else if lower.contains("rate limit") || lower.contains("too many") {
        "RateLimited"
    } else {
        "UnexpectedAnswer"
    };
    Trouble { reason, message: format!("{what}: refused: {told}") }
}
