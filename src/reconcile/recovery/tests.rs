use super::*;
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn snapshot(policy: &str, source: &str, host: &str, seconds: i64, complete: bool) -> Arc<SnapshotRecord> {
    Arc::new(SnapshotRecord {
        id: format!("{policy}-{seconds}").into(),
        time: at(seconds),
        host: host.to_owned(),
        source: Some(SourceKey { policy: policy.to_owned(), source: source.to_owned() }),
        slot: None,
        run: None,
        complete,
        files: 1,
        bytes: 10,
        added_bytes: 10,
        imported: None,
    })
}

fn text(name: &str, source: &str, rest: &str) -> String {
    format!(
        "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: {name}}}\nspec:\n  source: {source}\n  {rest}\n"
    )
}

const DAILY: &str = "schedule: {cron: '@daily'}";

fn documents(texts: &[(&str, String)]) -> serde_json::Value {
    texts.iter().map(|(name, text)| json!({"kind": "BackupPolicy", "name": name, "text": text})).collect()
}

/// A volume of a Compose project, with what was in force when it was backed up.
fn found(policy: &str, volume: &str, seconds: i64, documents: &serde_json::Value) -> Found {
    let compose = json!({"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop",
        "com.docker.compose.project.config_files": "a.yml,b.yml"});
    let manifest = json!({
        "volume": {"driver": "local", "labels": {"a": "b"}, "options": {}},
        "containers": [{"image": "n8nio/n8n:1", "networks": ["shop_default", "prosaas-net"], "compose": compose}],
        "repository": "offsite",
        "documents": documents,
    });
    let snapshot = snapshot(policy, volume, "web-1", seconds, true);
    Found { source: snapshot.source.clone().unwrap(), snapshot, manifest: Manifest::read(Some(manifest)) }
}

fn all(_: &SourceKey, _: Kind) -> bool {
    true
}

fn names(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.source.policy.as_str()).collect()
}

#[test]
fn a_complete_snapshot_beats_a_newer_partial_one_and_hosts_are_told_apart() {
    let all = [
        snapshot("p", "v", "web-1", 1, true),
        snapshot("p", "v", "web-1", 3, true),
        snapshot("p", "v", "web-1", 5, false),
        snapshot("q", "w", "web-1", 2, false),
        snapshot("p", "v", "web-2", 9, true),
        Arc::new(SnapshotRecord { source: None, ..(*snapshot("p", "v", "web-3", 9, true)).clone() }),
    ];
    let newest = newest(&all, "web-1");
    let ids: Vec<&str> = newest.iter().map(|snapshot| &*snapshot.id).collect();
    assert_eq!(ids, ["p-3", "q-2"]);
    let hosts: Vec<_> = hosts(&all).into_iter().map(|host| (host.name, host.snapshots, host.newest)).collect();
    assert_eq!(hosts, [("web-1".to_owned(), 4, at(5)), ("web-2".to_owned(), 1, at(9))]);
}

#[test]
fn the_most_critical_comes_first_and_what_was_withdrawn_does_not() {
    let policies = documents(&[
        ("low", text("low", "{volume: {name: l}}", &format!("criticality: low\n  {DAILY}"))),
        ("new", text("new", "{volume: {name: v}}", &format!("criticality: critical\n  {DAILY}"))),
    ]);
    let old = documents(&[]);
    let found = [found("low", "l", 9, &policies), found("new", "v", 8, &policies), found("old", "v", 3, &old)];
    let (items, left_out) = choose(&found, &all, &[]);
    assert_eq!(names(&items), ["new", "low"]);
    assert!(left_out.len() == 1 && left_out[0].why.contains("--policy old"), "{left_out:?}");
    // Named, it still loses to the newer snapshot of the same volume.
    let (items, left_out) = choose(&found, &all, &["old".to_owned()]);
    assert_eq!(names(&items), ["new", "low"]);
    assert!(left_out[0].why.contains("policy new has a newer snapshot"), "{left_out:?}");
    let only = |source: &SourceKey, _: Kind| source.policy == "old";
    assert_eq!(names(&choose(&found, &only, &["old".to_owned()]).0), ["old"]);
    assert_eq!(repository(&found), "offsite");
}

#[test]
fn snapshots_of_an_older_seawall_bring_their_own_policies() {
    let manifest = json!({"volume": {"driver": "local"}, "policy": {"name": "p", "text": text("p", "{volume: {name: v}}",
        &format!("repositories: [second]\n  {DAILY}"))}});
    let snapshot = snapshot("p", "v", "web-1", 1, true);
    let source = snapshot.source.clone().unwrap();
    let found = [Found { source, snapshot, manifest: Manifest::read(Some(manifest)) }];
    assert_eq!(super::documents(&found).len(), 1);
    assert_eq!(repository(&found), "second");
    assert_eq!(names(&choose(&found, &all, &[]).0), ["p"]);
    assert_eq!(Manifest::read(Some(json!("nonsense"))), Manifest::default());
}

