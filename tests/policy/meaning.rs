//! Which edits of a document are another meaning, and so another generation, and which are not.

use crate::{POLICY, REPOSITORY, edit, read};
use seawall::policy::Document;
use std::collections::BTreeMap;

fn digest(text: &str) -> String {
    let parsed = read(text);
    assert_eq!(parsed.errors, [], "{text}");
    match parsed.documents.into_iter().next() {
        Some(Document::Policy(policy)) => policy.digest.clone(),
        Some(Document::Repository { repository, .. }) => repository.digest.clone(),
        None => panic!("no document in {text}"),
    }
}

const EXEMPT: &str = r"apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: redis}
spec:
  source: {volume: {selector: {names: [a, b], labels: {x: y, z: w}}}}
  exempt: {reason: a cache}
";

const PATH: &str = r"apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: app}
spec:
  source: {path: {path: /srv/app/data, exclude: [a, b]}}
  schedule: {every: 24h}
";

const DATABASE: &str = r"apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: app}
spec:
  source: {postgres: {urlFrom: {env: DATABASE_URL}, exclude: {tables: [a.b, c.d]}}}
  schedule: {every: 24h}
";

#[test]
fn spelling_is_no_meaning() {
    for (text, from, to) in [
        (POLICY, "spec:\n", "# why\nspec:\n\n"),
        (POLICY, "apiVersion: seawall.dev/v1\n", "---\n\"apiVersion\": 'seawall.dev/v1'\n"),
        (
            POLICY,
            "apiVersion: seawall.dev/v1\nkind: BackupPolicy\n",
            "kind: BackupPolicy\napiVersion: seawall.dev/v1\n",
        ),
        (POLICY, "{app: n8n}", "\n    app: n8n"),
        (POLICY, "workflows", "\"workflows\""),
        (POLICY, "[\"cache/**\", \"*.log\"]", "[\"*.log\", \"cache/**\", \"*.log\"]"),
        (POLICY, "0 2 * * 0", " 0  2 * * 0 "),
        (POLICY, "Asia/Jerusalem", "asia/jerusalem"),
        (POLICY, "jitter: 5m", "jitter: 300s"),
        (POLICY, "rpo: 7d, rto: 30m", "rto: 1800s, rpo: 1w"),
        (POLICY, "guard: {maxDeletePercent: 50}", "keepDaily: 0"),
        (POLICY, "timeout: 2h", "timeout: 120m\n  suspend: false\n  deletionPolicy: Retain"),
        (EXEMPT, "[a, b]", "[b, a]"),
        (PATH, "/srv/app/data", "/srv/app//./data/"),
        (PATH, "[a, b]", "[b, a]"),
        (DATABASE, "[a.b, c.d]", "[c.d, a.b]"),
        (DATABASE, "urlFrom", "name: app, globals: false, heartbeat: false, urlFrom"),
        (EXEMPT, "{x: y, z: w}", "{z: w, x: y}"),
        (EXEMPT, "a cache}", "\" a cache \"}\n  criticality: medium\n  description: \"\"\n  objectives: {}"),
        (REPOSITORY, "{path: /mnt/backup}", "\n    path: /mnt/backup # here"),
    ] {
        assert_eq!(digest(text), digest(&edit(text, from, to)), "{to}");
    }
    let without_timeout = edit(POLICY, "  timeout: 2h\n", "");
    assert_eq!(digest(&without_timeout), digest(&edit(POLICY, "2h", "6h")));
    let default = edit(POLICY, "repositories: [default, offsite]", "repositories: [default]");
    assert_eq!(digest(&default), digest(&edit(POLICY, "  repositories: [default, offsite]\n", "")));
}

