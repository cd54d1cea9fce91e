//! Holds the reference parts of the README to the code. Its commands are run by `tests/readme.sh`.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses its helpers")]

use clap::CommandFactory;
use seawall::cli::{args::Args, exit};
use seawall::metrics::names::ALL;
use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the table that stands under a heading, without its head.
fn table(readme: &str, first_head: &str) -> Vec<String> {
    let mut rows = readme.lines().skip_while(|line| !line.starts_with(&format!("| {first_head} |"))).skip(2);
    rows.by_ref().take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_metrics_table_is_that_of_the_code() {
    let expected: Vec<_> = ALL
        .iter()
        .map(|m| {
            let labels = m.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(" ");
            format!("| `{}` | {labels} | {} |", m.name, m.help)
        })
        .collect();
    assert!(table(&read("README.md"), "name") == expected, "the table has to be:\n{}", expected.join("\n"));
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    let documented: Vec<_> = table(&read("README.md"), "exit code")
        .iter()
        .map(|row| row.split('|').nth(1).unwrap().trim().to_owned())
        .collect();
    let real: Vec<_> = exit::HELP
        .lines()
        .filter_map(|line| line.split_whitespace().next().filter(|word| word.parse::<u8>().is_ok()))
        .collect();
    assert_eq!(documented, real);
}

#[test]
fn every_command_is_in_the_table() {
    let commands = table(&read("README.md"), "command").join("\n");
    for command in Args::command().get_subcommands() {
        let name = command.get_name();
        let leaves: BTreeSet<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        let told = commands.contains(&format!("`seawall {name}")) || commands.contains(&format!("`{name} "));
        assert!(told, "seawall {name} is not in the README's table of commands");
        for leaf in leaves {
            assert!(commands.contains(leaf), "seawall {name} {leaf} is not in the README's table of commands");
        }
    }
}

#[test]
fn every_alert_has_its_section_and_points_there() {
    let readme = read("README.md");
    let rules = read("deploy/prometheus/alerts.yml");
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert!(alerts.len() > 5, "no alerts found");
    for alert in &alerts {
        let row = format!("| <a id=\"alert-{alert}\"></a>`{alert}` |");
        assert!(readme.contains(&row), "the README's table of alerts has no row that begins with {row}");
    }
    let links: Vec<_> = rules.lines().filter(|line| line.trim().starts_with("runbook_url:")).collect();
    assert_eq!(links.len(), alerts.len(), "every alert has a runbook_url");
    for (alert, link) in alerts.iter().zip(links) {
        assert!(link.ends_with(&format!("README.md#alert-{alert}")), "{alert} does not point to its row: {link}");
    }
    assert_eq!(table(&readme, "alert").len(), alerts.len(), "the README's table of alerts has a row too many");
}
