//! The committed JSON Schemas: what the code says, and what an independent validator and our own reading agree on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; the lint's own exception misses its helpers")]

use seawall::policy::{Kind, parse, schema};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    for kind in [Kind::BackupPolicy, Kind::Repository] {
        let path = root().join(format!("schema/{}.v1.schema.json", kind.as_str().to_lowercase()));
        let expected = serde_json::to_string_pretty(&schema(kind)).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == expected,
            "{} is stale; `UPDATE_SCHEMA=1 cargo test --test schema` writes it anew",
            path.display()
        );
    }
}

/// What an independent validator says of a document, as it is read by an ordinary YAML reader.
fn boon(kind: Kind, document: &Value) -> Result<(), String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    let schema = schema(kind);
    let id = schema["$id"].as_str().unwrap().to_owned();
    compiler.add_resource(&id, schema).unwrap();
    let index = compiler.compile(&id, &mut schemas).unwrap();
    schemas.validate(document, index).map_err(|e| e.to_string())
}

fn kind_of(document: &Value) -> Kind {
    match document["kind"].as_str() {
        Some("Repository") => Kind::Repository,
        _ => Kind::BackupPolicy,
    }
}

/// The example documents that the project shows to people: where from, and the text.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    found.extend(blocks.filter(|b| b.contains("seawall.dev/v1")).map(|b| ("README.md".to_owned(), b.to_owned())));
    found
}

#[test]
fn every_example_is_valid_for_both() {
    let examples = examples();
    assert!(examples.len() >= 7, "{} examples found", examples.len());
    for (from, text) in examples {
        let parsed = parse(Path::new(&from), text.as_bytes());
        assert!(parsed.errors.is_empty(), "{:#?}", parsed.errors);
        for document in serde_yaml::from_multiple::<Value>(&text).unwrap() {
            boon(kind_of(&document), &document).unwrap_or_else(|e| panic!("{from}: {e}"));
        }
    }
}

const POLICY: &str = r#"apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: a, labels: {b: c}}
spec:
  source: {volume: {name: v}}
  schedule: {cron: "0 2 * * 0"}
  objectives: {rpo: 7d}
  repositories: [default]
  retention: {keepLast: 4, guard: {maxDeletePercent: 50}}
"#;

const REPOSITORY: &str = r"apiVersion: seawall.dev/v1
kind: Repository
metadata: {name: a}
spec: {local: {path: /a}, passwordFrom: {file: /b}}
";

/// Documents that an editor which knows the schema marks as wrong, before Seawall reads them.
#[test]
fn what_is_wrong_by_its_shape_is_refused_by_both() {
    let of_policy = [
        ("seawall.dev/v1", "seawall.dev/v2"),
        ("kind: BackupPolicy\n", ""),
        ("{name: a, labels: {b: c}}", "{}"),
        ("name: a,", "name: A_b,"),
        ("{b: c}", "{b: 1}"),
        ("metadata:", "status: {}\nmetadata:"),
        ("{volume: {name: v}}", "{}"),
        ("{volume: {name: v}}", "{volume: {}}"),
        ("volume: {name: v}", "volume: {name: v}, postgres: {}"),
        ("{name: v}", "{name: \"*_data\"}"),
        ("{name: v}", "{name: v, selector: {names: [v]}}"),
        ("{name: v}", "{selector: {}}"),
        ("{name: v}", "{selector: {names: []}}"),
        ("{name: v}", "{name: v, exclude: \"*.log\"}"),
        ("{name: v}", "{name: v, sqlite: database.sqlite}"),
        ("{name: v}", "{name: v, sqlite: []}"),
        ("{name: v}", "{name: v, sqlite: {auto: true}}"),
        ("  schedule: {cron: \"0 2 * * 0\"}\n", ""),
        ("cron: \"0 2 * * 0\"", ""),
        ("cron: \"0 2 * * 0\"", "cron: \"0 2 * * 0\", every: 5m"),
        ("cron: \"0 2 * * 0\"", "every: 5"),
        ("cron: \"0 2 * * 0\"", "every: 5 minutes"),
        ("cron: \"0 2 * * 0\"", "cron:"),
        ("rpo: 7d", "rpo: ~"),
        ("rpo: 7d", "rop: 7d"),
        ("[default]", "[]"),
        ("[default]", "[default, default]"),
        ("keepLast: 4, ", ""),
        ("keepLast: 4", "keepLast: 0"),
        ("keepLast: 4", "keepLast: \"4\""),
        ("50", "0"),
        ("50", "101"),
        ("  objectives:", "  exempt: {reason: none}\n  objectives:"),
        ("  schedule: {cron: \"0 2 * * 0\"}\n", "  exempt: {reason: none}\n"),
        ("  objectives:", "  suspend: \"yes\"\n  objectives:"),
        ("  objectives:", "  deletionPolicy: Delete\n  objectives:"),
        ("  objectives:", "  verification: {drill: {}}\n  objectives:"),
        ("  objectives:", "  verification: {drill: {schedule: {every: 7d}, checks: []}}\n  objectives:"),
        ("  objectives:", "  verification: {drill: {schedule: {every: 7d}, checks: [{minFiles: 0}]}}\n  objectives:"),
        ("  objectives:", "  verification: {drill: {schedule: {every: 7d}, checks: [{minBytes: 1MB}]}}\n  objectives:"),
        (
            "  objectives:",
            "  verification: {drill: {schedule: {every: 7d}, checks: [{compareSample: 0%}]}}\n  objectives:",
        ),
        ("  objectives:", "  verification: {drill: {schedule: {every: 7d}, checks: [{command: {}}]}}\n  objectives:"),
        (
            "  objectives:",
            "  verification: {drill: {schedule: {every: 7d}, checks: [{http: {image: a}}]}}\n  objectives:",
        ),
        ("  objectives:", "  criticality: urgent\n  objectives:"),
    ];
    let of_repository = [
        ("path: /a", ""),
        ("path: /a", "path: a"),
        ("{file: /b}", "{file: b}"),
        ("{file: /b}", "{env: \"A=B\"}"),
        ("{file: /b}", "{env: A, file: /b}"),
        ("{file: /b}", "{}"),
        ("{file: /b}", "hunter2"),
        ("local: {path: /a}", "s3: {}"),
        ("local: {path: /a}", "local: {path: /a}, check: {}"),
        ("local: {path: /a}", "local: {path: /a}, check: {schedule: {every: 7d}, readDataPercent: 101}"),
    ];
    let all = of_policy.map(|edit| (POLICY, edit)).into_iter().chain(of_repository.map(|edit| (REPOSITORY, edit)));
    for (text, (from, to)) in all.chain([(POLICY, ("", "")), (REPOSITORY, ("", ""))]) {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let right = from.is_empty();
        assert_eq!(parse(Path::new("p.yaml"), text.as_bytes()).errors.is_empty(), right, "Seawall: {text}");
        let document = serde_yaml::from_str(&text).unwrap();
        assert_eq!(boon(kind_of(&document), &document).is_ok(), right, "boon: {text}");
    }
}