#[test]
fn every_field_is_meaning() {
    let mut seen = BTreeMap::from([
        (digest(POLICY), "the policy"),
        (digest(EXEMPT), "the exemption"),
        (digest(PATH), "the path"),
        (digest(REPOSITORY), "the repository"),
    ]);
    assert_eq!(seen.len(), 4);
    for (text, from, to) in [
        (POLICY, "name: n8n-data", "name: n8n"),
        (POLICY, "{app: n8n}", "{app: n9n}"),
        (POLICY, "workflows", "the workflows"),
        (POLICY, "critical\n", "high\n"),
        (POLICY, "prosaasil_n8n_data", "prosaasil_n8n"),
        (POLICY, "name: prosaasil_n8n_data", "selector: {names: [prosaasil_n8n_data]}"),
        (POLICY, "name: prosaasil_n8n_data", "selector: {composeProject: prosaasil_n8n_data}"),
        (POLICY, "\"*.log\"", "\"*.lo\""),
        (POLICY, "      exclude:", "      sqlite: auto\n      exclude:"),
        (POLICY, "      exclude:", "      sqlite: [a]\n      exclude:"),
        (POLICY, "      exclude:", "      quiesce: {mode: pause}\n      exclude:"),
        (POLICY, "      exclude:", "      quiesce: {mode: pause}\n      snapshot: auto\n      exclude:"),
        (POLICY, "0 2 * * 0", "0 2 * * 1"),
        (POLICY, "Asia/Jerusalem", "Asia/Amman"),
        (POLICY, "jitter: 5m", "jitter: 5s"),
        (POLICY, "jitter: 5m", "jitter: 5m, startingDeadline: 24h"),
        (POLICY, "cron: \"0 2 * * 0\"", "every: 24h"),
        (POLICY, "rpo: 7d", "rpo: 8d"),
        (POLICY, "rto: 30m", "rto: 31m"),
        (POLICY, ", rto: 30m", ""),
        (POLICY, "[default, offsite]", "[offsite, default]"),
        (POLICY, "[default, offsite]", "[offsite]"),
        (POLICY, "keepWithin: 30d", "keepWithin: 31d"),
        (POLICY, "keepLast: 4", "keepLast: 5"),
        (POLICY, "keepLast: 4", "keepLast: 4, keepHourly: 4"),
        (POLICY, "keepLast: 4", "keepLast: 4, keepDaily: 4"),
        (POLICY, "keepLast: 4", "keepLast: 4, keepWeekly: 4"),
        (POLICY, "keepLast: 4", "keepLast: 4, keepMonthly: 4"),
        (POLICY, "keepLast: 4", "keepLast: 4, keepYearly: 4"),
        (POLICY, "maxDeletePercent: 50", "maxDeletePercent: 51"),
        (POLICY, "maxDeletePercent: 50", "acknowledge: yes please"),
        (POLICY, "  retention: {keepWithin: 30d, keepLast: 4, guard: {maxDeletePercent: 50}}\n", ""),
        (POLICY, "timeout: 2h", "timeout: 3h"),
        (POLICY, "timeout: 2h", "timeout: 2h\n  suspend: true"),
        (EXEMPT, "a cache", "a spare"),
        (EXEMPT, "[a, b]", "[a]"),
        (EXEMPT, "x: y", "x: z"),
        (DATABASE, "urlFrom", "name: other, urlFrom"),
        (DATABASE, "DATABASE_URL", "OTHER_URL"),
        (DATABASE, "urlFrom", "globals: true, urlFrom"),
        (DATABASE, "urlFrom", "heartbeat: true, urlFrom"),
        (DATABASE, "urlFrom", "binaries: /opt/pg/bin, urlFrom"),
        (DATABASE, "tables", "rows"),
        (DATABASE, "[a.b, c.d]", "[a.b]"),
        (PATH, "/srv/app/data", "/srv/app"),
        (PATH, "[a, b]", "[a]"),
        (REPOSITORY, "name: offsite", "name: onsite"),
        (REPOSITORY, "/mnt/backup", "/mnt/backups"),
        (REPOSITORY, "file: /etc/seawall/key", "env: KEY"),
        (REPOSITORY, "/etc/seawall/key", "/etc/seawall/key2"),
        (REPOSITORY, "  passwordFrom: {file: /etc/seawall/key}\n", ""),
    ] {
        if let Some(other) = seen.insert(digest(&edit(text, from, to)), to) {
            panic!("`{to}` means the same as `{other}`");
        }
    }
}

/// Stored beside every generation: a change here bumps the generation of every policy at the next upgrade.
#[test]
fn the_digest_of_a_known_document_stays() {
    let digests = [POLICY, EXEMPT, REPOSITORY].map(digest);
    assert_eq!(
        digests,
        [
            "3befa6d2c4716bf7ff7138ee9fcaa948ee4f1dd62bd50e91dcf1cf82e69a0464",
            "f9fc2607e57885dd3c3c83519a2514b43d7665e092f11352401c6b0a165514ab",
            "39aa0475c6c1051465e37f6fd178322bcbfe1c9db4d76b7982ea20db8859a051",
        ]
    );
}
