//! What is said about a document that is YAML, but no policy or repository.

use crate::{POLICY, REPOSITORY, edit, lines, read, table, told};
use insta::assert_snapshot;

#[test]
fn unknown_fields_at_every_level() {
    let said = table(
        POLICY,
        &[
            ("spec:", "status: {}\nspec:"),
            ("spec:", "sepc:"),
            ("  labels: {app: n8n}", "  lables: {app: n8n}"),
            ("  name: n8n-data\n", "  nme: n8n-data\n  namespace: x\n"),
            ("  schedule:", "  schedul:"),
            ("    volume:", "    volumes:"),
            ("    volume:", "    mongodb:"),
            ("      exclude:", "      excludes:"),
            ("name: prosaasil_n8n_data", "selector: {name: \"*_data\"}"),
            ("cron: \"0 2 * * 0\"", "Cron: \"0 2 * * 0\""),
            ("timeZone:", "timezone:"),
            ("rpo:", "rop:"),
            ("keepWithin:", "keep-within:"),
            ("maxDeletePercent:", "maxDeletePercentage:"),
            ("  timeout: 2h", "  exempt: {because: x}"),
            ("  timeout: 2h", "  timeouts: 2h"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn where_repositories_are() {
    const S3: &str = "s3: {endpoint: https://s3.example.com, bucket: backups, accessKeyIdFrom: {env: ID}, secretAccessKeyFrom: {env: KEY}";
    let local = "  local: {path: /mnt/backup}";
    let s3 = |more: &str| format!("  {S3}{more}}}");
    let changed = |from: &str, to: &str| s3("").replace(from, to);
    let edits = [
        "  s3: {bucket: b, secretAccessKey: hunter2}".to_owned(),
        format!("{local}\n{}", s3("")),
        "  suspend: true".to_owned(),
        format!("{local}\n  residency: eu"),
        format!("{}\n  residency: \"\"", s3("")),
        changed("https://s3.example.com", "http://s3.example.com"),
        changed("https://s3.example.com", "s3.example.com"),
        changed("backups", "Back_ups"),
        changed("{env: KEY}", "hunter2"),
        changed("{env: KEY}", "{file: key}"),
        s3(", prefix: /host"),
        s3(", prefix: host/"),
        s3(", prefix: a/../b"),
        s3(", region: eu central"),
        s3(", caFile: ca.pem"),
        s3(", path: /x"),
        "  check: {schedule: {every: 1d}, readDataPercent: 5}".to_owned(),
    ];
    let edits: Vec<(&str, &str)> = edits.iter().map(|edit| (local, edit.as_str())).collect();
    assert_snapshot!(table(REPOSITORY, &edits));
}

#[test]
fn databases_and_clones() {
    let said = table(
        POLICY,
        &[
            ("      exclude:", "      sqlite: database.sqlite\n      exclude:"),
            ("      exclude:", "      sqlite: Auto\n      exclude:"),
            ("      exclude:", "      sqlite: true\n      exclude:"),
            ("      exclude:", "      sqlite: {files: [a]}\n      exclude:"),
            ("      exclude:", "      sqlite:\n      exclude:"),
            ("      exclude:", "      sqlite: []\n      exclude:"),
            ("      exclude:", "      sqlite: [\"\", \"a[\", 5]\n      exclude:"),
            ("      exclude:", "      sqlite: [a.db, ../b.db, a.db-wal]\n      exclude:"),
            ("      exclude:", "      sqllite: auto\n      exclude:"),
            ("      exclude:", "      snapshot: auto\n      exclude:"),
            ("      exclude:", "      snapshot: auto\n      quiesce: {mode: none}\n      exclude:"),
            ("      exclude:", "      snapshot: lvm\n      exclude:"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn paths_of_the_host() {
    let source = "    volume:\n      name: prosaasil_n8n_data\n";
    let said = table(
        POLICY,
        &[
            (source, "    path:\n      path: app/.env\n"),
            (source, "    path:\n      path: /srv/../etc\n"),
            (source, "    path:\n      path: /\n"),
            (source, "    path:\n      path: /proc/1\n"),
            (source, "    path:\n      name: /srv/app\n"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn databases_that_are_dumped() {
    let source = "    volume:\n      name: prosaasil_n8n_data\n      exclude: [\"cache/**\", \"*.log\"]\n";
    let database = |fields: &str| format!("    postgres: {{{fields}}}\n");
    let wrong = [
        "urlFrom: \"postgres://u:hunter2@h/d\"",
        "url: \"postgres://u:hunter2@h/d\"",
        "urlFrom: {env: \"postgres://u:hunter2@h/d\"}",
        "urlFrom: {file: relative}",
        "urlFrom: {env: DATABASE_URL}, name: a/b",
        "urlFrom: {env: DATABASE_URL}, binaries: bin",
        "urlFrom: {env: DATABASE_URL}, exclude: {tables: [sessions]}",
        "urlFrom: {env: DATABASE_URL}, exclude: {schemas: [a.b], rows: [\"\"]}",
        "urlFrom: {env: DATABASE_URL}, exclude: {tables: ['public.\"x\"']}",
        "name: app",
    ];
    let edits: Vec<String> = wrong.iter().map(|fields| database(fields)).collect();
    let edits: Vec<(&str, &str)> = edits.iter().map(|edit| (source, edit.as_str())).collect();
    let said = table(POLICY, &edits);
    // The table shows what was written; what is said about it does not.
    assert!(said.lines().filter(|line| line.starts_with("    p.yaml")).all(|line| !line.contains("hunter2")), "{said}");
    assert_snapshot!(said);
}

#[test]
fn what_a_drill_of_a_database_and_one_of_files_look_at() {
    let source = "    volume:\n      name: prosaasil_n8n_data\n      exclude: [\"cache/**\", \"*.log\"]\n";
    let database = edit(POLICY, source, "    postgres: {urlFrom: {env: DATABASE_URL}}\n");
    let drill = |checks: &str| {
        format!("  timeout: 2h\n  verification: {{drill: {{schedule: {{cron: \"@monthly\"}}, checks: [{checks}]}}}}\n")
    };
    let wrong =
        ["{minFiles: 1}", "{minRows: {users: 1}}", "{minRows: {}}", "{minTables: 0}", "{compareSample: 5%}"].map(drill);
    let edits: Vec<(&str, &str)> = wrong.iter().map(|edit| ("  timeout: 2h\n", edit.as_str())).collect();
    let said =
        table(&database, &edits) + &table(POLICY, &[("  timeout: 2h\n", drill("{query: SELECT true}").as_str())]);
    assert_snapshot!(said);
}

#[test]
fn what_is_missing_or_empty() {
    let said = table(
        POLICY,
        &[
            ("apiVersion: seawall.dev/v1\n", ""),
            ("kind: BackupPolicy\n", ""),
            ("metadata:\n  name: n8n-data\n  labels: {app: n8n}\n", ""),
            ("  name: n8n-data\n", ""),
            ("  name: n8n-data\n", "  name:\n"),
            ("      name: prosaasil_n8n_data\n", ""),
            ("      name: prosaasil_n8n_data\n", "      name: ~\n"),
            ("name: prosaasil_n8n_data", "selector: {}"),
            ("name: prosaasil_n8n_data", "selector: {names: []}"),
            ("name: prosaasil_n8n_data", "selector: {names: [\"\"]}"),
            ("volume:\n      name: prosaasil_n8n_data\n      exclude: [\"cache/**\", \"*.log\"]", "volume:"),
            ("{cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem, jitter: 5m}", "{}"),
            ("  schedule: {cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem, jitter: 5m}\n", ""),
            ("cron: \"0 2 * * 0\", ", ""),
            ("[default, offsite]", "[]"),
            ("[default, offsite]", ""),
            ("keepWithin: 30d, keepLast: 4, ", ""),
            ("{keepWithin: 30d, keepLast: 4, guard: {maxDeletePercent: 50}}", "{keepDaily: 0}"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn wrong_types() {
    let said = table(
        POLICY,
        &[
            ("name: n8n-data", "name: 5"),
            ("name: n8n-data", "name: 1e300"),
            ("name: n8n-data", "name: [a]"),
            ("name: n8n-data", "name: .nan"),
            ("{app: n8n}", "{app: 5, on: true}"),
            ("{app: n8n}", "[app]"),
            ("description: workflows", "description: {a: b}"),
            ("criticality: critical", "criticality: 1"),
            ("[\"cache/**\", \"*.log\"]", "\"*.log\""),
            ("[\"cache/**\", \"*.log\"]", "[1, [a]]"),
            ("jitter: 5m", "jitter: 5"),
            ("jitter: 5m", "jitter: 5.5"),
            ("jitter: 5m", "jitter: yes"),
            ("{cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem, jitter: 5m}", "daily"),
            ("{cron: \"0 2 * * 0\", timeZone: Asia/Jerusalem, jitter: 5m}", "[{cron: \"@daily\"}]"),
            ("[default, offsite]", "default"),
            ("keepLast: 4", "keepLast: \"4\""),
            ("keepLast: 4", "keepLast: 4.5"),
            ("keepLast: 4", "keepLast: 0"),
            ("keepLast: 4", "keepLast: -1"),
            ("keepLast: 4", "keepLast: 99999999999999999999"),
            ("keepLast: 4", "keepLast: .inf"),
            ("maxDeletePercent: 50", "maxDeletePercent: 101"),
            ("  timeout: 2h", "  suspend: yes"),
            ("  timeout: 2h", "  suspend: 1"),
            ("  timeout: 2h", "  deletionPolicy: Delete"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn words_names_and_patterns() {
    let said = table(
        POLICY,
        &[
            ("seawall.dev/v1", "seawall.dev/v2"),
            ("kind: BackupPolicy", "kind: Backuppolicy"),
            ("kind: BackupPolicy", "kind: Repositry"),
            ("kind: BackupPolicy", "kind: Deployment"),
            ("kind: BackupPolicy", "kind: 5"),
            ("kind: BackupPolicy", "knd: BackupPolicy"),
            ("criticality: critical", "criticality: critcal"),
            ("criticality: critical", "criticality: urgent"),
            ("name: n8n-data", "name: N8N_data"),
            ("name: n8n-data", "name: -a"),
            ("name: n8n-data", "name: \"\""),
            ("name: n8n-data", "name: \"a\\e[31m\\u202eb\""),
            ("prosaasil_n8n_data", "\"*_data\""),
            ("prosaasil_n8n_data", "/srv/data"),
            ("\"*.log\"", "\"[\""),
            ("\"*.log\"", "\"{a\""),
            ("name: prosaasil_n8n_data", "selector: {names: [\"a[\"]}"),
            ("[default, offsite]", "[offsite, offsite]"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn lengths_of_time_and_schedules() {
    let said = table(
        POLICY,
        &[
            ("rpo: 7d", "rpo: 7 days"),
            ("rpo: 7d", "rpo: \"7\""),
            ("rpo: 7d", "rpo: 30m1h"),
            ("rpo: 7d", "rpo: -1d"),
            ("rpo: 7d", "rpo: 0s"),
            ("rpo: 7d", "rpo: 999999999999999999999d"),
            ("rpo: 7d", "rpo: 300000w"),
            ("keepWithin: 30d", "keepWithin: P30D"),
            ("timeout: 2h", "timeout: 0h"),
            ("0 2 * * 0", "0 2 * *"),
            ("0 2 * * 0", "0 25 * * 0"),
            ("0 2 * * 0", "@dayly"),
            ("0 2 * * 0", ""),
            ("0 2 * * 0", "0 0 31 2 *"),
            ("Asia/Jerusalem", "Asia/Jerusalm"),
            ("Asia/Jerusalem", "IST+2"),
            ("Asia/Jerusalem", "\"Asia/\\nJerusalem\\e[31m\""),
            ("timeZone: Asia/Jerusalem", "every: 15m"),
            ("cron: \"0 2 * * 0\"", "every: 5s"),
        ],
    );
    assert_snapshot!(said);
    let long = read(edit(POLICY, "0 2 * * 0", &"1,".repeat(500)));
    assert_eq!(told(&long.errors), "    p.yaml:13:20: spec.schedule.cron: has at most 256 bytes\n");
}

#[test]
fn exempt_and_backed_up_exclude_each_other() {
    let said = table(
        POLICY,
        &[
            ("  timeout: 2h", "  exempt: {reason: cache}"),
            ("  timeout: 2h", "  exempt: {reason: \" \"}"),
            ("  timeout: 2h", "  exempt: yes"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn fields_that_are_given_twice() {
    let said = table(
        POLICY,
        &[
            ("kind: BackupPolicy", "kind: BackupPolicy\nkind: BackupPolicy"),
            ("{app: n8n}", "{app: n8n, app: x}"),
            ("rpo: 7d", "rpo: 7d, rpo: 8d"),
            // A typo beside the right name is not taken for it.
            ("rpo: 7d", "rpo: 7d, rop: 8d"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn repositories() {
    let said = table(
        REPOSITORY,
        &[
            ("{path: /mnt/backup}", "{}"),
            ("{path: /mnt/backup}", ""),
            ("/mnt/backup", "backup"),
            ("{file: /etc/seawall/key}", "{file: key}"),
            ("{file: /etc/seawall/key}", "{env: A, file: /k}"),
            ("{file: /etc/seawall/key}", "{}"),
            ("{file: /etc/seawall/key}", "{evn: A}"),
            ("{file: /etc/seawall/key}", "{env: \"A=B\"}"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn a_secret_is_refused_and_never_repeated() {
    let table = table(
        REPOSITORY,
        &[
            ("passwordFrom: {file: /etc/seawall/key}", "password: hunter2"),
            ("passwordFrom: {file: /etc/seawall/key}", "Password: [hunter2]"),
            ("passwordFrom: {file: /etc/seawall/key}", "secretAccessKey: {value: hunter2}"),
            ("passwordFrom: {file: /etc/seawall/key}", "{password:hunter2}: x"),
            ("  passwordFrom: {file: /etc/seawall/key}", "  password hunter2: x"),
            ("spec:", "spec: {pasword:hunter2}\nx:"),
            ("spec:", "spec: pasword:hunter2\nx:"),
            ("passwordFrom: {file: /etc/seawall/key}", "key: hunter2"),
            ("passwordFrom: {file: /etc/seawall/key}", "privateKey: hunter2"),
            ("{file: /etc/seawall/key}", "{hunter2: x}"),
            ("{file: /etc/seawall/key}", "{env: \"hunter2 is my secret\"}"),
            ("{file: /etc/seawall/key}", "hunter2"),
            ("{file: /etc/seawall/key}", "[hunter2]"),
            ("{file: /etc/seawall/key}", "{file: /k, value: hunter2}"),
            ("{file: /etc/seawall/key}", "{file: [hunter2]}"),
            ("{file: /etc/seawall/key}", "{env: \"hunter2=\"}"),
            ("{file: /etc/seawall/key}", "'hunter2"),
            ("{file: /etc/seawall/key}", "!hunter2 x"),
            ("{file: /etc/seawall/key}", "*hunter2"),
            ("{file: /etc/seawall/key}", "@hunter2"),
            ("{file: /etc/seawall/key}", "\"a\" hunter2"),
        ],
    );
    let said: String = table.lines().filter(|line| line.starts_with("    ")).collect();
    assert!(!said.contains("hunter2"), "{table}");
    assert_snapshot!(table);
}

#[test]
fn what_is_missing_hides_nothing_else() {
    let text = "apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {name: A_B}\nspec:\n  schedule: {cron: x}\n";
    let fields: Vec<String> = read(text).errors.into_iter().map(|e| e.field).collect();
    assert_eq!(fields, ["metadata.name", "spec.source", "spec.schedule.cron"]);
}

#[test]
fn every_document_of_a_file_tells_its_own_errors() {
    let text = [
        edit(POLICY, "kind:", "kidn:"),
        edit(POLICY, "{app: n8n}", "{app: n8n"),
        edit(&edit(POLICY, "sche", "shce"), "0 2 * * 0", "61 2 * * 0"),
        POLICY.to_owned(),
        edit(REPOSITORY, "path", "paht"),
    ]
    .join("---\n");
    let parsed = read(&text);
    assert_eq!(parsed.documents.len(), 1);
    assert_snapshot!(told(&parsed.errors));
    let windows = read(text.replace('\n', "\r\n"));
    assert_eq!(windows.errors, parsed.errors);
    assert_eq!(windows.documents[0].name(), parsed.documents[0].name());
}

#[test]
fn of_very_many_errors_some_are_told_and_the_rest_counted() {
    let labels = lines(150, |i| format!("    l{i}: {i}\n"));
    let errors = read(edit(POLICY, "  labels: {app: n8n}\n", &format!("  labels:\n{labels}"))).errors;
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].to_string(), "p.yaml: 50 more errors are not shown");
}