/// A source that is on no disk of the host.
fn elsewhere(policy: &str, source: &str, manifest: serde_json::Value, documents: &serde_json::Value) -> Found {
    let mut manifest = manifest;
    manifest["documents"] = documents.clone();
    let snapshot = snapshot(policy, source, "web-1", 1, true);
    Found { source: snapshot.source.clone().unwrap(), snapshot, manifest: Manifest::read(Some(manifest)) }
}

#[test]
fn databases_come_after_the_disk_and_share_their_names() {
    let url = |name: &str| format!("{{postgres: {{name: app, urlFrom: {{file: /{name}}}}}}}");
    let critical = format!("criticality: critical\n  {DAILY}");
    let policies = documents(&[
        ("one", text("one", &url("one"), &critical)),
        ("two", text("two", &url("two"), DAILY)),
        ("low", text("low", "{volume: {name: l}}", &format!("criticality: low\n  {DAILY}"))),
    ]);
    let dump = |globals: bool| json!({"postgres": {"dump": "app.dump", "globals": globals}});
    let found = [
        elsewhere("two", "postgres/app", dump(false), &policies),
        elsewhere("one", "postgres/app", dump(true), &policies),
        found("low", "l", 1, &policies),
    ];
    let (mut items, left_out) = choose(&found, &all, &[]);
    assert_eq!((names(&items), left_out), (vec!["low", "one", "two"], vec![]));
    assert!(items.iter().map(|item| item.kind).eq([Kind::Volume, Kind::Database, Kind::Database]));

    let mut list = vec![
        Todo { about: "env", text: "…".to_owned(), commands: Vec::new() },
        Todo { about: "start", text: "…".to_owned(), commands: Vec::new() },
    ];
    items[2].to = Some("env:A B".to_owned());
    add_left(&mut list, items.iter().map(|item| (item, "no reason")));
    add_left(&mut list, items[1..].iter().map(|item| (item, "the server is gone")));
    let about: Vec<&str> = list.iter().map(|todo| todo.about).collect();
    assert_eq!(about, ["env", "restore", "restore", "start"], "what was said before is said anew: {list:#?}");
    assert!(list[1].text.contains("the server is gone"));
    assert_eq!(list[1].commands, ["seawall cat one:globals.sql | psql …", "seawall restore one --source postgres/app"]);
    assert_eq!(list[2].commands, ["seawall restore two --source postgres/app --to-database 'env:A B'"]);
}

fn steps(found: &[Found]) -> Vec<(&'static str, String)> {
    let (items, _) = choose(found, &all, &[]);
    let documents = super::documents(found);
    let surroundings = Surroundings {
        host: "web-1",
        found,
        items: &items,
        documents: &documents,
        repository: "offsite",
        projects_here: &BTreeSet::new(),
        missing_images: &BTreeSet::from(["n8nio/n8n:1".to_owned()]),
        missing_secrets: &BTreeSet::new(),
    };
    let list = checklist(&surroundings);
    list.into_iter().map(|todo| (todo.about, [vec![todo.text], todo.commands].concat().join(" | "))).collect()
}

#[test]
fn the_checklist_follows_from_what_was_found() {
    let database = "{managedDatabase: {provider: supabase, project: abcdefghijklmnopqrst, tokenFrom: {file: /t}}}";
    let policies = documents(&[
        ("p", text("p", "{volume: {name: v}}", &format!("repositories: [offsite, default]\n  {DAILY}"))),
        ("db", text("db", database, "objectives: {rpo: 15m}")),
        ("future", "apiVersion: seawall.dev/v9\nkind: BackupPolicy\n".to_owned()),
    ]);
    let list = steps(&[found("p", "v", 1, &policies)]);
    let about: Vec<&str> = list.iter().map(|(about, _)| *about).collect();
    let wanted =
        ["compose", "env", "images", "network", "database", "policies", "repository", "start", "seawall", "dns"];
    assert_eq!(about, wanted, "{list:#?}");
    let of = |wanted: &str| &list.iter().find(|(about, _)| *about == wanted).unwrap().1;
    assert!(of("env").contains("no policy covered /srv/shop/.env"), "{list:#?}");
    assert!(of("network").ends_with("| docker network create prosaas-net"), "Compose makes its own: {list:#?}");
    assert!(of("images").contains("n8nio/n8n:1"));
    assert!(of("database").contains("supabase"));
    assert!(of("repository").contains("the repository default"));
    assert!(of("start").contains("cd /srv/shop && docker compose -p shop -f a.yml -f b.yml up -d"));
    assert!(of("seawall").contains("web-1"));
}

#[test]
fn an_env_that_a_path_policy_covers_is_not_asked_for() {
    let policies = documents(&[
        ("p", text("p", "{volume: {name: v}}", DAILY)),
        ("env", text("env", "{path: {path: /srv/shop}}", DAILY)),
    ]);
    let path = Found {
        manifest: Manifest { path: Some(HostPath::default()), ..found("env", "/srv/shop", 1, &policies).manifest },
        ..found("env", "/srv/shop", 1, &policies)
    };
    let path = Found { manifest: Manifest { volume: None, ..path.manifest }, ..path };
    let list = steps(&[found("p", "v", 1, &policies), path]);
    assert!(list.iter().all(|(about, _)| *about != "env"), "{list:#?}");
}
