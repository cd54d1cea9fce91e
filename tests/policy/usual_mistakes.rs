//! What is said about text that is no YAML, or not the YAML that was meant.

use crate::{POLICY, read, table};
use insta::assert_snapshot;
use seawall::policy::Parsed;

#[test]
fn of_punctuation_and_indentation() {
    let said = table(
        POLICY,
        &[
            ("  name: n8n-data", "\tname: n8n-data"),
            ("    volume:", "\t\tvolume:"),
            ("  source:", "   source:"),
            ("  source:", " source:"),
            ("  source:", "  source"),
            ("  name: n8n-data\n  labels: {app: n8n}", "  name n8n-data"),
            ("  name: n8n-data\n  labels: {app: n8n}", "  name:n8n-data"),
            ("{cron: \"0 2 * * 0\", timeZone", "{cron:\"0 2 * * 0\", timeZone"),
            ("\"0 2 * * 0\"", "\"0 2 * * 0"),
            ("\"0 2 * * 0\"", "'0 2 * * 0"),
            ("\"0 2 * * 0\"", "0 2 * * 0\""),
            ("\"0 2 * * 0\",", "\"0 2 * * 0\""),
            ("jitter: 5m}", "jitter: 5m"),
            ("[default, offsite]", "[default, offsite"),
            ("[default, offsite]", "[default, offsite}"),
            ("\"0 2 * * 0\"", "*/5 * * * *"),
            ("\"0 2 * * 0\"", "@daily"),
            ("\"*.log\"", "*.log"),
            ("workflows", "n8n: workflows"),
            ("workflows", "%workflows"),
            ("workflows", "`workflows`"),
            ("workflows", "a bell \u{7}"),
            ("workflows", "\"a bell \u{7}\""),
            ("workflows", "\"\\q\""),
            ("workflows", "}"),
            ("workflows", "? a"),
            ("workflows", "*workflows"),
            ("workflows", "&a workflows\n  <<: *a"),
            ("workflows", "!secret workflows"),
            ("workflows", "!!binary \"%\""),
            ("workflows", "!!binary /w=="),
            ("description: workflows", "- description"),
            ("description: workflows", ": workflows"),
            ("description: workflows", "[a]: workflows"),
            ("description: workflows", "~: workflows"),
            ("description: workflows", "5: workflows"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn of_whole_files() {
    let said = table(
        "apiVersion",
        &[
            ("apiVersion", "\n \n"),
            ("apiVersion", "hello"),
            ("apiVersion", "- kind: BackupPolicy"),
            ("apiVersion", "{}"),
            ("apiVersion", "kind:"),
            ("apiVersion", "{\"kind\": \"BackupPolicy\"}"),
            ("apiVersion", "%YAML 3.0\n---\nkind: BackupPolicy\n"),
            ("apiVersion", "a\rb"),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn a_file_of_comments_holds_nothing_on_purpose() {
    for text in ["# nothing here", "---\n# nothing\n---\n...\n", "null\n"] {
        assert_eq!(read(text), Parsed::default(), "{text}");
    }
}
