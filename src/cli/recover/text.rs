//! A recovery in words.

use crate::app::Options;
use crate::app::recover::{Ended, Placed, Recovered, Recovery};
use crate::cli::human::{bytes, count, relative, seconds, short_id, span_words};
use crate::cli::output::{Field, Lines, one_line, table};
use crate::cli::style::{Style, Tone};
use crate::reconcile::recovery::{Item, Kind, There};
use jiff::Timestamp;
use std::time::Duration;

/// What will be done.
pub(super) fn plan(plan: &Recovery, options: &Options, style: Style, now: Timestamp) -> String {
    let mut text = String::new();
    let Recovery { host, repository, location, hosts, items, left_out, files, .. } = plan;
    text.line(style.paint(Tone::Bold, &format!("Recovery of {host} from {location} (repository {repository})")));
    for found in hosts {
        let policies = count(found.policies.len() as u64, "policy").replace("policys", "policies");
        let of = format!("{policies}, {}, newest of {}", count(found.snapshots, "snapshot"), seconds(found.newest));
        text.line(format!("  host {}: {of} ({})", one_line(&found.name), relative(found.newest, now)));
    }
    text.line("");
    let head = ["POLICY", "SOURCE", "CRITICALITY", "SNAPSHOT", "AS OF", "SIZE", "DRIVER", "WHAT HAPPENS"];
    text += &table(style, head, items.iter().map(row).collect(), "nothing comes back");
    for one in left_out {
        text.line(format!("  left out: {}: {}", one.source, one_line(&one.why)));
    }
    text.line("");
    for Placed { what, path, kept } in files {
        let how = kept.as_ref().map_or_else(|| "written".to_owned(), |why| one_line(why));
        text.line(format!(
            "  {what}: {}{how}",
            if path.as_os_str().is_empty() { String::new() } else { format!("{}, ", path.display()) }
        ));
    }
    if *host != options.host {
        text.line(format!("  this host goes on under the name {host}, so that its snapshots are its own"));
    }
    let total: u64 = items.iter().filter(|item| item.there.takes()).map(|item| item.bytes).sum();
    text.line(format!("  {} to be restored; how long that takes is known once the first is back", bytes(total)));
    text
}

fn row(item: &Item) -> [Field; 8] {
    let volume = item.kind == Kind::Volume;
    let place = &item.place;
    let labels = count(item.labels.len() as u64, "label");
    let driver = match (volume, item.options.len()) {
        (false, _) => "-".to_owned(),
        (true, 0) => format!("{}, {labels}", item.driver),
        (true, n) => format!("{}, {}, {labels}", item.driver, count(n as u64, "option")),
    };
    let what = match &item.there {
        There::Nothing if volume => Field::toned("made and restored", Tone::Good),
        There::Nothing if !place.is_empty() => Field::toned(format!("made and restored: {place}"), Tone::Good),
        There::Empty if !place.is_empty() => Field::toned(format!("restored: {place}, which is empty"), Tone::Good),
        There::Nothing | There::Empty => Field::toned("restored", Tone::Good),
        There::Restored { at } => Field::toned(format!("nothing: brought back {}", seconds(*at)), Tone::Dim),
        There::Something => Field::toned("nothing, unless it is equal: something is there", Tone::Doubt),
        There::Holds { what } => Field::toned(format!("nothing: {what}"), Tone::Doubt),
        There::Unknown { why } => Field::toned(format!("nothing: {why}"), Tone::Bad),
    };
    let partial = if item.complete { "" } else { " (partial)" };
    [
        item.source.policy.as_str().into(),
        item.source.source.as_str().into(),
        item.criticality.as_str().into(),
        format!("{}{partial}", short_id(&item.snapshot)).into(),
        seconds(item.time).into(),
        bytes(item.bytes).into(),
        driver.into(),
        what,
    ]
}

/// How one source ended, and how long the rest takes.
pub(super) fn result(one: &Recovered, nth: usize, of: usize, left: Option<Duration>, style: Style) -> String {
    let (word, tone) = match one.result {
        Ended::Restored => ("restored", Tone::Good),
        Ended::AlreadyThere => ("already there", Tone::Dim),
        Ended::LeftAlone => ("left alone", Tone::Doubt),
        Ended::Failed => ("failed", Tone::Bad),
    };
    let left = left.map_or_else(String::new, |left| format!("; about {} to go", span_words(left)));
    format!("{nth} of {of} {}: {}: {}{left}\n", one.source, style.paint(tone, word), one_line(&one.message))
}

/// What is for a person to do.
pub(super) fn checklist(plan: &Recovery, style: Style) -> String {
    let mut text = String::new();
    text.line("");
    text.line(style.paint(Tone::Bold, "For you to do:"));
    for (nth, todo) in plan.checklist.iter().enumerate() {
        text.line(format!("  {}. {}", nth + 1, one_line(&todo.text)));
        for command in &todo.commands {
            text.line(format!("       {}", one_line(command)));
        }
    }
    text
}
