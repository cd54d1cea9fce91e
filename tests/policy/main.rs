//! How policy files are read: what is said about a bad one, what a hostile one may cost, what a good one means.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; the lint's own exception misses its helpers")]

mod buckets;
mod hostile;
mod linking;
mod meaning;
mod messages;
mod properties;
mod resources;
mod usual_mistakes;
mod verification;

use seawall::policy::{Diagnostic, Parsed, parse};
use std::fmt::Write;
use std::path::Path;

/// A policy as a person writes it, with most of what there is.
pub const POLICY: &str = r#"apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata:
  name: n8n-data
  labels: {app: n8n}
spec:
  description: workflows
  criticality: critical
  source:
    volume:
      name: prosaasil_n8n_data
      exclude: ["cache/**", "*.log"]
  schedule: {cron: "0 2 * * 0", timeZone: Asia/Jerusalem, jitter: 5m}
  objectives: {rpo: 7d, rto: 30m}
  repositories: [default, offsite]
  retention: {keepWithin: 30d, keepLast: 4, guard: {maxDeletePercent: 50}}
  timeout: 2h
"#;

/// A repository as a person writes it.
pub const REPOSITORY: &str = r"apiVersion: seawall.dev/v1
kind: Repository
metadata:
  name: offsite
spec:
  local: {path: /mnt/backup}
  passwordFrom: {file: /etc/seawall/key}
";

/// The text with one part replaced; the part has to be there.
pub fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in the text");
    text.replacen(from, to, 1)
}

/// What the text holds, read as a file `p.yaml`.
pub fn read(text: impl AsRef<[u8]>) -> Parsed {
    parse(Path::new("p.yaml"), text.as_ref())
}

/// Lines by number, one after the other.
pub fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

/// The errors, one a line.
pub fn told(errors: &[Diagnostic]) -> String {
    errors.iter().fold(String::new(), |mut text, error| {
        writeln!(text, "    {error}").unwrap();
        text
    })
}

/// A table of edits with what is said about each; every one has to be refused.
pub fn table(text: &str, edits: &[(&str, &str)]) -> String {
    let mut table = String::new();
    for (from, to) in edits {
        let parsed = read(edit(text, from, to));
        assert!(!parsed.errors.is_empty(), "accepted: {to}");
        assert!(parsed.documents.is_empty(), "accepted with errors: {to}");
        writeln!(
            table,
            "{}\n{}",
            if to.is_empty() { format!("without {from}") } else { (*to).to_owned() },
            told(&parsed.errors)
        )
        .unwrap();
    }
    table
}
