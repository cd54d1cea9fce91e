//! Managed databases: every shape and every trap of the three providers once, with the verdict and what it rests on.

use crate::cloud::{Cloud, Say};
use crate::world::{TOKEN, conclude, lookout, now, policy, told};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use seawall::reconcile::watch::Probe;
use seawall::status::model::Truth;
use std::fmt::Write;

const SUPABASE: &str = "managedDatabase: {provider: supabase, project: abcdefghijklmnopqrst, endpoint: URL, tokenFrom: {file: TOKEN_FILE}}";
const NEON: &str =
    "managedDatabase: {provider: neon, project: cool-sea-1, endpoint: URL, tokenFrom: {file: TOKEN_FILE}}";
const RAILWAY: &str =
    "managedDatabase: {provider: railway, volumeInstance: 5f3c-1, endpoint: URL, tokenFrom: {file: TOKEN_FILE}}";

const BACKUPS: &str = "GET /v1/projects/abcdefghijklmnopqrst/database/backups";
const PROJECT: &str = "GET /v1/projects/abcdefghijklmnopqrst";

/// One row: the source, more of the policy, what the provider says.
struct Row {
    name: &'static str,
    source: String,
    more: &'static str,
    says: Vec<(&'static str, Say)>,
}

async fn verdicts(rows: Vec<Row>) -> String {
    let mut table = String::new();
    for row in rows {
        let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
        for (line, say) in row.says {
            cloud.say(line, say);
        }
        let policy = policy(&cloud, directory.path(), &row.source, row.more);
        let probe = lookout().look(&policy, None, now()).await;
        let watched = conclude(&policy, Some(probe), now());
        let text = told(&watched).replace(&cloud.url()[7..], "HOST");
        writeln!(table, "{}\n{text}", row.name).unwrap();
    }
    table
}

fn backups(list: &str, more: &str) -> Say {
    Say::json(format!(
        r#"{{"region":"eu-central-1","pitr_enabled":false,"walg_enabled":true,"backups":[{list}]{more}}}"#
    ))
}

fn backup(status: &str, at: &str) -> String {
    format!(r#"{{"id":1,"is_physical_backup":true,"status":"{status}","inserted_at":"{at}"}}"#)
}

fn supabase(name: &'static str, more: &'static str, says: Say) -> Row {
    let healthy = (PROJECT, Say::json(r#"{"id":"x","status":"ACTIVE_HEALTHY"}"#));
    Row { name, source: SUPABASE.into(), more, says: vec![(BACKUPS, says), healthy] }
}

#[tokio::test]
async fn supabase_tells() {
    let fresh = backup("COMPLETED", "2026-11-23T04:00:00Z");
    let pitr = |latest: i64| {
        let range = now().as_second();
        Say::json(format!(
            r#"{{"region":"x","pitr_enabled":true,"walg_enabled":true,"backups":[],"physical_backup_data":
            {{"earliest_physical_backup_date_unix":{},"latest_physical_backup_date_unix":{}}}}}"#,
            range - 7 * 86_400,
            range - latest
        ))
    };
    let mut rows = vec![
        supabase("a fresh daily backup", "", backups(&fresh, "")),
        supabase(
            "the recorded answer of a new project: flags, and nothing to restore",
            "",
            backups("", r#","physical_backup_data":{}"#),
        ),
        supabase("a promise that daily backups cannot keep", "  objectives: {rpo: 15m}\n", backups(&fresh, "")),
        supabase("a promise that they can", "  objectives: {rpo: 24h}\n", backups(&fresh, "")),
        supabase("older than a day", "", backups(&backup("COMPLETED", "2026-11-22T10:00:00Z"), "")),
        supabase(
            "a day and the time that a backup takes",
            "",
            backups(&backup("COMPLETED", "2026-11-22T11:30:00+00:00"), ""),
        ),
        supabase(
            "the newest failed",
            "",
            backups(
                &[backup("COMPLETED", "2026-11-23T04:00:00Z"), backup("FAILED", "2026-11-23T10:00:00Z")].join(","),
                "",
            ),
        ),
        supabase("all failed", "", backups(&backup("FAILED", "2026-11-23T04:00:00Z"), "")),
        supabase(
            "not yet, or not any more",
            "",
            backups(
                &[backup("PENDING", "2026-11-23T11:00:00Z"), backup("REMOVED", "2026-11-23T04:00:00Z")].join(","),
                "",
            ),
        ),
        supabase("point-in-time recovery: an empty list is right", "  objectives: {rpo: 15m}\n", pitr(120)),
        supabase("point-in-time recovery that has stopped", "  objectives: {rpo: 15m}\n", pitr(30 * 3600)),
        supabase("point-in-time recovery that lags behind the promise", "  objectives: {rpo: 15m}\n", pitr(3600)),
        supabase(
            "point-in-time recovery without an instant",
            "",
            Say::json(
                r#"{"pitr_enabled":true,"walg_enabled":true,"backups":[],"physical_backup_data":{"latest_physical_backup_date_unix":0}}"#,
            ),
        ),
        supabase("a backup of tomorrow", "", backups(&backup("COMPLETED", "2026-11-24T04:00:00Z"), "")),
        supabase("a time that is none", "", backups(&backup("COMPLETED", "soon"), "")),
        supabase("no history of the length that is wanted", "", backups(&fresh, "")),
    ];
    let last = rows.last_mut().unwrap();
    last.source = SUPABASE.replace("provider", "minWindow: 7d, provider");
    let mut paused = supabase("a paused project", "", backups(&fresh, ""));
    paused.says[1].1 = Say::json(r#"{"id":"x","status":"INACTIVE"}"#);
    let mut narrow = supabase("a token that may read backups and nothing else", "", backups(&fresh, ""));
    narrow.says[1].1 = Say::status(403);
    rows.extend([paused, narrow]);
    assert_snapshot!(verdicts(rows).await);
}

/// What the database itself would say counts beside what the provider says, and that it cannot be asked changes nothing.
#[tokio::test]
async fn a_database_that_cannot_be_asked_itself() {
    let mut row = supabase("no address", "", backups(&backup("COMPLETED", "2026-11-23T04:00:00Z"), ""));
    row.source = SUPABASE.replace("provider", "databaseUrlFrom: {file: /nowhere/database.url}, provider");
    let mut other = supabase("no database's", "", backups(&backup("COMPLETED", "2026-11-23T04:00:00Z"), ""));
    // The token is no address, and is not repeated.
    other.source = SUPABASE.replace("provider", "databaseUrlFrom: {file: TOKEN_FILE}, provider");
    assert_snapshot!(verdicts(vec![row, other]).await);
}

/// What any provider can do to whoever asks; none of it says anything about backups.
#[tokio::test]
async fn nothing_is_learnt() {
    let headers = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    let limited = headers(&[("retry-after", "300"), ("x-ratelimit-limit", "120"), ("x-ratelimit-remaining", "0")]);
    let html = Say::Status(200, headers(&[("content-type", "text/html")]), "<html>log in: hunter2</html>".into());
    let away = Say::Status(302, headers(&[("location", "https://elsewhere.example/login?t=hunter2")]), String::new());
    let rows = vec![
        supabase("401", "", Say::status(401)),
        supabase("403", "", Say::status(403)),
        supabase("404", "", Say::status(404)),
        supabase("429", "  objectives: {rpo: 15m}\n", Say::Status(429, limited, "{}".into())),
        supabase("500", "", Say::status(500)),
        supabase("418", "", Say::status(418)),
        supabase("HTML in place of JSON", "", html),
        supabase("JSON of another kind", "", Say::json("[]")),
        supabase("a field that is not there", "", Say::json(r#"{"walg_enabled":true}"#)),
        supabase("half of it", "", Say::Half("{\"pitr_enabled\":")),
        supabase("ten megabytes", "", Say::Much(10 << 20)),
        supabase("nothing, ever", "", Say::Hang),
        supabase("a redirect", "", away),
    ];
    assert_snapshot!(verdicts(rows).await);
}

#[tokio::test]
async fn a_missing_token_is_said_and_nobody_is_asked() {
    let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
    let source = SUPABASE.replace("file: TOKEN_FILE", "env: SEAWALL_TEST_NO_SUCH_TOKEN");
    let policy = policy(&cloud, directory.path(), &source, "");
    let watched = conclude(&policy, Some(lookout().look(&policy, None, now()).await), now());
    assert_snapshot!(told(&watched));
    assert!(cloud.asked().is_empty());
}

const GRAPHQL: &str = "POST /";

fn neon(name: &'static str, source: String, retention: u32, born: &str, snapshots: Say) -> Row {
    let project = format!(r#"{{"project":{{"id":"cool-sea-1","history_retention_seconds":{retention}}}}}"#);
    let branch = |id: &str, default: bool| {
        format!(r#"{{"id":"{id}","created_at":"{born}","default":{default},"current_state":"ready"}}"#)
    };
    let branches = format!(r#"{{"branches":[{},{}]}}"#, branch("br-dev", false), branch("br-main", true));
    let says = vec![
        ("GET /projects/cool-sea-1", Say::json(project)),
        ("GET /projects/cool-sea-1/branches", Say::json(branches)),
        ("GET /projects/cool-sea-1/branches/br-dev", Say::json(format!(r#"{{"branch":{}}}"#, branch("br-dev", false)))),
        ("GET /projects/cool-sea-1/snapshots", snapshots),
    ];
    Row { name, source, more: "  objectives: {rpo: 15m}\n", says }
}

#[tokio::test]
async fn neon_tells() {
    let none = || Say::json(r#"{"snapshots":[]}"#);
    let of = |created: &str, expires: &str| {
        Say::json(format!(
            r#"{{"snapshots":[{{"id":"s","name":"s","created_at":"{created}","source_branch_id":"br-main"{expires}}}]}}"#
        ))
    };
    let week = NEON.replace("provider", "minWindow: 7d, provider");
    let old = "2026-01-01T00:00:00Z";
    let rows = vec![
        neon("a day of history, which is the default", NEON.into(), 86_400, old, none()),
        neon("where a week is wanted", week.clone(), 86_400, old, none()),
        neon("a week of it", week.clone(), 604_800, old, none()),
        neon("a week of it, of a branch that was made yesterday", week, 604_800, "2026-11-22T12:00:00Z", none()),
        neon("no history, no snapshot", NEON.into(), 0, old, none()),
        neon("no history, a snapshot", NEON.into(), 0, old, of("2026-11-23T06:00:00Z", "")),
        neon(
            "no history, a snapshot that has expired",
            NEON.into(),
            0,
            old,
            of("2026-11-20T06:00:00Z", r#","expires_at":"2026-11-21T06:00:00Z""#),
        ),
        neon(
            "no history, a snapshot of another branch",
            NEON.replace("provider", "branch: br-dev, provider"),
            0,
            old,
            of("2026-11-23T06:00:00Z", ""),
        ),
        neon("an account without the beta", NEON.into(), 86_400, old, Say::status(404)),
        neon("a page of 429s", NEON.into(), 86_400, old, Say::status(429)),
    ];
    assert_snapshot!(verdicts(rows).await);
}

fn railway(name: &'static str, say: Say) -> Row {
    Row { name, source: RAILWAY.into(), more: "", says: vec![(GRAPHQL, say)] }
}

#[tokio::test]
async fn railway_tells() {
    let listed = |at: &str, expires: &str, kind: &str| {
        Say::json(format!(
            r#"{{"data":{{"backups":[{{"createdAt":"{at}","expiresAt":{expires}}}],"schedules":[{kind}]}}}}"#
        ))
    };
    let daily = r#"{"kind":"DAILY"}"#;
    let refused = |message: &str| Say::json(format!(r#"{{"data":null,"errors":[{{"message":"{message}"}}]}}"#));
    let mut promised =
        railway("a promise that daily backups cannot keep", listed("2026-11-23T03:00:00Z", "null", daily));
    promised.more = "  objectives: {rpo: 15m}\n";
    let rows = vec![
        railway("a fresh one", listed("2026-11-23T03:00:00.000Z", "\"2026-11-29T03:00:00.000Z\"", daily)),
        railway("one that has expired", listed("2026-11-23T03:00:00Z", "\"2026-11-23T11:00:00Z\"", daily)),
        railway("an old one", listed("2026-11-16T03:00:00Z", "null", r#"{"kind":"WEEKLY"}"#)),
        promised,
        railway("none, with a schedule", Say::json(format!(r#"{{"data":{{"backups":[],"schedules":[{daily}]}}}}"#))),
        railway("200 and refused", refused("Not Authorized")),
        railway("200 and no such volume", refused("VolumeInstance not found")),
        railway(
            "200 and data beside an error",
            Say::json(r#"{"data":{"backups":[],"schedules":[]},"errors":[{"message":"Problem processing request"}]}"#),
        ),
        railway("200 and nothing", Say::json("{}")),
    ];
    assert_snapshot!(verdicts(rows).await);
}

#[tokio::test]
async fn each_provider_gets_the_token_in_its_own_way() {
    let cloud = Cloud::start().await;
    let directory = tempfile::tempdir().unwrap();
    let project = RAILWAY.replace("provider", "scope: project, provider");
    for (source, header, value) in [
        (SUPABASE, "authorization", format!("Bearer {TOKEN}")),
        (NEON, "authorization", format!("Bearer {TOKEN}")),
        (RAILWAY, "authorization", format!("Bearer {TOKEN}")),
        (&project, "project-access-token", TOKEN.to_owned()),
    ] {
        let policy = policy(&cloud, directory.path(), source, "");
        lookout().look(&policy, None, now()).await;
        let asked = cloud.asked().pop().unwrap();
        assert_eq!(asked.headers.get(header), Some(&value), "{source}");
        assert!(asked.headers["user-agent"].starts_with("seawall/"));
    }
}

/// What one look learnt is not forgotten by the next one that learns nothing, and is never taken for news.
#[tokio::test]
async fn what_was_known_ages() {
    let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
    cloud.say(BACKUPS, backups(&backup("COMPLETED", "2026-11-23T04:00:00Z"), ""));
    cloud.say(PROJECT, Say::json(r#"{"status":"ACTIVE_HEALTHY"}"#));
    let policy = policy(&cloud, directory.path(), SUPABASE, "");
    assert_eq!(conclude(&policy, None, now()).verdict.reason, "NotLookedYet");
    let first = lookout().look(&policy, None, now()).await;
    assert_eq!(first.next, now() + SignedDuration::from_mins(15), "by default every quarter of an hour");
    assert_eq!(conclude(&policy, Some(first.clone()), now()).verdict.status, Truth::True);
    // Nobody has looked since; what was fresh then says nothing now.
    let later = now() + SignedDuration::from_hours(2);
    assert_eq!(conclude(&policy, Some(first.clone()), later).verdict.reason, "LookOverdue");
    // An edit: the answer was to another question.
    let edited = Probe { digest: "other".into(), ..first.clone() };
    assert_eq!(conclude(&policy, Some(edited), now()).verdict.reason, "NotLookedYet");

    cloud.say(BACKUPS, Say::status(503));
    let second = lookout().look(&policy, Some(&first), later).await;
    assert_eq!(second.next, later + SignedDuration::from_mins(5), "trouble is looked at again sooner");
    let watched = conclude(&policy, Some(second), later);
    assert_eq!((watched.verdict.status, watched.verdict.reason.as_str()), (Truth::Unknown, "ProviderTrouble"));
    assert_eq!((watched.answered_at, watched.known), (Some(now()), false));
    assert_eq!(watched.newest, "2026-11-23T04:00:00Z".parse::<Timestamp>().ok());
    assert_eq!(watched.deadline, "2026-11-24T05:00:00Z".parse::<Timestamp>().ok());
    assert!(watched.verdict.message.contains("it last was at 2026-11-23T12:00:00Z"), "{}", watched.verdict.message);
}
